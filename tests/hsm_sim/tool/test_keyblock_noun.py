# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""``hsm-sim tool keyblock``: published blocks through the command, round trips, refusals."""

from pathlib import Path
from typing import Any

import pytest

from protocols.keyblock.codes import FORMS
from tests.hsm_sim.tool.calculator import EXAMPLE_FILES, TEST_KEY, calculate, vectors

PUBLISHED = [
    vector
    for vector in vectors("tr31")
    if "key_block" in vector["input"] and not str(vector["expected"]).startswith("reject")
]
WRAP = ["wrap", "--version", "D", "--usage", "P0", "--mode", "E"]
KEYS = ["--key-file", "-", "--inner-key-file", "-"]
KBPK, BLOCK = (EXAMPLE_FILES[name].decode().strip() for name in ("kbpk.key", "key.block"))


def protection(version: str) -> str:
    return KBPK if version in "DE" else TEST_KEY


@pytest.mark.parametrize("vector", PUBLISHED, ids=lambda vector: vector["id"])
def test_published_blocks(vector: dict[str, Any]) -> None:
    given = vector["input"]
    words = ["keyblock", "unwrap", "--block", given["key_block"], "--key-file", "-", "--lenient", "--json"]
    found = calculate(*words, "--explain", "--reveal", stdin=given["kbpk"])
    assert found.result["key"] == vector["expected"]
    assert vector["expected"] not in calculate(*words, "--explain", stdin=given["kbpk"]).out
    shown = calculate("keyblock", "show", "--block", given["key_block"], "--json").result["block"]
    assert "".join(row["text"] for row in shown) == given["key_block"], "nothing of the block is left out"


def test_a_block_taken_apart_names_its_characters() -> None:
    shown = calculate("keyblock", "show", "--block", BLOCK, "--json").result["block"]
    for row in shown:
        first, _, last = row["characters"].partition("-")
        assert BLOCK[int(first) : int(last or first) + 1] == row["text"]
    assert [row["field"] for row in shown][-2:] == ["enciphered", "authenticator"]


def test_older_padding_is_refused_unless_asked_for() -> None:
    """The block of TR-31:2018, A.7.4, with the same keys as that of X9.143:2021, 8.1."""
    old = (
        "D0112P0AE00E0000B82679114F470F540165EDFBF7E250FCEA43F810D215F8D207E2E417C07156A27E8E31DA05F742550959"
        "3D03A457DC34"
    )
    words = ["keyblock", "unwrap", "--block", old, "--key-file", "-", "--json"]
    refused = calculate(*words, stdin=KBPK)
    assert (refused.code, "length of the key is not hidden" in refused.document["error"]) == (2, True)
    taken = calculate(*words, "--lenient", stdin=KBPK).result
    assert taken["policy"] == (
        "permitted; noted: edition: enciphered key: 32 octets, 48 expected: the length of the key is not hidden"
    )


@pytest.mark.parametrize("version", sorted(FORMS))
@pytest.mark.parametrize("extra", [[], ["--show-length"], ["--optional", "KS=00604B120F9292800000"]])
def test_what_is_wrapped_unwraps(version: str, extra: list[str]) -> None:
    words = ["--version", version, "--usage", "P0", "--algorithm", "T", "--mode", "E", "--exportability", "E", *extra]
    files = ["--key-file", "-", "--inner-key-file", "-", "--json", "--explain"]
    made = calculate("keyblock", "wrap", *words, *files, stdin=f"{protection(version)}\n{TEST_KEY}")
    block = made.result["block"]
    assert TEST_KEY not in made.out
    lenient = ["--lenient"] if "--show-length" in extra else []
    words = ["keyblock", "unwrap", "--block", block, "--key-file", "-", "--json", "--reveal", *lenient]
    found = calculate(*words, stdin=protection(version)).result
    assert found["key"] == TEST_KEY
    assert found["check value"] == "08D7B4"
    for field, code in (("version", version), ("usage", "P0"), ("mode of use", "E"), ("exportability", "E")):
        assert {"field": field, "code": code} in [
            {"field": row["field"], "code": row["code"]} for row in found["header"]
        ]


def test_the_fill_may_be_chosen() -> None:
    words = ["keyblock", "wrap", "--version", "D", "--usage", "P0", "--algorithm", "T", "--mode", "E"]
    words += ["--key-file", "-", "--inner-key-file", "-", "--json"]
    keys = f"{KBPK}\n{TEST_KEY}"
    fixed = {calculate(*words, "--random", "AA" * 40, stdin=keys).result["block"] for _ in range(2)}
    drawn = {calculate(*words, stdin=keys).result["block"] for _ in range(2)}
    assert (len(fixed), len(drawn)) == (1, 2)


def test_a_changed_block_is_not_authentic() -> None:
    for place in (6, 8, 20, len(BLOCK) - 1):
        changed = BLOCK[:place] + ("1" if BLOCK[place] != "1" else "2") + BLOCK[place + 1 :]
        ran = calculate("keyblock", "unwrap", "--block", changed, "--key-file", "-", "--json", stdin=KBPK)
        assert ran.code == 6
        assert "not authentic" in ran.document["error"]


def test_the_policy_speaks_and_does_not_decide() -> None:
    words = ["--version", "A", "--usage", "P0", "--algorithm", "T", "--mode", "G", "--key-file", "-"]
    made = calculate("keyblock", "wrap", *words, "--inner-key-file", "-", "--json", stdin=f"{TEST_KEY}\n{TEST_KEY}")
    assert made.result["policy"].startswith("refused; refused: version: version A")
    assert "never used in mode G" in made.result["policy"]


@pytest.mark.parametrize(
    ("words", "lines", "code", "said"),
    [
        (["unwrap", "--block", BLOCK, "--key-file", "-"], TEST_KEY, 6, "not authentic"),
        (["unwrap", "--block", BLOCK, "--key-file", "-"], TEST_KEY[:16], 2, "16 or 24 or 32 expected"),
        (["unwrap", "--block", BLOCK[:-1], "--key-file", "-"], KBPK, 2, "another length"),
        (["unwrap", "--block", "Z" + BLOCK[1:], "--key-file", "-"], KBPK, 2, "unknown version"),
        (["show", "--block", ""], "", 2, "16 characters"),
        (["show", "--block-file", "absent"], "", 2, "--block-file: No such file"),
        (["show"], "", 2, "one of the arguments --block --block-file is required"),
        (
            [*WRAP, "--algorithm", "T", "--optional", "KS", *KEYS],
            f"{KBPK}\n{TEST_KEY}",
            2,
            "--optional: two characters",
        ),
        (
            [*WRAP, "--algorithm", "A", *KEYS],
            f"{KBPK}\n{TEST_KEY[:16]}",
            2,
            "none of algorithm A",
        ),
        ([*WRAP, "--algorithm", "A", "--version", "F"], "", 2, "--version: not one of"),
        (
            [*WRAP, "--algorithm", "T", "--optional", "KS=short", *KEYS],
            f"{KBPK}\n{TEST_KEY}",
            2,
            "(KS, initial key serial number of TDES DUKPT): 20 hexadecimal digits expected",
        ),
        (["show", "--block", "D0016P0AE00E0000"], "", 2, "from character 16: 38 hexadecimal digits or more expected"),
        (["show", "--block", "D0054P0AE00E0000" + "0" * 37 + "G"], "", 2, "from character 16: 38 hexadecimal digits"),
        (["unwrap", "--block", "D0016P0AE00E0000", "--key-file", "-"], KBPK, 2, "38 hexadecimal digits or more"),
    ],
)  # fmt: skip
def test_refusals(words: list[str], lines: str, code: int, said: str) -> None:
    ran = calculate("keyblock", *words, stdin=lines)
    assert (ran.code, said in ran.err) == (code, True), ran.err


def test_files_that_hold_no_block(tmp_path: Path) -> None:
    file = tmp_path / "block"
    for content in (b"", b"one\ntwo\n", b"\xff\xfe", b"A" * 20_001):
        file.write_bytes(content)
        ran = calculate("keyblock", "show", "--block-file", str(file))
        assert (ran.code, "not one key block" in ran.err) == (2, True)
    file.write_text(BLOCK + "\n")
    assert calculate("keyblock", "show", "--block-file", str(file), "--json").code == 0
