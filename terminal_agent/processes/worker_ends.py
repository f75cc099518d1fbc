# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The two ends of a worker's pipe. They move packets and descriptors; what a packet means is decided elsewhere.

The worker's end blocks until it is answered: a line in the journal is on the disk when the call returns. The agent's
end never blocks.
"""

import array
import asyncio
import contextlib
import os
import socket
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from protocols.errors import DecodeError, ProtocolError
from protocols.worker_pipe import (
    LARGEST_PACKET,
    NO_ANSWER,
    Answer,
    Fault,
    Question,
    Values,
    Verb,
    checked_answer,
    decode,
    encode,
)
from terminal_agent.flows.faults import made

_DESCRIPTOR = array.array("i")
_ROOM = socket.CMSG_SPACE(_DESCRIPTOR.itemsize)
ORPHANED = 71


class WorkerEnd:
    """A worker's end: :class:`terminal_agent.flows.remote.Asker`. Ends the process where the agent is gone."""

    def __init__(self, descriptor: int) -> None:
        self._pipe = socket.socket(fileno=descriptor)
        self._number = 0
        self._told: deque[Question] = deque()
        self._waiting: dict[int, asyncio.Future[tuple[Answer, int]]] = {}
        self._on_told: Callable[[Question], None] | None = None

    def hear(self) -> Question:
        """The next thing that the agent tells, waited for; before :meth:`listen`."""
        while not self._told:
            self._take(self._receive(0))
        return self._told.popleft()

    def listen(self, on_told: Callable[[Question], None]) -> None:
        """From now on call ``on_told``, in the running loop."""
        self._on_told = on_told
        asyncio.get_running_loop().add_reader(self._pipe.fileno(), self._readable)

    def ask(self, verb: Verb, **values: Any) -> Mapping[str, Any]:
        """See :class:`terminal_agent.flows.remote.Asker`."""
        return self._asked(verb, values)[0]

    def borrow(self, what: str) -> int:
        """See :class:`terminal_agent.flows.remote.Asker`."""
        return self._asked(Verb.LEND, {"what": what})[1]

    async def fetch(self, what: str) -> tuple[Values, int]:
        """What the agent has open, its name and kind; other questions go on meanwhile."""
        number = self._send(Verb.LEND, {"what": what})
        future: asyncio.Future[tuple[Answer, int]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        try:
            answer, descriptor = await future
        finally:
            self._waiting.pop(number, None)
        return checked_answer(Verb.LEND, answer), descriptor

    def tell(self, verb: Verb, **values: Any) -> None:
        """See :class:`terminal_agent.flows.remote.Asker`."""
        self._write(encode(Question(NO_ANSWER, verb, values)))

    def _asked(self, verb: Verb, values: Values) -> tuple[Values, int]:
        number = self._send(verb, values)
        while True:
            message, descriptor = self._receive(0)
            if isinstance(message, Answer | Fault) and message.number == number:
                break
            self._take((message, descriptor))
        if self._told and self._on_told is not None:
            asyncio.get_running_loop().call_soon(self._spread)
        if isinstance(message, Fault):
            raise made(message.kind, message.what, message.hint)
        return checked_answer(verb, message), descriptor

    def _send(self, verb: Verb, values: Values) -> int:
        self._number += 1
        self._write(encode(Question(self._number, verb, values)))
        return self._number

    def _write(self, packet: bytes) -> None:
        try:
            self._pipe.send(packet)
        except OSError:
            os._exit(ORPHANED)

    def _receive(self, flags: int) -> tuple[Question | Answer | Fault, int]:
        try:
            packet, ancillary, _, _ = self._pipe.recvmsg(LARGEST_PACKET, _ROOM, flags | socket.MSG_CMSG_CLOEXEC)
        except ConnectionError:
            packet, ancillary = b"", []
        if not packet:
            os._exit(ORPHANED)
        descriptor = -1
        for level, kind, octets in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                descriptor = array.array("i", octets[: _DESCRIPTOR.itemsize])[0]
        return decode(packet), descriptor

    def _readable(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._take(self._receive(socket.MSG_DONTWAIT))
        self._spread()

    def _take(self, heard: tuple[Question | Answer | Fault, int]) -> None:
        message, descriptor = heard
        if isinstance(message, Question):
            self._told.append(message)
            return
        future = self._waiting.get(message.number)
        if future is None or future.done():
            if descriptor >= 0:
                os.close(descriptor)
        elif isinstance(message, Fault):
            future.set_exception(made(message.kind, message.what, message.hint))
        else:
            future.set_result((message, descriptor))

    def _spread(self) -> None:
        while self._told and self._on_told is not None:
            self._on_told(self._told.popleft())


class AgentEnd:
    """The agent's end of one worker's pipe, in the running loop."""

    def __init__(self, pipe: socket.socket, pid: int, on_question: Callable[[Question], None]) -> None:
        self.pid = pid
        self.gone = asyncio.Event()
        """Set when the worker has hung up; nothing of it is heard any more."""
        self._pipe = pipe
        self._on_question = on_question
        self._loop = asyncio.get_running_loop()
        pipe.setblocking(False)
        self._loop.add_reader(pipe.fileno(), self._readable)

    def tell(self, verb: Verb, **values: Any) -> None:
        """Say something."""
        self._send(encode(Question(NO_ANSWER, verb, values)), ())

    def answer(self, number: int, values: Values) -> None:
        """Answer a question."""
        self._send(encode(Answer(number, values)), ())

    def lend(self, number: int, values: Values, descriptor: int) -> None:
        """Answer with a descriptor, which stays the caller's to close."""
        self._send(encode(Answer(number, values)), (descriptor,))

    def refuse(self, number: int, kind: str, what: str, hint: str) -> None:
        """Answer with a fault."""
        self._send(encode(Fault(number, kind, what, hint)), ())

    def end(self) -> None:
        """Hear no more of it, and kill it if it lives: its pipe is open, so the number is still its own."""
        if not self.gone.is_set():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, 9)
        self._hang_up()

    def _readable(self) -> None:
        try:
            packet = self._pipe.recv(LARGEST_PACKET + 1)
        except BlockingIOError:
            return
        except OSError:
            packet = b""
        if not packet:
            self._hang_up()
            return
        try:
            message = decode(packet)
            if not isinstance(message, Question):
                raise DecodeError("worker pipe", "a question expected")
        except ProtocolError:
            self.end()
            return
        self._on_question(message)

    def _send(self, packet: bytes, descriptors: tuple[int, ...]) -> None:
        if self.gone.is_set():
            return
        try:
            socket.send_fds(self._pipe, [packet], descriptors) if descriptors else self._pipe.send(packet)
        except BlockingIOError:
            self.end()  # it does not read
        except OSError:
            return  # it has gone; what it said before that is still to be heard

    def _hang_up(self) -> None:
        if not self.gone.is_set():
            self.gone.set()
            self._loop.remove_reader(self._pipe.fileno())
            self._pipe.close()
