# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A new key and the request for its certificate, by ``cryptography``, which draws the key itself. Keeps neither."""

from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True, slots=True)
class Requested:
    """A private key (PKCS #8 in PEM, not enciphered) and the request for its certificate (PKCS #10 in PEM)."""

    key: bytes = field(repr=False)
    request: str


def new_request(terminal: str, serial: str) -> Requested:
    """A key on P-256 made here and now; the subject says terminal (CN) and serial number (RFC 5280, A.1)."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, terminal), x509.NameAttribute(NameOID.SERIAL_NUMBER, serial)]
    )
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    octets = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Requested(octets, request.public_bytes(serialization.Encoding.PEM).decode("ascii"))
