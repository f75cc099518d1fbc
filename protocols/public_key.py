# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Ed25519 public keys in PEM (RFC 8410), read without any library. Verifies nothing, makes no key."""

from base64 import b64decode
from binascii import Error as BinasciiError

from protocols.errors import DecodeError

PUBLIC_OCTETS = 32
_DER = bytes.fromhex("302a300506032b6570032100")  # SubjectPublicKeyInfo of id-Ed25519 (RFC 8410, 4)


def spki(public: bytes) -> bytes:
    """SubjectPublicKeyInfo in DER of a public key's 32 octets (RFC 8410, 4)."""
    return _DER + public


def public_from_pem(text: str, where: str) -> bytes:
    """The 32 octets of a public key in PEM (RFC 8410, 10.2), as ``openssl pkey -pubout`` writes it."""
    lines = [line.strip() for line in text.strip().splitlines()]
    if len(lines) < 3 or lines[0] != "-----BEGIN PUBLIC KEY-----" or lines[-1] != "-----END PUBLIC KEY-----":
        raise DecodeError(where, "a public key in PEM expected")
    try:
        octets = b64decode("".join(lines[1:-1]), validate=True)
    except (BinasciiError, ValueError):
        raise DecodeError(where, "base64 within the PEM expected") from None
    if len(octets) != len(_DER) + PUBLIC_OCTETS or not octets.startswith(_DER):
        raise DecodeError(where, "an Ed25519 public key expected")
    return octets[len(_DER) :]
