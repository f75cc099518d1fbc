# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Starts a vault as a child of this process and keeps the other end of its pipe. Speaks no request."""

import json
import os
import select
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from terminal_agent.processes.vault_environment import token_environment
from terminal_agent.processes.vault_settings import VaultSettings

STOP_WITHIN_S = 2.0
PROGRAM = ("-m", "terminal_agent.processes.vault")

NOTHING_MORE: Mapping[str, object] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class VaultChild:
    """The process and our end of the pipe."""

    process: subprocess.Popen[bytes]
    pipe: socket.socket
    payments: socket.socket | None = None
    """For the processes that make payments, one at a time; it stays open here, so that it outlives each of them."""

    @property
    def hung_up(self) -> bool:
        """Whether nobody is at the other end of the pipe for payments any more."""
        look = select.poll()
        if self.payments is not None:
            look.register(self.payments, 0)  # what is always told: the other end is gone
        return bool(look.poll(0))

    def stop(self) -> int:
        """Hang up, wait, and only then kill; the exit code."""
        self.pipe.close()
        if self.payments is not None:
            self.payments.close()
        try:
            return self.process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


def start(
    settings: VaultSettings,
    *,
    program: Sequence[str] = PROGRAM,
    more: Mapping[str, object] = NOTHING_MORE,
    payments: bool = False,
) -> VaultChild:
    """A new vault; ``more`` is what it is told besides its settings, ``payments`` has it serve a pipe for these.

    Nothing secret is in its command line or environment, and it inherits its pipes alone."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pair = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET) if payments else ()
    given = (theirs, *pair[1:])
    order = {**settings.document(), "pipe": theirs.fileno(), "users": [os.getuid()], **more}
    order["payments"] = pair[1].fileno() if pair else None
    try:
        process = subprocess.Popen(  # noqa: S603 - this interpreter and a module of ours
            [sys.executable, "-I", *program, json.dumps(order)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=[one.fileno() for one in given],
            env={"LC_ALL": "C.UTF-8", **token_environment()},
            process_group=0,  # a Ctrl-C is for whoever started it, and ends it by hanging up
        )
    except BaseException:
        for one in (ours, *pair[:1]):
            one.close()
        raise
    finally:
        for one in given:
            one.close()
    return VaultChild(process, ours, pair[0] if pair else None)
