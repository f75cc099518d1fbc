# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Chains that hold and chains that do not."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from protocols.errors import IntegrityError
from protocols.keyblock.tr34.cms import Credential
from protocols.keyblock.tr34.tokens import credential_token
from protocols.keyblock.tr34.trust import Purpose, verify_authority, verify_chain
from tests.protocols.keyblock.tr34.ends import host
from tests.protocols.keyblock.tr34.pki import AT, issue, party, revocations

ROOT, HOSTS, DEVICES = party("root"), party("host authority"), party("device authority")
SPARE = party("device 2").key
_SHA1_WITH_RSA, _SHA256_WITH_RSA = (bytes.fromhex("2A864886F70D0101" + last) for last in ("05", "0B"))


def leaf(issuer: Credential, *, usage: str | None = "digital_signature", **how: object) -> Credential:
    return issue("leaf", SPARE, issuer, 500, usage=usage, **how)  # type: ignore[arg-type]


def chained(leaf: Credential, *between: Credential, at: datetime = AT, purpose: Purpose = Purpose.SIGN) -> object:
    return verify_chain(
        leaf.certificate, purpose, [ROOT.certificate], [one.certificate for one in between], at
    )  # fmt: skip


def authority(issuer: Credential | None, name: str = "another authority", **how: object) -> Credential:
    how = {"usage": "key_cert_sign", "ca": True} | how
    return issue(name, party("host 2").key, issuer, 600, **how)  # type: ignore[arg-type]


def test_chains_that_hold() -> None:
    assert chained(party("host 1"), HOSTS) == HOSTS.certificate
    assert chained(party("host 1"), DEVICES, HOSTS) == HOSTS.certificate
    assert chained(party("device 1"), DEVICES, purpose=Purpose.RECEIVE) == DEVICES.certificate
    assert chained(leaf(ROOT)) == ROOT.certificate
    assert chained(leaf(ROOT, usage=None)) == ROOT.certificate
    deep = authority(HOSTS)
    assert chained(leaf(deep), deep, HOSTS) == deep.certificate


def test_an_intermediate_may_be_the_anchor() -> None:
    found = verify_chain(party("host 1").certificate, Purpose.SIGN, [HOSTS.certificate], [], AT)
    assert found == HOSTS.certificate


def test_the_edges_of_validity_belong_to_it() -> None:
    certificate = party("host 1").certificate
    for at in (certificate.not_valid_before_utc, certificate.not_valid_after_utc):
        chained(party("host 1"), HOSTS, at=at)


YEAR = timedelta(days=365)


def broken() -> dict[str, tuple[Callable[[], object], str]]:
    old, young = {"until": AT - YEAR / 12}, {"since": AT + YEAR}
    other_root = authority(None, "root")
    return {
        "nothing above": (lambda: chained(party("host 1")), "trusted authority"),
        "only another authority": (lambda: chained(party("host 1"), DEVICES), "trusted authority"),
        "no anchor": (
            lambda: verify_chain(party("host 1").certificate, Purpose.SIGN, [], [HOSTS.certificate], AT),
            "trusted authority",
        ),
        "a root of the same name": (lambda: chained(leaf(other_root), other_root), "trusted authority"),
        "expired": (lambda: chained(leaf(ROOT, **old)), "certificate is not valid now"),
        "not yet valid": (lambda: chained(leaf(ROOT, **young)), "certificate is not valid now"),
        "authority expired": (lambda: chained(leaf(authority(ROOT, **old)), authority(ROOT, **old)), "authority's"),
        "authority not yet": (lambda: chained(leaf(authority(ROOT, **young)), authority(ROOT, **young)), "authority's"),
        "for receiving": (lambda: chained(party("device 1"), DEVICES), "another purpose"),
        "for signing": (lambda: chained(party("host 1"), HOSTS, purpose=Purpose.RECEIVE), "another purpose"),
        "a host as authority": (
            lambda: chained(leaf(party("host 1")), party("host 1"), HOSTS), "no certification authority",
        ),
        "an authority that may not sign certificates": (
            lambda: chained(leaf(authority(ROOT, usage="crl_sign")), authority(ROOT, usage="crl_sign")),
            "no certification authority",
        ),
        "longer than allowed": (
            lambda: chained(leaf(authority(short())), authority(short()), short()), "longer than an authority",
        ),
        "too long": (lambda: chained(*tower(4)), "more than 4"),
    }  # fmt: skip


def short() -> Credential:
    return issue("short", party("host 1").key, ROOT, 601, usage="key_cert_sign", ca=True, path_length=0)


def tower(height: int) -> list[Credential]:
    """A leaf and ``height`` authorities above it, up to the root."""
    above, found = ROOT, []
    for number in range(height):
        above = issue(f"floor {number}", SPARE, above, 700 + number, usage="key_cert_sign", ca=True)
        found.append(above)
    return [leaf(above), *reversed(found)]


@pytest.mark.parametrize("which", broken())
def test_chains_that_do_not_hold(which: str) -> None:
    act, match = broken()[which]
    with pytest.raises(IntegrityError, match=match):
        act()


def test_a_loop_of_authorities_ends() -> None:
    one = issue("one", party("host 1").key, None, 800, usage="key_cert_sign", ca=True)
    two = issue("two", party("host 2").key, one, 801, usage="key_cert_sign", ca=True)
    one = issue("one", party("host 1").key, two, 802, usage="key_cert_sign", ca=True)
    with pytest.raises(IntegrityError, match="more than 4"):
        chained(leaf(one), one, two)


def test_weak_keys_and_hashes() -> None:
    weak = rsa.generate_private_key(65_537, 1_024)
    with pytest.raises(IntegrityError, match="no RSA key of at least 2048"):
        chained(issue("weak", weak, ROOT, 900, usage="digital_signature"))
    curve = ec.generate_private_key(ec.SECP256R1()).public_key()
    with pytest.raises(IntegrityError, match="no RSA key of at least 2048"):
        chained(issue("curve", SPARE, ROOT, 901, public=curve))
    encoded = leaf(ROOT).certificate.public_bytes(Encoding.DER)
    sha1 = x509.load_der_x509_certificate(encoded.replace(_SHA256_WITH_RSA, _SHA1_WITH_RSA))
    with pytest.raises(IntegrityError, match="hash that is too weak"):
        chained(Credential(sha1, SPARE))


def test_an_authority_that_is_an_anchor_or_below_one() -> None:
    verify_authority(ROOT.certificate, [ROOT.certificate], [], AT)
    verify_authority(DEVICES.certificate, [ROOT.certificate], [], AT)
    for one, at in ((party("host 1"), AT), (DEVICES, datetime(2060, 1, 1, tzinfo=UTC)), (authority(None), AT)):
        with pytest.raises(IntegrityError):
            verify_authority(one.certificate, [ROOT.certificate], [HOSTS.certificate], at)


def test_a_host_accepts_devices_of_its_authority_only() -> None:
    kdh = host()
    assert kdh.accept_device(credential_token(party("device 1").certificate), AT) == party("device 1").certificate
    with pytest.raises(IntegrityError, match="another purpose"):
        kdh.accept_device(credential_token(party("host 2").certificate), AT)
    stranger = issue("device 1", SPARE, authority(None), 3, usage="key_encipherment")
    with pytest.raises(IntegrityError, match="trusted authority"):
        kdh.accept_device(credential_token(stranger.certificate), AT)
    crl = revocations(DEVICES, [party("device 1")])
    with pytest.raises(IntegrityError, match="has been revoked"):
        kdh.accept_device(credential_token(party("device 1").certificate), AT, crl)
    kdh.accept_device(credential_token(party("device 2").certificate), AT, crl)
