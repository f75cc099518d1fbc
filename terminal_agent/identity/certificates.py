# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What a terminal checks of a certificate that it was issued, and when it is to be renewed. Issues none."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509.oid import NameOID

from protocols.errors import DecodeError, IntegrityError
from protocols.telemetry.keys import from_certificate

RENEWED_AT = 2 / 3
"""Part of its life after which a certificate is renewed."""
JITTER = 0.1
"""Part of its life over which the renewals of a fleet that was enrolled together are spread."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """What matters of a certificate."""

    name: str
    serial: str
    begins: datetime
    ends: datetime

    def renewal(self) -> datetime:
        """When to renew it: at two thirds of its life, and a part that only the serial number decides."""
        life = self.ends - self.begins
        draw = int.from_bytes(hashlib.sha256(self.serial.encode("ascii")).digest()[:4], "big") / (1 << 32)
        return self.begins + life * (RENEWED_AT + JITTER * draw)

    def left(self, now: datetime) -> timedelta:
        """What is left of its life."""
        return self.ends - now


def read(pem: bytes, where: str) -> Certificate:
    """The certificate in a PEM file; :class:`DecodeError` for anything else."""
    return _certificate(_loaded(pem, where), where)


def accept(pem: bytes, authority: bytes, key: bytes, terminal: str) -> Certificate:
    """A certificate that was issued to us: by this authority, for this key (see :func:`public_of`), under this name.

    :class:`IntegrityError` says what does not fit. Its time is the connection's to judge.
    """
    issued, issuer = _loaded(pem, "certificate"), _loaded(authority, "authority")
    try:
        issued.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        raise IntegrityError("the certificate was not issued by the authority of this terminal") from None
    if from_certificate(pem, "certificate").der != key:
        raise IntegrityError("the certificate is for another key")
    found = _certificate(issued, "certificate")
    if found.name != terminal:
        raise IntegrityError(f"the certificate is for {found.name}, not for {terminal}")
    return found


def public_of(key: bytes, where: str) -> bytes:
    """SubjectPublicKeyInfo in DER of a private key in PEM; :class:`DecodeError` for anything else."""
    try:
        found = load_pem_private_key(key, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise DecodeError(where, "a private key in PEM that is not enciphered expected") from None
    return found.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _loaded(pem: bytes, where: str) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(pem)
    except (ValueError, x509.InvalidVersion):
        raise DecodeError(where, "a certificate in PEM expected") from None


def _certificate(found: x509.Certificate, where: str) -> Certificate:
    try:
        names = found.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    except (ValueError, TypeError):  # it is read when it is asked for
        raise DecodeError(where, "a subject that can be read expected") from None
    if len(names) != 1:
        raise DecodeError(where, "one common name expected")
    return Certificate(
        str(names[0].value), f"{found.serial_number:x}", found.not_valid_before_utc, found.not_valid_after_utc
    )
