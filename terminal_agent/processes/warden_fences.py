# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Shuts the warden in: the files it needs and no others, the calls it makes and no others. Opens nothing for it.

The warden is root, but all that it does is writing a few files that are root's: that needs no capability, and it keeps
none. Landlock lets it write below the USB devices of sysfs and of usbfs, its own state and the policies', and read its
program; it may run no other program. The children that read policies are inside the same fences.
"""

import ctypes
import os
import struct
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final

from terminal_agent.sealed.fences import (
    LANDLOCK_VERSION,
    PR_SET_NO_NEW_PRIVS,
    Kernel,
    LinuxKernel,
    drop_capabilities,
)
from terminal_agent.sealed.system_calls import ARCHITECTURES, Calls, program

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, REMOVE_DIR, REMOVE_FILE = (1 << place for place in range(6))
MAKE_REG, REFER, TRUNCATE = 1 << 8, 1 << 13, 1 << 14  # linux/landlock.h
_HANDLED = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1}
_READ, _ATTRIBUTES = READ_FILE | READ_DIR, READ_FILE | READ_DIR | WRITE_FILE | TRUNCATE
_KEEP = _ATTRIBUTES | REMOVE_FILE | MAKE_REG | REFER | 1 << 7  # and folders: exceptions/ is one
_OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE
RULE_PATH_BENEATH = 1

PERMITTED: Final = (
    *("read", "readv", "write", "writev", "pread64", "openat", "close", "fstat", "newfstatat", "statx", "lseek"),
    *("getdents64", "readlinkat", "faccessat", "faccessat2", "fcntl", "flock", "fsync", "fdatasync", "ftruncate"),
    *("renameat", "renameat2", "unlinkat", "mkdirat", "ioctl", "pipe2", "dup3"),
    *("clone", "wait4", "kill", "exit", "exit_group", "getpid", "gettid", "getppid", "restart_syscall"),
    *("brk", "mmap", "mremap", "munmap", "mprotect", "madvise", "futex", "set_robust_list", "sched_yield"),
    *("rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack", "getrandom", "uname", "prlimit64", "rseq"),
    *("clock_gettime", "clock_nanosleep", "gettimeofday", "ppoll", "pselect6"),
    *("recvmsg", "recvfrom", "sendto", "accept4", "getsockopt", "setsockopt", "getuid", "geteuid", "getcwd"),
)
_MORE = {
    "x86_64": """writev 20 newfstatat 262 statx 332 getdents64 217 readlinkat 267 faccessat 269 fcntl 72 flock 73
        ftruncate 77 renameat 264 renameat2 316 unlinkat 263 mkdirat 258 ioctl 16 pipe2 293 dup3 292 clone 56 wait4 61
        kill 62 getppid 110 set_robust_list 273 sigaltstack 131 uname 63 prlimit64 302 rseq 334 pselect6 270 recvmsg 47
        accept4 288 getsockopt 55 setsockopt 54 getuid 102 geteuid 107 getcwd 79 openat 257 faccessat2 439
        open 2 stat 4 lstat 6 access 21 select 23 readlink 89 rename 82 unlink 87 mkdir 83 fork 57 accept 43 getdents 78
        time 201""",
    "aarch64": """writev 66 newfstatat 79 statx 291 getdents64 61 readlinkat 78 faccessat 48 fcntl 25 flock 32
        ftruncate 46 renameat 38 renameat2 276 unlinkat 35 mkdirat 34 ioctl 29 pipe2 59 dup3 24 clone 220
        wait4 260 kill 129 getppid 173
        set_robust_list 99 sigaltstack 132 uname 160 prlimit64 261 rseq 293 pselect6 72 recvmsg 212
        accept4 242 getsockopt 209 setsockopt 208 getuid 174 geteuid 175 getcwd 17 openat 56 faccessat2 439""",
}
_ALSO = {
    "x86_64": ("open", "stat", "lstat", "access", "select", "poll", "readlink", "rename", "unlink", "mkdir", "fork",
               "accept", "getdents", "time"),
    "aarch64": (),
}  # fmt: skip


def raise_fences(told: Mapping[str, Any], root: str, kernel: Kernel | None = None) -> tuple[str, ...]:
    """Raise all; what does not stand, in words."""
    own = kernel or LinuxKernel()
    fences: tuple[tuple[str, Callable[[], None]], ...] = (
        ("privileges", lambda: own.prctl(PR_SET_NO_NEW_PRIVS, 1)),
        ("landlock", lambda: _landlock(own, folders(told, root))),
        ("capabilities", lambda: drop_capabilities(own)),
        ("seccomp", lambda: _seccomp(own)),
    )
    faults = []
    for name, fence in fences:
        try:
            fence()
        except OSError as fault:
            faults.append(f"{name} does not stand: {fault.strerror}")
    return tuple(faults)


def folders(told: Mapping[str, Any], root: str) -> dict[str, int]:
    """What may be done below which folder, or to which file."""
    programs = {sys.prefix, sys.base_prefix, *(path for path in sys.path if path), "/usr", "/lib", "/lib64", "/etc"}
    found = dict.fromkeys(programs, _READ)
    found |= {
        "/proc/self": _READ,
        "/proc/cmdline": READ_FILE,
        "/proc/sys/kernel": _READ,
        "/dev/input": _READ,
        "/dev/bus/usb": _ATTRIBUTES,
    }
    found |= {"/dev/null": _ATTRIBUTES, root: _READ, f"{root}/devices": _ATTRIBUTES, f"{root}/bus/usb": _ATTRIBUTES}
    found |= {f"{root}/module/usbcore": _ATTRIBUTES, f"{root}/class/rfkill": _ATTRIBUTES}
    found |= {str(told["trust"]).rpartition("/")[0]: _READ, str(told["state"]): _KEEP, str(told["audit"]): _KEEP}
    return found


def _landlock(kernel: Kernel, paths: Mapping[str, int]) -> None:
    abi = kernel.call("landlock_create_ruleset", None, 0, LANDLOCK_VERSION)
    handled = _HANDLED[min(abi, max(_HANDLED))]
    attributes = ctypes.create_string_buffer(struct.pack("=Q", handled), 8)
    ruleset = kernel.call("landlock_create_ruleset", attributes, 8, 0)
    try:
        for path, rights in paths.items():
            for descriptor, folder in _opened(path):
                rule = struct.pack("=Qi", rights & handled & (~0 if folder else _OF_FILES), descriptor)
                kernel.call("landlock_add_rule", ruleset, RULE_PATH_BENEATH, ctypes.create_string_buffer(rule, 12), 0)
        kernel.call("landlock_restrict_self", ruleset, 0)
    finally:
        os.close(ruleset)


def _opened(path: str) -> Iterator[tuple[int, bool]]:
    """A path for the kernel to look at, and whether it is a folder; nothing where there is none."""
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        yield descriptor, os.fstat(descriptor).st_mode & 0o170000 == 0o040000
    finally:
        os.close(descriptor)


def _seccomp(kernel: Kernel) -> None:
    known = ARCHITECTURES.get(kernel.machine)
    if known is None:
        raise OSError(38, f"the call numbers of {kernel.machine} are not known")
    words = _MORE[kernel.machine].split()
    more = {name: int(number) for name, number in zip(words[::2], words[1::2], strict=True)}
    architecture = replace(known, numbers=MappingProxyType({**known.numbers, **more}), also=_ALSO[kernel.machine])
    kernel.filter(program(architecture, Calls(PERMITTED, maps_code=True)))
