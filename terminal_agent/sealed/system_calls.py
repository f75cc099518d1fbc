# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The system calls that a fenced process may make, as data, and the seccomp filter made of them. Installs nothing.

What is not listed is answered with EPERM: no file is opened, no socket made, no process started, nothing traced. A
classic BPF program (seccomp(2), "Filters") looks at the architecture, at the call's number and, for three calls, at one
argument: memory may be mapped, and never as something to run; a socket may only be one of this machine, and that only
where the process needs any.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

PROT_EXEC: Final = 4  # mmap(2)
PERMITTED: Final = (
    *(
        "read",
        "readv",
        "write",
        "pread64",
        "pwrite64",
        "fsync",
        "fdatasync",
        "recvfrom",
        "sendto",
        "close",
        "fstat",
        "lseek",
    ),
    *("ppoll", "futex", "sched_yield", "getpid", "gettid", "restart_syscall", "exit", "exit_group"),
    *("brk", "mmap", "mremap", "munmap", "mprotect", "madvise"),
    *("rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "getrandom"),
    *("clock_gettime", "clock_nanosleep", "nanosleep", "gettimeofday"),
)
"""Of a vault."""
WITHOUT_EXECUTION: Final = ("mmap", "mprotect")
"""Their third argument must not ask for execution."""


@dataclass(frozen=True, slots=True)
class Architecture:
    """One processor: its number in seccomp's data (linux/audit.h), and the numbers of the calls (its ``unistd.h``)."""

    machine: str
    audit: int
    numbers: Mapping[str, int]
    also: tuple[str, ...] = ()
    """Calls that only this processor has."""


@dataclass(frozen=True, slots=True)
class Calls:
    """What one kind of process may call. A name that an architecture has no number for does not exist there."""

    names: tuple[str, ...]
    unix_sockets: bool = False
    """Whether it may make sockets of this machine (AF_UNIX) and no others."""
    maps_code: bool = False
    """Whether it may still map code: it loads what it needs while it runs."""


VAULT: Final = Calls(PERMITTED)

_X86_64 = """
read 0 write 1 close 3 fstat 5 poll 7 lseek 8 mmap 9 mprotect 10 munmap 11 brk 12 rt_sigaction 13 rt_sigprocmask 14
rt_sigreturn 15 ioctl 16 pread64 17 pwrite64 18 readv 19 sched_yield 24 mremap 25 madvise 28 nanosleep 35 getpid 39
socket 41 connect 42 sendto 44 recvfrom 45 sendmsg 46 recvmsg 47 shutdown 48 getsockname 51 getpeername 52
setsockopt 54 getsockopt 55 clone 56 exit 60 fcntl 72 fsync 74 fdatasync 75 gettimeofday 96 capget 125 capset 126
gettid 186 futex 202 restart_syscall 219 clock_gettime 228 clock_nanosleep 230 exit_group 231 epoll_wait 232
epoll_ctl 233 newfstatat 262 ppoll 271 set_robust_list 273 epoll_pwait 281 getrandom 318 rseq 334
"""
_AARCH64 = """
epoll_ctl 21 epoll_pwait 22 fcntl 25 ioctl 29 close 57 lseek 62 read 63 write 64 readv 65 pread64 67 pwrite64 68
ppoll 73 newfstatat 79 fstat 80 fsync 82 fdatasync 83 capget 90 capset 91 exit 93 exit_group 94 futex 98
set_robust_list 99 nanosleep 101 clock_gettime 113 clock_nanosleep 115 sched_yield 124 restart_syscall 128
rt_sigaction 134 rt_sigprocmask 135 rt_sigreturn 139 gettimeofday 169 getpid 172 gettid 178 socket 198 connect 203
getsockname 204 getpeername 205 sendto 206 recvfrom 207 setsockopt 208 getsockopt 209 shutdown 210 sendmsg 211
recvmsg 212 brk 214 munmap 215 mremap 216 clone 220 mmap 222 mprotect 226 madvise 233 getrandom 278 rseq 293
"""
# Newer calls have one number everywhere.
_EVERYWHERE = "clone3 435 landlock_create_ruleset 444 landlock_add_rule 445 landlock_restrict_self 446 memfd_secret 447"


def _numbers(text: str) -> Mapping[str, int]:
    words = (text + _EVERYWHERE).split()
    return MappingProxyType({name: int(number) for name, number in zip(words[::2], words[1::2], strict=True)})


ARCHITECTURES: Mapping[str, Architecture] = MappingProxyType(
    {
        "x86_64": Architecture("x86_64", 0xC000003E, _numbers(_X86_64), also=("poll",)),
        "aarch64": Architecture("aarch64", 0xC00000B7, _numbers(_AARCH64)),
    }
)

_LOAD, _AND, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x54, 0x15, 0x35, 0x06  # BPF_LD|W|ABS, ALU|AND|K, JMP|JEQ|K, JMP|JGE|K
_NUMBER_AT, _ARCHITECTURE_AT, _ARGUMENTS_AT = 0, 4, 16  # struct seccomp_data
_ALLOW, _KILL, _REFUSE = 0x7FFF0000, 0x80000000, 0x00050000  # SECCOMP_RET_*
_EPERM = 1
_AF_UNIX = 1
_FOREIGN_NUMBERS = 0x40000000  # x32 calls on x86_64; no call of either architecture has such a number


def program(architecture: Architecture, calls: Calls = VAULT) -> bytes:
    """The filter, eight octets an instruction (linux/filter.h)."""
    numbers = architecture.numbers
    looked_at = () if calls.maps_code else WITHOUT_EXECUTION
    apart = {*looked_at, "socket"}
    plain = [numbers[name] for name in (*calls.names, *architecture.also) if name in numbers and name not in apart]
    mapping = [numbers[name] for name in looked_at]
    sockets = [numbers["socket"]] if calls.unix_sockets else []
    lines = [
        (_LOAD, 0, 0, _ARCHITECTURE_AT),
        (_EQUAL, 1, 0, architecture.audit),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER_AT),
        (_AT_LEAST, 0, 1, _FOREIGN_NUMBERS),
        (_RETURN, 0, 0, _REFUSE | _EPERM),
    ]
    # Behind them stand: refuse (0), the look at a socket's family (1 to 3), at a mapping (4 to 7), allow (8).
    targets = [(number, 1) for number in sockets] + [(number, 4) for number in mapping] + [(one, 8) for one in plain]
    for place, (number, target) in enumerate(targets):
        lines.append((_EQUAL, len(targets) - place - 1 + target, 0, number))
    lines += [
        (_RETURN, 0, 0, _REFUSE | _EPERM),
        (_LOAD, 0, 0, _ARGUMENTS_AT),
        (_EQUAL, 5, 0, _AF_UNIX),
        (_RETURN, 0, 0, _REFUSE | _EPERM),
        (_LOAD, 0, 0, _ARGUMENTS_AT + 2 * 8),
        (_AND, 0, 0, PROT_EXEC),
        (_EQUAL, 1, 0, 0),
        (_RETURN, 0, 0, _REFUSE | _EPERM),
        (_RETURN, 0, 0, _ALLOW),
    ]
    return b"".join(struct.pack("=HBBI", *line) for line in lines)
