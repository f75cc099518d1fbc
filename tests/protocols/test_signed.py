# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Signed statements: who is believed, who is not and why; and openssl as the other half of every signature."""

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from protocols.ed25519 import SigningKey, verify
from protocols.errors import DecodeError, EncodeError, IntegrityError, ProtocolError
from protocols.public_key import public_from_pem
from protocols.signed import (
    LARGEST,
    Cause,
    Envelope,
    Floor,
    Refused,
    Statement,
    believe,
    read,
    signers,
    to_be_signed,
    vouched,
)
from tests.protocols.persons import key, private_pem, public_pem, sealed, trust

SAID = Statement("usb-policy", "TG000001", 7, 1_000, 2_000, 'title = "x"\nrules = "allow"\n')
TWO = trust("anna", "ben", "carl")


def believed(envelope: Envelope, **other: object) -> Statement:
    asked = {"kind": "usb-policy", "terminal": "TG000001", "now_s": 1_500} | other
    return believe(envelope, asked.pop("trust", TWO), verify, **asked).statement  # type: ignore[arg-type]


def test_two_persons_are_believed() -> None:
    envelope = sealed(SAID, "anna", "ben")
    assert believed(read(envelope.encode())) == SAID
    assert believe(envelope, TWO, verify, kind="usb-policy", terminal="TG000001", now_s=1_000).persons == (
        "anna",
        "ben",
    )
    assert believed(sealed(replace(SAID, audience="*"), "carl", "anna")).audience == "*"
    assert envelope.unverified == SAID


@pytest.mark.parametrize(
    ("envelope", "other", "cause"),
    [
        (sealed(SAID), {}, Cause.NOBODY),
        (sealed(SAID, "mallory"), {}, Cause.NOBODY),
        (sealed(SAID, "mallory", "nell"), {}, Cause.NOBODY),
        (sealed(SAID, "anna"), {}, Cause.TOO_FEW),
        (sealed(SAID, "anna", "mallory"), {}, Cause.TOO_FEW),
        (sealed(SAID, "anna", "anna"), {}, Cause.TOO_FEW),
        (sealed(SAID, "anna", "anna#2"), {"trust": trust("anna", "anna#2", "ben")}, Cause.TOO_FEW),
        (sealed(SAID, "anna", "ben"), {"trust": trust("anna", "ben", needed=0)}, Cause.TOO_FEW),
        (sealed(SAID, "anna", "ben"), {"trust": trust("anna", "ben", kinds=("order",))}, Cause.TOO_FEW),
        (sealed(SAID, "anna", "ben"), {"kind": "usb-exception"}, Cause.OTHER_KIND),
        (sealed(SAID, "anna", "ben"), {"terminal": "TG000002"}, Cause.OTHER_TERMINAL),
        (sealed(SAID, "anna", "ben"), {"now_s": 999}, Cause.NOT_YET),
        (sealed(SAID, "anna", "ben"), {"now_s": 2_000}, Cause.OVER),
        (sealed(SAID, "anna", "ben"), {"floor": Floor(8, "")}, Cause.OLD),
        (sealed(SAID, "anna", "ben"), {"floor": Floor(7, "another")}, Cause.TWIN),
    ],
)
def test_who_is_not_believed(envelope: Envelope, other: dict[str, object], cause: Cause) -> None:
    with pytest.raises(Refused) as fault:
        believed(envelope, **other)
    assert fault.value.cause is cause


def test_the_same_again_is_believed_and_the_next_too() -> None:
    first = believe(sealed(SAID, "anna", "ben"), TWO, verify, kind="usb-policy", terminal="TG000001", now_s=1_500)
    assert believed(sealed(SAID, "ben", "carl"), floor=first.floor) == SAID
    assert believed(sealed(replace(SAID, version=8), "ben", "carl"), floor=first.floor).version == 8


def test_what_was_believed_once_is_vouched_for_beyond_its_end() -> None:
    found = vouched(sealed(SAID, "anna", "ben"), TWO, verify, kind="usb-policy", terminal="TG000001")
    assert found.statement.until_s == 2_000


def test_a_signature_moved_to_another_statement_or_key_does_not_fit() -> None:
    good = sealed(SAID, "anna", "ben")
    moved = Envelope(replace(SAID, body="rules").encode(), good.signatures)
    assert signers(moved, TWO, verify) == ()
    swapped = tuple(
        replace(one, octets=other.octets) for one, other in zip(good.signatures, good.signatures[::-1], strict=True)
    )
    assert signers(Envelope(good.statement, swapped), TWO, verify) == ()


def test_no_octet_can_be_changed() -> None:
    octets = sealed(SAID, "anna", "ben").encode()
    rng = Random(4)
    for place in range(len(octets)):
        changed = bytearray(octets)
        changed[place] ^= 1 << rng.randrange(8)
        try:
            found = believed(read(bytes(changed)))
        except ProtocolError:
            continue
        assert found == SAID  # white space, or the case of an escape, that says the same
        assert json.loads(bytes(changed)) == json.loads(octets)


def test_every_truncation_is_a_decode_error() -> None:
    octets = sealed(SAID, "anna").encode().rstrip()
    for length in range(len(octets)):
        with pytest.raises(DecodeError):
            read(octets[:length])


@pytest.mark.parametrize(
    "octets",
    [
        b"[]",
        b"{}",
        b'{"statement":"","signatures":{}}',
        b'{"statement":"","signatures":[],"x":1}',
        b'{"statement":"","statement":"","signatures":[]}',
        b'{"statement":"*","signatures":[]}',
        b'{"statement":7,"signatures":[]}',
        b'{"statement":"\xc3\xa9","signatures":[]}',
        b'{"statement":"","signatures":[1]}',
        b'{"statement":"","signatures":[{"key":"x","signature":""}]}',
        b'{"statement":"","signatures":[{"key":"0123456789abcdef","signature":"AAAA"}]}',
        b'{"statement":"","signatures":[' + b",".join([b"1"] * 17) + b"]}",
        b"[" * 100_000,
        b'{"statement":NaN,"signatures":[]}',
        b" " * (LARGEST + 1),
        b"\xff",
    ],
)
def test_what_is_no_envelope(octets: bytes) -> None:
    with pytest.raises(DecodeError):
        read(octets)


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "USB"},
        {"audience": "TG 1"},
        {"audience": ""},
        {"version": 0},
        {"version": True},
        {"version": 1 << 53},
        {"from_s": -1},
        {"until_s": 1_000},
        {"until_s": 1 << 60},
        {"body": b"x"},
    ],
)
def test_what_cannot_be_said(change: dict[str, object]) -> None:
    with pytest.raises(EncodeError):
        replace(SAID, **change).encode()  # type: ignore[arg-type]


def test_a_statement_signed_over_nonsense_is_a_decode_error() -> None:
    for nonsense in (b"", b"{}", b'{"kind":1}', b"\xff"):
        envelope = Envelope(nonsense)
        for name in ("anna", "ben"):
            envelope = envelope.signed_by(key(name).public, key(name).sign)
        with pytest.raises(DecodeError):
            believed(envelope)


def test_openssl_verifies_ours_and_we_verify_openssl(tmp_path: Path) -> None:
    message = tmp_path / "message"
    message.write_bytes(to_be_signed(SAID.encode()))
    (tmp_path / "key").write_bytes(private_pem("anna"))
    (tmp_path / "pub").write_text(public_pem("anna"))
    (tmp_path / "sig").write_bytes(key("anna").sign(message.read_bytes()))
    openssl = ["openssl", "pkeyutl", "-rawin", "-in", str(message)]
    subprocess.run(
        [*openssl, "-verify", "-pubin", "-inkey", str(tmp_path / "pub"), "-sigfile", str(tmp_path / "sig")],
        check=True,
        capture_output=True,
    )
    made = tmp_path / "made"
    subprocess.run(
        [*openssl, "-sign", "-inkey", str(tmp_path / "key"), "-out", str(made)], check=True, capture_output=True
    )
    public = public_from_pem(public_pem("anna"), "anna.pub")
    assert verify(public, message.read_bytes(), made.read_bytes())
    assert not verify(public, message.read_bytes() + b"x", made.read_bytes())
    assert not verify(public[:-1], message.read_bytes(), made.read_bytes())


def test_published_vector() -> None:
    """RFC 8032, 7.1, test 2."""
    public = bytes.fromhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
    signature = bytes.fromhex(
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    )
    assert verify(public, b"\x72", signature)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----",
        "-----BEGIN PUBLIC KEY-----\n***\n-----END PUBLIC KEY-----",
        "-----BEGIN PUBLIC KEY-----\nMCow\n-----END PUBLIC KEY-----",
        "-----BEGIN PRIVATE KEY-----\nMCow\n-----END PRIVATE KEY-----",
    ],
)
def test_what_is_no_public_key(text: str) -> None:
    with pytest.raises(DecodeError):
        public_from_pem(text, "x.pub")


def test_a_private_key_says_nothing_of_itself() -> None:
    with pytest.raises(IntegrityError, match="not a private key"):
        SigningKey(b"nonsense", None, "x.key")
    with pytest.raises(IntegrityError, match="not enciphered"):
        SigningKey(private_pem("anna"), b"word", "x.key")
    assert repr(key("anna")) == "SigningKey(redacted)"
