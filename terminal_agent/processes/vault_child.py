# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Starts a vault as a child of this process and keeps the other end of its pipe. Speaks no request."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from terminal_agent.processes.vault import token_environment
from terminal_agent.processes.vault_settings import VaultSettings

STOP_WITHIN_S = 2.0
PROGRAM = ("-m", "terminal_agent.processes.vault")

NOTHING_MORE: Mapping[str, object] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class VaultChild:
    """The process and our end of the pipe."""

    process: subprocess.Popen[bytes]
    pipe: socket.socket
    payments: socket.socket
    """For the processes that make payments, one at a time; it stays open here, so that it outlives each of them."""

    def stop(self) -> int:
        """Hang up, wait, and only then kill; the exit code."""
        self.pipe.close()
        self.payments.close()
        try:
            return self.process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


def start(
    settings: VaultSettings, *, program: Sequence[str] = PROGRAM, more: Mapping[str, object] = NOTHING_MORE
) -> VaultChild:
    """A new vault; ``more`` is what it is told besides its settings.

    Nothing secret is in its command line or environment, and it inherits two descriptors."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    lent, served = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    order = {**settings.document(), "pipe": theirs.fileno(), "payments": served.fileno(), "users": [os.getuid()]}
    order |= more
    try:
        process = subprocess.Popen(  # noqa: S603 - this interpreter and a module of ours
            [sys.executable, "-I", *program, json.dumps(order)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=(theirs.fileno(), served.fileno()),
            env={"LC_ALL": "C.UTF-8", **token_environment()},
        )
    except BaseException:
        ours.close()
        lent.close()
        raise
    finally:
        theirs.close()
        served.close()
    return VaultChild(process, ours, lent)
