# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""RFC 3161: our request read by openssl, an answer of openssl's read by us, every truncation and garbage refused."""

import random
import subprocess
from hashlib import sha256
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from protocols.errors import DecodeError
from protocols.timestamp import request, token
from tests.fleet_console.tsa import authority

DIGEST = sha256(b"a head").digest()


@pytest.mark.parametrize("nonce", [1, 127, 128, 0x0123456789ABCDEF, (1 << 63) - 1])
def test_openssl_reads_our_request(tmp_path: Path, nonce: int) -> None:
    (tmp_path / "query").write_bytes(request(DIGEST, nonce))
    done = subprocess.run(
        ["openssl", "ts", "-query", "-in", str(tmp_path / "query"), "-text"], capture_output=True, text=True, check=True
    )
    assert "Hash Algorithm: sha256" in done.stdout
    assert f"Nonce: 0x{nonce:0{len(f'{nonce:x}') + len(f'{nonce:x}') % 2}X}" in done.stdout
    assert "Certificate required: yes" in done.stdout
    assert DIGEST[:4].hex(" ") in done.stdout


@pytest.fixture(scope="module")
def answer(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    with authority(tmp_path_factory.mktemp("tsa") / "a") as (address, _):
        return bytes(urlopen(Request(address, request(DIGEST, 5), method="POST")).read())


def test_the_token_is_what_openssl_takes_for_one(answer: bytes, tmp_path: Path) -> None:
    (tmp_path / "reply").write_bytes(answer)
    words = ["openssl", "ts", "-reply", "-in", str(tmp_path / "reply"), "-token_out", "-out", str(tmp_path / "token")]
    subprocess.run(words, capture_output=True, check=True)
    assert token(answer) == (tmp_path / "token").read_bytes()


def test_every_truncation_and_garbage_is_refused(answer: bytes) -> None:
    for length in range(len(answer)):
        with pytest.raises(DecodeError):
            token(answer[:length])
    chance = random.Random(1)
    for _ in range(2_000):
        with pytest.raises(DecodeError):
            token(chance.randbytes(chance.randint(0, 80)))
    with pytest.raises(DecodeError, match="at most"):
        token(answer + bytes(70_000))


def test_a_refusal_is_said() -> None:
    with pytest.raises(DecodeError, match="the authority refused: status 2"):
        token(bytes.fromhex("30053003020102"))
