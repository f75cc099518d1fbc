# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Octets behind one line that says who signed them: what batches and receipts have in common. Holds no key.

::

    <algorithm> <key id> <base64 of the signature>\\n<body>

``es256`` is ECDSA on P-256 with SHA-256 (FIPS 186-5, 6), its signature in DER as ``openssl dgst -sha256 -sign`` writes
it; ``ed25519`` is RFC 8032. The key id is the first 16 hexadecimal digits of SHA-256 over the key's
SubjectPublicKeyInfo in DER. What is signed is a context line, which no other use of the key begins with, and the body.
The body means nothing before the signature has been verified with a key that its sender is known by.
"""

import re
from base64 import b64encode
from binascii import Error as BinasciiError
from binascii import a2b_base64
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256

from protocols.errors import DecodeError, EncodeError

LONGEST_SIGNATURE = 72  # octets: ECDSA on P-256 in DER, both numbers with a leading zero (SEC 1, C.5)
_FIRST_LINE = re.compile(rb"(es256|ed25519) ([0-9a-f]{16}) ([A-Za-z0-9+/]{4,96}={0,2})", re.ASCII)
_LONGEST_LINE = 160


class Algorithm(StrEnum):
    """How a body is signed."""

    ES256 = "es256"
    ED25519 = "ed25519"


_ALGORITHMS = {one.encode("ascii"): one for one in Algorithm}


@dataclass(frozen=True, slots=True)
class Signer:
    """A key that signs: its algorithm, its id, and what it does to a message. Whoever signs need not hold the key."""

    algorithm: Algorithm
    key_id: str
    sign: Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True)
class Sealed:
    """A body that is not believed yet, the signature over it and the key that is said to have made it."""

    algorithm: Algorithm
    key_id: str
    signature: bytes
    body: bytes


def key_id(public_der: bytes) -> str:
    """A key's id from its SubjectPublicKeyInfo in DER (RFC 5280, 4.1.2.7)."""
    return sha256(public_der).hexdigest()[:16]


def seal(context: bytes, body: bytes, signer: Signer) -> bytes:
    """Sign ``body`` behind ``context``; the signer's side. :class:`EncodeError` for a signature of no such length."""
    signature = signer.sign(context + body)
    if not 1 <= len(signature) <= LONGEST_SIGNATURE:
        raise EncodeError(f"signature of {len(signature)} octets, 1 to {LONGEST_SIGNATURE} expected")
    return b"%s %s %s\n%s" % (signer.algorithm.encode(), signer.key_id.encode("ascii"), b64encode(signature), body)


def open_seal(octets: bytes, where: str, largest: int) -> Sealed:
    """Take line and body apart; :class:`DecodeError` for anything else. The body is not looked into."""
    if len(octets) > largest:
        raise DecodeError(where, f"{len(octets)} octets, at most {largest} expected")
    end = octets.find(b"\n", 0, _LONGEST_LINE)
    found = _FIRST_LINE.fullmatch(octets, 0, end) if end > 0 else None
    if found is None:
        raise DecodeError(f"{where}, first line", "algorithm, key id and signature expected")
    try:
        signature = a2b_base64(found[3], strict_mode=True)
    except BinasciiError:
        raise DecodeError(f"{where}, signature", "base64 expected") from None
    if len(signature) > LONGEST_SIGNATURE:
        raise DecodeError(f"{where}, signature", f"at most {LONGEST_SIGNATURE} octets expected")
    return Sealed(_ALGORITHMS[found[1]], found[2].decode(), signature, octets[end + 1 :])
