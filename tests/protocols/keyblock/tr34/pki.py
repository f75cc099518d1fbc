# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The parties of the tests: a root, an authority of hosts and one of devices, two hosts, two devices, and lists.

Their keys are TEST keys and public. ``scripts/vectors/tr34.py`` made them into ``tests/vectors/tr34.json``.
"""

import base64
import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_der_private_key

from protocols.keyblock.tr34.cms import Credential

VECTORS = Path(__file__).parents[4] / "tests/vectors/tr34.json"
AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
LATER = AT + timedelta(hours=1)


@cache
def vectors() -> dict[str, Any]:
    """The whole file."""
    return dict(json.loads(VECTORS.read_text()))


@cache
def party(name: str) -> Credential:
    """One of root, host authority, device authority, host 1, host 2, device 1, device 2."""
    found = vectors()["parties"][name]
    key = load_der_private_key(base64.b64decode(found["key"]), None)
    assert isinstance(key, RSAPrivateKey)
    return Credential(x509.load_der_x509_certificate(base64.b64decode(found["certificate"])), key)


def private_pem(one: Credential) -> bytes:
    """A private key as OpenSSL reads it."""
    return one.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def revocations(
    authority: Credential,
    revoked: Iterable[Credential] = (),
    made: datetime = AT - timedelta(hours=1),
    until: datetime | None = AT + timedelta(days=30),
) -> x509.CertificateRevocationList:
    """A revocation list of an authority."""
    building = x509.CertificateRevocationListBuilder().issuer_name(authority.certificate.subject).last_update(made)
    building = building.next_update(until or made + timedelta(days=30))
    for one in revoked:
        building = building.add_revoked_certificate(
            x509.RevokedCertificateBuilder().serial_number(one.certificate.serial_number).revocation_date(made).build()
        )
    return building.sign(authority.key, SHA256())


def issue(
    name: str,
    key: RSAPrivateKey,
    issuer: Credential | None,
    serial: int,
    *,
    usage: str | None = None,
    ca: bool = False,
    path_length: int | None = None,
    since: datetime = datetime(2026, 1, 1, tzinfo=UTC),
    until: datetime = datetime(2046, 1, 1, tzinfo=UTC),
    public: object = None,
) -> Credential:
    """A certificate for ``key``, by ``issuer`` or by itself."""
    subject = _name(name)
    building = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(public or key.public_key())  # type: ignore[arg-type]
        .serial_number(serial)
        .not_valid_before(since)
        .not_valid_after(until)
        .add_extension(x509.BasicConstraints(ca, path_length if ca else None), True)
    )
    if usage is not None:
        bits = dict.fromkeys(_USAGES, False) | {usage: True}
        if ca:
            bits |= {"crl_sign": True}
        building = building.add_extension(x509.KeyUsage(**bits), True)
    return Credential(building.sign(issuer.key if issuer else key, SHA256()), key)


def _name(name: str) -> x509.Name:
    oid = x509.oid.NameOID
    return x509.Name(
        [
            x509.NameAttribute(oid.COUNTRY_NAME, "XX"),
            x509.NameAttribute(oid.ORGANIZATION_NAME, "Tillguard TEST"),
            x509.NameAttribute(oid.COMMON_NAME, f"TEST {name}"),
        ]
    )


_USAGES = (
    "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
    "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
)  # fmt: skip
