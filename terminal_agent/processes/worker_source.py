# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The source of workers: has everything loaded, sees no card, and forks one worker for each payment. Serves nothing.

``python -I -m terminal_agent.processes.worker_source ORDER``, made by :func:`worker_child.start`. A fork costs some
milliseconds where a start of Python costs hundreds, and what a worker has seen ends with the worker: its parent never
saw it. Source and worker end with whoever started them, also where that is killed.
"""

import array
import ctypes
import importlib
import json
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any

from terminal_agent.processes.footprint import code_in_memory, settle
from terminal_agent.processes.profile import Models, TerminalProfile, load, load_text, models
from terminal_agent.processes.worker import work
from terminal_agent.sealed.fences import LinuxKernel, forbid_dumps
from tillguard.voice import Fault

PR_SET_PDEATHSIG = 1  # prctl(2)
LATER = (
    "cryptography.hazmat.primitives.ciphers.aead", "encodings.idna", "encodings.ascii", "encodings.latin_1",
    "linecache", "stringprep", "unicodedata",
)  # fmt: skip
LATER_FOR_PCSC = ("smartcard.scard", "terminal_agent.card.pcsc", "terminal_agent.card.pcsc_service")
_DESCRIPTOR_OCTETS = array.array("i").itemsize


def end_with(parent: int) -> None:
    """Be killed when the parent dies; it may have died before it was asked for."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)


def serve(pipe: socket.socket, profile: TerminalProfile, found: Models, *, trace: bool) -> int:
    """Fork a worker for each packet, which brings the worker's pipe; answer with its process number."""
    for number in (signal.SIGINT, signal.SIGTERM):  # whoever started us says when it is over
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel buries workers
    forbid_dumps(LinuxKernel())
    load_all(found)
    settle(code_in_memory())  # it freezes what is there: pages that no collection touches stay shared with the workers
    own = os.getpid()
    while True:
        asked, ancillary, _, _ = pipe.recvmsg(1, socket.CMSG_SPACE(_DESCRIPTOR_OCTETS))
        if not asked:
            return 0
        descriptor = _descriptor(ancillary)
        child = os.fork()
        if child == 0:
            pipe.close()
            _worker(own, descriptor, profile, found, trace)
        os.close(descriptor)
        pipe.send(str(child).encode("ascii"))


def load_all(found: Models) -> None:
    """Everything that is otherwise loaded when it is first needed: behind its fences a worker opens no file."""
    for name in LATER if found.reader.line is not None else (*LATER, *LATER_FOR_PCSC):
        importlib.import_module(name)


def _worker(parent: int, descriptor: int, profile: TerminalProfile, found: Models, trace: bool) -> None:
    """Never returns."""
    code = 70
    try:
        end_with(parent)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        code = work(descriptor, profile, found, trace=trace)
    finally:
        os._exit(code)


def _descriptor(ancillary: list[tuple[int, int, bytes]]) -> int:
    for level, kind, octets in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            return array.array("i", octets[:_DESCRIPTOR_OCTETS])[0]
    raise SystemExit("a worker without a pipe")


def main(argv: list[str] | None = None) -> int:
    """Run until the other end of the pipe hangs up."""
    order: dict[str, Any] = json.loads((sys.argv[1:] if argv is None else argv)[0])
    end_with(order["parent"])
    path = Path(order["profile"])
    try:
        profile = load(path) if order["text"] is None else load_text(order["text"], path)
        found = models(profile, path)
    except Fault:
        return 2  # whoever started us reads the same file and says what is wrong
    return serve(socket.socket(fileno=order["pipe"]), profile, found, trace=order["trace"])


if __name__ == "__main__":
    sys.exit(main())
