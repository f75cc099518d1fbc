# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The five elements and the proof's text: what is taken, what is refused and named."""

from dataclasses import replace

import pytest

from protocols.errors import DecodeError, EncodeError
from protocols.identity.binding import Proof, challenge, read_proof
from tests.flows.enrolling import BINDING


def test_a_sound_binding_has_no_faults() -> None:
    assert BINDING.faults() == {}
    assert BINDING.changed_to(BINDING) == ()


@pytest.mark.parametrize(
    ("element", "value"),
    [
        ("acquirer", "12345"),
        ("acquirer", "\u0661\u0662\u0663\u0664\u0665\u0666"),
        ("merchant", "merchant"),
        ("merchant", ""),
        ("licence", "x" * 33),
        ("serial", "SN 42"),
        ("location", "52.5,13.4"),
        ("location", "+52.5200+013.4050\n"),
    ],
)
def test_each_element_is_named(element: str, value: str) -> None:
    broken = replace(BINDING, **{element: value})
    assert set(broken.faults()) == {element}
    assert BINDING.changed_to(broken) == (element,)


def test_the_proof_as_text() -> None:
    proof = Proof(7, bytes(range(8)), bytes(range(8, 16)))
    assert proof.encode() == "BP0007000102030405060708090A0B0C0D0E0F"
    assert read_proof(proof.encode()) == proof


@pytest.mark.parametrize("text", ["", "BP", "BP00070001020304050607", "XX0007" + "0" * 32, "BP0007" + "g" * 32])
def test_what_is_no_proof(text: str) -> None:
    with pytest.raises(DecodeError, match="BP, 4 digits"):
        read_proof(text)


@pytest.mark.parametrize("proof", [Proof(0, bytes(8), bytes(8)), Proof(10_000, bytes(8), bytes(8)), Proof(1, b"", b"")])
def test_what_cannot_be_written(proof: Proof) -> None:
    with pytest.raises(EncodeError):
        proof.encode()


def test_every_part_counts() -> None:
    said = {challenge("SN-1", bytes(8), 1), challenge("SN-2", bytes(8), 1), challenge("SN-1", bytes(8), 2)}
    assert len(said | {challenge("SN-1", bytes(7) + b"1", 1)}) == 4
