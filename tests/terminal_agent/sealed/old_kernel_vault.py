# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A vault on a kernel before 5.13: neither Landlock nor secret memory. Run as a program."""

import json
import os
import sys

from terminal_agent.processes.vault import compose
from terminal_agent.sealed.fences import LinuxKernel


class OldLinux(LinuxKernel):
    """This kernel without the calls that came later."""

    def call(self, name: str, *arguments: object) -> int:
        if name.startswith(("landlock", "memfd_secret")):
            raise OSError(38, os.strerror(38))
        return super().call(name, *arguments)


if __name__ == "__main__":
    compose(json.loads(sys.argv[1]), OldLinux()).run()
