# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The scanner finds every form that it claims to find, and nothing in noise."""

import base64
import random
import tempfile
import zipfile
from pathlib import Path

import pytest

from protocols.dukpt.ksn import TdesKsn
from protocols.dukpt.tdes import initial_key
from protocols.emv.cryptogram import account_block, icc_master_key_a
from protocols.pan import Pan
from protocols.pin.iso9564 import encode_format_0
from protocols.primitives import TdesKey
from protocols.secret import ClearKey, Pin
from tests.secrets.planted import DATA_KSN, DERIVED, INITIAL_KSN, KEYS, PAN, PIN, PLANTED, clear_pin_block
from tests.secrets.scanner import _SEPARATORS, Scanner

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
        PAN[3:15].encode(),
        bytes.fromhex(PAN[2:] + "01"),
        clear_pin_block(),
        clear_pin_block().hex().upper().encode(),
        DERIVED["IPEK"],
        DERIVED["card"].hex().encode(),
    ],
    ids=lambda leak: f"{len(leak)} octets",  # a test's name is printed, too
)
def test_finds_every_form(leak: bytes) -> None:
    noise = random.Random(1).randbytes(100)
    hits = SCANNER.scan(noise + leak + noise)
    assert hits
    assert PAN not in str(hits)


@pytest.mark.parametrize(
    "between", [b"", b" ", b":", b"-", b"_", b",", b"\r\n", b"\t", b"\\x", b"0x", b", 0x"], ids=repr
)
def test_finds_each_form_of_each_value_between_any_separators(between: bytes) -> None:
    noise = random.Random(3).randbytes(10)
    for marked in PLANTED:
        for form in dict(marked.forms).values():
            if between and _SEPARATORS.search(form):
                continue  # without its separators it is another form
            apart = between.join(bytes([octet]) for octet in form)
            assert SCANNER.scan(noise + between + apart + between + noise), marked.name


def test_finds_nothing_in_noise_or_in_what_is_allowed_to_be_seen() -> None:
    assert not SCANNER.scan(random.Random(2).randbytes(1 << 20))
    assert not SCANNER.scan(str(Pan(PAN)).encode())


def test_scans_files_and_their_names() -> None:
    with tempfile.TemporaryDirectory() as apart:  # not below the suite's own folder, where this would be a leak
        folder = Path(apart)
        (folder / "deep").mkdir()
        (folder / "deep" / "log.db").write_bytes(b"\0" * 9000 + bytes.fromhex(PAN))
        (folder / PIN).touch()
        found = {str(path.relative_to(folder)): hit for path, hit in SCANNER.scan_tree(folder)}
    assert set(found) == {"deep/log.db", PIN}


def test_looks_into_archives() -> None:
    with tempfile.TemporaryDirectory() as apart:
        path = Path(apart) / "bundle.whl"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("inner.txt", f"{'0' * 999}{PIN}")
        assert [str(path.name) for path, hit in SCANNER.scan_tree(Path(apart)) if "inner.txt" in hit] == ["bundle.whl"]


def test_marked_values_are_fit_for_use() -> None:
    assert Pan(PAN).has_luhn_digit()
    assert all(bin(octet).count("1") % 2 for key in KEYS.values() for octet in key)


def test_marked_values_are_what_pad_and_card_hold() -> None:
    ipek = initial_key(ClearKey(KEYS["BDK"]), TdesKsn.from_hex(INITIAL_KSN))
    card = icc_master_key_a(TdesKey(KEYS["MK-AC"]), account_block(Pan(PAN), 1))
    data = initial_key(ClearKey(KEYS["BDK-DATA"]), TdesKsn.from_hex(DATA_KSN))
    held = {"IPEK": ipek, "data IPEK": data, "card": card}
    assert {name: bytes(key.reveal()) for name, key in held.items()} == DERIVED
    assert bytes(encode_format_0(Pin.from_text(PIN), Pan(PAN)).reveal()) == clear_pin_block()
