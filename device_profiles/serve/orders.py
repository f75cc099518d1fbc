# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What a person or a test tells a serving twin while it runs: an order a line on stdin, or a signal. Obeys none."""

import asyncio
import os
import signal
import stat
import sys
from collections.abc import Mapping

STOP = "stop"
LARGEST_LINE = 256
WAITING = 64
"""Lines not yet obeyed; further ones are left out. Signals and the twin's own words always get through."""


class Orders:
    """Orders in one queue, the first word of each in small letters. Made in a running loop.

    SIGTERM and SIGINT say ``stop``, an end of stdin says nothing.
    """

    def __init__(self, signals: Mapping[int, str]) -> None:
        """``signals`` gives the word that each further signal stands for."""
        self._loop = asyncio.get_running_loop()
        self._words: asyncio.Queue[str] = asyncio.Queue()
        self._line = b""
        self._from = _stdin()
        for number, word in {signal.SIGTERM: STOP, signal.SIGINT: STOP, **signals}.items():
            self._loop.add_signal_handler(number, self.give, word)
        if self._from is not None:
            self._loop.add_reader(self._from, self._read)
        else:
            self._take(_file())

    async def next(self) -> str:
        """The next order."""
        return await self._words.get()

    def give(self, word: str) -> None:
        """Say a word from inside, such as that something ended."""
        self._words.put_nowait(word)

    def close(self) -> None:
        """Listen to stdin no more."""
        if self._from is not None:
            self._loop.remove_reader(self._from)
            self._from = None

    def _read(self) -> None:
        assert self._from is not None
        octets = os.read(self._from, LARGEST_LINE)
        if not octets:
            self.close()
        self._take(octets)

    def _take(self, octets: bytes) -> None:
        *lines, rest = (self._line + octets).split(b"\n")
        self._line = rest[-LARGEST_LINE:]
        for line in lines:
            first, _, more = line.decode("utf-8", "replace").strip().partition(" ")
            if first and self._words.qsize() < WAITING:
                self.give(f"{first.lower()} {more}".strip())


def _stdin() -> int | None:
    """Its descriptor where the event loop can wait for it: a pipe, a socket or a terminal."""
    if sys.stdin is None:
        return None
    descriptor = sys.stdin.fileno()
    kind = os.fstat(descriptor).st_mode
    can_wait = stat.S_ISFIFO(kind) or stat.S_ISSOCK(kind) or os.isatty(descriptor)
    return descriptor if can_wait else None


def _file() -> bytes:
    """Orders in a file that stdin is, which the event loop cannot wait for: all at once."""
    if sys.stdin is None or not stat.S_ISREG(os.fstat(sys.stdin.fileno()).st_mode):
        return b""
    return os.read(sys.stdin.fileno(), LARGEST_LINE * WAITING) + b"\n"
