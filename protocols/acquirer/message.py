# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""ISO 8583:1987 messages as one typed value, to and from octets. Computes no MAC and decides nothing about money.

What is sensitive has a type or a place that prints masked: ``repr`` of a message is its redacted text. A message is
made in two steps because its MAC covers its own octets: :func:`draft` gives the octets from the message type to the one
before the MAC element (the bitmap already announces it), and the draft becomes a message once the MAC is known.
The MAC is the last element: DE64, or DE128 where an element above 64 is present (ISO 8583:1987, 4.4.9).
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from protocols.acquirer.account import EncipheredAccount
from protocols.acquirer.dialects import ASCII_1987, Dialect
from protocols.acquirer.fields import Fields, pack, unpack
from protocols.acquirer.mti import REQUIRED, Mti
from protocols.acquirer.redaction import redacted_fields
from protocols.acquirer.values import OriginalData, SecurityControl, SessionKey
from protocols.errors import DecodeError, EncodeError, ProtocolError
from protocols.identity.binding import Proof, read_proof
from protocols.octets import unhex
from protocols.pan import Pan, Track2

MAC_OCTETS = 8


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Message:
    """One message. An absent element is None; amounts are in minor units; dates and times are digits as sent."""

    mti: Mti
    pan: Pan | None = None
    processing_code: str | None = None
    amount: int | None = None
    transmitted: str | None = None
    """DE7, MMDDhhmmss in UTC."""
    stan: int | None = None
    """DE11, 1 to 999999: names a message together with terminal and DE7."""
    local_time: str | None = None
    local_date: str | None = None
    expiry: str | None = None
    """DE14, YYMM."""
    entry_mode: str | None = None
    """DE22: 05x chip read by contact, 07x contactless chip; x = 1 where PINs can be entered."""
    sequence_number: int | None = None
    condition_code: str | None = None
    pin_capture: str | None = None
    track2: Track2 | None = None
    reference: str | None = None
    """DE37, retrieval reference number."""
    approval: str | None = None
    response_code: str | None = None
    terminal: str | None = None
    merchant: str | None = None
    currency: str | None = None
    """DE49, three digits of ISO 4217."""
    pin_block: bytes | None = None
    """DE52, enciphered, 8 octets."""
    security_control: SecurityControl | None = None
    icc: bytes | None = None
    """DE55, TLV octets of EMV."""
    ksn: bytes | None = None
    """The DUKPT key serial number, 10 octets, in the element that the dialect names."""
    binding: Proof | None = None
    """That the terminal is the one that was bound, in the element that the dialect names."""
    account: EncipheredAccount | None = None
    """Account data that were enciphered where they were read, in place of DE2, DE14 and DE35."""
    session_key: SessionKey | None = None
    network_code: int | None = None
    original: OriginalData | None = None
    mac: bytes | None = None

    @property
    def masked_pan(self) -> str:
        """What may be shown of the account number, clear or enciphered; empty where there is none."""
        return self.pan.masked if self.pan else self.account.masked if self.account else ""

    def __repr__(self) -> str:
        try:
            return f"Message({redacted(self)})"
        except EncodeError:
            return f"Message({self.mti.digits}, not one that can be written)"


@dataclass(frozen=True, slots=True)
class Draft:
    """A message that waits for its MAC."""

    message: Message
    octets_to_mac: bytes = field(repr=False)
    dialect: Dialect = field(repr=False)

    def with_mac(self, mac: bytes) -> bytes:
        """The message's octets with its MAC of 8 octets."""
        if len(mac) != MAC_OCTETS:
            raise EncodeError(f"MAC: {len(mac)} octets, {MAC_OCTETS} expected")
        return self.octets_to_mac + mac

    def without_mac(self) -> bytes:
        """The message's octets without a MAC: only before a session key exists."""
        return encode(replace(self.message, mac=None), self.dialect)


@dataclass(frozen=True, slots=True)
class Received:
    """A message as it came: the value, and the very octets that its MAC covers (empty where it has none)."""

    message: Message
    octets_to_mac: bytes = field(repr=False)


def draft(message: Message, dialect: Dialect) -> Draft:
    """Prepare a message for its MAC; raises :class:`EncodeError` that names the element. Originating side."""
    octets = encode(replace(message, mac=bytes(MAC_OCTETS)), dialect)
    return Draft(message, octets[:-MAC_OCTETS], dialect)


def encode(message: Message, dialect: Dialect) -> bytes:
    """A message's octets without a frame, MAC as given; raises :class:`EncodeError` that names the element."""
    return pack(message.mti.digits, to_fields(message, dialect), dialect)


def decode(octets: bytes, dialect: Dialect) -> Received:
    """Read a message without its frame. Raises :class:`DecodeError` that names the element and quotes nothing."""
    digits, fields = unpack(octets, dialect)
    mti = Mti.from_digits(digits)
    values: dict[str, Any] = {}
    for number, text in fields.items():
        attribute, read = _reading(number, mti, dialect)
        fault: DecodeError | None = None
        try:
            values[attribute] = read(text)
        except (ProtocolError, ValueError) as refused:
            why = refused.why if isinstance(refused, DecodeError) else "not a value this element can have"
            fault = DecodeError(f"DE{number}", why)
        if fault is not None:
            raise fault
    for number in (64, 128):
        if number in fields and number != _mac_element(fields):
            raise DecodeError(f"DE{number}", "a MAC that is not the last element")
    covered = octets[:-MAC_OCTETS] if "mac" in values else b""
    return Received(Message(mti=mti, **values), covered)


def redacted(message: Message) -> str:
    """A message in words for a trace: card data, PIN block and chip data masked or counted, never shown."""
    return redacted_fields(message.mti.digits, to_fields(message, ASCII_1987), ASCII_1987)


def redacted_octets(octets: bytes, dialect: Dialect) -> str:
    """The same for octets off the wire, whatever they are."""
    try:
        digits, fields = unpack(octets, dialect)
    except DecodeError as unreadable:
        return f"unreadable, {len(octets)} octets ({unreadable})"
    return redacted_fields(digits, fields, dialect)


def to_fields(message: Message, dialect: Dialect) -> Fields:
    """The bare elements of a message. Raises :class:`EncodeError` for two values that want one element."""
    fields: Fields = {}
    chosen = {"ksn": dialect.ksn_field, "session_key": dialect.key_field, "binding": dialect.binding_field}
    chosen["account"] = dialect.account_field
    for attribute, (number, write, _) in _ELEMENTS.items():
        value = getattr(message, attribute)
        if value is None:
            continue
        place = chosen.get(attribute, number)
        if place in fields:
            raise EncodeError(f"DE{place}: wanted by two values at once in dialect {dialect.name}")
        refusal = ""
        try:
            fields[place] = write(value)
        except EncodeError as refused:
            refusal = str(refused)
        if refusal:
            raise EncodeError(f"DE{place}: {refusal}")
    if dialect.digits == "bcd" and 35 in fields:
        fields[35] = fields[35].replace("=", "D")  # the separator as a nibble
    if message.mac is not None:
        if len(message.mac) != MAC_OCTETS:
            raise EncodeError(f"MAC: {len(message.mac)} octets, {MAC_OCTETS} expected")
        fields[_mac_element(fields)] = message.mac.hex().upper()
    return fields


def _mac_element(fields: Fields) -> int:
    return 128 if any(number > 64 for number in fields) else 64


def _digits(width: int) -> Callable[[int], str]:
    def write(value: int) -> str:
        if not 0 <= value < 10**width:
            raise EncodeError(f"a number that does not fit {width} digits")
        return f"{value:0{width}d}"

    return write


def _text(value: str) -> str:
    return value


def _hex(value: bytes) -> str:
    return value.hex().upper()


def _stan(text: str) -> int:
    if text == "000000":
        raise DecodeError("DE11", "000001 to 999999 expected")
    return int(text)


def _ksn(text: str) -> bytes:
    octets = unhex(text, "KSN")
    if len(octets) != 10 or len(text) != 20:
        raise DecodeError("KSN", f"{len(text)} characters, 20 hexadecimal digits expected")
    return octets


def _stripped(text: str) -> str:
    return text.rstrip(" ")


def _padded(width: int) -> Callable[[str], str]:
    return lambda text: text.ljust(width)


_PRIVATE = 0  # stands in for the element that a dialect chooses
_ELEMENTS: dict[str, tuple[int, Callable[[Any], str], Callable[[str], Any]]] = {
    "pan": (2, lambda pan: pan.digits, Pan),
    "processing_code": (3, _text, _text),
    "amount": (4, _digits(12), int),
    "transmitted": (7, _text, _text),
    "stan": (11, _digits(6), _stan),
    "local_time": (12, _text, _text),
    "local_date": (13, _text, _text),
    "expiry": (14, _text, _text),
    "entry_mode": (22, _text, _text),
    "sequence_number": (23, _digits(3), int),
    "condition_code": (25, _text, _text),
    "pin_capture": (26, _text, _text),
    "track2": (35, lambda track: track.text("="), Track2.from_text),
    "reference": (37, _padded(12), _stripped),
    "approval": (38, _padded(6), _stripped),
    "response_code": (39, _text, _text),
    "terminal": (41, _padded(8), _stripped),
    "merchant": (42, _padded(15), _stripped),
    "currency": (49, _text, _text),
    "pin_block": (52, _hex, bytes.fromhex),
    "security_control": (53, SecurityControl.digits, SecurityControl.from_digits),
    "icc": (55, _hex, bytes.fromhex),
    "ksn": (_PRIVATE, _hex, _ksn),
    "binding": (_PRIVATE, Proof.encode, read_proof),
    "account": (_PRIVATE, EncipheredAccount.text, EncipheredAccount.from_text),
    "session_key": (_PRIVATE, SessionKey.text, SessionKey.from_text),
    "network_code": (70, _digits(3), int),
    "original": (90, OriginalData.digits, OriginalData.from_digits),
}
"""Attribute to element number, its writer and its reader. The MAC stands apart: its number depends on the others."""

_BY_NUMBER = {number: (attribute, read) for attribute, (number, _, read) in _ELEMENTS.items() if number != _PRIVATE}


def _reading(number: int, mti: Mti, dialect: Dialect) -> tuple[str, Callable[[str], Any]]:
    if number in (64, 128):
        return "mac", bytes.fromhex
    if mti.is_network and number == dialect.key_field:
        return "session_key", SessionKey.from_text
    if not mti.is_network and number == dialect.ksn_field:
        return "ksn", _ksn
    if not mti.is_network and number == dialect.binding_field:
        return "binding", read_proof
    if not mti.is_network and number == dialect.account_field:
        return "account", EncipheredAccount.from_text
    if number in _BY_NUMBER:
        return _BY_NUMBER[number]
    raise DecodeError(f"DE{number}", f"not used in message {mti.digits} of dialect {dialect.name}")


def missing(message: Message) -> tuple[str, ...]:
    """The elements that a message of this type must have and has not, as ``DE4`` and so on; empty where it is whole."""
    wanted = REQUIRED[message.mti.original]
    there = {"pan"} if message.account is not None else set()
    return tuple(f"DE{_ELEMENTS[name][0]}" for name in wanted if getattr(message, name) is None and name not in there)
