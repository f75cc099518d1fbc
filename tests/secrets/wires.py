# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Searches recordings of wires for planted values, but for the fields in allowed.toml. Records nothing itself.

An allowed field is found by decoding, blanked where it stands, once, and only if it holds what it is allowed to hold;
then everything is searched as octets, and what a wire cuts into pieces once more put together. Whatever cannot be
decoded, or does not come out the same when encoded again, stays as it is, so a doubt ends in a finding.
"""

import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from device_profiles import catalog
from protocols.acquirer.dialects import ASCII_1987
from protocols.acquirer.elements import ELEMENTS, Kind
from protocols.acquirer.fields import pack, unpack
from protocols.acquirer.frame import Framer, frame
from protocols.emv import tlv
from protocols.emv.apdu import Ins
from protocols.errors import ProtocolError
from protocols.hsm.commands import COMMANDS
from protocols.hsm.frame import FrameBuffer, open_message
from protocols.hsm.frame import frame as hsm_frame
from protocols.hsm.message import decode_request, encode_request
from protocols.pan import Pan
from protocols.serial.framer import Packet, PacketFramer
from protocols.serial.ipp import RequestMac, RequestPin
from protocols.serial.ipp_codec import decode_request as decode_pad_request
from protocols.serial.ipp_codec import encode as encode_pad_request
from protocols.serial.pn532 import Frame, FrameFramer
from protocols.serial.pn532_codec import decode_command, decode_reply
from protocols.serial.pn532_messages import DataExchanged, InDataExchange, reply_frame
from tests.secrets.scanner import Scanner
from tests.secrets.taps import TO_CLIENT, TO_SERVER, Pieces, Recording

ALLOWED = Path(__file__).with_name("allowed.toml")
HSM_HEADER_OCTETS = 4
MAC_OCTETS = 8
_TAGS = {0x57: "57", 0x5A: "5A"}


@dataclass(frozen=True)
class Allowance:
    """A row of allowed.toml."""

    wire: str
    field: str
    what: str
    reason: str


def read_allowed(path: Path = ALLOWED) -> tuple[Allowance, ...]:
    """The rows; each needs every column, and stands once."""
    rows = tuple(Allowance(**row) for row in tomllib.loads(path.read_text())["allowed"])
    assert all(row.reason for row in rows)
    assert len({(row.wire, row.field) for row in rows}) == len(rows)
    return rows


May = Callable[[str, bytes], bool]
"""Told a field's name and its octets: whether it is to be blanked."""
Blanker = Callable[[Pieces, May], dict[str, bytes]]
"""Makes of one connection what is to be searched: octets by direction, and what had been cut by a name of its own."""


class Search:
    """One search over the recordings of one run."""

    def __init__(self, scanner: Scanner, allowed: tuple[Allowance, ...]) -> None:
        self._scanner = scanner
        self._allowed = {(row.wire, row.field): row for row in allowed}
        self._used: set[tuple[str, str]] = set()

    def findings(self, recordings: dict[str, Recording]) -> list[str]:
        """Every planted value outside the allowed fields, and every allowance that was not needed; in words."""
        found = [
            f"{wire} {direction}: {hit}"
            for wire, recording in recordings.items()
            for pieces in recording.connections
            for direction, octets in BLANKERS[wire](pieces, self._may(wire)).items()
            for hit in self._scanner.scan(octets)
        ]
        idle = sorted(self._allowed.keys() - self._used)
        return found + [f"{wire}: '{field}' is allowed and was not needed" for wire, field in idle]

    def _may(self, wire: str) -> May:
        def may(field: str, octets: bytes) -> bool:
            row = self._allowed.get((wire, field))
            hits = self._scanner.scan(octets)
            if row is None or not hits or not all(hit.startswith(f"{row.what} as ") for hit in hits):
                return False
            self._used.add((wire, field))
            return True

        return may


class _Lines:
    """Both directions of one connection, in which frames can be exchanged for blanked ones, front to back."""

    def __init__(self, pieces: Pieces) -> None:
        self.octets = {way: bytearray() for way in (TO_SERVER, TO_CLIENT)}
        for way, octets in pieces:
            self.octets[way] += octets
        self._places = dict.fromkeys(self.octets, 0)
        self.joined = {way: bytearray() for way in self.octets}

    def exchange(self, way: str, original: bytes, blanked: bytes) -> None:
        """Put ``blanked`` where ``original`` stands next; nothing happens where it cannot be found."""
        place = self.octets[way].find(original, self._places[way])
        if place < 0 or len(blanked) != len(original):
            return
        self.octets[way][place : place + len(original)] = blanked
        self._places[way] = place + len(original)

    def result(self) -> dict[str, bytes]:
        """What is to be searched."""
        whole = {way: bytes(octets) for way, octets in self.octets.items()}
        return whole | {f"{way} put together": bytes(octets) for way, octets in self.joined.items()}


def blanked_message(octets: bytes, may: May, prefix: str = "") -> bytes:
    """An ISO 8583 message with its allowed elements blanked."""
    try:
        mti, elements = unpack(octets, ASCII_1987)
        if pack(mti, elements, ASCII_1987) != octets:
            return octets
    except ProtocolError:
        return octets
    for number, text in tuple(elements.items()):
        value = bytes.fromhex(text) if ELEMENTS[number].kind is Kind.B else text.encode("ascii")
        if may(f"{prefix}{mti} DE{number}", value):
            elements[number] = "0" * len(text)
    return pack(mti, elements, ASCII_1987)


def _acquirer(pieces: Pieces, may: May) -> dict[str, bytes]:
    lines = _Lines(pieces)
    for way, octets in lines.octets.items():
        for one in _frames(Framer(ASCII_1987).feed, bytes(octets)):
            lines.exchange(way, frame(one.message, ASCII_1987), frame(blanked_message(one.message, may), ASCII_1987))
    return lines.result()


def _frames(feed: Callable[[bytes], list[Any]], octets: bytes) -> list[Any]:
    try:
        return feed(octets)
    except ProtocolError:
        return []


def _hsm(pieces: Pieces, may: May) -> dict[str, bytes]:
    lines = _Lines(pieces)
    buffer = FrameBuffer()
    buffer.feed(bytes(lines.octets[TO_SERVER]))
    while (message := buffer.take()) is not None:
        lines.exchange(TO_SERVER, hsm_frame(message), hsm_frame(_blanked_command(message, may)))
    return lines.result()


def _blanked_command(message: bytes, may: May) -> bytes:
    try:
        opened = open_message(message, HSM_HEADER_OCTETS)
        request = decode_request(COMMANDS[opened.code], opened.body).fields
        if encode_request(request, opened.header) != message:
            return message
    except (ProtocolError, KeyError):
        return message
    changes: dict[str, Any] = {}
    for one in fields(request):  # type: ignore[arg-type]  # every Fields class is a dataclass
        value = getattr(request, one.name)
        name = f"{opened.code} {one.name}"
        if isinstance(value, bytes):
            if one.name == "data":
                changes[one.name] = _blanked_covered(value, may, f"{name}: ")
            elif may(name, value):
                changes[one.name] = bytes(len(value))
        elif isinstance(value, str) and value.isdigit() and may(name, value.encode("ascii")):
            changes[one.name] = "0" * len(value)
    return encode_request(replace(request, **changes), opened.header)  # type: ignore[type-var]


def _blanked_covered(covered: bytes, may: May, prefix: str) -> bytes:
    """Octets that a MAC covers: a message without its MAC, perhaps filled up with zeros."""
    for fill in range(MAC_OCTETS):
        bare = covered[: len(covered) - fill]
        if any(covered[len(bare) :]):
            break
        whole = bare + bytes(MAC_OCTETS)
        blanked = blanked_message(whole, may, prefix)
        if blanked != whole:
            return blanked[:-MAC_OCTETS] + bytes(fill)
    return covered


def _pad(pieces: Pieces, may: May) -> dict[str, bytes]:
    lines = _Lines(pieces)
    dialect = catalog.pinpad("ipp-uic").dialect
    waiting: list[tuple[bytes, RequestMac]] = []
    for event in PacketFramer(dialect.longest_packet).feed(bytes(lines.octets[TO_SERVER])):
        if not isinstance(event, Packet):
            continue
        original = event.encode()
        try:
            request = decode_pad_request(event, dialect)
        except ProtocolError:
            continue
        if isinstance(request, RequestPin) and may("Z60 PAN", request.pan.digits.encode("ascii")):
            blank = replace(request, pan=Pan("0" * len(request.pan)))
            lines.exchange(TO_SERVER, original, encode_pad_request(blank, dialect).encode())
        elif isinstance(request, RequestMac):
            waiting.append((original, request))
            if request.last:
                data = _blanked_covered(b"".join(piece.data for _, piece in waiting), may, "Z66 data: ")
                lines.joined[TO_SERVER] += data
                for packet, piece in waiting:
                    here, data = data[: len(piece.data)], data[len(piece.data) :]
                    lines.exchange(TO_SERVER, packet, encode_pad_request(replace(piece, data=here), dialect).encode())
                waiting.clear()
    return lines.result()


def _reader(pieces: Pieces, may: May) -> dict[str, bytes]:
    lines = _Lines(pieces)
    instruction = ""
    begun = dict.fromkeys(lines.octets, False)
    for way, one in _in_time(pieces):
        try:
            exchange = decode_command(one) if way == TO_SERVER else decode_reply(one)
        except (ProtocolError, ValueError):
            continue
        if not isinstance(exchange, InDataExchange | DataExchanged):
            continue
        if exchange.more or begun[way]:
            lines.joined[way] += exchange.data
        elif isinstance(exchange, DataExchanged):
            blank = replace(exchange, data=_blanked_answer(exchange.data, may, instruction))
            lines.exchange(way, one.encode(), reply_frame(blank).encode())
        if isinstance(exchange, InDataExchange) and not begun[way]:
            instruction = _instruction(exchange.data)
        begun[way] = exchange.more
    return lines.result()


def _instruction(data: bytes) -> str:
    try:
        return Ins(data[1]).words
    except (IndexError, ValueError):
        return "another command"


def _in_time(pieces: Pieces) -> Iterator[tuple[str, Frame]]:
    framers = {way: FrameFramer() for way in (TO_SERVER, TO_CLIENT)}
    for way, octets in pieces:
        yield from ((way, event) for event in framers[way].feed(octets) if isinstance(event, Frame))


def _blanked_answer(answer: bytes, may: May, instruction: str) -> bytes:
    data, status = answer[:-2], answer[-2:]
    try:
        objects = tlv.decode(data)
        if tlv.encode(objects) != data:
            return answer
    except ProtocolError:
        return answer

    def level(items: tlv.Objects) -> tlv.Objects:
        kept: list[tlv.Item] = []
        for tag, value in items:
            if isinstance(value, tlv.Objects):
                kept.append((tag, level(value)))
            elif tag in _TAGS and may(f"{instruction} {_TAGS[tag]}", value):
                kept.append((tag, bytes(len(value))))
            else:
                kept.append((tag, value))
        return tlv.Objects(kept)

    return tlv.encode(level(objects)) + status


def _nothing(pieces: Pieces, may: May) -> dict[str, bytes]:
    return _Lines(pieces).result()


BLANKERS: dict[str, Blanker] = {
    "reader": _reader,
    "pad": _pad,
    "acquirer": _acquirer,
    "hsm": _hsm,
    "reports": _nothing,
    "socket": _nothing,
}
"""Every wire, by the name that allowed.toml uses."""
