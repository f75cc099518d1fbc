# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Shuts a process in, vault or worker: no dump, no trace, no capability, no new file or socket. Opens nothing itself.

Linux calls by ctypes, since neither Landlock nor seccomp is in the standard library. The order matters: what needs a
right comes before that right is given up, and seccomp comes last because it refuses the other calls. Nothing can be
taken back; a kernel that lacks a fence is told about, never passed over.
"""

import ctypes
import os
import resource
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from terminal_agent.sealed.system_calls import ARCHITECTURES, VAULT, Calls, program

PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT = 4, 22, 24, 38, 47  # prctl(2)
SECCOMP_MODE_FILTER, PR_CAP_AMBIENT_CLEAR_ALL = 2, 4
CAPABILITY_VERSION_3 = 0x20080522  # linux/capability.h
CAPABILITIES = 64
LANDLOCK_VERSION = 1  # flag of landlock_create_ruleset(2): asks for the ABI

# Every access right that an ABI knows is handled, and no rule gives any back (linux/landlock.h).
_FILE_RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
_TCP_RIGHTS, _TCP_SINCE = 0b11, 4
_SCOPES, _SCOPES_SINCE = 0b11, 6  # abstract sockets, signals


class Kernel(Protocol):
    """What is asked of the kernel; each raises :class:`OSError` where it refuses."""

    machine: str

    def prctl(self, option: int, second: int = 0, third: int = 0) -> None:
        """prctl(2)."""
        ...

    def call(self, name: str, *arguments: object) -> int:
        """A system call by name."""
        ...

    def filter(self, instructions: bytes) -> None:
        """Install a seccomp filter."""
        ...

    def forbid_core(self) -> None:
        """No core file, ever."""
        ...


@dataclass(frozen=True, slots=True)
class Fence:
    """One fence: whether it stands, and in words what it keeps out or why it does not stand."""

    name: str
    stands: bool
    words: str


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))  # struct sock_fprog


class LinuxKernel:
    """The kernel that this process runs on."""

    def __init__(self) -> None:
        self.machine = os.uname().machine
        self._library = ctypes.CDLL(None, use_errno=True)

    def prctl(self, option: int, second: int = 0, third: int = 0) -> None:
        """See :class:`Kernel`."""
        words = [ctypes.c_ulong(word) for word in (second, third, 0, 0)]
        _checked(self._library.prctl(ctypes.c_int(option), *words))

    def call(self, name: str, *arguments: object) -> int:
        """See :class:`Kernel`."""
        architecture = ARCHITECTURES.get(self.machine)
        if architecture is None:
            raise OSError(38, f"the call numbers of {self.machine} are not known")  # ENOSYS
        words = [ctypes.c_long(word) if isinstance(word, int) else word for word in arguments]
        return _checked(self._library.syscall(ctypes.c_long(architecture.numbers[name]), *words))

    def filter(self, instructions: bytes) -> None:
        """See :class:`Kernel`."""
        octets = ctypes.create_string_buffer(instructions, len(instructions))
        header = _Program(len(instructions) // 8, ctypes.addressof(octets))
        self.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.addressof(header))

    def forbid_core(self) -> None:
        """See :class:`Kernel`."""
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def raise_all(kernel: Kernel, calls: Calls = VAULT) -> tuple[Fence, ...]:
    """Raise every fence, in the order that lets the later ones stand; what each came to."""
    last = ("seccomp", "every system call that serving does not need", lambda kernel: _seccomp(kernel, calls))
    return tuple(_raised(name, words, fence, kernel) for name, words, fence in (*_FENCES, last))


def forbid_dumps(kernel: Kernel) -> None:
    """The first two alone, for a process whose children raise the rest."""
    kernel.forbid_core()
    kernel.prctl(PR_SET_DUMPABLE)


def _raised(name: str, words: str, fence: Callable[[Kernel], None], kernel: Kernel) -> Fence:
    try:
        fence(kernel)
    except OSError as fault:
        return Fence(name, False, f"does not stand: {fault.strerror}: {words} not kept out")
    return Fence(name, True, f"{words} kept out")


def drop_capabilities(kernel: Kernel) -> None:
    """Give up every right of root, those that could still be gained too (capabilities(7)).

    A service manager may refuse the very call (systemd's @privileged): where nothing is held, nothing is left to do.
    """
    kernel.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
    for capability in range(CAPABILITIES):
        try:
            kernel.prctl(PR_CAPBSET_DROP, capability)
        except OSError:  # EPERM without CAP_SETPCAP: there is none to drop; EINVAL behind the last one
            break
    header, held = ctypes.create_string_buffer(struct.pack("=Ii", CAPABILITY_VERSION_3, 0), 8), bytes(24)
    try:
        kernel.call("capset", header, ctypes.create_string_buffer(held, 24))
    except OSError:
        now = ctypes.create_string_buffer(24)
        kernel.call("capget", header, now)
        if now.raw != held:
            raise


def _landlock(kernel: Kernel) -> None:
    abi = kernel.call("landlock_create_ruleset", None, 0, LANDLOCK_VERSION)
    rights = _FILE_RIGHTS[max(known for known in _FILE_RIGHTS if known <= abi)]
    attributes = struct.pack("=Q", rights)
    if abi >= _TCP_SINCE:
        attributes += struct.pack("=Q", _TCP_RIGHTS)
    if abi >= _SCOPES_SINCE:
        attributes += struct.pack("=Q", _SCOPES)
    ruleset = kernel.call(
        "landlock_create_ruleset", ctypes.create_string_buffer(attributes, len(attributes)), len(attributes), 0
    )
    try:
        kernel.call("landlock_restrict_self", ruleset, 0)
    finally:
        os.close(ruleset)


def _seccomp(kernel: Kernel, calls: Calls) -> None:
    architecture = ARCHITECTURES.get(kernel.machine)
    if architecture is None:
        raise OSError(38, f"the call numbers of {kernel.machine} are not known")
    kernel.filter(program(architecture, calls))


_FENCES: tuple[tuple[str, str, Callable[[Kernel], None]], ...] = (
    ("core", "memory in a core file", lambda kernel: kernel.forbid_core()),
    (
        "dumpable",
        "debuggers and readers of memory without CAP_SYS_PTRACE",
        lambda kernel: kernel.prctl(PR_SET_DUMPABLE),
    ),
    ("privileges", "programs that would bring rights with them", lambda kernel: kernel.prctl(PR_SET_NO_NEW_PRIVS, 1)),
    ("capabilities", "every right of root", drop_capabilities),
    ("landlock", "files, TCP, foreign abstract sockets, signals to others", _landlock),
)
NAMES = (*(name for name, _, _ in _FENCES), "seccomp")
