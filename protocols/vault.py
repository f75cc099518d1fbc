# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What the octets on the vault's pipe mean: requests, replies, events. Opens no pipe and computes nothing with a key.

One packet of a SOCK_SEQPACKET pair is one message: a number chosen by the asker (0 for events), a code, then the
fields of that code in the order in which its dataclass has them: octets and text with a length of two octets in front,
numbers as eight octets. There is no version to negotiate: both ends come from one distribution.

No key and no PIN has a field here. A PIN's digits come to the vault by its keypad, keys under a transport key.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from enum import IntEnum
from types import MappingProxyType
from typing import Any, ClassVar

from protocols.errors import DecodeError, EncodeError

LARGEST_PACKET = 32_768
"""Octets: a key block has 9,999 characters at most; a host message to be MACed has less than 4 KiB."""
HEAD_OCTETS = 2
EVENT_NUMBER = 0

Octets = bytes | memoryview


class Verb(IntEnum):
    """What the vault can be asked."""

    STATUS = 1
    INVENTORY = 2
    CHALLENGE = 3
    LOAD = 4
    ROTATE = 9
    ZEROISE = 10
    TAMPER = 11
    ENTER_PIN = 12
    CANCEL_PIN = 13
    MAC = 14
    ENCRYPT = 15
    PROVE = 16
    VERIFY = 17
    STOP = 18
    ENTER_CARD_PIN = 19


class Answer(IntEnum):
    """What the vault says."""

    DONE = 64
    RESULT = 65
    PIN_MADE = 66
    PIN_ENDED = 67
    REFUSED = 68
    EVENT = 69


class Refusal(IntEnum):
    """Why the vault refused; the words of the reply say it for a person."""

    PHASE = 1  # not in this phase
    THROTTLED = 2
    MALFORMED = 3
    NOT_AUTHENTIC = 4
    POLICY = 5
    NO_KEY = 6
    EXHAUSTED = 7
    APPROVAL = 8
    STORE = 9
    KEYPAD = 10
    BUSY = 11


class Ended(IntEnum):
    """How a PIN entry ended without a PIN."""

    CANCELLED = 1
    TIMED_OUT = 2


@dataclass(frozen=True, slots=True)
class Status:
    """Phase, fences, counters: one line each."""

    code: ClassVar[int] = Verb.STATUS


@dataclass(frozen=True, slots=True)
class Inventory:
    """All keys by slot, usage and check value: one line each."""

    code: ClassVar[int] = Verb.INVENTORY


@dataclass(frozen=True, slots=True)
class Challenge:
    """A fresh number that custodians sign together with what they approve."""

    code: ClassVar[int] = Verb.CHALLENGE


@dataclass(frozen=True, slots=True)
class Load:
    """A key block (ANSI X9.143) under the transport key, for a slot. An occupied slot keeps it until it is rotated."""

    code: ClassVar[int] = Verb.LOAD
    slot: str
    block: str
    ksn: Octets = b""
    """Initial KSN, where the block has none in its optional blocks."""
    approvals: Octets = b""


@dataclass(frozen=True, slots=True)
class Rotate:
    """The key that waits in a slot takes the place of the one that serves, which is destroyed."""

    code: ClassVar[int] = Verb.ROTATE
    slot: str
    approvals: Octets = b""


@dataclass(frozen=True, slots=True)
class Zeroise:
    """Destroy the key of a slot, or all keys where ``slot`` is empty."""

    code: ClassVar[int] = Verb.ZEROISE
    slot: str = ""
    approvals: Octets = b""


@dataclass(frozen=True, slots=True)
class Tamper:
    """Somebody opened, moved or changed the terminal: destroy all keys for good. Needs no approval."""

    code: ClassVar[int] = Verb.TAMPER
    source: str


@dataclass(frozen=True, slots=True)
class EnterPin:
    """Ask the person at the vault's keypad for the PIN; answered when the entry ends."""

    code: ClassVar[int] = Verb.ENTER_PIN
    pan: Octets
    """ASCII digits."""
    words: str
    """What the keypad's display shows besides its own prompt: an amount."""
    timeout_ms: int


@dataclass(frozen=True, slots=True)
class EnterCardPin:
    """As :class:`EnterPin`, for the card itself to check (EMV 4.4 Book 2, 7.2). The reply is data for VERIFY."""

    code: ClassVar[int] = Verb.ENTER_CARD_PIN
    modulus: Octets
    """Of the card's key for PINs, which the asker has recovered from certificates."""
    exponent: int
    challenge: Octets
    """Eight octets that the card drew for this one PIN."""
    words: str
    timeout_ms: int


@dataclass(frozen=True, slots=True)
class CancelPin:
    """End the entry that runs."""

    code: ClassVar[int] = Verb.CANCEL_PIN


@dataclass(frozen=True, slots=True)
class Mac:
    """Retail MAC of 8 octets over ``data`` under a session key that is enciphered under the MAC master key."""

    code: ClassVar[int] = Verb.MAC
    session_key: Octets
    data: Octets


@dataclass(frozen=True, slots=True)
class Encrypt:
    """Encipher account data under the next key of the data key's DUKPT. The reply is KSN and ciphertext."""

    code: ClassVar[int] = Verb.ENCRYPT
    data: Octets


@dataclass(frozen=True, slots=True)
class Prove:
    """What proves to the acquirer that this terminal is the one that was bound: HMAC over ``challenge``."""

    code: ClassVar[int] = Verb.PROVE
    challenge: Octets


@dataclass(frozen=True, slots=True)
class Verify:
    """Whether a slot's key has this check value, which is worked out anew from the key."""

    code: ClassVar[int] = Verb.VERIFY
    slot: str
    check_value: Octets


@dataclass(frozen=True, slots=True)
class Stop:
    """Write what is not written yet and end."""

    code: ClassVar[int] = Verb.STOP


@dataclass(frozen=True, slots=True)
class Done:
    """It was done; ``words`` are lines for people and programs, none of them secret."""

    code: ClassVar[int] = Answer.DONE
    words: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """Octets that may leave: a MAC, a ciphertext, a token, a proof. ``ksn`` is empty where no DUKPT key was used."""

    code: ClassVar[int] = Answer.RESULT
    value: Octets
    ksn: Octets = b""


@dataclass(frozen=True, slots=True)
class PinMade:
    """An enciphered PIN block and the KSN of its key."""

    code: ClassVar[int] = Answer.PIN_MADE
    ksn: Octets
    block: Octets
    block_format: int


@dataclass(frozen=True, slots=True)
class PinEnded:
    """No PIN: ``how`` is a number of :class:`Ended`."""

    code: ClassVar[int] = Answer.PIN_ENDED
    how: int


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing was done. ``why`` is a number of :class:`Refusal`."""

    code: ClassVar[int] = Answer.REFUSED
    why: int
    words: str


@dataclass(frozen=True, slots=True)
class Happened:
    """Something that nobody asked for: a tamper input, a key near its end."""

    code: ClassVar[int] = Answer.EVENT
    name: str
    words: str


Request = (
    Status
    | Inventory
    | Challenge
    | Load
    | Rotate
    | Zeroise
    | Tamper
    | EnterPin
    | EnterCardPin
    | CancelPin
    | Mac
    | Encrypt
    | Prove
    | Verify
    | Stop
)
Reply = Done | Result | PinMade | PinEnded | Refused | Happened

_REQUESTS: tuple[type, ...] = (
    *(Status, Inventory, Challenge, Load, Rotate, Zeroise, Tamper),
    *(EnterPin, EnterCardPin, CancelPin, Mac, Encrypt, Prove, Verify, Stop),
)
_REPLIES: tuple[type, ...] = (Done, Result, PinMade, PinEnded, Refused, Happened)


def _shapes(*kinds: type) -> Mapping[int, tuple[type, tuple[str, ...]]]:
    """By code: the class, and for each field o(ctets), t(ext) or n(umber)."""
    letters = {str: "t", int: "n"}
    return MappingProxyType(
        {kind.code: (kind, tuple(letters.get(field.type, "o") for field in fields(kind))) for kind in kinds}  # type: ignore[attr-defined, arg-type]  # every kind has a code and fields
    )


_REQUEST_SHAPES, _REPLY_SHAPES = _shapes(*_REQUESTS), _shapes(*_REPLIES)
_APPROVABLE = (Load, Rotate, Zeroise)
_NAMES = {kind: tuple(field.name for field in fields(kind)) for kind in (*_REQUESTS, *_REPLIES)}


def encode(number: int, message: Request | Reply) -> bytes:
    """The packet of a message."""
    parts = [bytes((number, message.code))]
    for name in _NAMES[type(message)]:
        value = getattr(message, name)
        if isinstance(value, int):
            parts.append(value.to_bytes(8, "big"))
            continue
        octets = value.encode() if isinstance(value, str) else value
        if len(octets) > 0xFFFF:
            raise EncodeError(f"{name}: {len(octets)} octets do not fit")
        parts += (len(octets).to_bytes(2, "big"), octets)
    packet = b"".join(parts)
    if len(packet) > LARGEST_PACKET:
        raise EncodeError(f"a message of {len(packet)} octets, {LARGEST_PACKET} at most")
    return packet


def decode_request(packet: memoryview) -> tuple[int, Request]:
    """Number and request. Octet fields are views of ``packet``: nothing is copied, so they end with it."""
    return _decode(packet, _REQUEST_SHAPES)  # type: ignore[return-value]  # the shapes are those of Request


def decode_reply(packet: bytes) -> tuple[int, Reply]:
    """Number and reply; its octet fields are copied."""
    number, reply = _decode(memoryview(packet), _REPLY_SHAPES, copy=True)
    return number, reply  # type: ignore[return-value]  # the shapes are those of Reply


def approval_message(request: Request, challenge: bytes) -> bytes:
    """What custodians sign: a label, the vault's fresh number, and the request without approvals."""
    bare = replace(request, approvals=b"") if isinstance(request, _APPROVABLE) else request
    return b"tillguard vault approval 1\0" + challenge + encode(0, bare)


def _decode(
    packet: memoryview, shapes: Mapping[int, tuple[type, tuple[str, ...]]], *, copy: bool = False
) -> tuple[int, object]:
    if len(packet) < HEAD_OCTETS or packet[1] not in shapes:
        raise DecodeError("vault message", "a number and a known code expected")
    kind, letters = shapes[packet[1]]
    values: list[Any] = []
    place = HEAD_OCTETS
    for letter in letters:
        size = 8 if letter == "n" else int.from_bytes(packet[place : place + 2], "big")
        start = place if letter == "n" else place + 2
        place = start + size
        if place > len(packet):
            raise DecodeError("vault message", "cut short")
        part = packet[start:place]
        if letter == "t":
            try:
                values.append(str(part, "utf-8"))
            except UnicodeDecodeError:
                raise DecodeError("vault message", "text that is not UTF-8") from None
        else:
            values.append(int.from_bytes(part, "big") if letter == "n" else bytes(part) if copy else part)
    if place != len(packet):
        raise DecodeError("vault message", "octets behind the last field")
    return packet[0], kind(*values)
