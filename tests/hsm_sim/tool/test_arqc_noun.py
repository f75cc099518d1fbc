# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""``hsm-sim tool arqc``: recorded cryptograms and answers through the command, every version, refusals."""

from typing import Any

import pytest

from hsm_sim.tool.arqc import AES, VERSIONS
from protocols.emv import tlv
from tests.hsm_sim.tool.calculator import TEST_KEY, calculate, vectors

RECORDED = {vector["id"]: vector for vector in vectors("emv")}
PAN = "4000009999990016"
ALL = [*VERSIONS, AES]
OBJECTS = {
    0x9F02: "000000001234", 0x9F03: "000000000000", 0x9F1A: "0840", 0x95: "0000000000", 0x5F2A: "0840", 0x9A: "261122",
    0x9C: "00", 0x9F37: "11223344", 0x82: "2000", 0x9F36: "0042", 0x9F10: "06010A03A00000" + "00" * 20,
}  # fmt: skip


def objects(**without: bool) -> str:
    chosen = [(tag, bytes.fromhex(value)) for tag, value in OBJECTS.items() if f"t{tag:X}" not in without]
    return tlv.encode(chosen).hex().upper()


@pytest.mark.parametrize(
    "name", [name for name in RECORDED if name.endswith("-arqc") and "sk" in RECORDED[name]["input"]]
)
def test_recorded_cryptograms(name: str) -> None:
    given = RECORDED[name]["input"]
    cvn = "visa-10" if "method 1" in given["padding"] else "visa-18"
    words = ["--cvn", cvn, "--key-is", "session", "--data", given["data"], "--key-file", "-", "--json"]
    made = calculate("arqc", "make", *words, "--explain", stdin=given["sk"])
    assert made.result == {"arqc": RECORDED[name]["expected"]}
    assert given["sk"] not in made.out
    verified = calculate("arqc", "verify", *words, "--arqc", RECORDED[name]["expected"], stdin=given["sk"])
    assert verified.result == {"agrees": True}
    ran = calculate("arqc", "verify", *words, "--arqc", "00" * 8, stdin=given["sk"])
    assert (ran.code, ran.document["result"]) == (6, {"agrees": False})


@pytest.mark.parametrize("name", [name for name in RECORDED if "-arpc" in name])
def test_recorded_answers(name: str) -> None:
    given = RECORDED[name]["input"]
    said = (
        ["--cvn", "visa-10", "--arc", given["arc"]] if "arc" in given else ["--cvn", "visa-18", "--csu", given["csu"]]
    )
    if given.get("prop_auth_data"):
        said += ["--proprietary", given["prop_auth_data"]]
    words = ["--key-is", "session", "--arqc", given["arqc"], "--key-file", "-", "--json", "--explain"]
    assert calculate("arqc", "answer", *said, *words, stdin=given["key"]).result == {"arpc": RECORDED[name]["expected"]}


def test_from_the_issuers_key() -> None:
    given = RECORDED["cvn10-arqc"]["input"]
    words = ["--cvn", "visa-10", "--pan", given["pan"], "--sequence", "0", "--key-file", "-", "--json"]
    made = calculate("arqc", "make", *words, "--data", given["data"], stdin=given["imk"])
    assert made.result == {"arqc": RECORDED["cvn10-arqc"]["expected"]}
    answered = RECORDED["cvn10-arpc"]
    more = ["--arqc", answered["input"]["arqc"], "--arc", "3030", "--explain"]
    found = calculate("arqc", "answer", *words, *more, stdin=given["imk"])
    assert found.result == {"arpc": answered["expected"]}
    assert given["pan"] not in found.out


@pytest.mark.parametrize("cvn", VERSIONS)
def test_every_version_of_data_objects(cvn: str) -> None:
    """The same cryptogram from the issuer's, the card's and the session key: here the first two."""
    words = ["--cvn", cvn, "--pan", PAN, "--key-file", "-", "--json", "--explain"]
    made = calculate("arqc", "make", *words, "--objects", objects(), stdin=TEST_KEY)
    covered = next(step["value"] for step in made.document["steps"] if step["step"].startswith("data covered"))
    by_hand = calculate(
        "arqc", "make", *words, "--data", covered, "--atc", "0042", "--un", "11223344", stdin=TEST_KEY
    )  # fmt: skip
    assert made.result == by_hand.result
    verified = calculate(
        "arqc", "verify", *words, "--objects", objects(), "--arqc", made.result["arqc"], stdin=TEST_KEY
    )  # fmt: skip
    assert verified.result == {"agrees": True}
    method = VERSIONS[cvn].answer.value
    said = ["--arc", "3030"] if method == 1 else ["--csu", "03920000"]
    answer = ["--arqc", made.result["arqc"], "--atc", "0042", "--un", "11223344", *said]
    assert len(calculate("arqc", "answer", *words, *answer, stdin=TEST_KEY).result["arpc"]) == (16, 8)[method - 1]


@pytest.mark.parametrize("octets", [16, 24, 32])
def test_aes(octets: int) -> None:
    key = (TEST_KEY * 2)[: 2 * octets]
    words = ["--cvn", AES, "--pan", PAN, "--atc", "0042", "--key-file", "-", "--json"]
    made = calculate("arqc", "make", *words, "--data", "00112233", "--explain", stdin=key)
    arqc = made.result["arqc"]
    assert "option C" in made.out
    assert calculate("arqc", "verify", *words, "--data", "00112233", "--arqc", arqc, stdin=key).result == {
        "agrees": True
    }
    assert calculate("arqc", "verify", *words, "--data", "00", "--arqc", arqc, stdin=key).code == 6
    answer = calculate("arqc", "answer", *words, "--arqc", arqc, "--csu", "03920000", stdin=key).result
    assert len(answer["arpc"]) == 8


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["make", "--cvn", "visa-10", "--data", "00"], "--pan: the card's key"),
        (["make", "--cvn", "visa-18", "--data", "00", "--pan", PAN], "--atc: the session key"),
        (["make", "--cvn", "mastercard-16", "--data", "00", "--pan", PAN, "--atc", "0001"], "--un: the session key"),
        (["make", "--cvn", AES, "--objects", objects()], "no version says what is covered"),
        (["make", "--cvn", "visa-10", "--objects", objects(t9F10=True), "--pan", PAN], "without tag 9F10"),
        (["make", "--cvn", "visa-10", "--objects", "9F", "--pan", PAN], "--objects"),
        (["make", "--cvn", "visa-10"], "one of the arguments --data --objects is required"),
        (["make", "--cvn", "visa-11", "--data", "00"], "--cvn: not one of the known values"),
        (["verify", "--cvn", "visa-10", "--data", "00", "--arqc", "00"], "--arqc: 1 octets, 8 expected"),
        (["answer", "--cvn", "visa-10", "--arqc", "00" * 8, "--csu", "00000000"], "method 1: --arc expected"),
        (["answer", "--cvn", "visa-18", "--arqc", "00" * 8, "--arc", "3030"], "method 2: --csu expected"),
        (["answer", "--cvn", AES, "--arqc", "00" * 8, "--arc", "3030"], "method 2: --csu expected"),
        (["answer", "--cvn", "visa-10", "--arqc", "00" * 8, "--arc", "30", "--key-is", "card"], "response code of 2"),
        (["make", "--cvn", "visa-18", "--data", "00", "--pan", PAN, "--atc", "01"], "counter of 1 octets"),
    ],
)
def test_refusals(words: list[str], said: str) -> None:
    ran = calculate("arqc", *words, "--key-file", "-", stdin=TEST_KEY)
    assert (ran.code, said in ran.err) == (2, True), ran.err


def test_the_names_of_versions() -> None:
    assert ALL == [
        "visa-10", "visa-17", "visa-18", "visa-22", "mastercard-16", "mastercard-17", "mastercard-20", "mastercard-21",
        "emv-aes",
    ]  # fmt: skip


def test_steps_tell_the_way_of_the_key() -> None:
    words = [
        "--cvn",
        "visa-18",
        "--pan",
        PAN,
        "--atc",
        "0042",
        "--data",
        "00",
        "--key-file",
        "-",
        "--json",
        "--explain",
    ]
    steps: list[dict[str, Any]] = calculate("arqc", "make", *words, stdin=TEST_KEY).document["steps"]
    assert [step["step"] for step in steps] == [
        "issuer's master key",
        "account number and its sequence number",
        "card's key by option B",
        "session key: a session key of the counter",
        "data covered, 1 octets",
        "MAC",
    ]
