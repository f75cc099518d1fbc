# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Ed25519 (RFC 8032) by ``cryptography``: the signing and verifying that signed.py asks for. Makes no key."""

from base64 import b64decode
from binascii import Error as BinasciiError

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from protocols.errors import DecodeError, IntegrityError

PUBLIC_OCTETS = 32
_DER = bytes.fromhex("302a300506032b6570032100")  # SubjectPublicKeyInfo of id-Ed25519 (RFC 8410, 4)


def verify(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether ``signature`` is that key's over ``message`` (RFC 8032, 5.1.7)."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


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


class SigningKey:
    """A person's private key. It signs and gives its public half; it prints nothing and gives nothing else."""

    __slots__ = ("_key", "public")

    def __init__(self, pem: bytes, passphrase: bytes | None, where: str) -> None:
        """From PEM (PKCS #8, perhaps enciphered); :class:`IntegrityError` for a wrong passphrase."""
        try:
            key = load_pem_private_key(pem, passphrase)
        except TypeError:
            raise IntegrityError(
                f"{where}: {'enciphered, and no passphrase given' if passphrase is None else 'not enciphered'}"
            ) from None
        except (ValueError, UnsupportedAlgorithm):
            raise IntegrityError(f"{where}: not a private key in PEM, or the passphrase is wrong") from None
        if not isinstance(key, Ed25519PrivateKey):
            raise DecodeError(where, "an Ed25519 private key expected")
        self._key = key
        self.public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    def sign(self, message: bytes) -> bytes:
        """The signature of 64 octets (RFC 8032, 5.1.6: without randomness)."""
        return self._key.sign(message)

    def __repr__(self) -> str:
        return "SigningKey(redacted)"
