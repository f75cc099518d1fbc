# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Messages of the vault's pipe: what is written is read again, and every cut and all garbage is a DecodeError."""

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols import vault
from protocols.errors import DecodeError, EncodeError
from protocols.vault import (
    LARGEST_PACKET,
    Answer,
    Load,
    Mac,
    PinMade,
    Refused,
    Reply,
    Request,
    Result,
    Rotate,
    Verb,
    approval_message,
    decode_reply,
    decode_request,
    encode,
)

KINDS = [
    kind
    for kind in vars(vault).values()
    if isinstance(kind, type) and dataclasses.is_dataclass(kind) and hasattr(kind, "code")
]
VALUES: dict[Any, st.SearchStrategy[Any]] = {
    str: st.text(max_size=60),
    int: st.integers(0, 2**64 - 1),
}


def messages(kinds: list[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        [
            st.builds(
                kind, **{one.name: VALUES.get(one.type, st.binary(max_size=60)) for one in dataclasses.fields(kind)}
            )
            for kind in kinds
        ]
    )


REQUESTS = [kind for kind in KINDS if kind.code in set(Verb)]
REPLIES = [kind for kind in KINDS if kind.code in set(Answer)]


def same(left: Any, right: Any) -> bool:
    names = [one.name for one in dataclasses.fields(left)]
    return type(left) is type(right) and all(getattr(left, name) == getattr(right, name) for name in names)


def test_every_code_has_its_message() -> None:
    assert {kind.code for kind in REQUESTS} == set(Verb)
    assert {kind.code for kind in REPLIES} == set(Answer)


@given(messages(REQUESTS), st.integers(0, 255))
def test_requests_round_trip_without_a_copy(request_: Request, number: int) -> None:
    packet = memoryview(bytearray(encode(number, request_)))
    found, read = decode_request(packet)
    assert found == number
    assert same(read, request_)
    for one in dataclasses.fields(read):
        value = getattr(read, one.name)
        assert not isinstance(value, bytes), "octets stay where the packet is"


@given(messages(REPLIES), st.integers(0, 255))
def test_replies_round_trip(reply: Reply, number: int) -> None:
    found, read = decode_reply(encode(number, reply))
    assert (found, read) == (number, reply)


@pytest.mark.parametrize("message", [Load("pin", "D0112", b"12", b"3"), Mac(bytes(16), b"x"), Rotate("pin")])
def test_every_cut_and_every_addition_is_refused(message: Request) -> None:
    packet = encode(9, message)
    for size in range(len(packet)):
        with pytest.raises(DecodeError):
            decode_request(memoryview(packet[:size]))
    with pytest.raises(DecodeError):
        decode_request(memoryview(packet + b"\0"))


@given(st.binary(max_size=80))
def test_garbage_is_a_decode_error_or_a_message(octets: bytes) -> None:
    for read in (lambda: decode_request(memoryview(octets)), lambda: decode_reply(octets)):
        try:
            read()
        except DecodeError as fault:
            assert octets.hex() not in str(fault) or len(octets) < 2


def test_what_does_not_fit_is_not_written() -> None:
    with pytest.raises(EncodeError):
        encode(1, Result(bytes(0x10000)))
    with pytest.raises(EncodeError):
        encode(1, Result(bytes(LARGEST_PACKET)))


def test_custodians_sign_the_request_and_not_what_they_add_to_it() -> None:
    bare, signed = Rotate("pin"), Rotate("pin", b"signatures")
    assert approval_message(bare, bytes(16)) == approval_message(signed, bytes(16))
    assert approval_message(bare, bytes(16)) != approval_message(Rotate("data"), bytes(16))
    assert approval_message(bare, bytes(16)) != approval_message(bare, b"\1" + bytes(15))


def test_no_message_that_leaves_has_a_field_for_a_pin_or_a_key() -> None:
    names = {one.name for kind in REPLIES for one in dataclasses.fields(kind)}
    assert names == {"words", "value", "ksn", "block", "block_format", "how", "why", "name"}
    assert {one.name for one in dataclasses.fields(PinMade)} == {"ksn", "block", "block_format"}
    assert {one.name for one in dataclasses.fields(Refused)} == {"why", "words"}
