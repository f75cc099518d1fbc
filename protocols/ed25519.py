# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Ed25519 (RFC 8032) by ``cryptography``: the signing and verifying that signed.py asks for. Makes no key."""

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from protocols.errors import DecodeError, IntegrityError


def verify(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether ``signature`` is that key's over ``message`` (RFC 8032, 5.1.7)."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


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
