# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Taps for wires between processes: relays that keep in memory what passes, both ways. Change and understand nothing.

A recording holds card data in clear where a wire does. It is never written to a file.
"""

import contextlib
import os
import selectors
import socket
import termios
import threading
import tty
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

TO_SERVER, TO_CLIENT = ">", "<"
"""Directions: ``>`` towards whoever was there first, such as the device or the listening side."""
CHUNK = 65_536

Pieces = list[tuple[str, bytes]]
"""Direction and octets, in the order of time."""


@dataclass
class Recording:
    """What one wire carried, by connection."""

    connections: list[Pieces] = field(default_factory=list, repr=False)

    def said(self, direction: str) -> bytes:
        """All octets of one direction."""
        return b"".join(octets for pieces in self.connections for way, octets in pieces if way == direction)


class _End(Protocol):
    def fileno(self) -> int: ...

    def read(self) -> bytes:
        """What has come; nothing at the end."""
        ...

    def write(self, octets: bytes) -> None:
        """All of it."""
        ...

    def close(self) -> None: ...


class _SocketEnd:
    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self.fileno = line.fileno

    def read(self) -> bytes:
        return self._line.recv(CHUNK)

    def write(self, octets: bytes) -> None:
        self._line.sendall(octets)

    def close(self) -> None:
        self._line.close()


class _TerminalEnd:
    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def fileno(self) -> int:
        return self._descriptor

    def read(self) -> bytes:
        return os.read(self._descriptor, CHUNK)

    def write(self, octets: bytes) -> None:
        while octets:
            octets = octets[os.write(self._descriptor, octets) :]

    def close(self) -> None:
        os.close(self._descriptor)


class _Tap:
    """A thread that moves octets between pairs of ends."""

    def __init__(self) -> None:
        self.recording = Recording()
        self._selector = selectors.DefaultSelector()
        self._wake, self._woken = socket.socketpair()
        self._ends: list[_End] = []
        self._selector.register(self._woken, selectors.EVENT_READ, None)
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._wake.send(b"x")
        self._thread.join()
        for end in self._ends:
            end.close()
        self._selector.close()
        self._wake.close()
        self._woken.close()

    def _join(self, client: _End, server: _End) -> None:
        pieces: Pieces = []
        self.recording.connections.append(pieces)
        self._ends += [client, server]
        for one, other, direction in ((client, server, TO_SERVER), (server, client, TO_CLIENT)):
            self._selector.register(one.fileno(), selectors.EVENT_READ, self._mover(one, other, direction, pieces))

    def _mover(self, one: _End, other: _End, direction: str, pieces: Pieces) -> Callable[[], None]:
        def move() -> None:
            octets = b""
            with contextlib.suppress(OSError):
                octets = one.read()
            if octets:
                pieces.append((direction, octets))
                with contextlib.suppress(OSError):
                    other.write(octets)
                return
            for end in (one, other):
                with contextlib.suppress(KeyError, ValueError):
                    self._selector.unregister(end.fileno())
                if end in self._ends:
                    self._ends.remove(end)
                    end.close()

        return move

    def _run(self) -> None:
        while True:
            for key, _ in self._selector.select():
                if key.data is None:
                    return
                if key.fd in self._selector.get_map():
                    key.data()


class SocketTap(_Tap):
    """Between clients and a listening socket."""

    def __init__(self, listener: socket.socket, dial: Callable[[], socket.socket]) -> None:
        super().__init__()
        self._dial = dial
        self._listener = listener
        self._ends.append(_SocketEnd(listener))
        self._selector.register(listener, selectors.EVENT_READ, self._accept)

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        try:
            server = self._dial()
        except OSError:
            client.close()
            return
        self._join(_SocketEnd(client), _SocketEnd(server))


class TcpTap(SocketTap):
    """In front of a TCP server; :attr:`address` takes the place of its own."""

    def __init__(self, server: str) -> None:
        host, _, port = server.rpartition(":")
        listener = socket.create_server((host, 0))
        super().__init__(listener, lambda: socket.create_connection((host, int(port))))
        self.address = f"{host}:{listener.getsockname()[1]}"


class UnixTap(SocketTap):
    """In front of a Unix socket, whose file moves aside so that clients find the tap in its place."""

    def __init__(self, path: Path) -> None:
        aside = path.rename(path.with_name(path.name + ".tapped"))

        def dial() -> socket.socket:
            line = socket.socket(socket.AF_UNIX)
            line.connect(str(aside))
            return line

        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        listener.listen()
        super().__init__(listener, dial)


class PtyTap(_Tap):
    """Between a driver and a device on a pseudo terminal; :attr:`path` takes the place of the device's own."""

    def __init__(self, device: Path) -> None:
        super().__init__()
        far = os.open(device, os.O_RDWR | os.O_NOCTTY)
        tty.setraw(far, termios.TCSANOW)
        ours, self._theirs = os.openpty()  # theirs stays open, so that a driver may close and open it again
        tty.setraw(self._theirs, termios.TCSANOW)
        self.path = os.ttyname(self._theirs)
        self._join(_TerminalEnd(ours), _TerminalEnd(far))

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, fault, trace)
        os.close(self._theirs)
