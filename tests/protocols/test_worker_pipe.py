# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The pipe of a worker: every verb there and back; whatever is cut, swollen or of another kind is refused by name."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import DecodeError, EncodeError
from protocols.worker_pipe import (
    ANSWERS,
    FIELDS,
    LARGEST_NUMBER,
    LARGEST_PACKET,
    LONGEST_OCTETS,
    LONGEST_WORDS,
    Answer,
    Fault,
    Kind,
    Question,
    Verb,
    checked_answer,
    decode,
    encode,
)

SAMPLES: dict[Kind, Any] = {
    Kind.NUMBER: 42, Kind.FLAG: True, Kind.WORDS: "words", Kind.OCTETS: b"\x01\xff", Kind.EVENT: {"ms": 5, "a": "b"},
}  # fmt: skip
WRONG: dict[Kind, list[Any]] = {
    Kind.NUMBER: [True, 1.5, "1", None, LARGEST_NUMBER + 1],
    Kind.FLAG: [0, "true", None],
    Kind.WORDS: [1, None, "x" * (LONGEST_WORDS + 1)],
    Kind.OCTETS: ["0", "zz", "0 0 ", 1, None, "00" * (LONGEST_OCTETS + 1)],
    Kind.EVENT: [[], {"a": None}, {"a": {}}, {"a": 1 << 60}, {str(number): 1 for number in range(25)}],
}


def sample(verb: Verb) -> dict[str, Any]:
    return {name: SAMPLES[kind] for name, kind in FIELDS[verb].items()}


def packet(**document: Any) -> bytes:
    return json.dumps(document).encode()


@pytest.mark.parametrize("verb", Verb)
def test_every_question_there_and_back(verb: Verb) -> None:
    question = Question(7, verb, sample(verb))
    assert decode(encode(question)) == question


@pytest.mark.parametrize("verb", ANSWERS)
def test_every_answer_there_and_back(verb: Verb) -> None:
    values = {name: SAMPLES[kind] for name, kind in ANSWERS[verb].items()}
    heard = decode(encode(Answer(7, values)))
    assert isinstance(heard, Answer)
    assert checked_answer(verb, heard) == values
    with pytest.raises(DecodeError):
        checked_answer(verb, Answer(7, {**heard.values, "more": 1}))


def test_a_fault_there_and_back() -> None:
    fault = Fault(7, "journal", "what", "hint")
    assert decode(encode(fault)) == fault


@pytest.mark.parametrize("verb", Verb)
def test_a_field_of_another_kind_is_refused(verb: Verb) -> None:
    good = json.loads(encode(Question(1, verb, sample(verb))))["fields"]
    for name, kind in FIELDS[verb].items():
        for value in WRONG[kind]:
            with pytest.raises(DecodeError, match=name):
                decode(packet(number=1, verb=verb, fields={**good, name: value}))
        fewer = {other: value for other, value in good.items() if other != name}
        with pytest.raises(DecodeError):
            decode(packet(number=1, verb=verb, fields=fewer))
    with pytest.raises(DecodeError):
        decode(packet(number=1, verb=verb, fields={**good, "more": 1}))
    with pytest.raises(EncodeError):
        encode(Question(1, verb, {**sample(verb), "more": 1}))


@pytest.mark.parametrize("verb", Verb)
def test_every_truncation_is_refused(verb: Verb) -> None:
    whole = encode(Question(1, verb, sample(verb)))
    for length in range(len(whole)):
        with pytest.raises(DecodeError):
            decode(whole[:length])


@pytest.mark.parametrize(
    "octets",
    [
        b"", b"[]", b"null", b"\xff\xfe", b"[" * 5_000, b" " * (LARGEST_PACKET + 1), b'{"number":1}',
        packet(number=-1, verb="now", fields={}), packet(number=True, verb="now", fields={}),
        packet(number=1, verb="open", fields={}), packet(number=1, verb=["now"], fields={}),
        packet(number=1, verb="now", fields=[]), packet(number=1, answer=[]),
        packet(number=1, fault=1, what="", hint=""),
    ],
)  # fmt: skip
def test_anything_else_is_refused(octets: bytes) -> None:
    with pytest.raises(DecodeError):
        decode(octets)


@given(st.binary(max_size=200))
def test_garbage_is_refused(octets: bytes) -> None:
    with pytest.raises(DecodeError):
        decode(octets)


def test_no_field_is_made_for_an_account_number() -> None:
    """A PAN has no place of its own; the digits that do travel are masked, or a reference."""
    names = {name for fields in (*FIELDS.values(), *ANSWERS.values()) for name in fields}
    assert not names & {"pan", "track2", "track", "pin", "pin_block", "icc", "expiry"}
