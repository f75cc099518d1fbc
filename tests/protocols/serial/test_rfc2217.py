# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Invariant: data comes out as it went in, in whatever pieces, and only what was asked for counts as agreed."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import DecodeError
from protocols.serial.rfc2217 import IAC, SE, Rfc2217Client, Setting, escaped, settings

WANTED = settings(19200, 8, "none", 1)
CONFIRMED = b"".join(
    bytes((IAC, 250, 44, setting + 100))
    + escaped(value.to_bytes(4 if setting is Setting.BAUD else 1, "big"))
    + bytes((IAC, SE))
    for setting, value in WANTED.items()
)


def test_hello_offers_binary_and_the_port_and_sets_it() -> None:
    hello = Rfc2217Client(WANTED).hello()
    assert hello.startswith(bytes.fromhex("FFFB2C FFFB00 FFFD00 FFFB03 FFFD03"))
    assert bytes.fromhex("FFFA2C0100004B00FFF0") in hello
    assert bytes.fromhex("FFFA2C0308FFF0") not in hello
    assert bytes.fromhex("FFFA2C0208FFF0 FFFA2C0301FFF0 FFFA2C0401FFF0 FFFA2C0501FFF0") in hello


@given(st.binary(max_size=80), st.integers(1, 7))
def test_data_in_any_pieces(data: bytes, cut: int) -> None:
    stream = escaped(data) + CONFIRMED + escaped(data)
    client = Rfc2217Client(WANTED)
    heard = b"".join(client.feed(stream[at : at + cut])[0] for at in range(0, len(stream), cut))
    assert heard == data * 2
    assert client.settled


@given(st.binary(max_size=200))
def test_garbage_gives_only_our_errors(data: bytes) -> None:
    client = Rfc2217Client(WANTED)
    with contextlib.suppress(DecodeError):
        client.feed(data)
    assert not client.settled


def test_what_else_a_server_asks_is_declined() -> None:
    client = Rfc2217Client(WANTED)
    assert client.feed(bytes.fromhex("FFFD01 FFFB18 FFFE05 FFFC06")) == (b"", bytes.fromhex("FFFC01 FFFE18"))
    assert client.feed(bytes.fromhex("FFFD2C FFFB00 FFFD00")) == (b"", b"")
    assert client.feed(b"\xff\xf1a") == (b"a", b"")  # NOP
    assert not client.refused


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        ("FFFE2C", "does not speak RFC 2217"),
        ("FFFC00", "binary"),
        ("FFFE00", "binary"),
        ("FFFA2C6507FFF0", "baud to 7"),
        ("FFFA2C6500002580FFF0", "baud to 9600"),
        ("FFFA2C6607FFF0", "data size to 7"),
        ("FFFA2C6703FFF0", "parity to 3"),
        ("FFFA2C6802FFF0", "stop size to 2"),
    ],
)
def test_a_refusal_is_told(octets: str, why: str) -> None:
    client = Rfc2217Client(WANTED)
    client.feed(bytes.fromhex(octets))
    assert why in client.refused


def test_flow_control_that_stays_is_no_reason_to_refuse() -> None:
    client = Rfc2217Client(WANTED)
    client.feed(CONFIRMED.replace(bytes.fromhex("FFFA2C6901FFF0"), bytes.fromhex("FFFA2C6902FFF0")))
    assert client.settled


def test_an_endless_subnegotiation_is_refused() -> None:
    with pytest.raises(DecodeError, match="subnegotiation"):
        Rfc2217Client(WANTED).feed(b"\xff\xfa" + b"x" * 100)
