# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The vault's end of its one pipe: an inherited AF_UNIX socket whose other end is known. Opens none, reads no message.

Packets are received into the arena and looked at there, so that what comes over the pipe is copied nowhere else.
"""

import socket
import struct
from collections.abc import Collection

from protocols.errors import EncodeError
from protocols.vault import LARGEST_PACKET, Refusal, Refused, Reply, encode

_CREDENTIALS = struct.Struct("=3i")  # struct ucred: process, user, group (unix(7))


class StrangerAtThePipe(Exception):
    """The other end belongs to a user who has no business with this vault."""


class Pipe:
    """The inherited end."""

    def __init__(self, descriptor: int, users: Collection[int]) -> None:
        """``users``: whose processes may be at the other end, by SO_PEERCRED; :class:`StrangerAtThePipe` for others."""
        self._socket = socket.socket(fileno=descriptor)
        try:
            credentials = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
            self.process, self.user, _ = _CREDENTIALS.unpack(credentials)
            if self._socket.family != socket.AF_UNIX or self._socket.type != socket.SOCK_SEQPACKET:
                raise StrangerAtThePipe("not a pair of AF_UNIX, SOCK_SEQPACKET")
            if self.user not in users:
                raise StrangerAtThePipe(f"user {self.user} is at the other end")
        except BaseException:
            self._socket.detach()
            raise
        self.descriptor = descriptor

    def receive(self, region: memoryview) -> int:
        """One packet into ``region``; how long it is, 0 where the other end has gone."""
        try:
            return self._socket.recv_into(region[:LARGEST_PACKET])
        except ConnectionError:
            return 0

    def send(self, number: int, reply: Reply) -> bool:
        """One reply or event; False where nobody is there, or does not read: the vault never waits for its asker."""
        try:
            packet = encode(number, reply)
        except EncodeError:
            packet = encode(number, Refused(Refusal.MALFORMED, "the answer is too long for the pipe"))
        try:
            self._socket.send(packet, socket.MSG_DONTWAIT)
        except OSError:
            return False
        return True
