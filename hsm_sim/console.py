# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A person's end of the console: words from the command line, a script or a prompt, answers to the voice.

Secrets are never words: they are asked for one by one, without echo on a terminal, and are the next lines of a script.
"""

import getpass
import io
import json
import os
import shlex
import socket
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from tillguard.exits import Exit
from tillguard.voice import Fault, Voice

SOCKET = "console.sock"
PROMPT = "hsm> "
LEAVE = ("quit", "exit")
WAIT_S = 60.0
LONGEST_ORDER = 4096
"""Characters of a line: an order, or a secret that one asked for."""
LONGEST_SOCKET = 107
"""Octets of the path of a Unix socket (unix(7))."""
_NOT_THERE = "start one: hsm-sim serve --state FOLDER, and name the same folder here"

Bring = Callable[[str], str]
"""Asks a person for a secret."""


def socket_in(folder: Path) -> Path:
    """Where a unit with this state folder hears its console; :class:`Fault` where no socket can have such a path."""
    path = folder / SOCKET
    if len(os.fsencode(path)) > LONGEST_SOCKET:
        hint = f"choose a shorter one with --state: a socket's path takes {LONGEST_SOCKET} octets at most"
        raise Fault(f"{folder}: too long a path for the console's socket", hint, Exit.USAGE)
    return path


class Gone(Fault):
    """The unit is not there any more."""


class Line:
    """The connection to the unit."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(WAIT_S)
        try:
            self._socket.connect(str(path))
        except OSError:
            self._socket.close()
            raise Fault(f"no unit at {path}", _NOT_THERE, Exit.UNREACHABLE) from None
        self._file = self._socket.makefile("rwb")

    def __enter__(self) -> "Line":
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):  # it flushes what the unit, which is gone, did not take
            self._file.close()
        self._socket.close()

    def order(self, words: Sequence[str], bring: Bring) -> dict[str, Any]:
        """Give an order and bring what it asks for; the unit's last document."""
        heard = self._exchange({"words": list(words)})
        while "ask" in heard:
            try:
                brought: str | None = bring(str(heard["ask"]))
            except (EOFError, KeyboardInterrupt):
                brought = None  # the person gives up: so does the unit
            heard = self._exchange({"secret": brought})
        return heard

    def _exchange(self, document: dict[str, Any]) -> dict[str, Any]:
        try:
            self._file.write(json.dumps(document).encode() + b"\n")
            self._file.flush()
            line = self._file.readline()
            heard = json.loads(line) if line else None
        except (OSError, ValueError):
            heard = None
        if not isinstance(heard, dict):
            raise Gone("the unit closed the console", "see what it said on its own terminal", Exit.FAILED)
        return heard


def run_console(path: Path, words: Sequence[str], voice: Voice) -> int:
    """One order, a script on standard input, or a prompt; gives the exit code."""
    talk = sys.stdin if sys.stdin is not None else io.StringIO()  # closed by whoever started this
    with Line(path) as line:
        if words:
            if talk.isatty():
                return _one(line, words, voice, lambda asked: getpass.getpass(f"{asked}: "))
            return _one(line, words, voice, lambda asked: _read(talk).strip())
        if talk.isatty():
            return _prompt(line, voice)
        return _script(line, voice, iter(lambda: _read(talk), ""))


def _read(talk: TextIO) -> str:
    """The next line; a :class:`Fault` for one that is no order, before it is taken in whole."""
    try:
        text = talk.readline(LONGEST_ORDER + 1)
    except UnicodeDecodeError:
        raise Fault("standard input is not text", "write orders as: help", Exit.USAGE) from None
    if len(text) > LONGEST_ORDER:
        raise Fault(f"a line longer than {LONGEST_ORDER} characters", "write orders as: help", Exit.USAGE)
    return text


def _one(line: Line, words: Sequence[str], voice: Voice, bring: Bring) -> int:
    heard = line.order(words, bring)
    if "error" in heard:
        raise Fault(str(heard["error"]), str(heard.get("hint", "")))
    voice.answer(heard.get("done", {}), str(heard.get("text", "")))
    return int(Exit.OK)


def _script(line: Line, voice: Voice, lines: Iterable[str]) -> int:
    """Every line an order, or the secret that the order before it asked for; the first fault ends it."""
    rest: Iterator[str] = iter(lines)
    for text in rest:
        words = _words(text)
        if words:
            _one(line, words, voice, lambda asked: next(rest, "").strip())
    return int(Exit.OK)


def _prompt(line: Line, voice: Voice) -> int:
    while True:
        try:
            words = _words(input(PROMPT))
            if words and words[0] in LEAVE:
                return int(Exit.OK)
            if words:
                _one(line, words, voice, lambda asked: getpass.getpass(f"{asked}: "))
        except EOFError:
            voice.tell("")
            return int(Exit.OK)
        except Gone:
            raise
        except Fault as fault:
            voice.fault(fault)


def _words(text: str) -> list[str]:
    if text.isspace():
        return []
    try:
        return shlex.split(text, comments=True)
    except ValueError:
        raise Fault("a quotation mark without its second", "write orders as: help", Exit.USAGE) from None
