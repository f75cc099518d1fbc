# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Runs inside the emulated machine, as root: the proofs that the kernel's arguments name, one after the other."""

import sys
import time
import traceback
from pathlib import Path

from tests.qemu.guest import stage
from tests.qemu.guest.proofs import PROOFS


def main() -> None:
    """Tell what each proof found; one that breaks is told too, and the others go on."""
    sys.setswitchinterval(0.0005)  # devices are threads here: they answer when they are due, not when others are done
    words = dict(word.partition("=")[::2] for word in Path("/proc/cmdline").read_text().split())
    host = stage.Host()
    host.tell({"began": {"uptime": float(Path("/proc/uptime").read_text().split()[0])}})
    for name in words["tg.proofs"].split(","):
        began = time.monotonic()
        print("proof", name, flush=True)
        try:
            found = PROOFS[name](host)
        except Exception:
            found = {"broken": traceback.format_exc()}
        host.tell({name: {**found, "seconds": round(time.monotonic() - began, 2)}})
    host.tell({"done": True})


if __name__ == "__main__":
    main()
