# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What a person or a test tells a serving twin while it runs: a word a line on stdin, or a signal. Does none of it."""

import asyncio
import os
import stat
import sys
from collections.abc import Mapping

LARGEST_LINE = 256


class Orders:
    """Words as they come. Made in a running loop; an end of stdin is not an order."""

    def __init__(self, signals: Mapping[int, str]) -> None:
        """``signals`` gives the word that each signal stands for."""
        self._loop = asyncio.get_running_loop()
        self._words: asyncio.Queue[str] = asyncio.Queue(64)
        self._line = b""
        self._from = sys.stdin.fileno() if sys.stdin is not None and _can_be_watched(sys.stdin.fileno()) else None
        for number, word in signals.items():
            self._loop.add_signal_handler(number, self._take, word)
        if self._from is not None:
            self._loop.add_reader(self._from, self._read)

    async def next(self) -> str:
        """The next word, in small letters."""
        return await self._words.get()

    def close(self) -> None:
        """Listen no more."""
        if self._from is not None:
            self._loop.remove_reader(self._from)
            self._from = None

    def _read(self) -> None:
        assert self._from is not None
        octets = os.read(self._from, LARGEST_LINE)
        if not octets:
            self.close()
        *lines, rest = (self._line + octets).split(b"\n")
        self._line = rest[-LARGEST_LINE:]
        for line in lines:
            self._take(line.decode("ascii", "replace").strip().lower())

    def _take(self, word: str) -> None:
        if word and not self._words.full():
            self._words.put_nowait(word)


def _can_be_watched(descriptor: int) -> bool:
    """Whether the event loop can wait for it: a pipe, a terminal or a socket; a file and /dev/null never end."""
    kind = os.fstat(descriptor).st_mode
    return stat.S_ISFIFO(kind) or stat.S_ISSOCK(kind) or os.isatty(descriptor)
