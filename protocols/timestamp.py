# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A request for a time stamp (RFC 3161), and the token out of the answer. Verifies no token, asks no authority."""

from dataclasses import dataclass

from protocols.errors import DecodeError
from protocols.octets import Cursor

_SHA256 = bytes.fromhex("300d06096086480165030402010500")  # AlgorithmIdentifier of id-sha256, NULL (RFC 5754, 2.2)
LARGEST_ANSWER = 65_536  # a token with its certificates takes some 6,000 octets
_GRANTED = (0, 1)  # RFC 3161, 2.4.2: granted, granted with modifications


@dataclass(frozen=True, slots=True)
class _Element:
    tag: int
    value: bytes
    whole: bytes


def request(digest: bytes, nonce: int) -> bytes:
    """TimeStampReq for a SHA-256 digest of 32 octets, with the authority's certificate asked for (2.4.1)."""
    imprint = _der(0x30, _SHA256 + _der(0x04, digest))
    number = nonce.to_bytes(nonce.bit_length() // 8 + 1)
    return _der(0x30, _der(0x02, b"\x01") + imprint + _der(0x02, number) + _der(0x01, b"\xff"))


def token(answer: bytes) -> bytes:
    """The token of a TimeStampResp that was granted (2.4.2); :class:`DecodeError` for any other answer."""
    if len(answer) > LARGEST_ANSWER:
        raise DecodeError("time stamp", f"{len(answer)} octets, at most {LARGEST_ANSWER} expected")
    outer = Cursor(answer, "time stamp")
    response = _take(outer, 0x30)
    outer.end()
    body = Cursor(response.value, "time stamp")
    status = _take(Cursor(_take(body, 0x30).value, "time stamp, status"), 0x02)
    if int.from_bytes(status.value) not in _GRANTED:
        raise DecodeError("time stamp", f"the authority refused: status {int.from_bytes(status.value[:2])}")
    found = _take(body, 0x30)
    body.end()
    return found.whole


def _take(cursor: Cursor, tag: int) -> _Element:
    """One element of DER (X.690, 8.1)."""
    start = cursor.place
    found, first = cursor.u8("tag"), cursor.u8("length")
    if found != tag:
        raise DecodeError(f"time stamp, octet {start}", f"tag {tag:02X} expected")
    head = bytes((found, first))
    length = first
    if first >= 0x80:
        count = first & 0x7F
        if not 1 <= count <= 3:
            raise DecodeError(f"time stamp, octet {start}", "a length of at most three octets expected")
        octets = cursor.take(count, "length")
        head, length = head + octets, int.from_bytes(octets)
    value = cursor.take(length, "value")
    return _Element(found, value, head + value)


def _der(tag: int, value: bytes) -> bytes:
    length = len(value)
    if length < 0x80:
        return bytes((tag, length)) + value
    octets = length.to_bytes((length.bit_length() + 7) // 8)
    return bytes((tag, 0x80 | len(octets))) + octets + value
