# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Tokens of ours that OpenSSL verified, and tokens made with OpenSSL that ours takes; both from the file and live."""

import base64
import hashlib
from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography import x509

from protocols.errors import IntegrityError
from protocols.keyblock.optional import Reading
from protocols.keyblock.tr34 import cms, envelope, tokens
from protocols.keyblock.tr34.receiver import DeliveredKey, Phase, Receiver
from protocols.secret import ClearKey
from tests.protocols.keyblock.tr34 import openssl
from tests.protocols.keyblock.tr34.ends import HEADER, KEY, bound, device, host, key_token, listed
from tests.protocols.keyblock.tr34.pki import AT, party, vectors

OURS: list[dict[str, Any]] = vectors()["ours"]
OTHERS: list[dict[str, Any]] = vectors()["openssl"]
NONCE = bytes.fromhex(vectors()["nonce"])
live = pytest.mark.skipif(not openssl.THERE, reason="there is no openssl command")


def _of(entries: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    found = [entry for entry in entries if entry["kind"] == kind]
    assert found, kind
    return found


def _token(entry: dict[str, Any]) -> bytes:
    return base64.b64decode(entry["token"])


def _taken(entry: dict[str, Any], receiver: Receiver) -> DeliveredKey:
    receiver.ask(NONCE)
    return receiver.accept_key(_token(entry), AT)


@pytest.mark.parametrize("entry", _of(OURS, "KT") + _of(OTHERS, "KT"), ids=lambda one: f"{one['what']} {one['passes']}")
def test_a_key_arrives_with_its_header(entry: dict[str, Any]) -> None:
    found = _taken(entry, bound())
    assert found.key.reveal() == bytes.fromhex(entry["key"])
    fields = entry["header"]
    header = found.header
    assert (header.version, header.usage, header.algorithm, header.mode) == (
        fields[0], fields[5:7], fields[7], fields[8],
    )  # fmt: skip
    assert (header.key_version, header.exportability) == (fields[9:11], fields[11])
    assert not found.forgiven


@pytest.mark.parametrize("entry", OURS, ids=lambda one: f"{one['kind']} of {one['signer']}")
def test_what_openssl_verified_is_what_ours_finds_signed(entry: dict[str, Any]) -> None:
    """The file records what ``openssl cms`` returned when it was made; ours must find the same content."""
    message = cms.read_signed(_token(entry), Reading(strict=True))
    content = cms.verify(message, party(entry["signer"]).certificate)
    assert entry["openssl"]["verified"]
    assert hashlib.sha256(content).hexdigest() == entry["openssl"]["content_sha256"]
    if entry["kind"] == "KT":
        with envelope.open_envelope(content, party("device 1"), Reading(strict=True)) as block:
            assert hashlib.sha256(block.reveal()).hexdigest() == entry["openssl"]["opened_sha256"]


def test_binding_tokens_of_ours_do_what_they_say() -> None:
    for entry in _of(OURS, "RBT"):
        receiver = bound()
        receiver.ask(NONCE)
        receiver.rebind(_token(entry), AT)
        assert receiver.state.host == party("host 2").certificate
    for entry in _of(OURS, "UBT"):
        receiver = bound()
        receiver.ask(NONCE)
        receiver.unbind(_token(entry), AT)
        assert receiver.state.phase is Phase.UNBOUND


def test_openssls_credentials_bind() -> None:
    of_host, of_device = _of(OTHERS, "CT")
    receiver = device()
    receiver.bind(_token(of_host), AT)
    assert receiver.state.host == party("host 1").certificate
    assert host().accept_device(_token(of_device), AT) == party("device 1").certificate


def test_openssls_random_token_reads_and_is_what_ours_writes() -> None:
    (entry,) = _of(OTHERS, "RT")
    assert tokens.read_random_token(_token(entry)) == bytes.fromhex(entry["nonce"])
    assert tokens.random_token(bytes.fromhex(entry["nonce"])) == _token(entry)


def test_a_token_that_openssl_cms_signed_alone_unbinds() -> None:
    (entry,) = _of(OTHERS, "UBT")
    receiver = bound()
    receiver.unbind(_token(entry), datetime.fromisoformat(entry["about"]))
    assert receiver.state.phase is Phase.UNBOUND
    with pytest.raises(IntegrityError, match="fresh"):
        bound().unbind(_token(entry), datetime.fromisoformat(entry["about"]) + timedelta(days=1))


def test_the_recorded_list_is_the_hosts_authoritys() -> None:
    crl = x509.load_der_x509_crl(base64.b64decode(vectors()["revocations"]))
    assert crl.is_signature_valid(party("host authority").certificate.public_key())  # type: ignore[arg-type]


@live
def test_openssl_verifies_and_opens_ours() -> None:
    receiver = bound()
    token = key_token(receiver.ask(NONCE))
    content = openssl.verified(token, party("host 1").certificate)
    block = openssl.opened(content, party("device 1"))
    assert KEY in block
    with pytest.raises(AssertionError, match="openssl cms"):
        openssl.verified(token, party("host 2").certificate)
    with pytest.raises(AssertionError, match="openssl cms"):
        openssl.verified(token[:-1] + bytes((token[-1] ^ 1,)), party("host 1").certificate)


@live
@pytest.mark.parametrize("cipher", ["aes-128-cbc", "des-ede3-cbc"])
def test_ours_takes_openssls(cipher: str) -> None:
    receiver = bound()
    receiver.ask(NONCE)
    token = openssl.key_token(
        party("host 1"), party("device 1").certificate, "B0016K0TB00N0000", KEY, NONCE, listed(), cipher
    )
    assert receiver.accept_key(token, AT) == DeliveredKey(HEADER, ClearKey(KEY))


@live
def test_both_write_the_same_apart_from_what_is_random() -> None:
    """Two writers of DER that share nothing. RFC 4055, 2.1, wants NULL beside SHA-256 in OAEP; OpenSSL has none."""
    ours = key_token(tokens.random_token(NONCE))
    theirs = openssl.key_token(
        party("host 1"), party("device 1").certificate, "B0016K0TB00N0000", KEY, NONCE, listed(), "aes-128-cbc"
    )
    read = [cms.read_signed(token, Reading(strict=True)) for token in (ours, theirs)]
    assert len(ours) == len(theirs) + 2 * len(b"\x05\x00")
    assert read[0].attributes.keys() == read[1].attributes.keys()
    assert read[0].crls == read[1].crls
    assert read[0].signer == read[1].signer
