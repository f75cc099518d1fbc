# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The text of a merchant-presented QR code (EMVCo QR Code Specification for Payment Systems, MPM 1.1). Draws no code.

Data objects of two digits of identifier, two digits of length in characters, and the value; some values are templates
of the same form. Object 00 comes first, object 63 last: the CRC over everything before its four digits, as UTF-8.

A sticker can be put over a printed code, so a code that is shown on a screen can carry more: who signed it, for which
order and until when (templates 80 and 81, ours; :func:`sign` and :func:`verify`). Anybody else's scanner reads past
them (MPM 1.1, 4.9: unreserved templates).
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from protocols.errors import DecodeError, EncodeError, IntegrityError
from protocols.octets import crc16

LONGEST_PAYLOAD = 512  # characters (MPM 1.1, 3.2)
LONGEST_VALUE = 99
FORMAT, POINT_OF_INITIATION, CRC = "00", "01", "63"
CATEGORY, CURRENCY, AMOUNT, COUNTRY, NAME, CITY = "52", "53", "54", "58", "59", "60"
ACCOUNTS = frozenset(f"{number:02d}" for number in range(2, 52))
TEMPLATES = frozenset([*(f"{number:02d}" for number in range(26, 52)), "62", "64", *map(str, range(80, 100))])
MANDATORY = (CATEGORY, CURRENCY, COUNTRY, NAME, CITY)
STATIC, DYNAMIC = "11", "12"
_VERSION = "01"
_CRC_START = 0xFFFF
_CRC_DIGITS = 4

Objects = tuple[tuple[str, str], ...]
"""Identifier and value, in order."""


@dataclass(frozen=True, slots=True)
class MerchantCode:
    """A payload taken apart: its objects in order, without format and CRC."""

    objects: Objects

    def value(self, identifier: str) -> str | None:
        """The value of an object, None where there is none."""
        return next((value for found, value in self.objects if found == identifier), None)

    def template(self, identifier: str) -> Objects:
        """The objects inside a template; :class:`DecodeError` where it holds something else."""
        value = self.value(identifier)
        return () if value is None else _split(value, f"QR object {identifier}")

    @property
    def dynamic(self) -> bool:
        """Whether the code is made for one payment (object 01)."""
        return self.value(POINT_OF_INITIATION) == DYNAMIC


def decode(payload: str, *, strict: bool = True) -> MerchantCode:
    """Take a payload apart; :class:`DecodeError` says where it is broken, and never quotes it.

    ``strict`` also asks for what every code must have: category, currency, country, name and city (MPM 1.1, table 3.1).
    """
    if len(payload) > LONGEST_PAYLOAD:
        raise DecodeError("QR payload", f"{len(payload)} characters, at most {LONGEST_PAYLOAD} expected")
    objects = _split(payload, "QR payload")
    if objects[:1] != ((FORMAT, _VERSION),):
        raise DecodeError("QR payload", "object 00 with value 01 expected first")
    if objects[-1][0] != CRC or len(objects[-1][1]) != _CRC_DIGITS:
        raise DecodeError("QR payload", "object 63 of four digits expected last")
    if _crc(payload[:-_CRC_DIGITS]) != objects[-1][1].upper():
        raise DecodeError("QR payload", "the CRC is not that of the payload")
    kept = objects[1:-1]
    identifiers = [identifier for identifier, _ in kept]
    twice = next((identifier for identifier in identifiers if identifiers.count(identifier) > 1), None)
    if twice is not None or FORMAT in identifiers or CRC in identifiers:
        raise DecodeError("QR payload", f"object {twice or FORMAT} stands there twice")
    if strict:
        missing = next((identifier for identifier in MANDATORY if identifier not in identifiers), None)
        if missing is not None or not ACCOUNTS.intersection(identifiers):
            raise DecodeError("QR payload", f"object {missing or '02 to 51'} is missing")
    return MerchantCode(kept)


def encode(objects: Objects) -> str:
    """The payload of these objects, with format and CRC; :class:`EncodeError` for what does not fit."""
    if any(identifier in (FORMAT, CRC) for identifier, _ in objects):
        raise EncodeError("format (00) and CRC (63) are put in by the encoder")
    payload = _join(((FORMAT, _VERSION), *objects)) + f"{CRC}{_CRC_DIGITS:02d}"
    payload += _crc(payload)
    if len(payload) > LONGEST_PAYLOAD:
        raise EncodeError(f"{len(payload)} characters in a QR payload, at most {LONGEST_PAYLOAD}")
    return payload


def template(objects: Objects) -> str:
    """The value of a template that holds these objects."""
    return _join(objects)


def _split(text: str, where: str) -> Objects:
    objects = []
    place = 0
    while place < len(text):
        head = text[place : place + 4]
        if len(head) < 4 or not (head.isascii() and head.isdigit()):
            raise DecodeError(where, f"character {place + 1}: identifier and length, two digits each, expected")
        size = int(head[2:])
        value = text[place + 4 : place + 4 + size]
        if not size or len(value) < size:
            raise DecodeError(where, f"character {place + 3}: a length that is zero or beyond the end")
        objects.append((head[:2], value))
        place += 4 + size
    if not objects:
        raise DecodeError(where, "empty")
    return tuple(objects)


def _join(objects: Objects) -> str:
    out = ""
    for identifier, value in objects:
        if len(identifier) != 2 or not (identifier.isascii() and identifier.isdigit()):
            raise EncodeError("a QR object's identifier has two digits")
        if not 0 < len(value) <= LONGEST_VALUE:
            raise EncodeError(f"QR object {identifier}: {len(value)} characters, 1 to {LONGEST_VALUE} expected")
        out += f"{identifier}{len(value):02d}{value}"
    return out


def _crc(payload: str) -> str:
    return f"{crc16(payload.encode('utf-8', 'surrogatepass'), _CRC_START):04X}"


TERMS, SIGNATURE = "80", "81"
GUID = "TGQR"
_CONTEXT = b"tillguard signed QR code, version 1\n"
SIGNATURE_OCTETS = 64
_SIGNATURE_CHARACTERS = 86

Sign = Callable[[bytes], bytes]
"""Ed25519 by the acquirer's key: message to signature of 64 octets."""
Verify = Callable[[bytes, bytes, bytes], bool]
"""Ed25519: public key of 32 octets, message, signature; whether it fits."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a signed code says beyond the payment: the order it is for, until when it may be paid, whose key signed."""

    order: str
    until_s: int
    key: str


def sign(objects: Objects, terms: Terms, by: Sign) -> str:
    """A dynamic payload with its terms and signature. Ed25519 (RFC 8032) over all of it but CRC and signature."""
    if any(identifier in (POINT_OF_INITIATION, TERMS, SIGNATURE) for identifier, _ in objects):
        raise EncodeError("objects 01, 80 and 81 of a signed code are put in by the encoder")
    said = template((("00", GUID), ("01", terms.order), ("02", str(terms.until_s)), ("03", terms.key)))
    whole = ((POINT_OF_INITIATION, DYNAMIC), *objects, (TERMS, said))
    signature = by(_signed(whole))
    if len(signature) != SIGNATURE_OCTETS:
        raise EncodeError(f"a signature of {len(signature)} octets, {SIGNATURE_OCTETS} expected")
    text = urlsafe_b64encode(signature).rstrip(b"=").decode("ascii")
    return encode((*whole, (SIGNATURE, template((("00", GUID), ("01", text))))))


def verify(payload: str, keys: Mapping[str, bytes], now_s: int, merchant: Mapping[str, str], by: Verify) -> Terms:
    """The terms of a signed code; :class:`DecodeError` for no code, :class:`IntegrityError` for one not to be paid.

    ``keys``: public keys by name. ``merchant``: the objects that must say who is paid, such as name and account, bound
    beforehand: a code that is whole and signed, but somebody else's, is refused.
    """
    code = decode(payload)
    said, signed = dict(code.template(TERMS)), dict(code.template(SIGNATURE))
    if not code.dynamic or said.get("00") != GUID or signed.get("00") != GUID:
        raise IntegrityError("the code is not signed")
    terms = _terms(said)
    key = keys.get(terms.key)
    if key is None:
        raise IntegrityError("the code is signed with a key that is not known here")
    if code.objects[-1][0] != SIGNATURE or not by(key, _signed(code.objects[:-1]), _signature(signed.get("01", ""))):
        raise IntegrityError("the code's signature is not that of its content")
    for identifier, value in merchant.items():
        if code.value(identifier) != value:
            raise IntegrityError(f"the code pays somebody else: object {identifier} is not the bound merchant's")
    if now_s > terms.until_s:
        raise IntegrityError("the code's time is over")
    return terms


def _terms(said: Mapping[str, str]) -> Terms:
    until = said.get("02", "")
    if not (until.isascii() and until.isdigit()):
        raise DecodeError("QR object 80", "seconds since 1970 expected as its object 02")
    return Terms(said.get("01", ""), int(until), said.get("03", ""))


def _signed(objects: Objects) -> bytes:
    return _CONTEXT + _join(objects).encode("utf-8", "surrogatepass")


def _signature(text: str) -> bytes:
    if len(text) != _SIGNATURE_CHARACTERS:
        raise DecodeError("QR object 81", f"a signature of {_SIGNATURE_CHARACTERS} characters expected")
    try:
        return urlsafe_b64decode(text + "==")
    except ValueError:
        raise DecodeError("QR object 81", "base64url expected") from None
