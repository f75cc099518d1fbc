# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""TEST certificates, judged by openssl and by the verifier of `cryptography`, neither of which made the rules here."""

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from device_profiles.twins.pki import Authority, Credential
from tests.patience import PATIENCE_S

NOW = datetime.now(UTC)
AUTHORITY = Authority(NOW)


def openssl(tmp_path: Path, credential: Credential, purpose: str, authority: Authority = AUTHORITY) -> str:
    (tmp_path / "ca.pem").write_bytes(authority.credential.certificate)
    (tmp_path / "leaf.pem").write_bytes(credential.certificate)
    done = subprocess.run(
        [
            "openssl",
            "verify",
            "-x509_strict",
            "-purpose",
            purpose,
            "-CAfile",
            tmp_path / "ca.pem",
            tmp_path / "leaf.pem",
        ],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    return "OK" if done.returncode == 0 else done.stderr


def test_chains_hold_for_their_purpose_only(tmp_path: Path) -> None:
    server, client = AUTHORITY.server("broker"), AUTHORITY.client("TG000001")
    assert openssl(tmp_path, server, "sslserver") == "OK"
    assert openssl(tmp_path, client, "sslclient") == "OK"
    assert "unsuitable certificate purpose" in openssl(tmp_path, server, "sslclient")
    assert "unsuitable certificate purpose" in openssl(tmp_path, client, "sslserver")
    assert openssl(tmp_path, client, "sslclient", Authority(NOW)) != "OK"


def test_strict_verifier_takes_the_server_certificate() -> None:
    store = Store(x509.load_pem_x509_certificates(AUTHORITY.credential.certificate))
    leaf = x509.load_pem_x509_certificate(AUTHORITY.server("broker").certificate)
    chain = PolicyBuilder().store(store).time(NOW).build_server_verifier(x509.DNSName("localhost")).verify(leaf, [])
    assert chain[0] == leaf
    verifier = PolicyBuilder().store(store).time(NOW).build_server_verifier(x509.DNSName("elsewhere.example"))
    with pytest.raises(VerificationError):
        verifier.verify(leaf, [])
    late = PolicyBuilder().store(store).time(NOW + timedelta(hours=25)).build_server_verifier(x509.DNSName("localhost"))
    with pytest.raises(VerificationError):
        late.verify(leaf, [])


def test_names_keys_and_times() -> None:
    certificate = x509.load_pem_x509_certificate(AUTHORITY.client("TG000001").certificate)
    assert certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == "TG000001"
    assert "TEST" in certificate.issuer.rfc4514_string()
    assert "TEST" in certificate.subject.rfc4514_string()
    key = certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert key.curve.name == "secp256r1"
    assert certificate.not_valid_after_utc - NOW <= timedelta(hours=24)


def test_expired_one_can_be_made_for_tests(tmp_path: Path) -> None:
    old = AUTHORITY.client("TG000001", valid=(NOW - timedelta(days=2), NOW - timedelta(days=1)))
    assert "certificate has expired" in openssl(tmp_path, old, "sslclient")


def test_key_does_not_print() -> None:
    credential = AUTHORITY.client("TG000001")
    assert "PRIVATE" not in repr(credential)
