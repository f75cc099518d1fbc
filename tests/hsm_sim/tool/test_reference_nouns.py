# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""``hsm-sim tool cvv|pvv|offset``: every vector made and verified through the command, transcripts, refusals."""

from typing import Any

import pytest

from tests.hsm_sim.tool.calculator import TEST_KEY, calculate, vectors

ALL = vectors("cvv_pvv_ibm")
PAN = "4000009999990016"


def of(*kinds: str) -> Any:
    chosen = [vector for vector in ALL if vector["id"].startswith(kinds)]
    return pytest.mark.parametrize("vector", chosen, ids=lambda vector: vector["id"])


def wrong(digits: str) -> str:
    return f"{(int(digits[0]) + 1) % 10}{digits[1:]}"


@of("cvv", "cavv", "cvc3", "dcvv")
def test_card_codes(vector: dict[str, Any]) -> None:
    given, expected = vector["input"], vector["expected"]
    words = ["--kind", vector["id"].split("-")[0]]
    names = {"track_template": "track", "pan": "pan", "expiry": "expiry", "service_code": "service-code"}
    names |= {"atc": "atc", "un": "un", "upn": "upn", "auth_result": "auth-result", "second_factor": "second-factor"}
    words += [word for name, value in given.items() if name in names for word in (f"--{names[name]}", value)]
    words += ["--key-is", "issuer"] if "imk" in given else []
    key = given.get("imk") or given["cvk"]
    ran = calculate("cvv", "make", *words, "--key-file", "-", "--json", "--explain", stdin=key)
    assert ran.result["code"].endswith(expected)
    assert ran.document["steps"][-1]["value"] == ran.result["code"], "the explanation ends in the result"
    for code, exit_code in ((expected, 0), (wrong(expected), 6)):
        judged = calculate("cvv", "verify", *words, "--code", code, "--key-file", "-", "--json", stdin=key)
        assert judged.code == exit_code
        assert judged.document["result"] == {"agrees": exit_code == 0}


@of("pvv")
def test_pvv(vector: dict[str, Any]) -> None:
    given, expected = vector["input"], vector["expected"]
    pan = given.get("pan") or given["account12"] + "0"
    lines = f"{given.get('pvk') or given['pvk_clear']}\n{given['pin']}"
    words = ["--pan", pan, "--pvki", given["pvki"], "--key-file", "-", "--pin-file", "-", "--json", "--explain"]
    assert calculate("pvv", "make", *words, stdin=lines).result == {"pvv": expected}
    assert calculate("pvv", "verify", *words, "--pvv", expected, stdin=lines).result == {"agrees": True}
    assert calculate("pvv", "verify", *words, "--pvv", wrong(expected), stdin=lines).code == 6


@of("ibm")
def test_ibm_3624(vector: dict[str, Any]) -> None:
    given, expected = vector["input"], vector["expected"]
    words = ["--validation-data", given["validation_data"], "--table", given["dectab"], "--key-file", "-", "--json"]
    if "pin" in given:
        lines = f"{given['pvk']}\n{given['pin']}"
        words += ["--pin-file", "-"]
        assert calculate("offset", "make", *words, stdin=lines).result == {"offset": expected}
        assert calculate("offset", "verify", *words, "--offset", expected, stdin=lines).result == {"agrees": True}
        assert calculate("offset", "verify", *words, "--offset", wrong(expected), stdin=lines).code == 6
        return
    words.append("--reveal")
    ran = calculate("offset", "pin", *words, "--offset", given["offset"], "--explain", stdin=given["pvk"])
    assert ran.result == {"pin": expected}
    if given["offset"] == "0000":
        assert calculate("offset", "natural-pin", *words, stdin=given["pvk"]).result == {"natural_pin": expected}


def test_american_express() -> None:
    words = ["--kind", "csc", "--pan", "371234567890123", "--expiry", "2812", "--key-file", "-", "--json"]
    codes = calculate("cvv", "make", *words, "--explain", stdin=TEST_KEY).result
    assert [len(codes[name]) for name in ("csc5", "csc4", "csc3")] == [5, 4, 3]
    for code in codes.values():
        assert calculate("cvv", "verify", *words, "--code", code, stdin=TEST_KEY).result == {"agrees": True}
        assert calculate("cvv", "verify", *words, "--code", wrong(code), stdin=TEST_KEY).code == 6


def test_printed_and_chip_codes_are_the_stripe_s_with_fixed_service_codes() -> None:
    words = ["cvv", "make", "--pan", PAN, "--expiry", "2812", "--key-file", "-", "--json", "--kind"]
    for kind, service_code in (("cvv2", "000"), ("icvv", "999")):
        fixed = calculate(*words, kind, stdin=TEST_KEY).result
        assert fixed == calculate(*words, "cvv", "--service-code", service_code, stdin=TEST_KEY).result


def test_each_step_of_a_card_code() -> None:
    words = ["make", "--kind", "icvv", "--pan", PAN, "--expiry", "2812", "--key-file", "-", "--explain"]
    assert calculate("cvv", *words, stdin=TEST_KEY).out == (
        "  1  key                                                          TDES, 16 octets, check value 08D7B4\n"
        "  2  account number, expiry, service code                         400000******0016 2812 999\n"
        "  3  key A                                                        TDES, 8 octets, check value D5D44F\n"
        "  4  as 16 octets with zeros behind; first 8 enciphered under A   B04CBC495CE077E3\n"
        "  5  last 8 added; enciphered A, deciphered B, enciphered A       59174C60392F4779\n"
        "  6  its decimal digits from the left, then its letters less ten  591\n"
        "code  591\n"
    )


def test_each_step_of_a_pin_reference() -> None:
    words = ["make", "--pan", PAN, "--pvki", "1", "--key-file", "-", "--pin-file", "-", "--explain"]
    assert calculate("pvv", *words, stdin=f"{TEST_KEY}\n7391").out == (
        "  1  PIN verification key                                         TDES, 16 octets, check value 08D7B4\n"
        "  2  11 digits before the check digit                             00******001\n"
        "  3  key index                                                    1\n"
        "  4  left 4 digits of the PIN                                     ****\n"
        "  5  these 16 digits enciphered as one block                      D5390E870DDC8306\n"
        "  6  its decimal digits from the left, then its letters less ten  5390\n"
        "pvv  5390\n"
    )
    words = ["make", "--validation-data", PAN, "--key-file", "-", "--pin-file", "-", "--explain", "--reveal"]
    shown = calculate("offset", *words, stdin=f"{TEST_KEY}\n7391").out
    assert "natural PIN: its left 4 digits                          2535\n" in shown
    assert shown.endswith("offset  5866\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("cvv make --kind cvv --pan 4000009999990016 --expiry 2812", "--service-code: cvv needs it"),
        (
            "cvv make --kind cvv2 --pan 4000009999990016 --expiry 2812 --service-code 101",
            "--service-code: cvv2 takes none",
        ),
        ("cvv make --kind cvv2 --pan 4000009999990016 --expiry 28", "expiry: 4 decimal digits expected"),
        ("cvv make --kind cvv2 --pan 4000009999990016 --expiry 2812 --psn 1", "--psn: cvv2 takes none"),
        ("cvv make --kind csc --pan 4000009999990016 --expiry 2812", "an American Express PAN has 15 digits"),
        ("cvv make --kind cvc3 --atc 0001 --un 00000001", "cvc3: the IVCVC3, or the track that it is made from"),
        ("cvv make --kind cvc3 --atc 0001 --un 00000001 --iv 0000 --key-is issuer", "--pan: needed to derive"),
        ("cvv make --kind cvc3 --atc 00 --un 00000001 --iv 0000", "counter of 1 octets, 2 expected"),
        ("cvv verify --kind cvv2 --pan 4000009999990016 --expiry 2812 --code 12", "--code: 3 to 5 decimal digits"),
        ("cvv verify --kind cvv2 --pan 4000009999990016 --expiry 2812 --code 1234", "--code: 3 decimal digits"),
        ("pvv make --pan 4000009999990016 --pvki 10 --pin-file -", "the PIN verification key index is one digit"),
        ("pvv make --pan 4000009999990016 --pvki x --pin-file -", "argument --pvki: a whole number expected"),
        ("pvv verify --pan 4000009999990016 --pvki 1 --pvv 12 --pin-file -", "--pvv: 4 decimal digits expected"),
        ("offset make --validation-data 1 --pin-file -", "validation data: 1 characters, 16 expected"),
        ("offset make --validation-data 4000009999990016 --table 0 --pin-file -", "decimalisation table: 16 decimal"),
        (
            "offset make --validation-data 4000009999990016 --table 0000000000000000 --pin-file -",
            "decimalisation table: at least 8 different digits",
        ),
        (
            "offset make --validation-data 4000009999990016 --check-length 5 --pin-file -",
            "check length 5 for a PIN of 4",
        ),
        (
            "offset verify --validation-data 4000009999990016 --offset 12 --pin-file -",
            "--offset: 4 to 12 decimal digits",
        ),
        (
            "offset verify --validation-data 4000009999990016 --offset 1234 --check-length 5 --pin-file -",
            "--check-length: at most 4",
        ),
        ("offset natural-pin --validation-data 4000009999990016 --length 3", "--length: 4 to 12 expected"),
    ],
)
def test_bad_input(words: str, said: str) -> None:
    ran = calculate(*words.split(), "--key-file", "-", stdin=f"{TEST_KEY}\n7391")
    assert ran.code == 2, ran.out
    assert f"hsm-sim: error: {said}" in ran.err
    assert ran.out == ""


def test_a_table_that_spreads_badly_only_when_asked_for() -> None:
    words = ["natural-pin", "--validation-data", PAN, "--table", "0" * 16, "--any-table", "--key-file", "-", "--reveal"]
    assert calculate("offset", *words, stdin=TEST_KEY).out == "natural_pin  0000\n"
