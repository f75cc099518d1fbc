# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A vault that breaks in: behind its own fences it tries what they must refuse, when asked to verify a key.

Run as a program. It is composed as the real one is, and answers Verify(slot=name of a try) with the error's number.
"""

import ctypes
import json
import os
import sys

from protocols.vault import Result, Verb, Verify
from terminal_agent.processes.vault import compose
from terminal_agent.sealed.fences import LinuxKernel
from terminal_agent.sealed.vault import Vault

LIBRARY = ctypes.CDLL(None, use_errno=True)
ON_AARCH64 = LinuxKernel().machine == "aarch64"
AF_UNIX, AF_INET, AF_NETLINK, SOCK_STREAM = 1, 2, 16, 1
PTRACE_TRACEME, PTRACE_ATTACH, PROT_EXEC, PROT_RW, MAP_PRIVATE_ANONYMOUS = 0, 16, 4, 3, 0x22
CALLS = {"process_vm_readv": (310, 270), "io_uring_setup": (425, 425), "bpf": (321, 280)}
"""Numbers on x86_64 and aarch64."""


def call(name: str, *arguments: int) -> int:
    """A system call that the C library has no name for."""
    number = CALLS[name][ON_AARCH64]
    return int(LIBRARY.syscall(ctypes.c_long(number), *(ctypes.c_long(word) for word in arguments)))


TRIES = {
    "open for reading": lambda: LIBRARY.open(b"/etc/passwd", os.O_RDONLY),
    "open for writing": lambda: LIBRARY.open(b"/tmp/vault-was-here", os.O_WRONLY | os.O_CREAT, 0o600),
    "open own memory": lambda: LIBRARY.open(b"/proc/self/mem", os.O_RDWR),
    "unlink": lambda: LIBRARY.unlink(b"/tmp/vault-was-here"),
    "socket, TCP": lambda: LIBRARY.socket(AF_INET, SOCK_STREAM, 0),
    "socket, local": lambda: LIBRARY.socket(AF_UNIX, SOCK_STREAM, 0),
    "socket, netlink": lambda: LIBRARY.socket(AF_NETLINK, SOCK_STREAM, 0),
    "connect": lambda: LIBRARY.connect(0, b"\1\0/run/nowhere", 14),
    "ptrace, attach": lambda: LIBRARY.ptrace(PTRACE_ATTACH, os.getppid(), 0, 0),
    "ptrace, be traced": lambda: LIBRARY.ptrace(PTRACE_TRACEME, 0, 0, 0),
    "process_vm_readv": lambda: call("process_vm_readv", os.getppid(), 0, 0, 0, 0, 0),
    "fork": LIBRARY.fork,
    "execve": lambda: LIBRARY.execv(b"/bin/true", (ctypes.c_char_p * 2)(b"true", None)),
    "kill": lambda: LIBRARY.kill(os.getppid(), 0),
    "dumpable again": lambda: LIBRARY.prctl(4, 1, 0, 0, 0),
    "memory to run": lambda: LIBRARY.mmap(None, 4096, PROT_EXEC | PROT_RW, MAP_PRIVATE_ANONYMOUS, -1, 0),
    "memfd_create": lambda: LIBRARY.memfd_create(b"vault", 0),
    "io_uring_setup": lambda: call("io_uring_setup", 1, 0),
    "bpf": lambda: call("bpf", 0, 0, 0),
    "mount": lambda: LIBRARY.mount(b"none", b"/mnt", b"tmpfs", 0, None),
}


def attempt(request: Verify) -> Result:
    """The number of the error that a try met; 0 where it went through."""
    ctypes.set_errno(0)
    outcome = TRIES[request.slot]()
    return Result(bytes((ctypes.get_errno() if outcome == -1 else 0,)))


def also(vault: Vault) -> None:
    """Add the tries."""
    vault.also({Verb.VERIFY: attempt})


if __name__ == "__main__":
    compose(json.loads(sys.argv[1]), LinuxKernel(), also).run()
