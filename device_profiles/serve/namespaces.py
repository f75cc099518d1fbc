# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Mounts and a network of this process's own, so that a real daemon registers nothing. Starts no daemon.

By the system calls themselves (unshare(2), setns(2), mount(2)): as root without more, otherwise inside a user
namespace of one's own, in which the user is mapped to root. Children inherit what was entered here.
"""

import ctypes
import errno
import fcntl
import os
import socket
import struct
from pathlib import Path

from tillguard.exits import Exit
from tillguard.voice import Fault

_NEW_MOUNTS = 0x00020000  # linux/sched.h: CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWNET
_NEW_USER = 0x10000000
_NEW_NETWORK = 0x40000000
_BIND, _RECURSIVE, _PRIVATE = 0x1000, 0x4000, 0x40000  # linux/mount.h: MS_BIND, MS_REC, MS_PRIVATE
_GET_FLAGS, _SET_FLAGS = 0x8913, 0x8914  # linux/sockios.h: SIOCGIFFLAGS, SIOCSIFFLAGS
_UP = 0x1  # linux/if.h: IFF_UP
CURE = (
    "as root it needs CAP_SYS_ADMIN (docker run --cap-add SYS_ADMIN --security-opt seccomp=unconfined "
    "--security-opt apparmor=unconfined); "
    "as a user: sysctl kernel.unprivileged_userns_clone=1 kernel.apparmor_restrict_unprivileged_userns=0"
)


def own_mounts_and_network() -> None:
    """Leave the machine's mounts and network for private ones, loopback up. :class:`Fault` where that is refused."""
    libc = ctypes.CDLL(None, use_errno=True)
    uid, gid = os.geteuid(), os.getegid()
    if libc.unshare(_NEW_MOUNTS | _NEW_NETWORK) != 0:
        if libc.unshare(_NEW_USER | _NEW_MOUNTS | _NEW_NETWORK) != 0:
            raise _refused("private mounts and network")
        Path("/proc/self/setgroups").write_text("deny", "ascii")
        Path("/proc/self/uid_map").write_text(f"0 {uid} 1", "ascii")
        Path("/proc/self/gid_map").write_text(f"0 {gid} 1", "ascii")
    _mount("none", "/", None, _RECURSIVE | _PRIVATE)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        request = fcntl.ioctl(probe, _GET_FLAGS, struct.pack("16sH14x", b"lo", 0))
        flags = struct.unpack("16xH14x", request)[0]
        fcntl.ioctl(probe, _SET_FLAGS, struct.pack("16sH14x", b"lo", flags | _UP))


def enter_network_of(pid: int) -> None:
    """Enter the network of another process, and its users where they are not ours."""
    libc = ctypes.CDLL(None, use_errno=True)
    for kind in ("user", "net"):
        theirs = Path(f"/proc/{pid}/ns/{kind}")
        try:
            if theirs.readlink() == Path(f"/proc/self/ns/{kind}").readlink():
                continue
            handle = os.open(theirs, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            raise Fault(f"process {pid}: its network cannot be seen", "give the pid that the ready line says") from None
        try:
            if libc.setns(handle, 0) != 0:
                raise _refused(f"the network of process {pid}")
        finally:
            os.close(handle)


def empty(folder: str) -> None:
    """Cover ``folder`` with an empty one, for this process and its children only."""
    _mount("tmpfs", folder, "tmpfs", 0)


def show_at(folder: Path, where: str) -> None:
    """Make ``folder`` appear at ``where`` as well, for this process and its children only."""
    _mount(str(folder), where, None, _BIND)


def _mount(source: str, target: str, kind: str | None, flags: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    octets = [None if text is None else os.fsencode(text) for text in (source, target, kind)]
    if libc.mount(*octets, ctypes.c_ulong(flags), None) != 0:
        raise _refused(f"a private mount at {target}")


def _refused(what: str) -> Fault:
    code = ctypes.get_errno()
    cure = CURE if code in (errno.EPERM, errno.ENOSPC, errno.EINVAL) else ""
    return Fault(f"the system refuses {what}: {os.strerror(code)}", cure, Exit.REFUSED)
