# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Hash chains: whatever is done to a stored chain is found, located and named; an untouched one verifies."""

import hashlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.audit_chain import (
    LONGEST_LINE,
    ChainError,
    Damage,
    Head,
    Record,
    Summary,
    genesis,
    link,
    parse,
    verify,
)
from protocols.errors import DecodeError, EncodeError

CHAIN = "agent/TG000001"


def story(count: int, chain: str = CHAIN) -> list[Record]:
    head, records = genesis(chain), []
    for number in range(count):
        records.append(
            link(head, 1_763_800_000_000 + number, "device.back", {"device": f"reader-{number}", "n": number})
        )
        head = records[-1].head
    return records


LINES = [record.line for record in story(6)]


def found(lines: list[bytes], remembered: Head | None = None) -> tuple[int, Damage]:
    with pytest.raises(ChainError) as caught:
        verify(CHAIN, lines, remembered)
    return caught.value.record, caught.value.damage


def test_untouched_chain_verifies_with_its_times_and_head() -> None:
    records = story(6)
    assert verify(CHAIN, LINES, records[3].head) == Summary(records[-1].head, 1_763_800_000_000, 1_763_800_000_005)
    assert verify(CHAIN, LINES).records == 6
    assert verify(CHAIN, []) == Summary(genesis(CHAIN), None, None)


def test_form_as_another_program_would_check_it() -> None:
    """Only json and sha256, from the description at the module's top."""
    prev = hashlib.sha256(b"tillguard audit chain 1\0" + CHAIN.encode()).hexdigest()
    for number, line in enumerate(LINES, 1):
        document = json.loads(line)
        assert list(document) == ["seq", "at_ms", "name", "fields", "prev", "hash"]
        assert (document["seq"], document["prev"]) == (number, prev)
        prev = hashlib.sha256(line[: line.rindex(b',"hash"')]).hexdigest()
        assert document["hash"] == prev


@pytest.mark.parametrize("place", range(len(LINES[2])))
def test_any_changed_octet_is_found_in_its_record(place: int) -> None:
    line = bytearray(LINES[2])
    line[place] ^= 0x01
    record, damage = found([*LINES[:2], bytes(line), *LINES[3:]])
    assert record == 3
    assert damage in (Damage.CHANGED, Damage.TORN)  # torn: the newline itself was hit


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([*LINES[:2], *LINES[3:]], (3, Damage.MISSING)),
        (LINES[1:], (1, Damage.MISSING)),
        ([*LINES[:2], LINES[3], LINES[2], *LINES[4:]], (3, Damage.REORDERED)),
        ([*LINES[:3], LINES[2], *LINES[3:]], (4, Damage.REORDERED)),
        ([*LINES[:5], LINES[5][:-20]], (6, Damage.TORN)),
        ([*LINES[:5], b""], (6, Damage.TORN)),
        ([*LINES[:5], b"\n"], (6, Damage.CHANGED)),
        ([*LINES[:2], b"{}\n", *LINES[3:]], (3, Damage.CHANGED)),
        ([*LINES[:2], b"x" * (LONGEST_LINE + 1) + b"\n"], (3, Damage.CHANGED)),
        ([record.line for record in story(3, "agent/TG000002")], (1, Damage.FOREIGN)),
    ],
)
def test_damage_is_named_and_located(lines: list[bytes], expected: tuple[int, Damage]) -> None:
    assert found(lines) == expected


def test_record_made_anew_with_a_fresh_hash_breaks_the_link_behind_it() -> None:
    forged = link(story(2)[-1].head, 1, "device.back", {"device": "forged"})
    assert found([*LINES[:2], forged.line, *LINES[3:]]) == (4, Damage.REWRITTEN)


def test_only_a_remembered_head_sees_a_cut_tail_and_a_chain_made_anew() -> None:
    head = story(6)[-1].head
    assert verify(CHAIN, LINES[:4]).records == 4
    assert found(LINES[:4], head) == (5, Damage.TRUNCATED)
    anew, lines = story(3)[-1].head, LINES[:3]
    for _ in range(3):
        record = link(anew, 2, "device.back", {"device": "anew"})
        anew, lines = record.head, [*lines, record.line]
    assert verify(CHAIN, lines).records == 6
    assert found(lines, head) == (6, Damage.REWRITTEN)
    assert found(lines, story(1, "agent/TG000002")[-1].head) == (0, Damage.FOREIGN)


def test_head_survives_as_text() -> None:
    head = story(3, "a:b/c")[-1].head
    assert Head.from_text(head.text()) == head


@pytest.mark.parametrize(
    "text", ["", "x", "x:1", f"x:01:{'0' * 64}", f"x:1:{'0' * 63}", f" :1:{'0' * 64}", f"x:1:{'É' * 64}"]
)
def test_bad_head_text_is_refused(text: str) -> None:
    with pytest.raises(DecodeError):
        Head.from_text(text)


def test_text_of_any_script_is_kept() -> None:
    record = link(genesis(CHAIN), 0, "x", {"a": "Zażółć 漢字 \u2028", "yes": True, "minus": -1})
    assert record.line.isascii()
    assert parse(record.line, CHAIN) == record
    assert verify(CHAIN, [record.line]).head == record.head


@pytest.mark.parametrize("fields", [{"x": 1.5}, {"x": None}, {"x": ["y"]}, {1: "x"}, {"x": "y" * LONGEST_LINE}])
def test_what_is_no_field_is_refused(fields: dict[str, str]) -> None:
    with pytest.raises(EncodeError):
        link(genesis(CHAIN), 0, "x", fields)


@pytest.mark.parametrize("name", ["", "a b", "-a", "a" * 65, "é", "a\n"])
def test_bad_chain_names_are_refused(name: str) -> None:
    with pytest.raises(EncodeError):
        genesis(name)


def test_line_with_a_right_hash_but_no_record_is_refused() -> None:
    for body in (
        b'{"seq":1,"seq":2,"at_ms":0,"name":"x","fields":{}',
        b'{"seq":1,"at_ms":0.5,"name":"x","fields":{}',
        b'{"seq":1,"at_ms":0,"name":"x","fields":{"y":1.5}',
        b'{"seq":1,"name":"x","at_ms":0,"fields":{}',
        b'{"seq":1,[',
    ):
        whole = body + b',"prev":"' + b"0" * 64 + b'"'
        line = whole + b',"hash":"' + hashlib.sha256(whole).hexdigest().encode() + b'"}\n'
        with pytest.raises(DecodeError):
            parse(line, CHAIN)


@pytest.mark.parametrize("length", range(len(LINES[0])))
def test_every_truncation_of_a_line_is_refused(length: int) -> None:
    with pytest.raises(DecodeError):
        parse(LINES[0][:length], CHAIN)


@given(st.binary(max_size=400))
@settings(max_examples=200, deadline=None)
def test_garbage_is_refused(data: bytes) -> None:
    with pytest.raises((DecodeError, ChainError)):
        parse(data, CHAIN)
    with pytest.raises(ChainError):
        verify(CHAIN, [data])


@given(
    st.dictionaries(
        st.text(max_size=8), st.text(max_size=40) | st.booleans() | st.integers(-(2**60), 2**60), max_size=5
    ),
    st.integers(0, 2**53),
)
@settings(max_examples=100, deadline=None)
def test_round_trip(fields: dict[str, str | int | bool], at_ms: int) -> None:
    record = link(genesis(CHAIN), at_ms, "some.name", fields)
    assert parse(record.line, CHAIN) == record
