# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The optional blocks of a key block's header: text to values and back. Judges their form, not what they promise.

A block is two characters of identifier, a length in hexadecimal that counts everything, and data; lengths above 255
take the extended form ``00 04 LLLL`` (ANSI X9.143:2021, 6.2, table 1, and 6.3.6). Blocks that no table names are kept
as they are. All blocks together fill whole cipher blocks; the padding block PB, last, makes them.
"""

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import NamedTuple

from protocols.errors import DecodeError, EncodeError
from protocols.keyblock.codes import Algorithm
from protocols.primitives import AesKey, KeyOctets, TdesKey, check_value, check_value_cmac

LONGEST_SHORT = 0xFF  # table 1: characters that the short length can count
EXTENDED_HEADER = 10  # identifier, 00, 04, four digits
MOST_BLOCKS = 99  # two decimal digits in the header
LONGEST = 9_999 - 16  # characters: what the block length's four decimal digits leave
PADDING = "PB"
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_HEX = re.compile(r"[0-9A-F]*")
_PRINTABLE = re.compile(r"[ -~]*")
_LENGTH = re.compile(r"[0-9A-F]+")


class Reading:
    """How faults of form are taken: a strict reader raises them, a lenient one notes what it forgave and why."""

    __slots__ = ("forgiven", "strict")

    def __init__(self, *, strict: bool) -> None:
        self.strict = strict
        self.forgiven: list[str] = []

    def fault(self, where: str, why: str) -> None:
        """One fault that some other edition or implementation lives with."""
        if self.strict:
            raise DecodeError(where, why)
        self.forgiven.append(f"{where}: {why}")


@dataclass(frozen=True, slots=True)
class OptionalBlock:
    """One optional block: identifier and data as characters."""

    identifier: str
    data: str

    @property
    def words(self) -> str:
        """What the identifier stands for."""
        kind = KINDS.get(self.identifier)
        return kind.words if kind else "an unknown block" if not self.identifier.isdigit() else "an owner's own block"

    def encode(self) -> str:
        """The block as text; :class:`EncodeError` if it is longer than a key block can be."""
        size = len(self.data) + 4
        if len(self.identifier) != 2 or not self.identifier.isalnum() or not self.identifier.isascii():
            raise EncodeError("the identifier of an optional block is two letters or digits")
        if not _PRINTABLE.fullmatch(self.data):
            raise EncodeError(f"optional block {self.identifier} takes printable ASCII only")
        if size <= LONGEST_SHORT:
            return f"{self.identifier}{size:02X}{self.data}"
        size = len(self.data) + EXTENDED_HEADER
        if size > LONGEST:
            raise EncodeError(f"optional block {self.identifier} of {size} characters, {LONGEST} at most")
        return f"{self.identifier}0004{size:04X}{self.data}"


def decode(text: str, count: int, block_octets: int, reading: Reading) -> tuple[tuple[OptionalBlock, ...], int]:
    """``count`` blocks from the beginning of ``text``, and the number of characters they take."""
    found: list[OptionalBlock] = []
    place = 0
    for number in range(1, count + 1):
        where = f"optional block {number}"
        if len(text) < place + 4:
            raise DecodeError(where, "the key block ends inside its header")
        identifier = text[place : place + 2]
        if not (identifier.isascii() and identifier.isalnum()):
            raise DecodeError(where, "its identifier is not two letters or digits")
        size, header = _size(text, place, where)
        if size < header or place + size > len(text):
            raise DecodeError(where, f"{size} characters announced, {header} to {len(text) - place} possible")
        block = OptionalBlock(identifier, text[place + header : place + size])
        _judge(block, where, found, reading)
        found.append(block)
        place += size
    if place % block_octets:
        reading.fault("optional blocks", f"{place} characters in all, a multiple of {block_octets} expected")
    if any(block.identifier == PADDING for block in found[:-1]):
        reading.fault("optional blocks", "the padding block is not the last")
    return tuple(found), place


def encode(blocks: Iterable[OptionalBlock], block_octets: int, randomness: bytes) -> tuple[str, int]:
    """The blocks as text of whole cipher blocks, and their number; a padding block is added where one is needed.

    One that is already there is kept if it fits and made anew if not. Its characters come from ``randomness``, up to
    15 octets (X9.143:2021, 6.3.6.11); they hide nothing and need only be letters and digits.
    """
    given = tuple(blocks)
    text = "".join(block.encode() for block in given)
    if len(text) % block_octets:
        given = tuple(block for block in given if block.identifier != PADDING)
        text = "".join(block.encode() for block in given)
        if len(text) % block_octets:
            fill = -(len(text) + 4) % block_octets
            if len(randomness) < fill:
                raise EncodeError(f"{len(randomness)} octets of randomness, {fill} needed for the padding block")
            data = "".join(_ALPHABET[octet * len(_ALPHABET) >> 8] for octet in randomness[:fill])
            given = (*given, OptionalBlock(PADDING, data))
            text += given[-1].encode()
    if len(given) > MOST_BLOCKS:
        raise EncodeError(f"{len(given)} optional blocks, {MOST_BLOCKS} at most")
    return text, len(given)


class KeyCheckValue(NamedTuple):
    """A check value in a block KC, KP or PK."""

    cmac: bool
    octets: bytes


def check_value_of(block: OptionalBlock) -> KeyCheckValue:
    """The check value of a block KC (wrapped key), KP or PK (protection key) (X9.143:2021, 6.3.6.7, table 15)."""
    return KeyCheckValue(block.data[:2] == "01", _octets(block, block.data[2:]))


def check_value_block(identifier: str, algorithm: str, key: KeyOctets) -> OptionalBlock:
    """A block KC or KP for ``key``: zeros enciphered for TDES, CMAC for AES (X9.24-1:2017, Annex A)."""
    if algorithm == Algorithm.AES:
        with AesKey(key) as aes:
            return OptionalBlock(identifier, "01" + check_value_cmac(aes).hex().upper())
    if algorithm != Algorithm.TDES:
        raise EncodeError("a check value block is defined for TDES and AES keys")
    with TdesKey(key) as tdes:
        return OptionalBlock(identifier, "00" + check_value(tdes).hex().upper())


def serial_number(block: OptionalBlock) -> bytes:
    """The octets of a block KS (initial key serial number) or IK (initial key identifier of AES DUKPT)."""
    return _octets(block, block.data)


def time_of(block: OptionalBlock) -> datetime:
    """The moment in a block TS or TC, in UTC (X9.143:2021, 6.3.6.13 and 6.3.6.14)."""
    return _moment(block.data, block.identifier)


def time_block(identifier: str, moment: datetime) -> OptionalBlock:
    """A block TS or TC for a moment, to the second."""
    if moment.tzinfo is None:
        raise EncodeError("a time block takes a moment with its time zone")
    return OptionalBlock(identifier, f"{moment.astimezone(UTC):%Y%m%d%H%M%SZ}")


def certificates_of(block: OptionalBlock) -> tuple[bytes, ...]:
    """The X.509 certificates, DER, of a block CT: one, or a chain (X9.143:2021, 6.3.6.3, tables 10 and 11)."""
    form, data = block.data[:2], block.data[2:]
    if form == "00":
        return (_unbase64(data),)
    if form != "02":
        raise DecodeError("optional block CT", "an X.509 certificate (00) or a chain of them (02) expected")
    found = []
    while data:
        size = data[2:6]
        if data[:2] != "00" or len(size) != 4 or not _LENGTH.fullmatch(size) or len(data) < 6 + int(size, 16):
            raise DecodeError("optional block CT", "the chain holds what is no X.509 certificate, or ends inside one")
        found.append(_unbase64(data[6 : 6 + int(size, 16)]))
        data = data[6 + int(size, 16) :]
    return tuple(found)


def certificates_block(certificates: Sequence[bytes]) -> OptionalBlock:
    """A block CT of one X.509 certificate in DER, or of a chain that begins with the key's own."""
    texts = [base64.b64encode(certificate).decode("ascii") for certificate in certificates]
    if len(texts) == 1:
        return OptionalBlock("CT", "00" + texts[0])
    return OptionalBlock("CT", "02" + "".join(f"00{len(text):04X}{text}" for text in texts))


def _size(text: str, place: int, where: str) -> tuple[int, int]:
    """Characters of the block at ``place``, and of its identifier and length."""
    digits = text[place + 2 : place + 4]
    if digits != "00":
        return _number(digits, where), 4
    if text[place + 4 : place + 6] != "04":
        raise DecodeError(where, "an extended length has four hexadecimal digits")
    return _number(text[place + 6 : place + EXTENDED_HEADER].ljust(1, "?"), where), EXTENDED_HEADER


def _number(digits: str, where: str) -> int:
    if not _LENGTH.fullmatch(digits):
        raise DecodeError(where, "its length is not hexadecimal digits")
    return int(digits, 16)


def _judge(block: OptionalBlock, where: str, before: list[OptionalBlock], reading: Reading) -> None:
    if not _PRINTABLE.fullmatch(block.data):
        raise DecodeError(where, "its data are not printable ASCII")
    kind = KINDS.get(block.identifier)
    if kind is not None and not kind.fits(block.data):
        reading.fault(f"{where} ({block.identifier}, {kind.words})", f"{kind.form} expected")
    if any(other.identifier == block.identifier for other in before):
        reading.fault(where, f"a second block {block.identifier}")


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of block: its words, its form in words, and the test of that form."""

    words: str
    form: str
    fits: Callable[[str], bool]


def _matching(pattern: str) -> Callable[[str], bool]:
    compiled = re.compile(pattern)
    return lambda data: compiled.fullmatch(data) is not None


def _is_moment(data: str) -> bool:
    try:
        _moment(data, "TS")
    except DecodeError:
        return False
    return True


def _is_certificate(data: str) -> bool:
    try:
        return data[:2] == "01" or bool(certificates_of(OptionalBlock("CT", data)))
    except DecodeError:
        return False


_CHECK = _matching(r"00(?:[0-9A-F]{2}){2,3}|01(?:[0-9A-F]{2}){2,5}")
_CHECK_FORM = "00 and 4 or 6 hexadecimal digits, or 01 and 4 to 10 of them"
_TIME_FORM = "a moment in UTC such as 20200818221218Z"
_HASHES = r"10|2[0-5]|3[0-3]|4[01]"

KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "AL": Kind("asymmetric key life", "01 and 00 or 01", _matching(r"010[01]")),
        "BI": Kind("identifier of the base derivation key", "00 and 10 hexadecimal digits, or 01 and 8",
                   _matching(r"00[0-9A-F]{10}|01[0-9A-F]{8}")),
        "CT": Kind("certificate of the key", "00 and a certificate, or 02 and a chain, in base64", _is_certificate),
        "DA": Kind("derivations allowed", "01 and groups of 5 letters or digits", _matching(r"01(?:[0-9A-Za-z]{5})+")),
        "FL": Kind("flags", "hexadecimal digits", _matching(r"[0-9A-F]+")),
        "HM": Kind("hash of an HMAC key", "one of the standard's hash codes", _matching(_HASHES)),
        "IK": Kind("initial key identifier of AES DUKPT", "16 hexadecimal digits", _matching(r"[0-9A-F]{16}")),
        "KC": Kind("check value of the wrapped key", _CHECK_FORM, _CHECK),
        "KP": Kind("check value of the protection key", _CHECK_FORM, _CHECK),
        "KS": Kind("initial key serial number of TDES DUKPT", "20 hexadecimal digits", _matching(r"[0-9A-F]{20}")),
        "KV": Kind("key block values", "4 letters or digits", _matching(r"[0-9A-Za-z]{4}")),
        "LB": Kind("label", "printable ASCII", _matching(r"[ -~]+")),
        "PB": Kind("padding", "printable ASCII", _matching(r"[ -~]*")),
        "PK": Kind("check value of the exporting protection key", _CHECK_FORM, _CHECK),
        "TC": Kind("time of the key's creation", _TIME_FORM, _is_moment),
        "TS": Kind("time of the block's making", _TIME_FORM, _is_moment),
        "WP": Kind("wrapping pedigree", "00 and one digit 0 to 3", _matching(r"00[0-3]")),
    }
)  # fmt: skip
"""The blocks of X9.143:2021, 6.3.6, table 7."""

_MOMENT = re.compile(r"([0-9]{8})([0-9]{6})([0-9]{2})?Z")
_DELIMITED = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{2}))?Z")


def _moment(text: str, identifier: str) -> datetime:
    """Four forms: with and without delimiters, with and without hundredths of a second."""
    delimited = _DELIMITED.fullmatch(text)
    if delimited:
        text = "".join(delimited.groups("")) + "Z"
    found = _MOMENT.fullmatch(text)
    try:
        if found is None:
            raise ValueError
        moment = datetime.strptime(found[1] + found[2], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        raise DecodeError(f"optional block {identifier}", f"{_TIME_FORM} expected") from None
    return moment.replace(microsecond=int(found[3] or 0) * 10_000)


def _octets(block: OptionalBlock, digits: str) -> bytes:
    if len(digits) % 2 or not _HEX.fullmatch(digits):
        raise DecodeError(f"optional block {block.identifier}", "not an even number of hexadecimal digits")
    return bytes.fromhex(digits)


def _unbase64(text: str) -> bytes:
    try:
        octets = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise DecodeError("optional block CT", "not base64") from None
    if not octets:
        raise DecodeError("optional block CT", "no certificate in it")
    return octets
