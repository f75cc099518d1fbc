# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Stands the pcscd twin on a unix socket that libpcsclite finds by ``PCSCLITE_CSOCK_NAME``. Decides no answer.

It can die and come back at the same place: clients find their connections closed, as after a crash, while readers and
cards stay on the desk. The socket is the user's own; nothing is registered on the system and no rights are needed.
"""

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable
from pathlib import Path

from device_profiles.twins.card_t0 import ContactCard
from device_profiles.twins.pcscd import PcscdTwin
from device_profiles.twins.pcscd_reader import VirtualReader
from protocols.errors import DecodeError
from tillguard.exits import Exit
from tillguard.voice import Fault

SOCKET = "pcscd.comm"
LONGEST_PATH = 107  # unix(7): sun_path has 108 octets, the last of them zero
READ_OCTETS = 131_072
MOST_UNSENT = 1 << 20  # a client that takes nothing is given up


def make_folder(folder: Path) -> None:
    """The folder of a service's socket and files, its owner's alone; :class:`Fault` where it cannot be."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as fault:
        raise Fault(f"--dir {folder}: cannot be made: {fault.strerror}", "give another --dir", Exit.USAGE) from None


def _somebody_listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.setblocking(False)
        try:
            client.connect(str(path))
        except BlockingIOError:
            return True  # so many wait for it that none more fits
        except OSError:
            return False
    return True


class _Connection:
    """One client's socket."""

    def __init__(self, line: socket.socket, number: int) -> None:
        self.line = line
        self.number = number
        self.unsent = b""


class PcscdServer:
    """The twin, its readers and its clients, inside a running event loop."""

    def __init__(self, folder: Path, readers: tuple[VirtualReader, ...], told: Callable[[str, str], None]) -> None:
        """``told`` hears ``card.removed`` with the reader's name when a card tears itself out."""
        self.socket = folder.absolute() / SOCKET
        if len(os.fsencode(self.socket)) > LONGEST_PATH:
            hint = f"the system takes {LONGEST_PATH} octets: give a shorter --dir"
            raise Fault(f"{self.socket}: too long for a socket", hint, Exit.USAGE)
        make_folder(folder)
        self.readers = list(readers)
        self._told = told
        self._loop = asyncio.get_running_loop()
        self._twin: PcscdTwin | None = None
        self._listener: socket.socket | None = None
        self._connections: dict[int, _Connection] = {}
        self._timer: asyncio.TimerHandle | None = None

    @property
    def runs(self) -> bool:
        """Whether clients can come."""
        return self._twin is not None

    @property
    def names(self) -> tuple[str, ...]:
        """The readers as clients see them."""
        return self._twin.readers if self._twin is not None else ()

    def start(self) -> None:
        """A new life of the daemon, with what is on the desk."""
        if _somebody_listens(self.socket):
            raise Fault(f"{self.socket}: a service listens there already", "stop it, or give another --dir")
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.socket.unlink(missing_ok=True)
            listener.bind(str(self.socket))
            self.socket.chmod(0o600)
            listener.listen(128)
            listener.setblocking(False)
        except OSError as fault:
            listener.close()
            raise Fault(f"{self.socket}: {fault.strerror}", "give another --dir", Exit.FAILED) from None
        self._listener = listener
        self._twin = PcscdTwin(tuple(self.readers), lambda reader: self._told("card.removed", reader.name))
        self._loop.add_reader(listener, self._accept)

    def kill(self) -> None:
        """End this life as a crash would: the socket's file stays, nobody listens."""
        if self._listener is not None:
            self._loop.remove_reader(self._listener)
            self._listener.close()
        self._listener = self._twin = None
        for connection in list(self._connections.values()):
            self._drop(connection)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def close(self) -> None:
        """End for good."""
        ours = self.runs
        self.kill()
        if ours:
            self.socket.unlink(missing_ok=True)

    # The desk

    def reader(self, name: str) -> VirtualReader:
        """The reader of that name; case does not matter. :class:`KeyError` where there is none."""
        for reader in self.readers:
            if reader.name.lower() == name.lower():
                return reader
        raise KeyError(name)

    def plug(self, reader: VirtualReader) -> None:
        """Plug a reader in. ``ValueError`` where no more fit."""
        if self._twin is not None:
            self._twin.plug(reader)
        self.readers.append(reader)
        self._turn()

    def unplug(self, reader: VirtualReader) -> None:
        """Pull a reader out, with its card."""
        self.readers.remove(reader)
        if self._twin is not None:
            self._twin.unplug(reader)
        self._turn()

    def insert(self, reader: VirtualReader, card: ContactCard | None) -> None:
        """Put a card in; ``None`` is one the wrong way round, which says nothing."""
        if reader.card is not None or reader.mute:
            self.remove(reader)
        reader.card, reader.mute = card, card is None
        if self._twin is not None:
            self._twin.inserted(reader)
        self._turn()

    def remove(self, reader: VirtualReader) -> None:
        """Take the card out."""
        if reader.card is None and not reader.mute:
            return
        if reader.card is not None:
            reader.card.power_off()
        reader.card, reader.mute = None, False
        if self._twin is not None:
            self._twin.removed(reader)
        self._turn()

    # Clients

    def _accept(self) -> None:
        assert self._listener is not None
        assert self._twin is not None
        with contextlib.suppress(BlockingIOError):
            while True:
                line, _ = self._listener.accept()
                line.setblocking(False)
                try:
                    connection = _Connection(line, self._twin.join())
                except ValueError:  # the house is full: as with the real one, the client finds its socket closed
                    line.close()
                    continue
                self._connections[connection.number] = connection
                self._loop.add_reader(line, self._read, connection)

    def _read(self, connection: _Connection) -> None:
        twin = self._twin
        if twin is None:
            return
        try:
            octets = connection.line.recv(READ_OCTETS)
            if not octets:
                self._drop(connection)
            else:
                answer = twin.feed(connection.number, octets, self._loop.time())
                if answer:
                    self._send(connection, answer)
        except BlockingIOError:
            return
        except (OSError, DecodeError):
            self._drop(connection)
        self._turn()

    def _turn(self) -> None:
        """Send what the twin has to say to others, and wait for what it wants to do later."""
        twin = self._twin
        if twin is None:
            return
        for number, octets in twin.take():
            connection = self._connections.get(number)
            if connection is not None:
                self._send(connection, octets)
        due = twin.due
        if self._timer is not None and (due is None or self._timer.when() != due):
            self._timer.cancel()
            self._timer = None
        if due is not None and self._timer is None:
            self._timer = self._loop.call_at(due, self._due)

    def _due(self) -> None:
        self._timer = None
        if self._twin is not None:
            self._twin.tick(self._loop.time())
            self._turn()

    def _send(self, connection: _Connection, octets: bytes) -> None:
        if connection.unsent:
            connection.unsent += octets
            if len(connection.unsent) > MOST_UNSENT:
                self._drop(connection)
            return
        try:
            sent = connection.line.send(octets)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._drop(connection)
            return
        if sent < len(octets):
            connection.unsent = octets[sent:]
            self._loop.add_writer(connection.line, self._more, connection)

    def _more(self, connection: _Connection) -> None:
        octets, connection.unsent = connection.unsent, b""
        self._loop.remove_writer(connection.line)
        self._send(connection, octets)

    def _drop(self, connection: _Connection) -> None:
        if self._connections.pop(connection.number, None) is None:
            return
        self._loop.remove_reader(connection.line)
        self._loop.remove_writer(connection.line)
        connection.line.close()
        if self._twin is not None:
            self._twin.leave(connection.number)
