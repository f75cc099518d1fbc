# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A sale with a chip that an ABECS pad does by itself: get the card (GCX), go on (GOX), finish (FCX). Runs no kernel.

The pad reads the card and runs the payment application; the terminal gets a masked account number, the objects that it
lists, and an enciphered PIN. Objects with the account number or a track in them never come (3.7.1). Source: Pinpad
Abecs, protocol 2.12, 3.7.1, 3.7.3 and 3.7.4; parameters 3.1.3.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum

from protocols.emv import tlv
from protocols.errors import DecodeError, EncodeError
from protocols.serial.abecs_messages import (
    BLOCK_OCTETS,
    KSN_OCTETS,
    Command,
    Parameter,
    PinMethod,
    Response,
    Status,
    decode_parameters,
    parameters,
)

ICC_EMV = b"03"
LARGEST_AMOUNT = 999_999_999_999
LARGEST_OBJECTS = 512  # octets, either way
LONGEST_MESSAGE = 128
LONGEST_WAIT_S = 255
_NO_CONTACTLESS, _NO_OPTIONS = b"00000", b"00000"

CHIP_STATUS_WORDS: dict[int, str] = {
    Status.NO_CARD: "there is no card",
    60: "the card does not answer",
    61: "pad and card do not understand each other",
    67: "the card's application is blocked",
    68: "the card does not behave as it should",
    69: "the card's data are not in order",
    70: "card and pad share no application",
    71: "the card's application cannot be used for this",
    76: "the chip cannot be read",
    79: "the card is blocked",
}


class Decision(IntEnum):
    """First digit of the result of GOX."""

    APPROVED = 0
    DECLINED = 1
    ONLINE = 2


class Host(IntEnum):
    """First digit of FCX: what became of the authorisation."""

    APPROVED = 0
    DECLINED = 1
    UNREACHED = 2


@dataclass(frozen=True, slots=True)
class GetCard:
    """GCX: wait for a chip card and select its application."""

    amount: int
    """Minor units."""
    date: str
    """YYMMDD."""
    time: str
    """HHMMSS."""
    currency: str
    """ISO 4217, three digits."""
    open_digits: tuple[int, int] = (6, 4)
    """How many digits of the account number are not masked, left and right."""
    tags: tuple[int, ...] = ()
    wait_s: int = 60

    def command(self) -> Command:
        """As it travels."""
        left, right = self.open_digits
        if not 0 <= left <= 6 or not 0 <= right <= 4 or not 1 <= self.wait_s <= LONGEST_WAIT_S:
            raise EncodeError("GCX leaves at most 6 and 4 digits open, and waits 1 to 255 s")
        values = {
            Parameter.AMOUNT: _amount(self.amount),
            Parameter.DATE: _digits(self.date, 6),
            Parameter.TIME: _digits(self.time, 6),
            Parameter.CARD_OPTIONS: _NO_CONTACTLESS,
            Parameter.CURRENCY: _digits(self.currency, 3),
            Parameter.PAN_MASK: b"%02d%02d" % self.open_digits,
            Parameter.TIMEOUT: bytes((self.wait_s,)),
            Parameter.TAGS: _tags(self.tags),
        }
        return Command("GCX", (parameters(values),))


@dataclass(frozen=True, slots=True)
class CardFound:
    """What a good response to GCX brings of a chip card."""

    masked_pan: str
    sequence_number: int
    label: str
    objects: tlv.Objects = field(repr=False)


@dataclass(frozen=True, slots=True)
class GoOn:
    """GOX: verify the person, have the card decide."""

    acquirer: int
    amount: int
    currency: str
    key_index: int
    message: str
    tags: tuple[int, ...]
    floor_limit: int = 0
    wait_s: int = 60

    def command(self) -> Command:
        """As it travels: the PIN goes under DUKPT; the risk management has a floor limit, and nothing random."""
        if not 1 <= self.acquirer <= 99 or not 0 <= self.key_index <= 99 or not 1 <= self.wait_s <= LONGEST_WAIT_S:
            raise EncodeError("GOX takes an acquirer of 1 to 99, a key index of 0 to 99 and 1 to 255 s")
        if len(self.message) > LONGEST_MESSAGE or not self.message.isascii():
            raise EncodeError(f"GOX takes a message of up to {LONGEST_MESSAGE} ASCII characters")
        if not 0 <= self.floor_limit < 1 << 32:
            raise EncodeError("GOX takes a floor limit of four octets")
        values = {
            Parameter.ACQUIRER: b"%02d" % self.acquirer,
            Parameter.AMOUNT: _amount(self.amount),
            Parameter.CURRENCY: _digits(self.currency, 3),
            Parameter.GO_OPTIONS: _NO_OPTIONS,
            Parameter.PIN_METHOD: b"%d" % PinMethod.DUKPT_TDES,
            Parameter.KEY_INDEX: b"%02d" % self.key_index,
            Parameter.MESSAGE: self.message.encode("ascii"),
            Parameter.RISK: self.floor_limit.to_bytes(4, "big") + bytes(6),
            Parameter.TAGS: _tags(self.tags),
            Parameter.TIMEOUT: bytes((self.wait_s,)),
        }
        return Command("GOX", (parameters(values),))


@dataclass(frozen=True, slots=True)
class GoneOn:
    """What a good response to GOX brings. ``pin_block`` and ``ksn`` are there when the PIN goes online."""

    decision: Decision
    signature: bool
    offline_pin: bool
    pin_block: bytes = field(repr=False)
    ksn: bytes
    objects: tlv.Objects = field(repr=False)


@dataclass(frozen=True, slots=True)
class Finish:
    """FCX: tell the card what the acquirer said."""

    host: Host
    response_code: str
    """Two characters; empty where the acquirer was not reached."""
    issuer_data: bytes
    """Objects 91, 71 and 72 as they came."""
    tags: tuple[int, ...]

    def command(self) -> Command:
        """As it travels."""
        if len(self.issuer_data) > LARGEST_OBJECTS:
            raise EncodeError(f"FCX takes up to {LARGEST_OBJECTS} octets of objects")
        values = {Parameter.FINISH_OPTIONS: b"%d000" % self.host, Parameter.TAGS: _tags(self.tags)}
        if self.host is not Host.UNREACHED:
            if len(self.response_code) != 2 or not (self.response_code.isascii() and self.response_code.isalnum()):
                raise EncodeError("FCX takes a response code of two letters or digits")
            values[Parameter.RESPONSE_CODE] = self.response_code.encode("ascii")
        if self.issuer_data:
            values[Parameter.EMV_DATA] = self.issuer_data
        return Command("FCX", (parameters(values),))


@dataclass(frozen=True, slots=True)
class Finished:
    """What a good response to FCX brings: the card's last word."""

    approved: bool
    objects: tlv.Objects = field(repr=False)


def decode_card(response: Response) -> CardFound:
    """The host's side. A stripe is refused: it was not asked for, and has no chip's proof."""
    given = decode_parameters(response.blocks, "ABECS GCX")
    if given.get(Parameter.CARD_TYPE) != ICC_EMV:
        raise DecodeError("ABECS GCX", "a chip card expected")
    pan = _text(given, Parameter.PAN, "ABECS GCX")
    sequence = _text(given, Parameter.PAN_SEQUENCE, "ABECS GCX")
    if not sequence.isdigit() or not all(sign.isdigit() or sign in "*xX" for sign in pan):
        raise DecodeError("ABECS GCX", "an account number and its sequence number expected")
    label = given.get(Parameter.LABEL, b"").decode("ascii", "replace")
    return CardFound(pan, int(sequence), label, _objects(given, "ABECS GCX"))


def decode_gone_on(response: Response) -> GoneOn:
    """The host's side."""
    given = decode_parameters(response.blocks, "ABECS GOX")
    result = given.get(Parameter.GO_RESULT, b"")
    if len(result) != 6 or not result.isdigit() or result[:1] not in b"012":
        raise DecodeError("ABECS GOX", "a result of six digits expected")
    online_pin = result[2:3] == b"2"
    block, ksn = given.get(Parameter.PIN_BLOCK, b""), given.get(Parameter.KSN, b"")
    if online_pin and (len(block) != BLOCK_OCTETS or len(ksn) != KSN_OCTETS):
        raise DecodeError("ABECS GOX", f"a block of {BLOCK_OCTETS} octets and a KSN of {KSN_OCTETS} expected")
    kept = (block, ksn) if online_pin else (b"", b"")
    return GoneOn(
        Decision(int(result[:1])), result[1:2] == b"1", result[2:3] == b"1", *kept, _objects(given, "ABECS GOX")
    )


def decode_finished(response: Response) -> Finished:
    """The host's side."""
    given = decode_parameters(response.blocks, "ABECS FCX")
    result = given.get(Parameter.FINISH_RESULT, b"")
    if len(result) != 3 or result[:1] not in (b"0", b"1"):
        raise DecodeError("ABECS FCX", "a result of three digits expected")
    return Finished(result[:1] == b"0", _objects(given, "ABECS FCX"))


def decode_tags(octets: bytes, where: str) -> tuple[int, ...]:
    """The tags of a list, run together: the pad's side."""
    tags: list[int] = []
    place = 0
    while place < len(octets):
        size = 1
        if octets[place] & 0x1F == 0x1F:
            size = 2
            while place + size - 1 < len(octets) and octets[place + size - 1] & 0x80:
                size += 1
        if place + size > len(octets):
            raise DecodeError(where, "a tag beyond the end of its list")
        tags.append(int.from_bytes(octets[place : place + size], "big"))
        place += size
    return tuple(tags)


def _objects(given: dict[int, bytes], where: str) -> tlv.Objects:
    octets = given.get(Parameter.EMV_OBJECTS, b"")
    if len(octets) > LARGEST_OBJECTS:
        raise DecodeError(where, f"up to {LARGEST_OBJECTS} octets of objects expected")
    return tlv.decode(octets, where=where)


def _tags(tags: Iterable[int]) -> bytes:
    return b"".join(tlv.tag_octets(tag) for tag in tags)


def _amount(amount: int) -> bytes:
    if not 0 <= amount <= LARGEST_AMOUNT:
        raise EncodeError("an amount of up to twelve digits expected")
    return b"%012d" % amount


def _digits(text: str, count: int) -> bytes:
    if len(text) != count or not (text.isascii() and text.isdigit()):
        raise EncodeError(f"{count} digits expected")
    return text.encode("ascii")


def _text(given: dict[int, bytes], name: Parameter, where: str) -> str:
    text = given.get(name, b"").decode("ascii", "replace")
    if not text or not (text.isascii() and text.isprintable()):
        raise DecodeError(where, f"parameter {name:04X} expected")
    return text
