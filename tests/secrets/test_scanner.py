# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The scanner finds every form that it claims to find, and nothing in noise."""

import base64
import random
from pathlib import Path

import pytest

from protocols.pan import Pan
from tests.secrets.planted import KEYS, PAN, PIN, PLANTED
from tests.secrets.scanner import Scanner

SCANNER = Scanner(PLANTED)
BDK = KEYS["BDK"]


@pytest.mark.parametrize(
    "leak",
    [
        PAN.encode(),
        PIN.encode(),
        PAN.encode("utf-16"),
        PIN.encode("utf-16-be"),
        bytes.fromhex(PAN),
        bytes.fromhex(PAN + "D2812201F0"),
        bytes.fromhex("57" + "9" + PAN + "F"),
        bytes.fromhex("0C" + PIN + "FF"),
        bytes(int(digit) for digit in PIN),
        PAN.encode().hex().encode(),
        BDK,
        BDK[:8],
        BDK[8:].hex().encode(),
        BDK.hex().upper().encode(),
        BDK.hex(" ").encode(),
        BDK.hex(":").upper().encode(),
        repr([hex(octet) for octet in BDK]).replace("'", "").encode(),
        *(base64.b64encode(b"x" * shift + BDK + b"tail") for shift in range(3)),
        *(base64.urlsafe_b64encode(b"x" * shift + PAN.encode() + b"tail") for shift in range(3)),
        f"{PAN[:4]} {PAN[4:8]} {PAN[8:12]} {PAN[12:]}".encode(),
    ],
)
def test_finds_every_form(leak: bytes) -> None:
    noise = random.Random(1).randbytes(100)
    hits = SCANNER.scan(noise + leak + noise)
    assert hits
    assert PAN not in str(hits)


def test_finds_nothing_in_noise_or_in_what_is_allowed_to_be_seen() -> None:
    assert not SCANNER.scan(random.Random(2).randbytes(1 << 20))
    assert not SCANNER.scan(str(Pan(PAN)).encode())


def test_scans_files_and_their_names(tmp_path_factory: pytest.TempPathFactory) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as apart:  # not below the suite's own folder, where this would be a leak
        folder = Path(apart)
        (folder / "deep").mkdir()
        (folder / "deep" / "log.db").write_bytes(b"\0" * 9000 + bytes.fromhex(PAN))
        (folder / PIN).touch()
        found = {str(path.relative_to(folder)): hit for path, hit in SCANNER.scan_tree(folder)}
    assert set(found) == {"deep/log.db", PIN}


def test_marked_values_are_fit_for_use() -> None:
    assert Pan(PAN).has_luhn_digit()
    assert all(bin(octet).count("1") % 2 for key in KEYS.values() for octet in key)
