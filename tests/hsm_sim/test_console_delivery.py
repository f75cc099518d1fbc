# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The unit as key distribution host: two officers, tokens that openssl reads, and all of it in the audit."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from hsm_sim.console_talk import Declined
from protocols.dukpt import aes, tdes
from protocols.dukpt.ksn import AesKsn, TdesKsn
from protocols.keyblock.optional import Reading
from protocols.keyblock.tr34 import tokens
from tests.hsm_sim.console_units import Bench
from tests.protocols.keyblock.tr34 import openssl
from tests.protocols.keyblock.tr34.pki import issue, party, revocations

KSN = "FFFF9876543210E00000"
BDK = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
PARTS = ["A4" * 16, bytes(octet ^ 0xA4 for octet in BDK).hex()]
WORDS = {"alice": "six words of alice", "bob": "six words of bob", "carol": "six words of carol"}
AT_MS = round(datetime(2026, 11, 22, 12, tzinfo=UTC).timestamp() * 1000)


def pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.PEM)


class Place:
    """A unit in the secure state with two officers and a BDK, and the folder that goes to the terminal."""

    def __init__(self, folder: Path) -> None:
        self.unit = Bench(folder / "unit", now_ms=AT_MS)
        self.folder = folder / "usb"
        self.folder.mkdir()
        self.unit.secure()
        for name in ("alice", "bob"):
            self.unit.order("officers", "add", name, secrets=[WORDS[name], WORDS[name]])
        self.unit.order("keys", "form", "009", "010", secrets=[*PARTS, ""])
        listed = revocations(party("host authority"))
        (self.folder / "hosts.crl").write_bytes(listed.public_bytes(Encoding.PEM))
        (self.folder / "device.ct").write_bytes(tokens.credential_token(party("device 1").certificate))
        self.host: x509.Certificate | None = None

    def certified(self, lmk: str = "00") -> "Place":
        asked = self.unit.order("tr34", "request", lmk, "CN=TEST", "host", "9,O=Bank")["request"]
        csr = x509.load_pem_x509_csr(asked.encode())
        assert csr.subject.rfc4514_string() == "CN=TEST host 9,O=Bank"
        authority = party("host authority")
        made = issue("host 9", party("host 1").key, authority, 909, usage="digital_signature", public=csr.public_key())
        self.host = made.certificate
        (self.folder / "host.pem").write_bytes(pem(made.certificate))
        (self.folder / "devices.pem").write_bytes(pem(party("device authority").certificate))
        self.unit.order("tr34", "certify", str(self.folder / "host.pem"), str(self.folder / "devices.pem"))
        return self

    def send(self, *words: str, secrets: list[str] | None = None) -> dict[str, object]:
        both = [WORDS["alice"], WORDS["bob"]] if secrets is None else secrets
        given = words or ("010", KSN, str(self.folder), "alice", "bob")
        return self.unit.order("tr34", "send", *given, secrets=both)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    (tmp_path / "unit").mkdir()
    made = Place(tmp_path)
    yield made
    made.unit.simulator.close()


def key_in(token: bytes, host: x509.Certificate) -> tuple[str, bytes]:
    """Header and key, read by openssl: signature and envelope."""
    content = openssl.verified(token, host)
    block = openssl.opened(content, party("device 1"))
    header = tokens.read_key_token(token, Reading(strict=True)).header.decode()
    assert header.encode() in block
    return header, block


@pytest.mark.parametrize("passes", [1, 2])
def test_a_terminals_initial_key_leaves_for_that_terminal_alone(place: Place, passes: int) -> None:
    place.certified()
    assert place.host is not None
    if passes == 2:
        (place.folder / "device.rt").write_bytes(tokens.random_token(bytes(range(16))))
    sent = place.send()
    token = (place.folder / "key.kt").read_bytes()
    read = tokens.read_key_token(token, Reading(strict=True))
    assert (read.nonce, read.signing_time is None) == ((bytes(range(16)), True) if passes == 2 else (None, False))
    header, block = key_in(token, place.host)
    assert header[5:9] == "B1TX"
    assert bytes(tdes.initial_key(BDK, TdesKsn(bytes.fromhex(KSN))).reveal()) in block, "with its own parity bits"
    record = place.unit.simulator.audit.last(1)[0]
    assert record.name == "key.sent"
    assert dict(record.fields) == {
        "key": "00/K010",
        "ksn": KSN,
        "check_value": sent["check_value"],
        "device": party("device 1").certificate.subject.rfc4514_string(),
        "passes": passes,
        "approved": "alice bob",
    }
    assert "officer.added" in place.unit.records


def test_an_aes_terminals_initial_key(place: Place) -> None:
    ksn, bdk = "123456789012345600000000", BDK.hex()
    place.unit.order("keys", "form", "B0/X/N/A", "013", "02", secrets=["A4" * 16, PARTS[1], ""])
    place.certified("02")
    assert place.host is not None
    place.send("013", ksn, str(place.folder), "alice", "bob")
    header, block = key_in((place.folder / "key.kt").read_bytes(), place.host)
    assert header[5:9] == "B1AX"
    assert bytes(aes.initial_key(bytes.fromhex(bdk), AesKsn.from_hex(ksn)).reveal()) in block
    with pytest.raises(Declined, match="algorithm"):
        place.send("013", KSN, str(place.folder), "alice", "bob")


def test_a_kept_master_key_leaves_where_it_may(place: Place) -> None:
    place.unit.order("keys", "form", "002/N/S", "011", secrets=[*PARTS, ""])
    place.unit.order("keys", "form", "002/N/N", "012", secrets=[*PARTS, ""])
    place.unit.order("keys", "form", "K0/B/E/A", "011", "02", secrets=["A4" * 16, "5B" * 15 + "11", ""])
    place.unit.order("keys", "form", "K0/B/N/A", "012", "02", secrets=["A4" * 16, "5B" * 15 + "11", ""])
    for lmk, expected in (("02", "K0AB"), ("00", "K0TB")):
        place.certified(lmk)
        assert place.host is not None
        place.send("011", "-", str(place.folder), "alice", "bob")
        header, block = key_in((place.folder / "key.kt").read_bytes(), place.host)
        assert header[5:9] == expected
        assert (BDK if lmk == "00" else b"\xff" * 15 + b"\xb5") in block
        place.send("011", "K1", str(place.folder), "alice", "bob")
        header, block = key_in((place.folder / "key.kt").read_bytes(), place.host)
        assert header[5:9] == f"K1{expected[2]}D"
        (place.folder / "key.kt").unlink()
        with pytest.raises(Declined, match="export"):
            place.send("012", "-", str(place.folder), "alice", "bob")
        assert not (place.folder / "key.kt").exists()
    with pytest.raises(Declined, match="must not be used so"):
        place.send("010", "-", str(place.folder), "alice", "bob")  # a BDK never leaves
    place.unit.order("keys", "form", "003/N/S", "014", secrets=[*PARTS, ""])
    with pytest.raises(Declined, match="must not be used so"):
        place.send("014", "K1", str(place.folder), "alice", "bob")  # nor does a MAC key as what opens key blocks


@pytest.mark.parametrize(
    ("words", "secrets", "said"),
    [
        (("alice", "alice"), [WORDS["alice"], WORDS["alice"]], "2 different officers expected"),
        (("alice", "mallory"), [WORDS["alice"], WORDS["bob"]], "2 different officers expected"),
        (("alice", "bob"), [WORDS["alice"], WORDS["alice"]], "not approved by bob"),
        (("bob", "alice"), ["wrong", WORDS["alice"]], "not approved by bob"),
    ],
)
def test_without_two_officers_nothing_leaves(
    place: Place, words: tuple[str, str], secrets: list[str], said: str
) -> None:
    place.certified()
    with pytest.raises(Declined, match=said):
        place.send("010", KSN, str(place.folder), *words, secrets=secrets)
    assert not (place.folder / "key.kt").exists()
    assert "key.sent" not in place.unit.records
    assert ("approval.failed" in place.unit.records) == said.startswith("not")


def test_a_third_officer_is_approved_by_two(place: Place) -> None:
    with pytest.raises(Declined, match="2 different officers"):
        place.unit.order("officers", "add", "carol", secrets=[WORDS["carol"]] * 2)
    both = [WORDS["alice"], WORDS["bob"]]
    with pytest.raises(Declined, match="not the same"):
        place.unit.order("officers", "add", "carol", "alice", "bob", secrets=[*both, WORDS["carol"], "another one"])
    with pytest.raises(Declined, match="12 characters"):
        place.unit.order("officers", "add", "carol", "alice", "bob", secrets=[*both, "short", "short"])
    place.unit.order("officers", "add", "carol", "alice", "bob", secrets=[*both, WORDS["carol"], WORDS["carol"]])
    place.unit.restart()
    assert place.unit.order("officers", "list") == {"officers": ["alice", "bob", "carol"]}
    record = next(one for one in reversed(place.unit.simulator.audit.last(9)) if one.name == "officer.added")
    assert dict(record.fields) == {"officer": "carol", "approved": "alice bob"}
    place.unit.secure()
    for name in ("alice", "Dora", "x", ""):
        with pytest.raises(Declined, match="a new name"):
            place.unit.order("officers", "add", name, "alice", "bob", secrets=both)


def test_a_device_of_nobodys_is_refused_and_so_is_an_old_list(place: Place) -> None:
    place.certified()
    (place.folder / "device.ct").write_bytes(tokens.credential_token(party("host 1").certificate))
    with pytest.raises(Declined, match="another purpose"):
        place.send()
    (place.folder / "device.ct").write_bytes(b"no token")
    with pytest.raises(Declined, match="expected"):
        place.send()
    (place.folder / "device.ct").unlink()
    with pytest.raises(Declined, match=r"device\.ct"):
        place.send()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("tr34", "request", "00", ""), "RFC 4514"),
        (("tr34", "request", "00", "nobody"), "RFC 4514"),
        (("tr34", "request", "77", "CN=x"), "LMK identifier"),
        (("tr34", "certify", "/none", "/none"), "no key of a host"),
        (("tr34", "credential", "/"), "no key of a host"),
        (("tr34", "send", "010", "-", "relative", "alice", "bob"), "whole path of a folder"),
        (("tr34", "send", "010", "-", "/", "alice", "bob"), "no key of a host"),
    ],
)
def test_faults_say_what_is_missing(place: Place, words: tuple[str, ...], said: str) -> None:
    with pytest.raises(Declined, match=said):
        place.unit.order(*words)


def test_a_certificate_for_another_key_is_refused_and_the_credential_is_what_devices_bind_to(place: Place) -> None:
    place.certified()
    assert place.host is not None
    (place.folder / "other.pem").write_bytes(pem(party("host 1").certificate))
    with pytest.raises(Declined):
        place.unit.order("tr34", "certify", str(place.folder / "other.pem"), str(place.folder / "devices.pem"))
    place.unit.order("tr34", "credential", str(place.folder))
    found = tokens.read_credential_token((place.folder / "host.ct").read_bytes(), Reading(strict=True))
    assert found.certificate == place.host
    (place.folder / "hosts.crl").write_bytes(b"")
    with pytest.raises(Declined, match="in PEM, expected"):
        place.unit.order("tr34", "credential", str(place.folder))


def test_outside_the_secure_state_no_key_leaves(place: Place) -> None:
    place.certified()
    place.unit.online()
    with pytest.raises(Declined, match="not in the state"):
        place.send()


def test_no_passphrase_of_an_officer_lies_in_clear(place: Place) -> None:
    assert place.unit.folder is not None
    stored = b"".join(path.read_bytes() for path in place.unit.folder.iterdir() if path.is_file())
    assert b"officer.added" in stored
    assert all(words.encode() not in stored for words in WORDS.values())
