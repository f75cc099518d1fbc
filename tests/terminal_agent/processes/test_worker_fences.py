# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A worker behind its fences: no file, no socket, no connection, no program, no look at another process."""

import ctypes
import errno
import json
import os
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from terminal_agent.processes.worker_fences import PCSC, SERIAL, fenced
from terminal_agent.sealed.fences import NAMES, LinuxKernel
from terminal_agent.sealed.system_calls import ARCHITECTURES

_ATTACH = 16  # ptrace(2)


def _trace() -> None:
    library = ctypes.CDLL(None, use_errno=True)
    if library.ptrace(_ATTACH, os.getppid(), 0, 0) < 0:
        raise OSError(ctypes.get_errno(), "ptrace")


def _connect() -> None:
    with socket.socket() as line:
        line.connect(("127.0.0.1", 9))


def _hear() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.bind(("127.0.0.1", 0))


TRIED: dict[str, Callable[[], object]] = {
    "open a file": lambda: os.open("/etc/hostname", os.O_RDONLY),
    "make a file": lambda: os.open("/tmp/tillguard-worker", os.O_WRONLY | os.O_CREAT, 0o600),
    "list a folder": lambda: list(Path("/").iterdir()),
    "read another's memory": lambda: os.open(f"/proc/{os.getppid()}/mem", os.O_RDONLY),
    "connect": _connect,
    "send datagrams": _hear,
    "trace": _trace,
    "run a program": lambda: os.execv("/bin/true", ["true"]),
    "signal its parent": lambda: os.kill(os.getppid(), 0),
    "become somebody else": lambda: os.setuid(1),
}


def outcomes(*, pcsc: bool) -> dict[str, int]:
    """What each attempt came to in a process behind the fences: 0, or the error's number."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            signal.alarm(20)
            found = {fence.name: int(fence.stands) for fence in fenced(LinuxKernel(), pcsc=pcsc)}
            for name, attempt in TRIED.items():
                found[name] = 0
                try:
                    attempt()
                except OSError as refused:
                    found[name] = refused.errno or -1
            os.write(writing, json.dumps(found).encode())
            code = 0
        finally:
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        told: dict[str, int] = json.loads(pipe.read())
    os.waitpid(child, 0)
    return told


@pytest.mark.parametrize("pcsc", [False, True], ids=["serial", "pcsc"])
def test_nothing_of_this_is_possible(pcsc: bool) -> None:
    told = outcomes(pcsc=pcsc)
    assert [name for name in NAMES if not told[name]] == []
    assert {name: told[name] for name in TRIED if told[name] not in (errno.EPERM, errno.EACCES)} == {}


def test_all_of_it_is_possible_without_fences() -> None:
    """So it is the fences that refuse. Tracing one's parent and becoming another need rights that a runner may lack."""
    for name in ("open a file", "list a folder", "send datagrams", "signal its parent"):
        TRIED[name]()
    assert subprocess.run(["/bin/true"], check=True).returncode == 0


def test_only_a_pcsc_reader_brings_sockets_and_threads() -> None:
    assert not SERIAL.unix_sockets
    assert PCSC.unix_sockets
    assert not set(SERIAL.names) & {"clone", "clone3", "connect", "socket", "openat", "execve", "ptrace", "kill"}
    assert not set(PCSC.names) & {"socket", "openat", "execve", "ptrace", "kill"}


def test_every_call_has_a_number_but_for_those_of_one_processor() -> None:
    for machine, architecture in ARCHITECTURES.items():
        lacking = {name for name in PCSC.names if name not in architecture.numbers}
        assert lacking == (set() if machine == "x86_64" else {"poll", "epoll_wait"}), machine


def test_the_folder_is_not_touched(tmp_path: Path) -> None:
    outcomes(pcsc=False)
    assert not Path("/tmp/tillguard-worker").exists()
    assert list(tmp_path.iterdir()) == []
