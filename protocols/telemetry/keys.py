# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Keys that batches and receipts are signed with, by ``cryptography``: P-256 or Ed25519, from PEM. Makes no key.

The signing side draws randomness inside ``cryptography`` where the key is of P-256 (FIPS 186-5, 6.3); a signature by
Ed25519 needs none.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from protocols.errors import DecodeError
from protocols.telemetry.seal import Algorithm, Sealed, Signer, key_id

_ES256 = ec.ECDSA(SHA256())
ENCIPHERED = b"-----BEGIN ENCRYPTED PRIVATE KEY-----"
"""How the PEM of an enciphered key begins (RFC 7468, 11)."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that a sender is known by. Loaded once: loading costs a tenth of a verification."""

    algorithm: Algorithm
    key_id: str
    der: bytes
    """SubjectPublicKeyInfo (RFC 5280, 4.1.2.7)."""
    _check: Callable[[bytes, bytes], None] = field(repr=False, compare=False)

    def signed(self, sealed: Sealed, context: bytes) -> bool:
        """Whether this very key signed the body behind ``context``."""
        if sealed.algorithm is not self.algorithm or sealed.key_id != self.key_id:
            return False
        try:
            self._check(sealed.signature, context + sealed.body)
        except InvalidSignature:
            return False
        return True


def from_certificate(pem: bytes, where: str) -> PublicKey:
    """The key of a certificate in PEM. Says nothing of the certificate itself: issuer, time and use are not checked."""
    from cryptography import x509  # 10 MB, which a terminal that only signs does without

    try:
        key = x509.load_pem_x509_certificate(pem).public_key()
    except (ValueError, UnsupportedAlgorithm, x509.InvalidVersion):
        raise DecodeError(where, "a certificate in PEM expected") from None
    return _public(key, where)


def valid_ms(pem: bytes, where: str) -> tuple[int, int]:
    """From when until when a certificate in PEM is valid, in milliseconds since 1970 (RFC 5280, 4.1.2.5)."""
    from cryptography import x509

    try:
        found = x509.load_pem_x509_certificate(pem)
    except (ValueError, x509.InvalidVersion):
        raise DecodeError(where, "a certificate in PEM expected") from None
    moments = (found.not_valid_before_utc, found.not_valid_after_utc)
    since, until = (round(moment.timestamp() * 1000) for moment in moments)
    return since, until


def from_public_pem(pem: bytes, where: str) -> PublicKey:
    """A public key in PEM, as ``openssl pkey -pubout`` writes it."""
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        raise DecodeError(where, "a public key in PEM expected") from None
    return _public(key, where)


def signer_from_pem(pem: bytes, where: str, passphrase: bytes | None = None) -> Signer:
    """What signs with the private key in a PEM. The key stays inside; what is returned prints none.

    The PEM is enciphered under ``passphrase``, or not at all where there is none.
    """
    try:
        key = load_pem_private_key(pem, passphrase)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        expected = "that is not enciphered" if passphrase is None else "under the passphrase that was given"
        raise DecodeError(where, f"a private key in PEM {expected} expected") from None
    if isinstance(key, Ed25519PrivateKey):
        return Signer(Algorithm.ED25519, _public(key.public_key(), where).key_id, key.sign)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        public = _public(key.public_key(), where)
        return Signer(Algorithm.ES256, public.key_id, lambda message: key.sign(message, _ES256))
    raise DecodeError(where, "a key of P-256 or Ed25519 expected")


def _public(key: object, where: str) -> PublicKey:
    if isinstance(key, Ed25519PublicKey):
        der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return PublicKey(Algorithm.ED25519, key_id(der), der, key.verify)
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return PublicKey(
            Algorithm.ES256, key_id(der), der, lambda signature, message: key.verify(signature, message, _ES256)
        )
    raise DecodeError(where, "a key of P-256 or Ed25519 expected")
