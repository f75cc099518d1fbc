# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Who listens to the warden: a local socket on which its records go out. Takes no order, waits for nobody.

AF_UNIX, SOCK_SEQPACKET; who may listen is decided by SO_PEERCRED. A listener sends one packet, the place in the chain's
file from which it wants the records (``0`` at first), and then gets each record as a packet: ``PLACE LINE``, where
PLACE is where the next one begins. One that does not read fast enough is left behind, at no cost: the file is the
buffer. ``status`` instead of a place is answered with the warden's state, in one packet of JSON.
"""

import contextlib
import os
import socket
import struct
from collections.abc import Callable, Collection

from terminal_agent.errors import AgentError
from terminal_agent.usb.ledger import Ledger

MOST_LISTENERS = 8
MOST_AT_ONCE = 64  # records to one listener before everything else gets its turn
STATUS = b"status"
LONGEST_REQUEST = 32
_CREDENTIALS = struct.Struct("3i")  # struct ucred: process, user, group


class Telling:
    """The socket and its listeners."""

    def __init__(self, path: str, users: Collection[int], ledger: Ledger, status: Callable[[], bytes]) -> None:
        """``users``: whose processes may listen, besides root's."""
        self._users = frozenset(users) | {0}
        self._ledger = ledger
        self._status = status
        self._places: dict[socket.socket, int | None] = {}
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)  # noqa: PTH108 - text, as in sysfs.py
            self._socket.bind(path)
            os.chmod(path, 0o666)  # noqa: PTH101, S103 - who may listen is told by their credentials
            self._socket.listen(MOST_LISTENERS)
        except OSError as fault:
            raise AgentError(f"{path}: {fault.strerror}", "is its folder there, and is this root?") from None

    def descriptors(self) -> dict[int, bool]:
        """What to wait for, and whether to wait until it can be written too."""
        waiting = {one.fileno(): place is not None and place < self._ledger.size for one, place in self._places.items()}
        return {self._socket.fileno(): False, **waiting}

    def turn(self, ready: Collection[int]) -> None:
        """Take in who came and what was asked, and tell what there is to tell."""
        if self._socket.fileno() in ready:
            self._accept()
        for one in list(self._places):
            if one.fileno() in ready:
                self._asked(one)
        for one, place in list(self._places.items()):
            if place is not None:
                self._tell(one, place)

    def close(self) -> None:
        """Nobody listens any more."""
        for one in (*self._places, self._socket):
            one.close()
        self._places.clear()

    def _accept(self) -> None:
        try:
            one, _ = self._socket.accept()
        except OSError:
            return
        one.setblocking(False)
        _, user, _ = _CREDENTIALS.unpack(one.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
        if user not in self._users or len(self._places) >= MOST_LISTENERS:
            one.close()
            return
        self._places[one] = None

    def _asked(self, one: socket.socket) -> None:
        try:
            packet = one.recv(LONGEST_REQUEST)
        except BlockingIOError:
            return
        except OSError:
            packet = b""
        if packet == STATUS:
            with contextlib.suppress(OSError):
                one.send(self._status())
        elif packet.isdigit() and len(packet) <= 18:
            place = int(packet)
            self._places[one] = place if place == self._ledger.size or self._ledger.line_at(place) else 0
        else:
            self._drop(one)

    def _tell(self, one: socket.socket, place: int) -> None:
        for _ in range(MOST_AT_ONCE):
            line = self._ledger.line_at(place)
            if not line:
                break
            try:
                one.send(b"%d %s" % (place + len(line), line))
            except BlockingIOError:
                break
            except OSError:
                self._drop(one)
                return
            place += len(line)
        self._places[one] = place

    def _drop(self, one: socket.socket) -> None:
        self._places.pop(one, None)
        one.close()
