# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The authority that terminals' certificates come from: issues them, lists the withdrawn ones, seals answers.

Certificates are of P-256 and live 30 days, profiled after RFC 5280; ``cryptography`` draws their serial numbers.
The authority's key is a file of the machine that enrols; whoever has it can make terminals, so it lies nowhere else.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from protocols.errors import DecodeError
from protocols.telemetry.keys import PublicKey, from_certificate, from_public_pem, signer_from_pem
from protocols.telemetry.seal import Signer

LIFE = timedelta(days=30)
CRL_LIFE = timedelta(hours=25)
"""A broker that does not get the next list refuses everybody: so list_keeper.py makes it at half of this."""
_BACKDATED = timedelta(minutes=5)  # clocks of two machines differ


@dataclass(frozen=True, slots=True)
class Requested:
    """What a request for a certificate says, its own signature checked (RFC 2986, 4.2)."""

    name: str
    serial: str
    key: PublicKey
    request: x509.CertificateSigningRequest


def read_request(pem: str) -> Requested:
    """A PKCS #10 request; :class:`DecodeError` says what is wrong with it."""
    try:
        found = x509.load_pem_x509_csr(pem.encode("ascii", "replace"))
        sound = found.is_signature_valid
        public, subject = found.public_key(), list(found.subject)
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion):
        raise DecodeError("request", "a PKCS #10 request in PEM expected") from None
    if not sound:
        raise DecodeError("request", "not signed by the key that it asks for")
    if not isinstance(public, ec.EllipticCurvePublicKey) or not isinstance(public.curve, ec.SECP256R1):
        raise DecodeError("request", "a key on P-256 expected")
    named = {one.oid: one.value for one in subject}
    if named.keys() != {NameOID.COMMON_NAME, NameOID.SERIAL_NUMBER} or len(subject) != 2:
        raise DecodeError("request", "a subject of common name and serial number expected")
    name, serial = str(named[NameOID.COMMON_NAME]), str(named[NameOID.SERIAL_NUMBER])
    return Requested(name, serial, from_public_pem(_public(public), "request"), found)


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate in PEM, its serial number in hexadecimal, and when it ends."""

    pem: bytes
    serial: str
    ends: datetime


def serial_of(pem: bytes) -> str:
    """A certificate's serial number in hexadecimal (RFC 5280, 4.1.2.2); :class:`DecodeError` where it is none."""
    try:
        return f"{x509.load_pem_x509_certificate(pem).serial_number:x}"
    except (ValueError, x509.InvalidVersion):
        raise DecodeError("certificate", "a certificate in PEM expected") from None


class Authority:
    """The issuing authority, from certificate and private key in PEM; :class:`DecodeError` where they do not fit."""

    def __init__(self, certificate: bytes, key: bytes) -> None:
        try:
            self._certificate = x509.load_pem_x509_certificate(certificate)
            private = load_pem_private_key(key, None)
        except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion):
            raise DecodeError(
                "authority", "a certificate, and a private key that is not enciphered, expected"
            ) from None
        if not isinstance(private, ec.EllipticCurvePrivateKey):
            raise DecodeError("authority", "a key on P-256 expected")
        self._key = private
        self.signer: Signer = signer_from_pem(key, "authority")
        if self.signer.key_id != from_certificate(certificate, "authority").key_id:
            raise DecodeError("authority", "the key is not the certificate's")

    def issue(self, requested: Requested, now: datetime) -> Issued:
        """A certificate for clients (RFC 5280, 4.2.1.12) from ``now`` on, ending before the authority's own."""
        ends = min(now + LIFE, self._certificate.not_valid_after_utc)
        public = requested.request.public_key()
        certificate = (
            x509.CertificateBuilder()
            .subject_name(requested.request.subject)
            .issuer_name(self._certificate.subject)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _BACKDATED)
            .not_valid_after(ends)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_SIGNS_HANDSHAKES, critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        return Issued(certificate.public_bytes(Encoding.PEM), f"{certificate.serial_number:x}", ends)

    def revocation_list(self, revoked: Sequence[tuple[str, datetime]], now: datetime) -> bytes:
        """The list of withdrawn certificates (RFC 5280, 5) in PEM: serial numbers in hexadecimal, and since when."""
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self._certificate.subject)
            .last_update(now - _BACKDATED)
            .next_update(now + CRL_LIFE)
        )
        for serial, since in revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(int(serial, 16)).revocation_date(since).build()
            builder = builder.add_revoked_certificate(entry)
        return builder.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM)


_SIGNS_HANDSHAKES = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)


def _public(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
