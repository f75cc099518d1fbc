# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Batches: openssl verifies what we sign and we verify what openssl signs; nothing else passes."""

import hashlib
import subprocess
from base64 import b64encode
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.errors import DecodeError, EncodeError
from protocols.telemetry.batch import (
    CONTEXT,
    LARGEST_BATCH,
    LARGEST_BODY,
    MOST_REPORTS,
    encode_batch,
    lines,
    read_batch,
    will,
)
from protocols.telemetry.envelope import Report, encode, genesis, report_hash
from protocols.telemetry.events import make
from protocols.telemetry.keys import from_certificate, signer_from_pem
from protocols.telemetry.seal import LONGEST_SIGNATURE, Algorithm, Sealed, Signer
from tests.protocols.telemetry.report_keys import private_pem, public, public_pem, signer
from tests.protocols.telemetry.test_events import AT, SOUND

TERMINAL = "TG000001"


def chain(count: int, event: str = "agent.stopping", *, boot: int = 5, terminal: str = TERMINAL) -> list[bytes]:
    """Reports 1 to ``count``, each linked to the one before it."""
    prev, made = genesis(terminal), []
    for seq in range(1, count + 1):
        made.append(encode(Report(terminal, boot, seq, prev, make(event, AT, **SOUND[event]))))
        prev = report_hash(made[-1])
    return made


OCTETS = encode_batch(chain(3), signer("terminal"))


def openssl(*words: str, cwd: Path, data: bytes | None = None) -> bytes:
    return subprocess.run(["openssl", *words], cwd=cwd, input=data, capture_output=True, check=True).stdout


@pytest.mark.parametrize("ed25519", [False, True])
@pytest.mark.parametrize("count", [1, 2, MOST_REPORTS])
def test_round_trip(count: int, ed25519: bool) -> None:
    reports = chain(count)
    sealed = read_batch(encode_batch(reports, signer("t", ed25519=ed25519)))
    assert public("t", ed25519=ed25519).signed(sealed, CONTEXT)
    assert [line.octets for line in lines(sealed)] == reports
    assert [line.report.seq for line in lines(sealed)] == list(range(1, count + 1))


def test_key_id_and_first_line_as_documented(tmp_path: Path) -> None:
    first, _, body = OCTETS.partition(b"\n")
    algorithm, key, signature = first.split(b" ")
    (tmp_path / "public.pem").write_bytes(public_pem("terminal"))
    der = openssl("pkey", "-pubin", "-in", "public.pem", "-outform", "DER", cwd=tmp_path)
    assert (algorithm, key.decode()) == (b"es256", hashlib.sha256(der).hexdigest()[:16])
    assert body == b"".join(line + b"\n" for line in chain(3))
    assert len(first) + 1 <= LARGEST_BATCH - LARGEST_BODY
    assert signature


def test_openssl_verifies_what_we_sign(tmp_path: Path) -> None:
    sealed = read_batch(OCTETS)
    for name, octets in (
        ("public.pem", public_pem("terminal")),
        ("signature", sealed.signature),
        ("signed", b"tillguard reports, version 2\n" + sealed.body),
    ):
        (tmp_path / name).write_bytes(octets)
    said = openssl("dgst", "-sha256", "-verify", "public.pem", "-signature", "signature", "signed", cwd=tmp_path)
    assert said == b"Verified OK\n"


def test_we_verify_what_openssl_signs(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_bytes(private_pem("terminal"))
    body = b"".join(octets + b"\n" for octets in chain(2))
    signature = openssl(
        "dgst", "-sha256", "-sign", "key.pem", cwd=tmp_path, data=b"tillguard reports, version 2\n" + body
    )
    payload = b"es256 " + public("terminal").key_id.encode() + b" " + b64encode(signature) + b"\n" + body
    assert public("terminal").signed(read_batch(payload), CONTEXT)


def test_the_key_of_a_certificate_from_openssl(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_bytes(private_pem("terminal"))
    openssl("req", "-x509", "-key", "key.pem", "-subj", f"/CN={TERMINAL}", "-out", "cert.pem", cwd=tmp_path)
    key = from_certificate((tmp_path / "cert.pem").read_bytes(), "cert.pem")
    assert key == public("terminal")
    assert key.signed(read_batch(OCTETS), CONTEXT)


def test_another_key_another_context_another_algorithm_do_not_fit() -> None:
    sealed = read_batch(OCTETS)
    assert not public("other").signed(sealed, CONTEXT)
    assert not public("terminal").signed(sealed, b"tillguard receipt, version 1\n")
    assert not public("terminal", ed25519=True).signed(sealed, CONTEXT)
    posing = Sealed(Algorithm.ES256, public("terminal").key_id, read_batch(
        encode_batch(chain(3), signer("other"))).signature, sealed.body)  # fmt: skip
    assert not public("terminal").signed(posing, CONTEXT)


@given(st.integers(0, len(OCTETS) - 1), st.integers(1, 255))
@settings(max_examples=400, deadline=None)
def test_one_changed_octet_is_noticed(place: int, change: int) -> None:
    damaged = bytearray(OCTETS)
    damaged[place] ^= change
    try:
        sealed = read_batch(bytes(damaged))
    except DecodeError:
        return
    same = sealed == read_batch(OCTETS)  # the spare bits of base64's last letter say nothing
    assert public("terminal").signed(sealed, CONTEXT) is same


@pytest.mark.parametrize("length", range(len(OCTETS)))
def test_every_truncation_is_refused(length: int) -> None:
    try:
        sealed = read_batch(OCTETS[:length])
    except DecodeError:
        return
    assert not public("terminal").signed(sealed, CONTEXT)


@given(st.binary(max_size=300))
@settings(max_examples=300, deadline=None)
def test_garbage_is_refused(data: bytes) -> None:
    with pytest.raises(DecodeError):
        lines(read_batch(data))


def in_one(*reports: bytes) -> Sealed:
    return Sealed(Algorithm.ES256, "0" * 16, b"", b"".join(octets + b"\n" for octets in reports))


ONE, TWO, THREE = chain(3)
ALERTS = chain(2, "device.lost")


@pytest.mark.parametrize(
    "sealed",
    [
        Sealed(Algorithm.ES256, "0" * 16, b"", b""),
        Sealed(Algorithm.ES256, "0" * 16, b"", ONE),
        Sealed(Algorithm.ES256, "0" * 16, b"", b"\n"),
        in_one(TWO, ONE),
        in_one(ONE, ONE),
        in_one(*ALERTS),
        in_one(ONE, chain(2, boot=6)[1]),
        in_one(ONE, chain(2, terminal="TG000002")[1]),
        in_one(ONE, chain(2, "payment.step")[1]),
        in_one(*chain(MOST_REPORTS + 1)),
        in_one(encode(Report(TERMINAL, 5, 0, genesis(TERMINAL), make("agent.lost", AT))), ONE),
        in_one(ONE, b"x"),
    ],
)
def test_what_is_no_batch(sealed: Sealed) -> None:
    with pytest.raises(DecodeError):
        lines(sealed)


def test_bounds_of_the_maker() -> None:
    with pytest.raises(EncodeError, match="batch of 33 reports"):
        encode_batch(chain(33), signer("terminal"))
    with pytest.raises(EncodeError, match="batch of 0 reports"):
        encode_batch([], signer("terminal"))
    with pytest.raises(EncodeError, match="octets, at most"):
        encode_batch([b"x" * LARGEST_BATCH], signer("terminal"))
    with pytest.raises(EncodeError, match="signature of"):
        encode_batch(chain(1), Signer(Algorithm.ES256, "0" * 16, lambda _: b"x" * (LONGEST_SIGNATURE + 1)))
    with pytest.raises(DecodeError, match="at most"):
        read_batch(OCTETS + b"x" * LARGEST_BATCH)


def test_the_will_is_a_batch_of_its_own() -> None:
    payload = will(TERMINAL, 9, genesis(TERMINAL), AT, signer("terminal"))
    sealed = read_batch(payload)
    assert public("terminal").signed(sealed, CONTEXT)
    (line,) = lines(sealed)
    assert (line.report.boot, line.report.seq, line.report.event.name) == (9, 0, "agent.lost")
    assert line.report.lane.value == "health"


@pytest.mark.parametrize("pem", [b"", b"nonsense", public_pem("terminal")])
def test_what_is_no_private_key(pem: bytes) -> None:
    with pytest.raises(DecodeError, match=r"key\.pem: a private key"):
        signer_from_pem(pem, "key.pem")


def test_keys_of_other_kinds_are_refused(tmp_path: Path) -> None:
    pem = openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384", cwd=tmp_path)
    with pytest.raises(DecodeError, match="P-256 or Ed25519"):
        signer_from_pem(pem, "key.pem")
