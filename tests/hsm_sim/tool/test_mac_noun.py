# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""``hsm-sim tool mac``: every vector made and verified through the command, transcripts, refusals."""

from pathlib import Path
from typing import Any

import pytest

from tests.hsm_sim.tool.calculator import TEST_KEY, calculate, vectors


def words_of(given: dict[str, Any]) -> tuple[list[str], str]:
    """The command's words for a vector, and its key."""
    key = (
        given["key_ascii"].encode().hex() if "key_ascii" in given else given.get("key") or given["key1"] + given["key2"]
    )
    data = (
        ["--text", given["data_ascii"]]
        if "data_ascii" in given
        else ["--data", given.get("data") or given.get("folded", "")]
    )
    if "cup" in given:
        return ["--algorithm", "unionpay-ecb", *data], key
    if "hash" in given:
        return ["--algorithm", "hmac-sha-256", *data], key
    if "cipher" in given:
        return ["--algorithm", "cmac", "--cipher", given["cipher"].lower(), *data], key
    algorithm = "retail" if given["alg"] == 3 else "cbc-mac"
    return ["--algorithm", algorithm, "--padding", str(given["padding"]), *data], key


@pytest.mark.parametrize(
    "vector", [vector for vector in vectors("mac") if vector["id"] != "cup-tak"], ids=lambda vector: vector["id"]
)
def test_vectors(vector: dict[str, Any]) -> None:
    words, key = words_of(vector["input"])
    ran = calculate("mac", "make", *words, "--key-file", "-", "--json", "--explain", stdin=key)
    assert ran.result == {"mac": vector["expected"]}
    assert ran.document["steps"][-1]["value"] == vector["expected"], "the explanation ends in the result"
    good = vector["expected"]
    for mac, agrees, code in ((good, True, 0), (good[:8], True, 0), (f"{int(good[0], 16) ^ 1:X}{good[1:]}", False, 6)):
        judged = calculate("mac", "verify", *words, "--mac", mac, "--key-file", "-", "--json", stdin=key)
        assert judged.code == code
        assert judged.document["result"] == {"agrees": agrees}


def test_each_step_for_a_person() -> None:
    words = ["make", "--algorithm", "retail", "--text", "Now is the time for it", "--key-file", "-", "--explain"]
    ran = calculate("mac", *words, stdin=TEST_KEY)
    assert ran.out == (
        "  1  key                                                      TDES, 16 octets, check value 08D7B4\n"
        "  2  padding method 1                                         22 octets become 24: 3 blocks of 8\n"
        "  3  block 1 added and enciphered                             3FA40E8A984D4815\n"
        "  4  block 2 added and enciphered                             0B2E73F88DC5856A\n"
        "  5  last block: enciphered K1, deciphered K2, enciphered K1  2E2B1428CC78254F\n"
        "mac  2E2B1428CC78254F\n"
    )
    assert (
        "agrees  no\n"
        in calculate(
            *("mac", "verify", "--algorithm", "cmac", "--text", "a", "--mac", "00000000", "--key-file", "-"),
            stdin=TEST_KEY,
        ).out
    )


def test_long_messages_are_explained_in_short() -> None:
    words = ["make", "--algorithm", "cbc-mac", "--data", "00" * 8 * 100, "--padding", "none", "--key-file", "-"]
    steps = calculate("mac", *words, "--json", "--explain", stdin=TEST_KEY).document["steps"]
    assert len(steps) == 2 + 16 + 1 + 1
    assert steps[-2]["step"] == "blocks 17 to 99 likewise"


def test_a_message_from_a_file_and_from_stdin(tmp_path: Path) -> None:
    (tmp_path / "message").write_bytes(b"Now is the time for it")
    (tmp_path / "key").write_text(f"# TEST key\n{TEST_KEY[:16]} {TEST_KEY[16:]}\n")
    words = ["mac", "make", "--algorithm", "retail", "--key-file", str(tmp_path / "key"), "--octets", "4"]
    assert calculate(*words, "--data-file", str(tmp_path / "message")).out == "mac  2E2B1428\n"
    assert calculate(*words, "--data-file", "-", stdin="Now is the time for it").out == "mac  2E2B1428\n"
    refused = calculate(*words[:4], "--key-file", "-", "--data-file", "-", stdin=TEST_KEY)
    assert refused.code == 2
    assert "--data-file -: stdin already gives a secret" in refused.err
    (tmp_path / "large").write_bytes(bytes((1 << 20) + 1))
    assert "more than 1048576 octets" in calculate(*words, "--data-file", str(tmp_path / "large")).err
    assert "--data-file: No such file" in calculate(*words, "--data-file", str(tmp_path / "nowhere")).err


def test_under_dukpt() -> None:
    # X9.24-1:2009, Annex A.4: first transaction, MAC request over the track.
    words = ["mac", "make", "--text", "4012345678909D987", "--key-file", "-", "--algorithm"]
    tdes = calculate(*words, "retail", "--ksn", "FFFF9876543210E00001", "--octets", "4", "--json", stdin=TEST_KEY)
    assert tdes.result == {"mac": "9CCC7817"}
    bdk = "FEDCBA9876543210F1F1F1F1F1F1F1F1"
    ksn = ["--ksn", "123456789012345600000001"]
    modern = calculate(*words, "cmac", "--cipher", "aes", *ksn, "--json", stdin=bdk)
    assert modern.result == {"mac": "A2EB5C1C35809E58404E873C3C411E31"}
    response = calculate(*words, "cmac", "--cipher", "aes", *ksn, "--purpose", "mac-verification", stdin=bdk)
    assert response.out == "mac  DD4E1895FD9BF53D8DAF25568ABF551D\n"
    hashed = calculate(*words, "hmac-sha-256", *ksn, stdin=bdk)
    assert hashed.out == "mac  B6F8B3159CD4E140159DA87A68C0FB7AF2F123D222662E98988C76386E8E8A02\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--algorithm retail", "one of the arguments --data --text --data-file is required"),
        ("--algorithm retail --text a --data 00", "argument --data: not allowed with argument --text"),
        ("--algorithm retail --cipher aes --text a", "--cipher: retail takes tdes"),
        ("--algorithm cmac --padding 1 --text a", "--padding: not for this calculation"),
        ("--algorithm hmac-sha-256 --cipher tdes --text a", "--cipher: not for this calculation"),
        ("--algorithm cbc-mac --padding none --text a", "1 octets are not whole blocks of 8"),
        ("--algorithm cbc-mac --data 0", "--data: not an even number of hexadecimal digits"),
        ("--algorithm retail --text a --octets 9", "--octets: 1 to 8 expected"),
        ("--algorithm retail --text a --octets x", "argument --octets: a whole number expected"),
        ("--algorithm retail --text a --purpose mac-request", "--purpose: not for this calculation"),
        (
            "--algorithm cmac --cipher aes --text a --ksn FFFF9876543210E00001",
            "--ksn: this DUKPT derives no key for aes",
        ),
        ("--algorithm md5 --text a", "argument --algorithm: not one of the known values"),
    ],
)
def test_bad_input(words: str, said: str) -> None:
    ran = calculate("mac", "make", *words.split(), "--key-file", "-", stdin=TEST_KEY)
    assert ran.code == 2, ran.out
    assert f"hsm-sim: error: {said}" in ran.err
    assert ran.out == ""


def test_a_code_of_another_length() -> None:
    words = ["verify", "--algorithm", "retail", "--text", "a", "--key-file", "-", "--mac", "001122"]
    assert "--mac: 3 octets, 4 to 8 expected" in calculate("mac", *words, stdin=TEST_KEY).err
