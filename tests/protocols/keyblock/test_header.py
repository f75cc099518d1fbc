# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Headers and optional blocks as text: round trips, both lengths, every kind's form, and what is refused."""

import contextlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import DecodeError, EncodeError, ProtocolError
from protocols.keyblock import codes, optional
from protocols.keyblock import header as subject
from protocols.keyblock.header import Header
from protocols.keyblock.optional import OptionalBlock, Reading

STRICT = Reading(strict=True)
BLOCKS = st.builds(
    OptionalBlock,
    st.from_regex(r"[0-9]{2}", fullmatch=True).filter(lambda text: text.isascii()),
    st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=400),
)


def decoded(text: str, *, strict: bool = True) -> tuple[Header, int]:
    return subject.decode(text, Reading(strict=strict))


@given(st.lists(BLOCKS, max_size=4, unique_by=lambda block: block.identifier), st.sampled_from("ABCDE"))
def test_round_trip(blocks: list[OptionalBlock], version: str) -> None:
    header = Header(version, "P0", "A", "B", "c1", "E", tuple(blocks), "1", "0")
    text = subject.encode(header, 0, bytes(15))
    found, size = decoded(text)
    assert size == len(text)
    kept = tuple(block for block in found.optional if block.identifier != "PB")
    assert found.with_blocks(kept) == header
    assert (size - 16) % codes.FORMS[version].block_octets == 0


@given(st.text(max_size=60))
def test_garbage_gives_our_errors_only(text: str) -> None:
    for candidate in (text, f"B{len(text):04}P0TE00N0{len(text) % 10}00{text}"[:9_999]):
        candidate = f"{candidate[:1]}{len(candidate):04}{candidate[5:]}"
        with contextlib.suppress(ProtocolError):
            decoded(candidate, strict=False)


def test_words_for_a_person() -> None:
    header = Header("B", "P0", "T", "E", "c2", "N")
    said = {field: words for field, _, words in header.words()}
    assert said["usage"] == "PIN encipherment key"
    assert said["key version"] == "component 2 of a key"
    assert header.is_component
    other = Header("B", "72", "7", "8", "00", "9", context="7")
    assert [words for field, _, words in other.words() if field not in ("version", "key version")] == [
        "the owner's own code"
    ] * 5
    unknown = Header("Z", "ZZ", "z", "z", "12", "z", context="z")
    assert "unknown to the standard" in {words for *_, words in unknown.words()}
    assert {field: words for field, _, words in unknown.words()}["version"] == "not known here"


@pytest.mark.parametrize("version", ["0", "1", "F", "a", "?"])
def test_other_versions_are_refused(version: str) -> None:
    with pytest.raises(DecodeError, match="character 0"):
        decoded(f"{version}0016P0TE00N0000")
    with pytest.raises(EncodeError):
        subject.encode(Header(version, "P0", "T", "E"), 0)


@pytest.mark.parametrize(
    "changes",
    [
        {"usage": "P"}, {"usage": "P", "algorithm": "0T"}, {"usage": "P0T", "algorithm": ""}, {"mode": ""},
        {"mode": "E0", "key_version": "0"}, {"key_version": "0"}, {"key_version": "000", "exportability": ""},
        {"exportability": "NN"}, {"exportability": ""}, {"context": ""}, {"context": "", "reserved": "00"},
        {"context": "\u00b2"}, {"reserved": "\u00e9"}, {"reserved": ""}, {"usage": "P\u0660"}, {"mode": "\n"},
    ],
)  # fmt: skip
def test_fields_have_their_own_lengths(changes: dict[str, str]) -> None:
    """Together they might still have the right length, and the block would say something else than the header does."""
    with pytest.raises(EncodeError, match="fixed lengths"):
        subject.encode(replace(Header("B", "P0", "T", "E"), **changes), 0)


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("", "key block"),
        ("B0016P0TE00N000", "key block"),
        ("B001 P0TE00N0000", "characters 1 to 4"),
        ("B0017P0TE00N0000", "characters 1 to 4"),
        ("B0016P?TE00N0000", "characters 5 to 11"),
        ("B0016P0TE00N0x00", "characters 12 and 13"),
        ("B0016P0TE00N00?0", "characters 14 and 15"),
        ("B0016P0TE00N0100", "optional block 1"),
        ("B0020P0TE00N0100KS0", "characters 1 to 4"),
        ("B0020P0TE00N0100KS03", "optional block 1"),
        ("B0020P0TE00N0100KSxx", "optional block 1"),
        ("B0020P0TE00N0100?S04", "optional block 1"),
        ("B0024P0TE00N0100LB0Cabcd", "optional block 1"),
        ("B0026P0TE00N0100LB00040009", "optional block 1"),
        ("B0026P0TE00N0100LB0005000A", "optional block 1"),
        ("B0024P0TE00N0100LB00040A", "optional block 1"),
        ("B0024P0TE00N0100LB08ab\x7fd", "optional block 1"),
        ("B0016P0TE00N00é0", "key block"),
        ("B0024P0TE00N0100LB08abéd", "key block"),
    ],
)
def test_what_no_edition_allows(text: str, where: str) -> None:
    with pytest.raises(DecodeError) as caught:
        decoded(text, strict=False)
    assert where in str(caught.value)


@pytest.mark.parametrize(
    ("blocks", "words"),
    [
        ("LB06ab", "a multiple of 8"),
        ("PB0800009908abcd", "not the last"),
        ("9908abcd9908abcd", "a second block 99"),
        ("KS080000", "20 hexadecimal digits"),
    ],
)
def test_what_only_older_editions_allow(blocks: str, words: str) -> None:
    count = 1 if len(blocks) < 10 else 2
    text = f"B{16 + len(blocks):04}P0TE00N{count:02}00{blocks}"
    with pytest.raises(DecodeError, match=words):
        decoded(text)
    reading = Reading(strict=False)
    subject.decode(text, reading)
    assert any(words in said for said in reading.forgiven)


def test_a_block_of_either_length() -> None:
    assert OptionalBlock("99", "x" * 251).encode()[:4] == "99FF"
    assert OptionalBlock("99", "x" * 252).encode()[:10] == "9900040106"
    longest = OptionalBlock("99", "x" * (optional.LONGEST - 10))
    assert optional.decode(longest.encode(), 1, 1, STRICT)[0] == (longest,)
    with pytest.raises(EncodeError):
        OptionalBlock("99", "x" * (optional.LONGEST - 9)).encode()
    for wrong in (OptionalBlock("9", ""), OptionalBlock("é9", ""), OptionalBlock("99", "é"), OptionalBlock("9_", "")):
        with pytest.raises(EncodeError):
            wrong.encode()


def test_at_most_99_blocks() -> None:
    many = tuple(OptionalBlock("99", "abcd") for _ in range(99))
    assert optional.encode(many, 8, b"")[1] == 99
    with pytest.raises(EncodeError, match="at most"):
        optional.encode((*many, many[0]), 8, b"")


RIGHT = {
    "AL": ["0100", "0101"],
    "BI": ["000123456789", "0101234567"],
    "DA": ["01P0TEE", "01P0TEED0ABN"],
    "FL": ["0F"],
    "HM": ["10", "21", "33", "41"],
    "IK": ["0123456789ABCDEF"],
    "KC": ["000169E3", "0123315509", "012331550BC9"],
    "KP": ["00ECAD62"],
    "KS": ["FFFF00A0200001E00000"],
    "KV": ["0000"],
    "LB": ["a label"],
    "PB": ["", "0000"],
    "PK": ["00ECAD"],
    "TC": ["20200818221218Z", "2020081822121899Z", "2020-08-18T22:12:18Z", "2020-08-18T22:12:18.99Z"],
    "TS": ["20240229000000Z"],
    "WP": ["000", "003"],
}
WRONG = {
    "AL": ["", "0102", "0200"],
    "BI": ["0001234567", "020123456789", "00012345678g"],
    "CT": ["", "00", "00?", "0x", "03AAAA", "0200", "020000", "02000008AAAA", "02010004AAAA", "020000zzAAAA"],
    "DA": ["", "01", "01P0TE", "02P0TEE"],
    "FL": ["", "0g"],
    "HM": ["", "11", "26", "50"],
    "IK": ["", "0123456789ABCDE", "0123456789abcdef"],
    "KC": ["", "00", "0001", "0001020304", "01010203040506", "0201020304", "00ecad62"],
    "KS": ["", "FFFF00A0200001E0000", "DE#GBIC#OPT1"],
    "KV": ["000", "00?0"],
    "LB": [""],
    "TC": ["", "20200818221218", "20201318221218Z", "2020 818221218Z", "20230229000000Z", "2020-08-18 22:12:18Z",
           "2020-08-18T22:12:18,99Z", "20200818221260Z"],
    "TS": ["2018-06-18T20:42:39.22"],
    "WP": ["", "00", "004", "0000"],
}  # fmt: skip


@pytest.mark.parametrize("identifier", sorted(optional.KINDS))
def test_every_kinds_form(identifier: str) -> None:
    for data in RIGHT.get(identifier, []):
        assert optional.KINDS[identifier].fits(data), data
        assert optional.decode(OptionalBlock(identifier, data).encode(), 1, 1, STRICT)
    for data in WRONG.get(identifier, []):
        with pytest.raises(DecodeError):
            optional.decode(OptionalBlock(identifier, data).encode(), 1, 1, STRICT)
    assert OptionalBlock(identifier, "").words == optional.KINDS[identifier].words


def test_other_identifiers_are_kept_as_they_are() -> None:
    for identifier, words in (("77", "an owner's own block"), ("ZZ", "an unknown block")):
        block = OptionalBlock(identifier, " any ~ text ")
        assert optional.decode(block.encode(), 1, 1, STRICT)[0] == (block,)
        assert block.words == words


def test_certificates_round_trip() -> None:
    for chain in ([b"\x30\x03abc"], [b"\x30" + bytes(700), b"\x30\x01x"]):
        block = optional.certificates_block(chain)
        assert optional.certificates_of(block) == tuple(chain)
        assert optional.KINDS["CT"].fits(block.data)
    assert optional.KINDS["CT"].fits("01any EMV certificate")
    with pytest.raises(DecodeError):
        optional.certificates_of(OptionalBlock("CT", "01ABCD"))


def test_moments_round_trip() -> None:
    moment = datetime(2026, 11, 22, 1, 2, 3, tzinfo=timezone(timedelta(hours=2)))
    block = optional.time_block("TS", moment)
    assert block.data == "20261121230203Z"
    assert optional.time_of(block) == moment
    fractions = optional.time_of(OptionalBlock("TC", "2020081822121899Z"))
    assert fractions == datetime(2020, 8, 18, 22, 12, 18, 990_000, tzinfo=UTC)
    assert optional.time_of(OptionalBlock("TC", "2020-08-18T22:12:18.99Z")) == fractions
    with pytest.raises(EncodeError):
        optional.time_block("TS", datetime(2026, 11, 22))  # noqa: DTZ001 - the fault under test


def test_check_values_and_serial_numbers() -> None:
    assert optional.check_value_of(OptionalBlock("KC", "000169E3")) == (False, b"\x01\x69\xe3")
    with pytest.raises(DecodeError):
        optional.check_value_of(OptionalBlock("KC", "000169E"))
    with pytest.raises(EncodeError):
        optional.check_value_block("KC", "R", bytes(16))
    assert optional.serial_number(OptionalBlock("IK", "0123456789ABCDEF")) == bytes.fromhex("0123456789ABCDEF")
    with pytest.raises(DecodeError):
        optional.serial_number(OptionalBlock("KS", "DE#GBIC#OPT1"))


def test_every_usage_names_known_algorithms_and_modes() -> None:
    for usage in codes.USAGES.values():
        assert set(usage.algorithms) <= {member.value for member in codes.Algorithm}
        assert set(usage.modes) <= {member.value for member in codes.Mode}
        assert "N" in usage.modes
    assert len(codes.USAGES) == 43
