# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""``hsm-sim tool pinblock``: every vector through the command, transcripts, translation and its refusals."""

from typing import Any

import pytest

from protocols.pin.iso9564 import Format
from protocols.pin.translation import Purpose, verdict
from tests.hsm_sim.tool.calculator import TEST_KEY, WARNING, Ran, calculate, vectors

PAN = "4000009999990016"
VARIANTS = {"WHOLE_FIELD": "sm4-whole-field", "ZERO_FILLED": "sm4-zero-filled"}


# Left out: a key, and PAN fields, which are tested where they are made.
BLOCKS = [one for one in vectors("pin_blocks") if not one["id"].startswith(("iso4-pan", "sm4-key"))]
ENDING = ("--json", "--reveal", "--explain")


def of(kind: str) -> Any:
    """The vectors that a test is for: "rejected", "pinblock" (to be read), "key" or "pin" (to be made)."""
    chosen = []
    for vector in BLOCKS:
        known = ["rejected"] if vector["expected"].startswith("reject") else []
        known += [name for name in ("pinblock", "key", "pin") if name in vector["input"]]
        if known[0] == kind:
            chosen.append(vector)
    return pytest.mark.parametrize("vector", chosen, ids=lambda vector: vector["id"])


def options(given: dict[str, Any]) -> list[str]:
    """Format and account number of a vector."""
    form = VARIANTS.get(given.get("variant"), str(given["format"]))
    digits = given.get("pan") or given.get("pan_rightmost12_excl_check", "") + "0"
    account = ["--pan", digits] if len(digits) > 1 and (form != "4" or "key" in given) else []
    return ["--format", form, *account]


def read(given: dict[str, Any], block: str) -> Ran:
    """The command that reads a block, enciphered or clear."""
    if "key" in given:
        words = ["decipher", "--block", block, "--key-file", "-"]
        return calculate("pinblock", *words, *options(given), *ENDING, stdin=given["key"])
    card = ["--card-key-file", "-"] if "card_key" in given else []
    words = ["decode", *card, "--clear-block-file", "-", *options(given), *ENDING]
    return calculate("pinblock", *words, stdin=f"{given.get('card_key', '')}\n{block}")


@of("rejected")
def test_blocks_that_are_none(vector: dict[str, Any]) -> None:
    ran = read(vector["input"], vector["input"]["pinblock"])
    assert ran.code == 2
    assert "PIN block: not a PIN of 4 to 12 digits under this key, format and account number" in ran.err


@of("pinblock")
def test_blocks_to_be_read(vector: dict[str, Any]) -> None:
    expected = vector["expected"]
    pin = expected[2 : 2 + int(expected[1], 16)] if vector["id"] == "iso4-dec-0" else expected
    assert read(vector["input"], vector["input"]["pinblock"]).result == {"pin": pin}


@of("key")
def test_blocks_under_a_key(vector: dict[str, Any]) -> None:
    given, expected = vector["input"], vector["expected"]
    random = ["--random", given["random8"]] if "random8" in given else []
    words = ["encipher", "--key-file", "-", "--pin-file", "-", *options(given), *random, *ENDING]
    ran = calculate("pinblock", *words, stdin=f"{given['key']}\n{given['pin']}\n")
    assert ran.result == {"block": expected}
    steps = {step["step"]: step["value"] for step in ran.document["steps"]}
    assert steps.get("clear block") == given.get("clear")
    assert read(given, expected).result == {"pin": given["pin"]}


@of("pin")
def test_clear_blocks(vector: dict[str, Any]) -> None:
    given, expected = vector["input"], vector["expected"]
    card = ["--card-key-file", "-"] if "card_key" in given else []
    random = ["--random", given["fill_nibbles"].rjust(16, "0")] if "fill_nibbles" in given else []
    words = ["encode", *card, "--pin-file", "-", *options(given), *random, *ENDING]
    block = calculate("pinblock", *words, stdin=f"{given.get('card_key', '')}\n{given['pin']}").result["clear_block"]
    assert block.startswith(expected), "of a format 4 field only the left half is determined"
    assert read(given, block).result == {"pin": given["pin"]}


def test_a_person_reads_each_step() -> None:
    words = ["encipher", "--format", "0", "--pan", PAN, "--key-file", "-", "--pin-file", "-", "--explain"]
    ran = calculate("pinblock", *words, stdin=f"# comments and empty lines are passed over\n\n{TEST_KEY}\n7391\n")
    assert ran.code == 0
    assert ran.err == WARNING
    assert ran.out == (
        "  1  PIN key                                          TDES, 16 octets, check value 08D7B4\n"
        "  2  PIN field: control nibble, length, digits, fill  04****FFFFFFFFFF\n"
        "  3  account field: 12 digits before the check digit  0000000******001\n"
        "  4  clear block                                      masked\n"
        "  5  enciphered                                       7AC831B0EC5209D7\n"
        "block  7AC831B0EC5209D7\n"
    )


def test_a_pin_is_masked_until_it_is_asked_for() -> None:
    words = ["decipher", "--format", "0", "--pan", PAN, "--block", "7AC831B0EC5209D7", "--key-file", "-"]
    ran = calculate("pinblock", *words, stdin=TEST_KEY)
    assert (ran.code, ran.out) == (0, "pin  (masked)\n")
    assert ran.err == WARNING + "hint: pin is masked; --reveal shows it\n"
    document = calculate("pinblock", *words, "--json", stdin=TEST_KEY).document
    assert document["result"] == {"pin": None}
    assert document["concealed"] == ["pin"]
    assert calculate("pinblock", *words, "--reveal", stdin=TEST_KEY).out == "pin  7391\n"


def test_under_dukpt() -> None:
    # X9.24-1:2009, Annex A.4: PIN 1234, PAN 4012345678909, first transaction.
    options = ["--format", "0", "--pan", "4012345678909", "--ksn", "FFFF9876543210E00001", "--key-file", "-"]
    ran = calculate("pinblock", "encipher", *options, "--pin-file", "-", "--json", stdin=f"{TEST_KEY}\n1234")
    assert ran.result == {"block": "1B9C1845EB993A7A", "ksn": "FFFF9876543210E00001"}
    back = calculate("pinblock", "decipher", *options, "--block", "1B9C1845EB993A7A", "--reveal", stdin=TEST_KEY)
    assert back.out == "pin  1234\n"
    modern = ["--format", "4", "--pan", "4111111111111111", "--ksn", "123456789012345600000001", "--key-file", "-"]
    ran = calculate(
        "pinblock",
        *("encipher", *modern, "--pin-file", "-", "--random", "2F69ADDE2E9E7ACE", "--json"),
        stdin="FEDCBA9876543210F1F1F1F1F1F1F1F1\n1234",
    )
    assert ran.result["block"] == "A912150391AB65A67E52883D81CE2D15"


@pytest.mark.parametrize("source", ["0", "1", "3", "4"])
@pytest.mark.parametrize("destination", ["0", "1", "3", "4"])
def test_every_translation(source: str, destination: str) -> None:
    keys = {"4": "00112233445566778899AABBCCDDEEFF"}
    bound = [] if (source, destination) == ("1", "1") else ["--pan", PAN]
    own = [] if source == "1" else ["--pan", PAN]
    first, second = keys.get(source, TEST_KEY), keys.get(destination, TEST_KEY)
    words = ["encipher", "--format", source, *own, "--key-file", "-", "--pin-file", "-", "--json"]
    block = calculate("pinblock", *words, stdin=f"{first}\n7391").result["block"]
    words = ["translate", "--from", source, "--to", destination, *bound, "--block", block, "--key-file", "-"]
    ran = calculate(
        "pinblock", *words, "--destination-key-file", "-", "--json", "--explain", stdin=f"{first}\n{second}"
    )
    rule = verdict(Format(int(source)), Format(int(destination)))
    if not rule.permitted:
        assert ran.code == 4
        assert rule.reason in ran.err
        return
    after = [] if destination == "1" else ["--pan", PAN]
    words = ["decipher", "--format", destination, *after, "--block", ran.result["block"], "--key-file", "-", "--json"]
    assert calculate("pinblock", *words, "--reveal", stdin=second).result == {"pin": "7391"}
    assert ran.document["steps"][0]["value"] == f"{source} to {destination}: permitted"


def test_another_account_number_only_at_issuance() -> None:
    words = ["translate", "--from", "0", "--to", "0", "--pan", PAN, "--to-pan", "4000009999990024"]
    words += ["--block", "7AC831B0EC5209D7", "--key-file", "-", "--destination-key-file", "-", "--json"]
    refused = calculate("pinblock", *words, stdin=f"{TEST_KEY}\n{TEST_KEY}")
    assert refused.code == 4
    assert "sensitive state" in refused.err
    issued = calculate("pinblock", *words, "--purpose", "issuance", stdin=f"{TEST_KEY}\n{TEST_KEY}")
    again = ["decipher", "--format", "0", "--pan", "4000009999990024", "--block", issued.result["block"]]
    assert calculate("pinblock", *again, "--key-file", "-", "--reveal", stdin=TEST_KEY).out == "pin  7391\n"


@pytest.mark.parametrize("purpose", Purpose)
def test_rules_are_the_table(purpose: Purpose) -> None:
    rows = calculate("pinblock", "rules", "--purpose", purpose.name.lower().replace("_", "-"), "--json").result["rules"]
    assert len(rows) == 64
    for row in rows:
        judged = verdict(Format(int(row["from"])), Format(int(row["to"])), purpose)
        assert (row["permitted"], row["reason"]) == ("yes" if judged.permitted else "no", judged.reason)
    shown = calculate("pinblock", "rules").out.splitlines()
    assert shown[0] == "purpose  interchange"
    assert shown[1] == "rules    0   0   yes  permitted"
    assert len(shown) == 65


def test_pin_change_with_the_current_pin() -> None:
    options = ["--format", "42", "--card-key-file", "-", "--current-pin-file", "-", "--json", "--reveal"]
    lines = f"{TEST_KEY}\n7391\n"
    made = calculate("pinblock", "encode", *options, "--pin-file", "-", stdin=f"{lines}1234").result["clear_block"]
    # Format 0 of 1234 without an account, the key's octets 4 to 7 added, then 73 91 from the left.
    assert made == f"{int('041234FFFFFFFFFF', 16) ^ 0x89ABCDEF ^ 0x7391 << 48:016X}"
    back = calculate("pinblock", "decode", *options, "--clear-block-file", "-", stdin=f"{lines}{made}")
    assert back.result == {"pin": "1234"}


@pytest.mark.parametrize(
    ("words", "lines", "said"),
    [
        ("encode --format 0 --pin-file -", "7391", "--pan: format 0: the account number is needed"),
        (f"encode --format 2 --pan {PAN} --pin-file -", "7391", "--pan: format 2: no account number in it"),
        (f"encode --format 0 --pan {PAN} --random 00 --pin-file -", "7391", "--random: this format has no random fill"),
        (f"encode --format 3 --pan {PAN} --random 00 --pin-file -", "7391", "--random: 1 octets, 8 expected"),
        (
            "encode --format 0 --pan 12345 --pin-file -",
            "7391",
            "PAN: 5 characters found, 8 to 19 decimal digits expected",
        ),
        ("encode --format 2 --pin-file -", "739", "pin: not a PIN: 4 to 12 decimal digits expected"),
        (f"decipher --format 0 --pan {PAN} --block 00 --key-file -", TEST_KEY, "1 octets are not whole blocks of 8"),
        (f"decipher --format 0 --pan {PAN} --block 0g --key-file -", TEST_KEY, "--block: not an even number"),
        (
            f"decipher --format 0 --pan {PAN} --block {'00' * 16} --key-file -",
            TEST_KEY,
            "PIN block: 16 octets, 8 expected",
        ),
        (f"decipher --format 4 --pan {PAN} --block {'00' * 8} --key-file -", TEST_KEY, "PIN block: 8 octets, 16"),
        (f"decipher --format 0 --pan {PAN} --block {'00' * 8} --key-file -", TEST_KEY[:30], "key: 15 octets, 8 or 16"),
        (
            f"encipher --format 4 --pan {PAN} --ksn FFFF9876543210E00001 --key-file - --pin-file -",
            TEST_KEY,
            "--ksn: format 4 needs AES DUKPT",
        ),
        (
            f"encipher --format sm4-whole-field --pan {PAN} --ksn FFFF9876543210E00001 --key-file - --pin-file -",
            TEST_KEY,
            "--ksn: DUKPT derives no SM4 keys",
        ),
        ("encipher --format 2 --key-file - --pin-file -", TEST_KEY, "argument --format: not one of the known values"),
        ("encode --format 2 --card-key-file - --pin-file -", "7391", "--card-key-file: not used by this calculation"),
    ],
)
def test_bad_input(words: str, lines: str, said: str) -> None:
    ran = calculate("pinblock", *words.split(), stdin=lines)
    assert ran.code == 2, ran.out
    assert f"hsm-sim: error: {said}" in ran.err
    assert ran.out == ""
    assert "\nhint: " in ran.err
