# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A host's end of the wire on a plain blocking socket. Shares no code with ours."""

import socket
import struct

from tests.patience import PATIENCE_S


class RawClient:
    """Sends and receives host commands as text or octets."""

    def __init__(self, address: tuple[str, int], header: bytes = b"0001") -> None:
        self.socket = socket.create_connection(address, timeout=PATIENCE_S)
        self.header = header

    def __enter__(self) -> "RawClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def framed(self, command: str | bytes, header: bytes | None = None) -> bytes:
        """One command as it goes on the wire."""
        octets = command.encode("latin-1") if isinstance(command, str) else command
        message = (self.header if header is None else header) + octets
        return struct.pack(">H", len(message)) + message

    def receive(self) -> bytes:
        """One whole answer with its header; b"" at the end of the stream."""
        length = self._exactly(2)
        return self._exactly(struct.unpack(">H", length)[0]) if length else b""

    def ask(self, command: str | bytes) -> bytes:
        """The answer to one command, without the header."""
        self.socket.sendall(self.framed(command))
        answer = self.receive()
        assert answer.startswith(self.header)
        return answer[len(self.header) :]

    def _exactly(self, count: int) -> bytes:
        octets = b""
        while len(octets) < count:
            piece = self.socket.recv(count - len(octets))
            if not piece:
                assert not octets, "the stream ended inside a frame"
                return b""
            octets += piece
        return octets
