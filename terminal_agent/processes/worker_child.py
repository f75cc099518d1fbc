# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Starts the source of workers as a child of this process: light, so that it can be started before all else."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

PROGRAM = ("-m", "terminal_agent.processes.worker_source")
STOP_WITHIN_S = 2.0


@dataclass(frozen=True, slots=True)
class SourceChild:
    """The process, and our end of the pipe on which workers are asked for."""

    pid: int
    pipe: socket.socket
    process: "subprocess.Popen[bytes] | None"
    again: Callable[[], "SourceChild"]
    """Another one like it, for when it has ended."""

    def stop(self) -> None:
        """Hang up and wait; its last worker ends with it."""
        self.pipe.close()
        if self.process is None:
            return
        try:
            self.process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def start(profile: Path, *, trace: bool, text: str | None = None) -> SourceChild:
    """A new source. To be called in the main thread: the kernel ends it with the thread that made it (prctl(2)).

    ``text``: of the profile that head office ordered in place of the file's.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    order = {"pipe": theirs.fileno(), "profile": str(profile), "trace": trace, "parent": os.getpid(), "text": text}
    try:
        process = subprocess.Popen(  # noqa: S603 - this interpreter and a module of ours
            [sys.executable, "-I", *PROGRAM, json.dumps(order)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=(theirs.fileno(),),
            process_group=0,  # a Ctrl-C is for whoever started it
        )
    except BaseException:
        ours.close()
        raise
    finally:
        theirs.close()
    return SourceChild(process.pid, ours, process, lambda: start(profile, trace=trace, text=text))
