# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""``hsm-sim tool kcv`` and ``component``: known check values, parts that give the key again, refusals."""

import itertools

import pytest

from tests.hsm_sim.tool.calculator import EXAMPLE_FILES, TEST_KEY, calculate

ONE, TWO = (EXAMPLE_FILES[name].decode().strip() for name in ("one.key", "two.key"))
AES = "88E1AB2A2E3DD38C1FA039A536500CC8A87AB9D62DC92C01058FA79F44657DE6"


@pytest.mark.parametrize(
    ("words", "key", "expected"),
    [
        ([], TEST_KEY, "08D7B4"),
        ([], "0123456789ABCDEF", "D5D44F"),
        (["--method", "cmac"], TEST_KEY, None),
        (["--cipher", "aes"], "2B7E151628AED2A6ABF7158809CF4F3C", None),
        (["--cipher", "aes", "--method", "zeros"], "00000000000000000000000000000000", "66E94B"),
        (["--cipher", "sm4"], TEST_KEY, None),
    ],
)
def test_check_values(words: list[str], key: str, expected: str | None) -> None:
    """DES and AES of zeros: FIPS 81 and FIPS 197 values known everywhere; the others only round."""
    made = calculate("kcv", "make", *words, "--key-file", "-", "--json", "--explain", stdin=key)
    value = made.result["check value"]
    assert expected in (None, value)
    assert key not in made.out
    verify = ["kcv", "verify", *words, "--key-file", "-", "--json", "--check-value"]
    for length in range(4, len(value) + 1, 2):
        assert calculate(*verify, value[:length], stdin=key).result == {"agrees": True}
    ran = calculate(*verify, "0000", stdin=key)
    assert (ran.code, ran.document["result"]) == (6, {"agrees": False})


@pytest.mark.parametrize("value", ["", "00", "00000000", "00112233445566", "0G11"])
def test_check_values_that_are_none(value: str) -> None:
    ran = calculate("kcv", "verify", "--check-value", value, "--key-file", "-", stdin=TEST_KEY)
    assert ran.code == 2
    assert "--check-value" in ran.err


@pytest.mark.parametrize("count", [2, 3, 9])
@pytest.mark.parametrize(("cipher", "key"), [("tdes", TEST_KEY), ("tdes", TEST_KEY + ONE[:16]), ("aes", AES)])
def test_components_give_the_key_again(count: int, cipher: str, key: str) -> None:
    words = ["--cipher", cipher, "--count", str(count), "--json"]
    made = calculate("component", "make", *words, "--reveal", "--key-file", "-", stdin=key).result
    parts = [made[f"component {number}"] for number in range(1, count + 1)]
    files = [word for number in range(1, count + 1) for word in (f"--component-{number}-file", "-")]
    for order in (parts, parts[::-1]):
        joined = calculate("component", "join", *words, "--reveal", *files, stdin="\n".join(order))
        assert joined.result["key"] == key
        assert joined.result["check value"] == made["key's check value"]
    wrong = calculate("component", "join", *words, "--check-value", "000000", *files, stdin="\n".join(parts))
    assert wrong.code == 6


def test_components_and_shares_are_new_every_time() -> None:
    for words in (["make"], ["share", "--needed", "2", "--total", "3"]):
        ran = [
            calculate("component", *words, "--json", "--reveal", "--key-file", "-", stdin=TEST_KEY).out
            for _ in range(2)
        ]
        assert ran[0] != ran[1]


@pytest.mark.parametrize(("needed", "total"), [(2, 2), (2, 3), (3, 5), (9, 9)])
@pytest.mark.parametrize(("cipher", "key"), [("tdes", TEST_KEY), ("aes", AES)])
def test_enough_shares_give_the_key_again(needed: int, total: int, cipher: str, key: str) -> None:
    words = ["--cipher", cipher, "--needed", str(needed), "--json"]
    made = calculate(
        "component", "share", *words, "--total", str(total), "--reveal", "--key-file", "-", stdin=key
    ).result
    for chosen in list(itertools.combinations(range(1, total + 1), needed))[:6]:
        numbers = ",".join(map(str, chosen))
        files = [word for number in chosen for word in (f"--share-{number}-file", "-")]
        lines = "\n".join(made[f"share {number}"] for number in chosen)
        found = calculate("component", "combine", *words, "--numbers", numbers, "--reveal", *files, stdin=lines)
        assert found.result["key"] == key
        assert found.result["check value"] == made["key's check value"]


def test_parts_are_masked() -> None:
    made = calculate("component", "make", "--json", "--key-file", "-", "--explain", stdin=TEST_KEY).document
    assert made["concealed"] == ["component 1", "component 2", "component 3"]
    joined = calculate(
        "component", "join", "--count", "2", "--json", "--component-1-file", "-", "--component-2-file", "-",
        "--explain", stdin=f"{ONE}\n{TWO}",
    )  # fmt: skip
    assert joined.document["concealed"] == ["key"]
    assert not any(secret in joined.out for secret in (ONE, TWO))


def test_a_weak_key_is_remarked_on() -> None:
    other = f"{int(ONE[:16], 16) ^ 0x0101010101010101:016X}" * 2
    half = ONE[:16] * 2
    joined = calculate(
        "component", "join", "--count", "2", "--json", "--component-1-file", "-", "--component-2-file", "-",
        stdin=f"{half}\n{other}",
    )  # fmt: skip
    assert joined.result["remark"] == "a weak key: an HSM refuses it"


BOTH = ["--component-1-file", "-", "--component-2-file", "-"]


@pytest.mark.parametrize(
    ("words", "lines", "said"),
    [
        (["join", "--count", "2", *BOTH], f"{ONE}\n{ONE}", "two of them are equal"),
        (["join", "--count", "2", *BOTH], f"{ONE}\n{TWO[:16]}", "all of one length"),
        (["join", "--count", "2", "--check-value", "00", *BOTH], f"{ONE}\n{TWO}", "2 octets or more"),
        (["join", "--count", "10"], "", "--count: 2 to 9"),
        (["join", "--count", "2", *BOTH, "--component-3-file", "-"], f"{ONE}\n{TWO}\n{TWO}", "not used"),
        (["make", "--count", "1"], "", "--count: 2 to 9"),
        (["share", "--needed", "4", "--total", "3"], "", "--needed: 2 to 3"),
        (["share", "--needed", "2", "--total", "10"], "", "--total: 2 to 9"),
        (["combine", "--needed", "2", "--numbers", "1,0"], "", "--numbers: numbers from 1 to 9"),
        (["combine", "--needed", "2", "--numbers", "1"], "", "--needed: 2 to 2"),
        (
            ["combine", "--needed", "2", "--numbers", "1,1", "--share-1-file", "-"],
            f"{ONE}\n{ONE}",
            "different numbers",
        ),
    ],
)
def test_refusals(words: list[str], lines: str, said: str) -> None:
    ran = calculate("component", *words, stdin=lines)
    assert (ran.code, said in ran.err) == (2, True), ran.err
