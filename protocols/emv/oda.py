# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Offline data authentication: what a terminal computes on a card's certificates and signatures. Sends no command.

The chain (EMV 4.3 Book 2, 5 and 6): the terminal knows the payment system's key; with it it recovers the issuer's key
out of a certificate, and with that the card's key. RSA here is signature with message recovery: raising the octets to
the public exponent gives, between a header 6A and a trailer BC, the signed text itself with a SHA-1 over more than fits
into it. Only public keys occur, so ``int.pow`` is enough and its timing tells nothing.

* SDA: the issuer signed the card's static data once. A copy of the card passes.
* DDA: the card signs data of this terminal with its own key. fDDA is the same within one contactless answer.
* CDA: the card signs its cryptogram as well, so that nobody between card and terminal can change it.

A refusal is an exception, because a result that is not looked at would accept: :class:`DecodeError` says that the data
cannot be what it should be, :class:`IntegrityError` that it does not authenticate. A kernel sets the same TVR bit for
both. SHA-1 and short keys are the standard's; who may still rely on them is the payment systems' decision.
"""

import calendar
import hashlib
import hmac
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple, Self

from protocols.errors import DecodeError, IntegrityError
from protocols.octets import Cursor
from protocols.pan import Pan

LONGEST_KEY = 248  # octets: EMV 4.3 Book 2, Annex D1.2
EXPONENTS = (3, 65_537)  # ibid., Annex B2.1
HEADER, TRAILER = 0x6A, 0xBC
ISSUER_CERTIFICATE, STATIC_DATA, CARD_CERTIFICATE, DYNAMIC_DATA = 0x02, 0x03, 0x04, 0x05  # signed data formats
SHA_1 = RSA = 0x01  # hash and public key algorithm indicators, Annex B2 and B3
FILL = 0xBB
AIP = 0x82
SIGNED_DYNAMIC_DATA = 0x9F4B
_HASH = 20


@dataclass(frozen=True, slots=True)
class PublicKey:
    """An RSA public key of EMV: ``octets`` is the length of the modulus."""

    modulus: int
    exponent: int
    octets: int

    @classmethod
    def of(cls, modulus: bytes, exponent: bytes) -> Self:
        """A key from octets (EMV 4.3 Book 2, Annex B2.1): exponent 3 or 65537, modulus up to 248 octets, odd."""
        number = int.from_bytes(exponent, "big")
        if not modulus or len(modulus) > LONGEST_KEY or not modulus[-1] & 1 or not modulus[0]:
            raise DecodeError("public key", f"modulus of {len(modulus)} octets, an odd one of 1 to 248 expected")
        if number not in EXPONENTS:
            raise DecodeError("public key", "exponent 3 or 65537 expected")
        return cls(int.from_bytes(modulus, "big"), number, len(modulus))

    def recover(self, signed: bytes, form: int, where: str) -> bytes:
        """The text of a signature of format ``form`` (Annex A2.1): what stands between header and hash."""
        if len(signed) != self.octets:
            raise DecodeError(where, f"{len(signed)} octets, {self.octets} expected: the length of the key above it")
        number = int.from_bytes(signed, "big")
        if number >= self.modulus:
            raise IntegrityError(f"the {where} is not of the key above it")
        text = pow(number, self.exponent, self.modulus).to_bytes(self.octets, "big")
        if text[0] != HEADER or text[-1] != TRAILER or text[1] != form:
            raise IntegrityError(f"the {where} is not of the key above it")
        return text[1:-1]


@dataclass(frozen=True, slots=True)
class CaKey:
    """A payment system's key as terminals hold it: registered identifier, index, key and its published checksum."""

    rid: bytes
    index: int
    key: PublicKey
    checksum: bytes = b""

    def check(self) -> None:
        """:class:`IntegrityError` unless the checksum (SHA-1 over all fields, EMV 4.3 Book 2, 11.2.2) matches."""
        size = (self.key.exponent.bit_length() + 7) // 8
        covered = (
            self.rid,
            bytes((self.index,)),
            self.key.modulus.to_bytes(self.key.octets, "big"),
            self.key.exponent.to_bytes(size, "big"),
        )
        if not hmac.compare_digest(_sha1(*covered), self.checksum):
            raise IntegrityError(f"the checksum of CA key {self.rid.hex().upper()} {self.index:02X} does not match")


@dataclass(frozen=True, slots=True)
class IssuerKey:
    """An issuer's key out of its certificate."""

    key: PublicKey
    serial: bytes
    expires: date


class CdaResult(NamedTuple):
    """What a card signed with CDA."""

    dynamic_number: bytes
    cryptogram_information: int
    cryptogram: bytes
    further: bytes = b""
    """What it signed behind that: after a relay resistance exchange what was exchanged (Book C-2)."""


def issuer_key(
    ca: CaKey,
    certificate: bytes,
    remainder: bytes,
    exponent: bytes,
    pan: Pan,
    today: date,
    revoked: Collection[bytes] = (),
) -> IssuerKey:
    """The issuer's key out of tag 90, with 92 and 9F32 (EMV 4.3 Book 2, 5.3 and 6.3, steps 1 to 12). Terminal's side.

    ``revoked`` holds serial numbers of 3 octets that this RID and key index has withdrawn.
    """
    where = "issuer certificate"
    text = ca.key.recover(certificate, ISSUER_CERTIFICATE, where)
    cursor = Cursor(text, where)
    cursor.u8("format")
    identifier = cursor.take(4, "issuer identifier").hex().upper().rstrip("F")
    expires = _last_day(cursor.take(2, "expiry"), where)
    serial = cursor.take(3, "serial number")
    key = _certified_key(cursor, text, remainder, exponent, b"", where)
    if not 3 <= len(identifier) <= 8 or not pan.digits.startswith(identifier):
        raise IntegrityError(f"the {where} is another issuer's")
    if expires < today:
        raise IntegrityError(f"the {where} has expired")
    if serial in revoked:
        raise IntegrityError(f"the {where} has been revoked")
    return IssuerKey(key, serial, expires)


def icc_key(
    issuer: IssuerKey,
    certificate: bytes,
    remainder: bytes,
    exponent: bytes,
    pan: Pan,
    static_data: bytes,
    today: date,
) -> PublicKey:
    """The card's key out of tag 9F46, with 9F48 and 9F47 (EMV 4.3 Book 2, 6.4). Terminal's side."""
    where = "card certificate"
    text = issuer.key.recover(certificate, CARD_CERTIFICATE, where)
    cursor = Cursor(text, where)
    cursor.u8("format")
    account = cursor.take(10, "account number").hex().upper().rstrip("F")
    expires = _last_day(cursor.take(2, "expiry"), where)
    cursor.take(3, "serial number")
    key = _certified_key(cursor, text, remainder, exponent, static_data, where)
    if account != pan.digits:
        raise IntegrityError(f"the {where} is another card's")
    if expires < today:
        raise IntegrityError(f"the {where} has expired")
    return key


def static_data(records: Iterable[tuple[int, bytes]], tag_list: bytes | None, aip: bytes) -> bytes:
    """The static data to be authenticated, from (SFI, record) in the order of the AFL (EMV 4.3 Book 3, 10.3).

    Of a record in files 1 to 10 the content of template 70 counts, of one in files 11 to 30 all octets. ``tag_list``
    is tag 9F4A: if the card has it, it may name the AIP only, whose value is then appended.
    """
    parts = []
    for sfi, record in records:
        parts.append(_content_of_70(record) if sfi <= 10 else record)
    if tag_list is not None:
        if tag_list != bytes((AIP,)):
            raise DecodeError("SDA tag list", "it may name the AIP (82) and nothing else")
        parts.append(aip)
    return b"".join(parts)


def verify_sda(issuer: IssuerKey, signed: bytes, static_data: bytes) -> bytes:
    """Check tag 93 over the static data and give the data authentication code, 2 octets (EMV 4.3 Book 2, 5.4)."""
    where = "signed static data"
    text = issuer.key.recover(signed, STATIC_DATA, where)
    _check_hash(text, (static_data,), where)
    if text[1] != SHA_1:
        raise IntegrityError(f"the {where} use an unknown hash algorithm")
    return text[2:4]


def verify_dda(icc: PublicKey, signed: bytes, terminal_data: bytes) -> bytes:
    """Check tag 9F4B over the DDOL's data and give the card's dynamic number (EMV 4.3 Book 2, 6.5.2)."""
    cursor = _dynamic_data(icc, signed, (terminal_data,))
    return cursor.take(_number_length(cursor), "dynamic number")


def verify_cda(
    icc: PublicKey, signed: bytes, unpredictable_number: bytes, transaction_data: bytes, cid: int
) -> CdaResult:
    """Check tag 9F4B of GENERATE AC (EMV 4.3 Book 2, 6.6.2): the signed cryptogram is the one to go on with.

    ``transaction_data`` comes from :func:`cda_transaction_data`, ``cid`` from the answer in clear: both must be what
    the card signed.
    """
    cursor = _dynamic_data(icc, signed, (unpredictable_number,))
    number = cursor.take(_number_length(cursor), "dynamic number")
    information = cursor.u8("cryptogram information")
    cryptogram = cursor.take(8, "cryptogram")
    if not hmac.compare_digest(cursor.take(_HASH, "transaction data hash"), _sha1(transaction_data)):
        raise IntegrityError("the signed dynamic data are of another transaction")
    if information != cid:
        raise IntegrityError("the card signed another kind of cryptogram than it answered")
    return CdaResult(number, information, cryptogram, cursor.take(cursor.left, "further data"))


def cda_transaction_data(pdol_data: bytes, cdol1_data: bytes, answer: bytes, cdol2_data: bytes = b"") -> bytes:
    """What the transaction data hash covers (EMV 4.3 Book 2, 6.6.1): lists as sent, the answer's objects but 9F4B.

    ``answer`` is the content of template 77, whose objects enter with tag and length as received.
    """
    kept = (raw for tag, raw in _objects(answer) if tag != SIGNED_DYNAMIC_DATA)
    return b"".join((pdol_data, cdol1_data, cdol2_data, *kept))


def verify_fdda(
    icc: PublicKey,
    signed: bytes,
    unpredictable_number: bytes,
    amount: bytes = b"",
    currency: bytes = b"",
    card_data: bytes = b"",
) -> bytes:
    """Check tag 9F4B of a contactless Visa-like answer and give the card's dynamic number (EMV Book C-3, Annex A).

    ``card_data`` is tag 9F69. Its first octet is the version: 01 signs number, amount (9F02), currency (5F2A) and 9F69
    itself; a card without it signs the number alone (version 00).
    """
    if not card_data:
        return verify_dda(icc, signed, unpredictable_number)
    if card_data[0] != 0x01:
        raise DecodeError("card authentication related data", "fDDA version 01 expected")
    return verify_dda(icc, signed, b"".join((unpredictable_number, amount, currency, card_data)))


def _certified_key(
    cursor: Cursor, text: bytes, remainder: bytes, exponent: bytes, static_data: bytes, where: str
) -> PublicKey:
    """The key of a certificate whose fields up to the serial number are read (Tables 6 and 14, from the hash on)."""
    _check_hash(text, (remainder, exponent, static_data), where)
    if cursor.u8("hash algorithm") != SHA_1 or cursor.u8("key algorithm") != RSA:
        raise IntegrityError(f"the {where} uses an unknown algorithm")
    size, exponent_size = cursor.u8("key length"), cursor.u8("exponent length")
    room = cursor.left - _HASH
    if exponent_size != len(exponent):
        raise IntegrityError(f"the {where} is of another exponent")
    if len(remainder) != max(0, size - room):
        raise DecodeError(where, f"key remainder of {len(remainder)} octets, {max(0, size - room)} expected")
    return PublicKey.of(cursor.take(min(size, room), "key") + remainder, exponent)


def _dynamic_data(icc: PublicKey, signed: bytes, behind: tuple[bytes, ...]) -> Cursor:
    where = "signed dynamic data"
    text = icc.recover(signed, DYNAMIC_DATA, where)
    _check_hash(text, behind, where)
    if text[1] != SHA_1:
        raise IntegrityError(f"the {where} use an unknown hash algorithm")
    data, fill = text[3 : 3 + text[2]], text[3 + text[2] : -_HASH]
    if len(data) != text[2] or fill.count(FILL) != len(fill):
        raise IntegrityError(f"the {where} are not padded as they should be")
    return Cursor(data, where)


def _number_length(cursor: Cursor) -> int:
    size = cursor.u8("length of the dynamic number")
    if not 2 <= size <= 8:  # tag 9F4C, EMV 4.3 Book 3, Annex A
        raise IntegrityError(f"the signed dynamic data hold a dynamic number of {size} octets, 2 to 8 expected")
    return size


def _check_hash(text: bytes, behind: tuple[bytes, ...], where: str) -> None:
    if len(text) <= _HASH + 2:
        raise DecodeError(where, "too short for its hash")
    if not hmac.compare_digest(_sha1(text[:-_HASH], *behind), text[-_HASH:]):
        raise IntegrityError(f"the hash of the {where} does not match")


def _sha1(*parts: bytes) -> bytes:
    return hashlib.sha1(b"".join(parts), usedforsecurity=False).digest()  # the standard's hash: see the top


def _last_day(expiry: bytes, where: str) -> date:
    """MMYY as BCD to the last day of that month, in this century."""
    month, year = f"{expiry[0]:02X}", f"{expiry[1]:02X}"
    if not (month.isdigit() and year.isdigit() and 1 <= int(month) <= 12):
        raise IntegrityError(f"the {where} has no valid expiry")
    whole = 2000 + int(year)
    return date(whole, int(month), calendar.monthrange(whole, int(month))[1])


def _content_of_70(record: bytes) -> bytes:
    found = _objects(record)
    if len(found) != 1 or found[0][0] != 0x70:
        raise DecodeError("record", "one template 70 expected in a file 1 to 10 that takes part in authentication")
    size = len(record)
    header = 2 if record[1] < 0x80 else 2 + (record[1] & 0x7F)
    return record[header:size]


def _objects(data: bytes) -> list[tuple[int, bytes]]:
    """Tag and octets as received of the objects side by side: a signature covers what was sent, not its rewriting."""
    cursor = Cursor(data, "signed objects")
    found = []
    while cursor.left:
        start = cursor.place
        tag = cursor.u8("tag")
        if tag & 0x1F == 0x1F:
            tag = tag << 8 | cursor.u8("tag")
            if tag & 0x80:
                tag = tag << 8 | cursor.u8("tag")
        size = cursor.u8("length")
        if size > 0x80:
            if size > 0x82:
                raise DecodeError("signed objects", "length in one to three octets expected")
            size = int.from_bytes(cursor.take(size & 0x7F, "length"), "big")
        elif size == 0x80:
            raise DecodeError("signed objects", "indefinite length")
        cursor.take(size, "value")
        found.append((tag, data[start : cursor.place]))
    return found
