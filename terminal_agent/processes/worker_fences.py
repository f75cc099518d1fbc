# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The fences of a worker: what it may call, by the reader that it has. The fences themselves are the vault's.

What it works on is lent to it, so it opens no file and makes no connection. A PC/SC reader is the exception: its
library talks to the service over a socket of this machine, and blocks in threads.
"""

from typing import Final

from terminal_agent.sealed.fences import Fence, Kernel, raise_all
from terminal_agent.sealed.system_calls import PERMITTED, Calls

_LOOP = ("epoll_wait", "epoll_pwait", "epoll_ctl", "poll", "ioctl", "fcntl")
_PASSED = ("sendmsg", "recvmsg", "shutdown", "getsockname", "getpeername", "setsockopt", "getsockopt")
_THREADS = ("clone", "clone3", "set_robust_list", "rseq", "newfstatat", "connect")

SERIAL: Final = Calls((*PERMITTED, *_LOOP, *_PASSED))
PCSC: Final = Calls((*PERMITTED, *_LOOP, *_PASSED, *_THREADS), unix_sockets=True)


def fenced(kernel: Kernel, *, pcsc: bool) -> tuple[Fence, ...]:
    """Raise them all; what each came to."""
    return raise_all(kernel, PCSC if pcsc else SERIAL)
