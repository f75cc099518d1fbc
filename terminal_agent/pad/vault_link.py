# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""This process' end of the vault's pipe, inside an event loop: questions, answers, and what nobody asked for.

Starts no vault and knows no key. A packet is whole or not there (SOCK_SEQPACKET), so there is nothing to put together.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable

from protocols.errors import DecodeError
from protocols.vault import EVENT_NUMBER, LARGEST_PACKET, Happened, Reply, Request, decode_reply, encode
from terminal_agent.pad.port import PadAbsent

NUMBERS = 250
GONE = "the vault has ended"
CHECK_THE_VAULT = "see what it printed; the agent starts it again"


class VaultLink:
    """One pipe to one vault."""

    def __init__(
        self, pipe: socket.socket, on_event: Callable[[Happened], None] | None = None, first_number: int = 1
    ) -> None:
        """``first_number``: of the first question; not always the same on a pipe that others used before."""
        self._pipe = pipe
        self._on_event = on_event
        self._number = first_number - 1
        self._waiting: dict[int, asyncio.Future[Reply]] = {}
        self.ended = False
        pipe.setblocking(False)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(pipe.fileno(), self._readable)

    async def ask(self, request: Request, timeout_s: float) -> Reply:
        """The answer to ``request``; :class:`PadAbsent` where the vault is gone or silent for so long."""
        if self.ended:
            raise PadAbsent(GONE, CHECK_THE_VAULT)
        number = self._free_number()
        answer: asyncio.Future[Reply] = self._loop.create_future()
        self._waiting[number] = answer
        try:
            self._pipe.send(encode(number, request))
            async with asyncio.timeout(timeout_s):
                return await answer
        except TimeoutError:
            self.close()  # a vault that does not answer is not asked again
            raise PadAbsent(f"the vault does not answer within {timeout_s:.0f} s", CHECK_THE_VAULT) from None
        except OSError:
            self._end()
            raise PadAbsent(GONE, CHECK_THE_VAULT) from None
        finally:
            self._waiting.pop(number, None)

    def close(self) -> None:
        """Hang up: the vault ends."""
        self._end()
        self._pipe.close()

    def _free_number(self) -> int:
        for _ in range(NUMBERS):
            self._number = self._number % NUMBERS + 1
            if self._number not in self._waiting:
                return self._number
        raise PadAbsent("too many questions to the vault at once", "ask one after the other")

    def _readable(self) -> None:
        try:
            packet = self._pipe.recv(LARGEST_PACKET)
        except BlockingIOError:
            return
        except OSError:
            packet = b""
        if not packet:
            self._end()
            return
        try:
            number, reply = decode_reply(packet)
        except DecodeError:
            self._end()
            return
        if number == EVENT_NUMBER:
            if isinstance(reply, Happened) and self._on_event is not None:
                self._on_event(reply)
            return
        answer = self._waiting.get(number)
        if answer is not None and not answer.done():
            answer.set_result(reply)

    def _end(self) -> None:
        if self.ended:
            return
        self.ended = True
        with contextlib.suppress(ValueError):
            self._loop.remove_reader(self._pipe.fileno())
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(PadAbsent(GONE, CHECK_THE_VAULT))
