# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A client of the pcscd twin, octet by octet, and a card of few words. Holds no test."""

from dataclasses import dataclass, field

from device_profiles.twins.card import CardTorn
from device_profiles.twins.pcscd import PcscdTwin
from protocols.pcsc.wire import EVENT, FIELDS, MOST_READERS, Command, ReaderRow, Share, decode_table, encode_request

ATR_T1 = bytes.fromhex("3BE000008131FE45EB")
TABLE = 184 * MOST_READERS


@dataclass
class PlainCard:
    """Says 9000 to everything, remembers what it was told, and tears when ``torn`` is set."""

    atr: bytes = ATR_T1
    answer: bytes = b"\x90\x00"
    torn: bool = False
    told: list[bytes] = field(default_factory=list)
    resets: int = 0

    def power_on(self) -> bytes:
        self.resets += 1
        return self.atr

    def power_off(self) -> None:
        pass

    def apdu(self, command: bytes) -> bytes:
        if self.torn:
            raise CardTorn
        self.told.append(command)
        return self.answer


class Client:
    """One connection with one context. Every call returns what the daemon answered, decoded."""

    def __init__(self, twin: PcscdTwin) -> None:
        self.twin = twin
        self.number = twin.join()
        assert self.call(Command.VERSION, 4, 4, 0)[2] == 0
        self.context = int(self.call(Command.ESTABLISH_CONTEXT, 0, 0, 0)[1])

    def send(self, command: Command, *fields: int | bytes, data: bytes = b"", now: float = 0.0) -> bytes:
        return self.twin.feed(self.number, encode_request(command, *fields, data=data), now)

    def call(self, command: Command, *fields: int | bytes, data: bytes = b"") -> tuple[int, ...]:
        answer = self.send(command, *fields, data=data)
        return tuple(FIELDS[command].unpack(answer[: FIELDS[command].size]))

    def table(self) -> list[ReaderRow]:
        return decode_table(self.send(Command.GET_READERS_STATE))

    def wait(self) -> list[ReaderRow]:
        return decode_table(self.send(Command.WAIT_READER_STATE_CHANGE))

    def events(self) -> list[int]:
        """Codes of the events that were pushed to this client; other clients' are lost."""
        return [EVENT.unpack(octets)[1] for number, octets in self.twin.take() if number == self.number]

    def connect(self, reader: str, share: int = Share.SHARED, wanted: int = 3) -> tuple[int, int, int]:
        """Handle, protocol, code."""
        fields = self.call(Command.CONNECT, self.context, reader.encode(), share, wanted, 0, 0, 0)
        return fields[4], fields[5], fields[6]

    def hold(self, reader: str, share: int = Share.SHARED) -> int:
        handle, _, code = self.connect(reader, share)
        assert code == 0
        return handle

    def transmit(self, handle: int, command: bytes, protocol: int = 2, room: int = 258) -> tuple[int, bytes]:
        """Code and answer."""
        said = self.send(Command.TRANSMIT, handle, protocol, 16, len(command), protocol, 16, room, 0, data=command)
        size = FIELDS[Command.TRANSMIT].size
        return int(FIELDS[Command.TRANSMIT].unpack(said[:size])[7]), said[size:]

    def control(self, handle: int, code: int, data: bytes = b"", room: int = 264, now: float = 0.0) -> bytes:
        return self.send(Command.CONTROL, handle, code, len(data), room, 0, 0, data=data, now=now)

    def begin(self, handle: int) -> int | None:
        """The code, None while it waits."""
        said = self.send(Command.BEGIN_TRANSACTION, handle, 0)
        return int(FIELDS[Command.BEGIN_TRANSACTION].unpack(said)[1]) if said else None

    def end(self, handle: int, disposition: int = 0) -> int:
        return self.call(Command.END_TRANSACTION, handle, disposition, 0)[2]


def controlled(said: bytes) -> tuple[int, bytes]:
    """Code and data of an answer to CONTROL."""
    size = FIELDS[Command.CONTROL].size
    return int(FIELDS[Command.CONTROL].unpack(said[:size])[5]), said[size:]
