# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A thief of the vault's own user: gives up every capability, then tries to get at another process. Run as a program.

    prober.py PID ADDRESS KEEP-CAPABILITIES

Prints one JSON document: for each way in, "in" or the error's name.
"""

import ctypes
import errno
import json
import os
import struct
import sys
from pathlib import Path

LIBRARY = ctypes.CDLL(None, use_errno=True)
PTRACE_ATTACH, PTRACE_DETACH = 16, 17
CAPSET = {"x86_64": 126, "aarch64": 91}
READV = {"x86_64": 310, "aarch64": 270}
OCTETS = 16


def give_up_capabilities() -> None:
    """Even root's."""
    header = struct.pack("=Ii", 0x20080522, 0)
    LIBRARY.syscall(ctypes.c_long(CAPSET[os.uname().machine]), header, bytes(24))


def attached(process: int) -> None:
    """ptrace(2)."""
    ctypes.set_errno(0)
    if LIBRARY.ptrace(PTRACE_ATTACH, process, None, None) != 0:
        raise OSError(ctypes.get_errno(), "")
    os.waitpid(process, 0)
    LIBRARY.ptrace(PTRACE_DETACH, process, None, None)


def memory(process: int, address: int) -> None:
    """/proc/PID/mem."""
    with Path(f"/proc/{process}/mem").open("rb", buffering=0) as octets:
        octets.seek(address)
        octets.read(OCTETS)


def vector(process: int, address: int) -> None:
    """process_vm_readv(2)."""
    here = ctypes.create_string_buffer(OCTETS)
    local = struct.pack("=QQ", ctypes.addressof(here), OCTETS)
    remote = struct.pack("=QQ", address, OCTETS)
    words = (ctypes.c_long(process), local, ctypes.c_long(1), remote, ctypes.c_long(1), ctypes.c_long(0))
    ctypes.set_errno(0)
    if LIBRARY.syscall(ctypes.c_long(READV[os.uname().machine]), *words) < 0:
        raise OSError(ctypes.get_errno(), "")


def listed(process: int) -> None:
    """/proc/PID/maps."""
    with Path(f"/proc/{process}/maps").open() as lines:
        lines.read(1)


def environment(process: int) -> None:
    """/proc/PID/environ."""
    with Path(f"/proc/{process}/environ").open("rb") as octets:
        octets.read(1)


def descriptors(process: int) -> None:
    """/proc/PID/fd/0: what it has open."""
    Path(f"/proc/{process}/fd/0").readlink()


def main() -> None:
    """Every way in."""
    process, address, keep = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "1"
    if not keep:
        give_up_capabilities()
    found = {}
    for name, way in (
        ("memory", lambda: memory(process, address)),
        ("vector", lambda: vector(process, address)),
        ("maps", lambda: listed(process)),
        ("environment", lambda: environment(process)),
        ("descriptors", lambda: descriptors(process)),
        ("ptrace", lambda: attached(process)),
    ):
        try:
            way()
            found[name] = "in"
        except OSError as fault:
            found[name] = errno.errorcode.get(fault.errno or 0, "?")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
