# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""``hsm-sim tool dukpt``: the standards' values through the command, transcripts, refusals."""

from typing import Any

import pytest

from hsm_sim.tool.dukpt import AES_PURPOSES, KEY_TYPES
from tests.hsm_sim.tool.calculator import TEST_KEY, WARNING, calculate, vectors

TDES_KSN, AES_KSN = "FFFF9876543210E00001", "123456789012345600000001"
TYPES = {"2TDEA": "tdes-2", "3TDEA": "tdes-3", "HMAC128 / SHA-256": "hmac-128"}
PURPOSES = {f"{usage:04X}": name for name, usage in AES_PURPOSES.items()}


def key_type(name: str) -> str:
    return TYPES.get(name) or f"{name[:3].lower()}-{name[3:]}"


@pytest.mark.parametrize(
    "vector",
    [vector for vector in vectors("dukpt_tdes") if vector["id"].split("-")[0] in ("ipek", "key", "hi")],
    ids=lambda vector: vector["id"],
)
def test_tdes_vectors(vector: dict[str, Any]) -> None:
    given = vector["input"]
    verb = ["initial-key"] if vector["id"] == "ipek" else ["derive", "--purpose", "transaction"]
    ran = calculate(
        *("dukpt", *verb, "--ksn", given["ksn"], "--key-file", "-", "--json", "--reveal"), stdin=given["bdk"]
    )
    if (
        int(given["ksn"][-6:], 16) % (1 << 21) in (0x7FF,)
        or bin(int(given["ksn"][-6:], 16) % (1 << 21)).count("1") > 10
    ):
        assert ran.code == 2
        assert "one-bits, 1 to 10 expected" in ran.err
        return
    assert ran.result["key"] == vector["expected"]


@pytest.mark.parametrize(
    "vector",
    [vector for vector in vectors("dukpt_aes") if vector["id"].split("-")[0] in ("ik", "txn", "work", "update")],
    ids=lambda vector: vector["id"],
)
def test_aes_vectors(vector: dict[str, Any]) -> None:
    given, kind = vector["input"], vector["id"].split("-")[0]
    ksn = given.get("ksn") or given["ikid"] + "00000000"
    key = given.get("bdk") or given.get("ik") or given["txn_key"]
    words = {
        "ik": ["initial-key"],
        "txn": ["derive", "--purpose", "transaction", "--key-is", "initial-key"],
        "work": ["derive", "--key-is", "transaction-key"],
        "update": ["update-key", "--key-is", "initial-key"],
    }[kind]
    if kind == "work":
        words += ["--purpose", PURPOSES[given["usage"]]]
    if kind in ("work", "update"):
        words += ["--key-type", key_type(given["key_type"])]
    ran = calculate("dukpt", *words, "--ksn", ksn, "--key-file", "-", "--json", "--reveal", "--explain", stdin=key)
    if vector["status"] == "verified-but-must-be-rejected":
        assert ran.code == 2
        assert "KSN: counter with 17 one-bits, 1 to 16 expected" in ran.err
        return
    assert ran.result["key"] == vector["expected"]
    assert vector["expected"] not in str(ran.document["steps"])


def test_each_step_for_a_person() -> None:
    words = ["derive", "--ksn", "FFFF9876543210E00003", "--purpose", "data-request", "--key-file", "-", "--explain"]
    ran = calculate("dukpt", *words, stdin=TEST_KEY)
    assert ran.err == WARNING + "hint: key is masked; --reveal shows it\n"
    assert ran.out == (
        "  1  base derivation key                           TDES, 16 octets, check value 08D7B4\n"
        "  2  left 8 octets of the KSN, counter 0           FFFF9876543210E0\n"
        "  3  initial key                                   TDES, 16 octets, check value AF8C07\n"
        "  4  key at counter 2                              TDES, 16 octets, check value 6FD602\n"
        "  5  key at counter 3                              TDES, 16 octets, check value 9D1F87\n"
        "  6  added to each half for data-request           0000000000FF0000\n"
        "  7  each half enciphered under the sum (one-way)\n"
        "  8  data-request key                              TDES, 16 octets, check value ADDA7D\n"
        "ksn          FFFF9876543210E00003\n"
        "key          (masked)\n"
        "check_value  ADDA7D\n"
    )


def test_each_step_as_data() -> None:
    words = ["derive", "--ksn", AES_KSN, "--purpose", "pin", "--key-file", "-", "--explain", "--json"]
    ran = calculate("dukpt", *words, stdin="FEDCBA9876543210F1F1F1F1F1F1F1F1")
    steps = {step["step"]: step["value"] for step in ran.document["steps"]}
    assert steps["derivation data"] == "01018001000200801234567890123456"
    assert steps["derivation data at counter 1"] == "01018000000200809012345600000001"
    assert steps["derivation data for pin"] == "01011000000200809012345600000001"
    assert ran.document["concealed"] == ["key"]


def test_the_walk() -> None:
    ran = calculate("dukpt", "walk", "--ksn", "FFFF9876543210E00003", "--key-file", "-", stdin=TEST_KEY)
    assert ran.out == (
        "walk  FFFF9876543210E00000  AF8C07\n      FFFF9876543210E00002  6FD602\n      FFFF9876543210E00003  9D1F87\n"
    )
    modern = calculate("dukpt", "walk", "--ksn", AES_KSN[:-1] + "7", "--key-file", "-", "--json", stdin=TEST_KEY)
    assert [row["ksn"][-1] for row in modern.result["walk"]] == ["0", "4", "6", "7"]


@pytest.mark.parametrize(
    ("ksn", "following"),
    [
        ("FFFF9876543210E00000", "FFFF9876543210E00001"),
        ("FFFF9876543210E003FF", "FFFF9876543210E00400"),
        ("FFFF9876543210E007FE", "FFFF9876543210E00800"),
        ("FFFF9876543210FFF800", "none: end of life"),
        ("1234567890123456FFFF0000", "none: end of life"),
        ("12345678901234560000FFFF", "123456789012345600010000"),
    ],
)
def test_the_next_ksn(ksn: str, following: str) -> None:
    assert calculate("dukpt", "next", "--ksn", ksn, "--json").result == {"next_ksn": following}
    assert calculate("dukpt", "next", "--ksn", ksn, "--explain").code == 0


def test_keys_of_no_cipher_have_no_check_value() -> None:
    words = ["derive", "--ksn", AES_KSN, "--purpose", "mac-generation", "--key-type", "hmac-128", "--key-file", "-"]
    ran = calculate("dukpt", *words, "--json", "--explain", stdin=TEST_KEY)
    assert "check_value" not in ran.result
    assert ran.document["steps"][-1]["value"] == "HMAC, 16 octets"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("derive --ksn FFFF", "KSN: 4 characters, 16 to 20 (TDES) or 24 (AES) expected"),
        (f"derive --ksn {'G' * 20}", "KSN: not an even number of hexadecimal digits"),
        ("derive --ksn FFFF9876543210E00000 --key-file -", "KSN: counter with 0 one-bits, 1 to 10 expected"),
        (
            f"derive --ksn {TDES_KSN} --purpose data-encrypt --key-file -",
            "--purpose data-encrypt: not a purpose of TDES DUKPT",
        ),
        (
            f"derive --ksn {AES_KSN} --purpose mac-request --key-file -",
            "--purpose mac-request: not a purpose of AES DUKPT",
        ),
        (f"derive --ksn {TDES_KSN} --key-type aes-128 --key-file -", "--key-type: TDES DUKPT derives double-length"),
        (f"derive --ksn {AES_KSN} --key-type aes-256 --key-file -", "a 128-bit key cannot derive a stronger one"),
        (f"update-key --ksn {TDES_KSN} --key-file -", "--ksn: TDES DUKPT has no update key"),
        ("derive", "the following arguments are required: --ksn"),
        (f"derive --ksn {TDES_KSN} --purpose fun", "argument --purpose: not one of the known values"),
    ],
)
def test_bad_input(words: str, said: str) -> None:
    ran = calculate("dukpt", *words.split(), stdin=TEST_KEY)
    assert ran.code == 2, ran.out
    assert f"hsm-sim: error: {said}" in ran.err
    assert ran.out == ""


def test_every_key_type_has_a_name() -> None:
    assert {kind.octets for kind in KEY_TYPES.values()} == {16, 24, 32}
