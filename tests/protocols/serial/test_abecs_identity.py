# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Invariant: two different facts never sign alike, and a challenge or proof survives its packet."""

import itertools

import pytest

from protocols.errors import DecodeError, EncodeError
from protocols.serial.abecs_identity import (
    Statement,
    ask_proof,
    decode_ask_proof,
    decode_proof,
    entry_statement,
    session_statement,
)
from protocols.serial.abecs_messages import Command, Response, decode_command

CHALLENGE = bytes(range(16))


@pytest.mark.parametrize("statement", Statement)
def test_questions_survive(statement: Statement) -> None:
    assert decode_ask_proof(decode_command(ask_proof(statement, CHALLENGE).packet())) == (statement, CHALLENGE)


@pytest.mark.parametrize("block", [b"", b"S", b"S" + CHALLENGE[1:], b"Q" + CHALLENGE, b"S" + CHALLENGE + b"x"])
def test_other_questions_are_refused(block: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_ask_proof(Command("LNK", (block,)))
    with pytest.raises(EncodeError):
        ask_proof(Statement.SESSION, CHALLENGE[1:])


def test_proofs_survive() -> None:
    assert decode_proof(Response("LNK", 0, (bytes(32) + b"\x01" * 64,))) == (bytes(32), b"\x01" * 64)
    for blocks in ((), (bytes(95),), (bytes(97),), (bytes(96), b"")):
        with pytest.raises(DecodeError):
            decode_proof(Response("LNK", 0, blocks))


def test_statements_differ_in_every_part() -> None:
    made = [
        session_statement(CHALLENGE, "TG1", b"m", b"k"),
        session_statement(bytes(16), "TG1", b"m", b"k"),
        session_statement(CHALLENGE, "TG2", b"m", b"k"),
        session_statement(CHALLENGE, "TG1", b"n", b"k"),
        session_statement(CHALLENGE, "TG1", b"m", b"l"),
        session_statement(CHALLENGE, "TG1", b"mk", b""),
        entry_statement(CHALLENGE, "TG1", "EUR 1.00", bytes(10), bytes(8)),
        entry_statement(CHALLENGE, "TG1", "EUR 1.000", bytes(10), bytes(8)),
        entry_statement(CHALLENGE, "TG1E", "UR 1.00", bytes(10), bytes(8)),
        entry_statement(CHALLENGE, "TG1", "EUR 1.00", b"\x01" * 10, bytes(8)),
        entry_statement(CHALLENGE, "TG1", "EUR 1.00", bytes(10), b"\x01" * 8),
        entry_statement(bytes(16), "TG1", "EUR 1.00", bytes(10), bytes(8)),
    ]
    assert all(one != other for one, other in itertools.combinations(made, 2))
    assert all(b"k" not in one[-64:] for one in made[:1]), "keys are signed as digests only"


def test_an_entry_has_its_sizes() -> None:
    for ksn, block in ((bytes(9), bytes(8)), (bytes(10), bytes(7))):
        with pytest.raises(EncodeError):
            entry_statement(CHALLENGE, "TG1", "", ksn, block)
