# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""PIN entry under session keys, custom prompts and other input of the IPP family: messages and their decoders.

Three packets ask for a PIN under a session key: 70 with an amount, Z60 behind a prompt that was shown, Z62 (UIC) or Z63
(VeriFone) with limits and prompts of its own. All are answered by 71 with the PIN's length and the block. Z42 and Z50
ask for a key or digits that come back in clear: a pad takes them only behind a prompt of its own making (Z2 with GS and
the prompt's number). Sources: UIC PP791 user's manual (packets 70, Z60, Z62, Z2, Z42, Z50); VeriFone MX800 programmer's
guide (packet chapters). The manuals' layouts of Z42 and Z50 differ; here: three digits of seconds, two of characters.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from protocols.errors import DecodeError, EncodeError
from protocols.octets import unhex
from protocols.pan import PAN_DIGITS, Pan
from protocols.secret import PIN_DIGITS
from protocols.serial.framer import FS, GS, Envelope
from protocols.serial.ipp import BLOCK_OCTETS, SESSION_KEY_OCTETS, Dialect, PinReason, RequestRefusedError

_FS, _GS = chr(FS), chr(GS)
PROMPT_NUMBER = re.compile(r"[0-9]{2}")
_KEY = r"[0-9A-F]{32}|[0-9A-F]{16}"
_AMOUNT_70 = re.compile(rf"(?P<key>{_KEY})(?P<amount>[0-9]{{1,9}}\.[0-9]{{2}})?")
_KEY_ALONE = re.compile(_KEY)
_CUSTOM = re.compile(rf"(?P<key>{_KEY})(?P<least>[0-9]{{2}})(?P<most>[0-9]{{2}})(?P<null>[YN])(?P<prompt>.*)")
_DUKPT_AMOUNT = re.compile(r"[DC](?P<amount>[0-9]{1,9}\.[0-9]{2})")
NUMBERS_WITH_SESSION_KEY = ("70", "Z60", "Z62", "Z63")


@dataclass(frozen=True, slots=True)
class RequestSessionPin:
    """70, Z60, Z62 or Z63: the pad asks for the PIN and enciphers it under a session key of the selected slot."""

    envelope: ClassVar[Envelope] = Envelope.TRANSACTION
    number: str
    pan: Pan
    session_key: bytes
    amount: str = ""
    """70 only: digits, a point, two digits; the pad shows it."""
    least: int = PIN_DIGITS[0]
    most: int = PIN_DIGITS[-1]
    may_be_empty: bool = False
    prompts: tuple[str, str, str] = ("", "", "")
    """Z62 and Z63: first and second prompt, and what is shown while the pad works; each from the pad's own table."""
    time_units: int = 0

    def text(self, dialect: Dialect) -> str:
        if self.number not in NUMBERS_WITH_SESSION_KEY or len(self.session_key) != SESSION_KEY_OCTETS:
            raise EncodeError("one of 70, Z60, Z62 and Z63 with a key of 16 octets expected")
        key = self.session_key.hex().upper()
        fields = [f"{self.number}.{self.pan.digits}"]
        if self.number in ("Z62", "Z63"):
            if self.least not in range(100) or self.most not in range(100):
                raise EncodeError("PIN lengths of two digits expected")
            empty = "Y" if self.may_be_empty else "N"
            fields += [f"{key}{self.least:02d}{self.most:02d}{empty}{self.prompts[0]}", *self.prompts[1:]]
        else:
            fields.append(key + self.amount)
        if self.time_units:
            if not dialect.pin_time_unit_s or self.time_units not in range(1, 10):
                raise EncodeError("a time limit of 1 to 9 units expected, where the dialect has any")
            fields.append(str(self.time_units))
        return _FS.join(fields)


@dataclass(frozen=True, slots=True)
class RequestAmountPin:
    """70 with the active key in DUKPT mode: D for a debit, C for a credit, and the amount for the display."""

    envelope: ClassVar[Envelope] = Envelope.TRANSACTION
    pan: Pan
    amount: str
    credit: bool = False

    def text(self, dialect: Dialect) -> str:
        return f"70.{self.pan.digits}{_FS}{'C' if self.credit else 'D'}{self.amount}"


@dataclass(frozen=True, slots=True)
class SessionPinBlock:
    """71, the entry went well: function key 0, number of digits, block format 01, enciphered block (8 octets)."""

    envelope: ClassVar[Envelope] = Envelope.TRANSACTION
    digits: int
    block: bytes

    def text(self, dialect: Dialect) -> str:
        return f"71.0{self.digits:02d}01{self.block.hex().upper()}"


@dataclass(frozen=True, slots=True)
class ShowPrompt:
    """Z2 with GS: shows one prompt of the pad's own table, by number; the input that follows may be in clear."""

    envelope: ClassVar[Envelope] = Envelope.TRANSACTION
    prompt: str

    def text(self, dialect: Dialect) -> str:
        return f"Z2{_GS}{self.prompt}"


@dataclass(frozen=True, slots=True)
class AskKey:
    """Z42: asks for one key, which comes back in clear."""

    envelope: ClassVar[Envelope] = Envelope.TRANSACTION
    seconds: int

    def text(self, dialect: Dialect) -> str:
        return f"Z42{self.seconds:03d}"


@dataclass(frozen=True, slots=True)
class KeyPressed:
    """Z43: the key."""

    envelope: ClassVar[Envelope] = Envelope.TRANSACTION
    key: str

    def text(self, dialect: Dialect) -> str:
        return "Z43" + self.key


@dataclass(frozen=True, slots=True)
class AskString:
    """Z50: asks for digits, which come back in clear."""

    envelope: ClassVar[Envelope] = Envelope.TRANSACTION
    seconds: int
    most: int

    def text(self, dialect: Dialect) -> str:
        return f"Z50{self.seconds:03d}{self.most:02d}"


@dataclass(frozen=True, slots=True)
class StringEntered:
    """Z51: the digits."""

    envelope: ClassVar[Envelope] = Envelope.TRANSACTION
    digits: str

    def text(self, dialect: Dialect) -> str:
        return "Z51" + self.digits


EntryRequest = RequestSessionPin | RequestAmountPin | ShowPrompt | AskKey | AskString
EntryReply = SessionPinBlock | KeyPressed | StringEntered


def pan_of(digits: str, where: str, dialect: Dialect) -> Pan:
    """The PAN of a PIN request; :class:`RequestRefusedError` with the dialect's code for what is none."""
    for wrong, why, reason in (
        (not digits, "no PAN", PinReason.NO_PAN),
        (len(digits) < PAN_DIGITS.start, "a PAN of less than 8 digits", PinReason.SHORT_PAN),
        (len(digits) >= PAN_DIGITS.stop, "a PAN of more than 19 digits", PinReason.LONG_PAN),
        (not digits.isdigit(), "a PAN with a character that is no digit", PinReason.NOT_DIGITS),
    ):
        if wrong:
            raise RequestRefusedError(where, why, dialect.refusal(reason))
    return Pan(digits)


def time_units(fields: list[str], where: str, dialect: Dialect) -> int:
    """What the optional last field says; 0 where there is none."""
    if not fields:
        return 0
    if len(fields) != 1 or not dialect.pin_time_unit_s or fields[0] not in tuple("123456789"):
        why = "a time limit of one digit 1 to 9 expected, where the dialect has any"
        raise RequestRefusedError(where, why, dialect.refusal(PinReason.TIME_LIMIT))
    return int(fields[0])


def has_session_key(rest: str) -> bool:
    """Whether the text behind Z60 names a session key."""
    fields = rest.split(_FS)
    return len(fields) > 1 and _KEY_ALONE.fullmatch(fields[1]) is not None


def session_pin(number: str) -> Callable[[str, Dialect], RequestSessionPin]:
    """The decoder of 70 or Z60 with a session key."""

    def decode(rest: str, dialect: Dialect) -> RequestSessionPin:
        digits, *fields = _pointed(rest, number).split(_FS)
        pan = pan_of(digits, number, dialect)
        found = _AMOUNT_70.fullmatch(fields[0]) if fields else None
        if found is None or (number != "70" and found["amount"]):
            raise RequestRefusedError(number, "a session key expected", dialect.refusal(PinReason.KEY_FORMAT))
        units = time_units(fields[1:], number, dialect)
        key = _double(found["key"], number, dialect)
        return RequestSessionPin(number, pan, key, found["amount"] or "", time_units=units)

    return decode


def _request_70(rest: str, dialect: Dialect) -> RequestSessionPin | RequestAmountPin:
    digits, *fields = _pointed(rest, "70").split(_FS)
    found = _DUKPT_AMOUNT.fullmatch(fields[0]) if len(fields) == 1 else None
    if found is None:
        return session_pin("70")(rest, dialect)
    return RequestAmountPin(pan_of(digits, "70", dialect), found["amount"], fields[0][0] == "C")


def _custom(number: str) -> Callable[[str, Dialect], RequestSessionPin]:
    def decode(rest: str, dialect: Dialect) -> RequestSessionPin:
        if number != dialect.custom_pin:
            raise DecodeError(number, "not the custom PIN packet of this dialect")
        digits, *fields = _pointed(rest, number).split(_FS)
        pan = pan_of(digits, number, dialect)
        found = _CUSTOM.fullmatch(fields[0]) if fields else None
        if found is None:
            raise RequestRefusedError(number, "key, lengths, Y or N expected", dialect.refusal(PinReason.KEY_FORMAT))
        if len(fields) < 3 or not "".join(fields).isprintable():
            raise RequestRefusedError(number, "three prompts expected", dialect.refusal(PinReason.PROMPT))
        least, most = int(found["least"]), int(found["most"])
        if not PIN_DIGITS[0] <= least <= most <= PIN_DIGITS[-1]:
            raise RequestRefusedError(number, "4 to 12 digits expected", dialect.refusal(PinReason.LENGTH))
        units = time_units(fields[3:], number, dialect)
        prompts = (found["prompt"], fields[1], fields[2])
        key = _double(found["key"], number, dialect)
        return RequestSessionPin(number, pan, key, "", least, most, found["null"] == "Y", prompts, units)

    return decode


def _double(digits: str, where: str, dialect: Dialect) -> bytes:
    key = unhex(digits, where)
    if len(key) != SESSION_KEY_OCTETS:
        why = "a session key of 16 octets expected: single DES protects nothing"
        raise RequestRefusedError(where, why, dialect.refusal(PinReason.KEY_FORMAT))
    return key


def _pointed(rest: str, where: str) -> str:
    if not rest.startswith("."):
        raise DecodeError(where, "a point and the PAN expected")
    return rest[1:]


def show_prompt(rest: str) -> ShowPrompt:
    """The decoder of Z2 with GS."""
    if not PROMPT_NUMBER.fullmatch(rest[1:]):
        raise DecodeError("Z2", "GS and a prompt's number of two digits expected")
    return ShowPrompt(rest[1:])


def _ask_key(rest: str, _: Dialect) -> AskKey:
    if len(rest) != 3 or not rest.isdigit():
        raise DecodeError("Z42", "three digits of seconds expected")
    return AskKey(int(rest))


def _ask_string(rest: str, _: Dialect) -> AskString:
    if len(rest) != 5 or not rest.isdigit() or not int(rest[3:]):
        raise DecodeError("Z50", "three digits of seconds and two of characters expected")
    return AskString(int(rest[:3]), int(rest[3:]))


def session_pin_block(rest: str) -> SessionPinBlock:
    """The decoder of 71 with a point."""
    digits, block = rest[2:4], unhex(rest[6:], "71 block")
    if rest[:2] != ".0" or not digits.isdigit() or rest[4:6] != "01" or len(block) != BLOCK_OCTETS:
        raise DecodeError("71", "point, function key 0, PIN length, format 01 and a block expected")
    return SessionPinBlock(int(digits), block)


def _key_pressed(rest: str, _: Dialect) -> KeyPressed:
    if len(rest) != 1 or not rest.isalnum():
        raise DecodeError("Z43", "one key expected")
    return KeyPressed(rest)


def _string_entered(rest: str, _: Dialect) -> StringEntered:
    if not rest.isdigit():
        raise DecodeError("Z51", "digits expected")
    return StringEntered(rest)


REQUESTS: Mapping[tuple[Envelope, str], Callable[[str, Dialect], EntryRequest]] = {
    (Envelope.TRANSACTION, "70"): _request_70,
    (Envelope.TRANSACTION, "Z42"): _ask_key,
    (Envelope.TRANSACTION, "Z50"): _ask_string,
    (Envelope.TRANSACTION, "Z62"): _custom("Z62"),
    (Envelope.TRANSACTION, "Z63"): _custom("Z63"),
}
REPLIES: Mapping[tuple[Envelope, str], Callable[[str, Dialect], EntryReply]] = {
    (Envelope.TRANSACTION, "Z43"): _key_pressed,
    (Envelope.TRANSACTION, "Z51"): _string_entered,
}
