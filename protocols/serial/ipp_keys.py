# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Key loading, DUKPT engines and diagnostics of the IPP family: messages and their decoders. Deciphers no key.

A key goes to a pad in a key block (ANSI X9.143) under the pad's loading key. The family also knows keys in clear, for
an injection facility whose two officers have opened the pad for it; a terminal never sends one. Which character stands
for which refusal of packet 91 is the UIC PP791 user's manual's (packets 02, 90 to 96); packet 01's numbers and the
refusal of 02 differ by firmware, here they are our twin's.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from protocols.errors import DecodeError, EncodeError
from protocols.octets import unhex
from protocols.secret import ClearKey
from protocols.serial.framer import FS, Envelope
from protocols.serial.ipp import KSN_DIGITS, KSN_OCTETS, NO_ERROR, Dialect

_FS = chr(FS)
ENGINES: Mapping[str, int] = {"90": 0, "94": 1}
_ANSWERS = {"90": "91", "94": "95"}
_CLEAR_KEY = re.compile(r"(?:[0-9A-F]{48}|[0-9A-F]{32})")
_KEY_BLOCK = re.compile(r"[A-E][0-9]{4}[0-9A-Z]{2}[A-Z][A-Z][0-9A-Z]{2}[A-Z][0-9]{2}[0-9A-Z]{2}[0-9A-Za-z +/=.:-]+")
LOAD_ERRORS: Mapping[str, str] = {
    "1": "a key in clear is taken only while two officers keep the pad open for it",
    "2": "the key is not hexadecimal",
    "6": "the key's usage does not fit the slot",
    "8": "the pad has that key already",
    "9": "the key is weak or of a wrong length",
    "A": "the key block is malformed",
    "B": "the key is longer than the key it comes under",
    "C": "the key block is not authentic: it is of another loading key, or altered",
    "D": "the pad has no loading key",
    "F": "the counter of the KSN is not at its start",
}
"""Refusals of a key, in words (UIC PP791, packet 91; 6, 8 and 9 are ours)."""
TAMPER_STATE = "01"
INTACT = "0"


@dataclass(frozen=True, slots=True)
class LoadMasterKey:
    """02: a key for a slot, as a key block or (injection only) in clear with its attributes, usage and mode."""

    envelope: ClassVar[Envelope] = Envelope.ADMINISTRATION
    slot: str
    block: str = ""
    test_clear_key: ClearKey | None = field(default=None, repr=False)
    attributes: str = ""

    def text(self, dialect: Dialect) -> str:
        if len(self.slot) != 1 or not self.slot.isalnum():
            raise EncodeError("a slot is one letter or digit")
        if self.test_clear_key is None:
            if not _KEY_BLOCK.fullmatch(self.block):
                raise EncodeError("no key block: version, length, header and hexadecimal digits expected")
            return f"02{self.slot}{self.block}"
        behind = _FS + self.attributes if self.attributes else ""
        return f"02{self.slot}{self.test_clear_key.reveal().hex().upper()}{behind}"


@dataclass(frozen=True, slots=True)
class MasterKeyEcho:
    """02, answered with its own text: ACK commits the key, EOT drops it."""

    envelope: ClassVar[Envelope] = Envelope.ADMINISTRATION
    words: str = field(repr=False)

    def text(self, dialect: Dialect) -> str:
        return self.words


@dataclass(frozen=True, slots=True)
class MasterKeyRefusal:
    """02, refused with a code of :data:`LOAD_ERRORS`."""

    envelope: ClassVar[Envelope] = Envelope.ADMINISTRATION
    code: str

    def text(self, dialect: Dialect) -> str:
        return "021" + self.code


@dataclass(frozen=True, slots=True)
class LoadInitialKey:
    """90 and 94: a DUKPT key for engine 0 or 1, as a key block with its KSN (optional block KS), or in clear."""

    envelope: ClassVar[Envelope] = Envelope.TRANSACTION
    engine: int
    block: str = ""
    test_clear_key: ClearKey | None = field(default=None, repr=False)
    ksn: bytes = b""

    def text(self, dialect: Dialect) -> str:
        head = next(found for found, engine in ENGINES.items() if engine == self.engine)
        if self.test_clear_key is not None:
            if len(self.ksn) != KSN_OCTETS:
                raise EncodeError("a KSN of 10 octets expected")
            return f"{head}{self.test_clear_key.reveal().hex().upper()}{self.ksn.hex().upper()}"
        if not _KEY_BLOCK.fullmatch(self.block):
            raise EncodeError("no key block: version, length, header and hexadecimal digits expected")
        return head + self.block


@dataclass(frozen=True, slots=True)
class InitialKeyResult:
    """91 and 95: taken, or refused with a code of :data:`LOAD_ERRORS`."""

    envelope: ClassVar[Envelope] = Envelope.TRANSACTION
    engine: int
    refusal: str = ""

    def text(self, dialect: Dialect) -> str:
        head = next(_ANSWERS[found] for found, engine in ENGINES.items() if engine == self.engine)
        return head + ("1" + self.refusal if self.refusal else NO_ERROR)


@dataclass(frozen=True, slots=True)
class SelectEngine:
    """96: use this DUKPT engine from now on; a pad without a key in it ends the session."""

    envelope: ClassVar[Envelope] = Envelope.TRANSACTION
    engine: int

    def text(self, dialect: Dialect) -> str:
        return f"96{self.engine}"


@dataclass(frozen=True, slots=True)
class ReadKsn:
    """7A: asks for the KSN that the next PIN will have."""

    envelope: ClassVar[Envelope] = Envelope.TRANSACTION

    def text(self, dialect: Dialect) -> str:
        return "7A"


@dataclass(frozen=True, slots=True)
class KeySerialNumber:
    """7A, answered; with the leading F or without, as the dialect has it."""

    envelope: ClassVar[Envelope] = Envelope.TRANSACTION
    ksn: bytes

    def text(self, dialect: Dialect) -> str:
        digits = self.ksn.hex().upper()
        return "7A" + (digits.lstrip("F").rjust(KSN_DIGITS.start, "F") if dialect.ksn_without_fill else digits)


@dataclass(frozen=True, slots=True)
class Diagnose:
    """01: one test of the pad, by number; the only question that a pad answers after it was tampered with."""

    envelope: ClassVar[Envelope] = Envelope.ADMINISTRATION
    test: str

    def text(self, dialect: Dialect) -> str:
        return "01" + self.test


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """01, answered: the number, and what was found."""

    envelope: ClassVar[Envelope] = Envelope.ADMINISTRATION
    test: str
    result: str

    def text(self, dialect: Dialect) -> str:
        return f"01{self.test}{self.result}"


KeyRequest = LoadMasterKey | LoadInitialKey | SelectEngine | ReadKsn | Diagnose
KeyReply = MasterKeyEcho | MasterKeyRefusal | InitialKeyResult | KeySerialNumber | Diagnosis


def _load_master_key(rest: str, _: Dialect) -> LoadMasterKey:
    slot, body = rest[:1], rest[1:]
    if not slot.isalnum():
        raise DecodeError("02 slot", "a letter or digit expected")
    if _KEY_BLOCK.fullmatch(body):
        return LoadMasterKey(slot, body)
    key, attributes = body.partition(_FS)[::2]
    if not _CLEAR_KEY.fullmatch(key) or len(attributes) not in (0, 3) or not (attributes + "0").isalnum():
        raise DecodeError("02", "a key block, or hexadecimal digits and attributes, expected")
    return LoadMasterKey(slot, "", ClearKey.from_hex(key), attributes)


def _load_initial_key(number: str) -> Callable[[str, Dialect], LoadInitialKey]:
    def decode(rest: str, _: Dialect) -> LoadInitialKey:
        if _KEY_BLOCK.fullmatch(rest):
            return LoadInitialKey(ENGINES[number], rest)
        key, ksn = rest[: -2 * KSN_OCTETS], unhex(rest[-2 * KSN_OCTETS :], f"{number} KSN")
        if not _CLEAR_KEY.fullmatch(key) or len(ksn) != KSN_OCTETS:
            raise DecodeError(number, "a key block, or a key and a KSN in hexadecimal digits, expected")
        return LoadInitialKey(ENGINES[number], "", ClearKey.from_hex(key), ksn)

    return decode


def _select_engine(rest: str, _: Dialect) -> SelectEngine:
    if rest not in ("0", "1"):
        raise DecodeError("96", "engine 0 or 1 expected")
    return SelectEngine(int(rest))


def _read_ksn(rest: str, _: Dialect) -> ReadKsn:
    if rest:
        raise DecodeError("7A", "nothing behind the number expected")
    return ReadKsn()


def _diagnose(rest: str, _: Dialect) -> Diagnose:
    if len(rest) != 2 or not rest.isdigit():
        raise DecodeError("01", "a test's number of two digits expected")
    return Diagnose(rest)


def _master_key_answer(rest: str, _: Dialect) -> MasterKeyEcho | MasterKeyRefusal:
    if len(rest) == 2 and rest[0] == "1" and rest[1].isalnum():
        return MasterKeyRefusal(rest[1])
    if len(rest) < 33:
        raise DecodeError("02", "the packet that was sent, or 1 and an error code, expected")
    return MasterKeyEcho("02" + rest)


def _initial_key_result(engine: int) -> Callable[[str, Dialect], InitialKeyResult]:
    def decode(rest: str, _: Dialect) -> InitialKeyResult:
        if rest == NO_ERROR:
            return InitialKeyResult(engine)
        if len(rest) != 2 or rest[0] != "1" or not rest[1].isalnum():
            raise DecodeError("91", "0, or 1 and an error code, expected")
        return InitialKeyResult(engine, rest[1])

    return decode


def _key_serial_number(rest: str, _: Dialect) -> KeySerialNumber:
    if len(rest) not in KSN_DIGITS:
        raise DecodeError("7A", f"{len(rest)} characters, 10 to 20 expected")
    return KeySerialNumber(unhex(rest.rjust(KSN_DIGITS[-1], "F"), "7A"))


def _diagnosis(rest: str, _: Dialect) -> Diagnosis:
    if len(rest) < 3 or not rest[:2].isdigit() or not rest.isprintable():
        raise DecodeError("01", "a test's number and its result expected")
    return Diagnosis(rest[:2], rest[2:])


REQUESTS: Mapping[tuple[Envelope, str], Callable[[str, Dialect], KeyRequest]] = {
    (Envelope.ADMINISTRATION, "01"): _diagnose,
    (Envelope.ADMINISTRATION, "02"): _load_master_key,
    (Envelope.TRANSACTION, "7A"): _read_ksn,
    (Envelope.TRANSACTION, "90"): _load_initial_key("90"),
    (Envelope.TRANSACTION, "94"): _load_initial_key("94"),
    (Envelope.TRANSACTION, "96"): _select_engine,
}
REPLIES: Mapping[tuple[Envelope, str], Callable[[str, Dialect], KeyReply]] = {
    (Envelope.ADMINISTRATION, "01"): _diagnosis,
    (Envelope.ADMINISTRATION, "02"): _master_key_answer,
    (Envelope.TRANSACTION, "7A"): _key_serial_number,
    (Envelope.TRANSACTION, "91"): _initial_key_result(0),
    (Envelope.TRANSACTION, "95"): _initial_key_result(1),
}
WORDS: Mapping[str, Callable[[str], str]] = {
    "01": lambda rest: f"test {rest[:2]}" if rest[:2].isdigit() else f"{len(rest)} characters",
    "02": lambda rest: f"slot {rest[0]}, {len(rest) - 1} characters" if rest[:1].isalnum() else "",
    "7A": lambda rest: f"{len(rest)} characters",
    "91": lambda rest: f"code {rest[:2]}" if rest.isalnum() and len(rest) <= 2 else f"{len(rest)} characters",
}
"""Redacted words for traces: never a key, in clear or enciphered."""
