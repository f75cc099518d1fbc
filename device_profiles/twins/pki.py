# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A TEST certificate authority: server and client certificates for loopback. Writes no file; trust it nowhere else.

Certificates are P-256 (RFC 5480), profiled after RFC 5280 so that strict verifiers take them, and live for hours. Keys
and serial numbers are drawn by `cryptography` itself. Every subject says TEST.
"""

import ipaddress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_NAME = "Tillguard TEST authority"
UNIT = "TEST, not for production"
LOOPBACK_NAMES = ("localhost",)
LOOPBACK_ADDRESSES = ("127.0.0.1", "::1")
_BACKDATED = timedelta(minutes=5)  # clocks of two machines differ


@dataclass(frozen=True, slots=True)
class Credential:
    """A certificate and its private key, both PEM; the key is unencrypted PKCS #8 (RFC 5208)."""

    certificate: bytes
    key: bytes = field(repr=False)


class Authority:
    """A TEST authority. Issues certificates from ``now`` on; ``lifetime`` bounds its own and theirs."""

    def __init__(self, now: datetime, lifetime: timedelta = timedelta(hours=24)) -> None:
        self._from, self._until = now - _BACKDATED, now + lifetime
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _subject(AUTHORITY_NAME)
        self._certificate = self._sign(
            self._name,
            self._key.public_key(),
            (self._from, self._until),
            (
                (x509.BasicConstraints(ca=True, path_length=0), True),
                (_usage(certificates=True), True),
            ),
        )

    @property
    def credential(self) -> Credential:
        """The authority's own certificate and key."""
        return Credential(_pem(self._certificate), _private(self._key))

    def server(self, name: str, *, valid: tuple[datetime, datetime] | None = None) -> Credential:
        """For a server on loopback: common name ``name``, alternative names localhost, 127.0.0.1 and ::1."""
        alternatives = x509.SubjectAlternativeName(
            [x509.DNSName(each) for each in LOOPBACK_NAMES]
            + [x509.IPAddress(ipaddress.ip_address(each)) for each in LOOPBACK_ADDRESSES]
        )
        return self._issue(name, ExtendedKeyUsageOID.SERVER_AUTH, valid, ((alternatives, False),))

    def client(self, name: str, *, valid: tuple[datetime, datetime] | None = None) -> Credential:
        """For a client, known to servers by its common name."""
        return self._issue(name, ExtendedKeyUsageOID.CLIENT_AUTH, valid, ())

    def _issue(
        self,
        name: str,
        purpose: x509.ObjectIdentifier,
        valid: tuple[datetime, datetime] | None,
        more: tuple[tuple[x509.ExtensionType, bool], ...],
    ) -> Credential:
        key = ec.generate_private_key(ec.SECP256R1())
        extensions = (
            (x509.BasicConstraints(ca=False, path_length=None), True),
            (_usage(certificates=False), True),
            (x509.ExtendedKeyUsage([purpose]), False),
            *more,
        )
        period = valid or (self._from, self._until)
        return Credential(_pem(self._sign(_subject(name), key.public_key(), period, extensions)), _private(key))

    def _sign(
        self,
        subject: x509.Name,
        public: ec.EllipticCurvePublicKey,
        valid: tuple[datetime, datetime],
        extensions: tuple[tuple[x509.ExtensionType, bool], ...],
    ) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(valid[0])
            .not_valid_after(valid[1])
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical=critical)
        return builder.sign(self._key, hashes.SHA256())


def _subject(name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, UNIT),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )


def _usage(*, certificates: bool) -> x509.KeyUsage:
    """RFC 5280, 4.2.1.3: an authority signs certificates and revocation lists, everyone else signs handshakes."""
    return x509.KeyUsage(
        digital_signature=not certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=certificates,
        crl_sign=certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
