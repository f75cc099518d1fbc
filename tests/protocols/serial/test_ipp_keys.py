# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Invariant: messages of keys and entries survive the wire; anything else is a DecodeError that quotes none of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import DecodeError, EncodeError
from protocols.pan import Pan
from protocols.secret import ClearKey
from protocols.serial.framer import Envelope, Packet
from protocols.serial.ipp import Message
from protocols.serial.ipp_codec import decode_reply, decode_request, encode, redacted
from protocols.serial.ipp_entry import (
    AskKey,
    AskString,
    KeyPressed,
    RequestAmountPin,
    RequestSessionPin,
    SessionPinBlock,
    ShowPrompt,
    StringEntered,
)
from protocols.serial.ipp_keys import (
    Diagnose,
    Diagnosis,
    InitialKeyResult,
    KeySerialNumber,
    LoadInitialKey,
    LoadMasterKey,
    MasterKeyEcho,
    MasterKeyRefusal,
    ReadKsn,
    SelectEngine,
)
from tests.device_profiles.twins.pads import PROFILE, VERIFONE

UIC = PROFILE.dialect
PAN = Pan("4000009999990016")
KEY = bytes(range(0x10, 0x20))
# UIC PP791 user's manual, key block example.
BLOCK = "B0080P0TE00N00003C4F5024C59C182F7165BC870FCB7F63456AAE07DB736C32EA391E5834C1AA0C"
KSN = bytes.fromhex("FFFF9876543210E00001")

REQUESTS: tuple[Message, ...] = (
    LoadMasterKey("1", BLOCK),
    LoadMasterKey("1", "", ClearKey(KEY), "P0E"),
    LoadMasterKey("B", "", ClearKey(KEY + KEY[:8])),
    LoadInitialKey(0, BLOCK),
    LoadInitialKey(1, "", ClearKey(KEY), KSN),
    SelectEngine(1),
    ReadKsn(),
    Diagnose("01"),
    RequestSessionPin("70", PAN, KEY, "42.00", time_units=3),
    RequestSessionPin("70", PAN, KEY),
    RequestSessionPin("Z60", PAN, KEY, time_units=1),
    RequestSessionPin("Z62", PAN, KEY, "", 4, 6, True, ("ENTER PIN", "PIN AGAIN", "PROCESSING"), 2),
    RequestAmountPin(PAN, "42.00", True),
    ShowPrompt("02"),
    AskKey(30),
    AskString(255, 12),
)
REPLIES: tuple[Message, ...] = (
    MasterKeyEcho(f"021{BLOCK}"),
    MasterKeyRefusal("C"),
    InitialKeyResult(0),
    InitialKeyResult(1, "D"),
    KeySerialNumber(KSN),
    Diagnosis("01", "0"),
    SessionPinBlock(4, bytes(range(8))),
    KeyPressed("E"),
    StringEntered("0123"),
)


@pytest.mark.parametrize("message", REQUESTS, ids=lambda message: type(message).__name__)
def test_requests_survive(message: Message) -> None:
    assert decode_request(encode(message, UIC), UIC) == message


@pytest.mark.parametrize("message", REPLIES, ids=lambda message: type(message).__name__)
@pytest.mark.parametrize("dialect", [UIC, VERIFONE.dialect])
def test_replies_survive(message: Message, dialect: object) -> None:
    assert dialect in (UIC, VERIFONE.dialect)
    assert decode_reply(encode(message, UIC), UIC) == message


@pytest.mark.parametrize(
    ("message", "body"),
    [
        (LoadMasterKey("1", "", ClearKey(KEY), "P0E"), b"021101112131415161718191A1B1C1D1E1F\x1cP0E"),
        (LoadInitialKey(0, "", ClearKey(KEY), KSN), b"90101112131415161718191A1B1C1D1E1FFFFF9876543210E00001"),
        (InitialKeyResult(0, "D"), b"911D"),
        (InitialKeyResult(0), b"910"),
        (RequestSessionPin("70", PAN, KEY, "1.00"), b"70.4000009999990016\x1c101112131415161718191A1B1C1D1E1F1.00"),
        (SessionPinBlock(4, bytes(8)), b"71.004010000000000000000"),
        (ShowPrompt("02"), b"Z2\x1d02"),
    ],
)
def test_what_stands_on_the_line(message: Message, body: bytes) -> None:
    assert encode(message, UIC).body == body


@pytest.mark.parametrize("message", REQUESTS, ids=lambda message: type(message).__name__)
def test_truncated_requests(message: Message) -> None:
    packet = encode(message, UIC)
    for size in range(len(packet.body)):
        try:
            decode_request(Packet(packet.envelope, packet.body[:size]), UIC)
        except DecodeError as error:
            assert "101112" not in str(error)


@pytest.mark.parametrize("message", REPLIES, ids=lambda message: type(message).__name__)
def test_truncated_replies(message: Message) -> None:
    packet = encode(message, UIC)
    for size in range(len(packet.body)):
        try:
            decode_reply(Packet(packet.envelope, packet.body[:size]), UIC)
        except DecodeError:
            continue


NUMBERS = st.sampled_from([b"01", b"02", b"7A", b"90", b"91", b"94", b"95", b"96", b"70.", b"71.", b"Z2\x1d", b"Z42",
                           b"Z43", b"Z50", b"Z51", b"Z60.", b"Z62.", b"Z63."])  # fmt: skip


@given(st.sampled_from(list(Envelope)), NUMBERS, st.text("0123456789ABCDEFPNY.\x1c ", max_size=120))
def test_garbage_is_a_decode_error(envelope: Envelope, head: bytes, tail: str) -> None:
    packet = Packet(envelope, head + tail.encode())
    for decode in (decode_request, decode_reply):
        try:
            decode(packet, UIC)
        except DecodeError as error:
            assert not tail or len(tail) < 4 or tail not in str(error)


@pytest.mark.parametrize(
    "message",
    [
        LoadMasterKey("10", BLOCK),
        LoadMasterKey("1", "not a key block"),
        LoadInitialKey(0, "not a key block"),
        LoadInitialKey(0, "", ClearKey(KEY), b"short"),
        RequestSessionPin("71", PAN, KEY),
        RequestSessionPin("70", PAN, b"short"),
        RequestSessionPin("70", PAN, KEY, time_units=10),
        RequestSessionPin("Z62", PAN, KEY, least=100),
    ],
)
def test_what_does_not_fit_is_not_sent(message: Message) -> None:
    with pytest.raises(EncodeError):
        encode(message, UIC)


def test_no_trace_shows_a_key() -> None:
    for message in (*REQUESTS, *REPLIES):
        words = redacted(encode(message, UIC).encode())
        for secret in (KEY.hex().upper(), BLOCK[16:], PAN.digits, "0123"):
            assert secret not in words, words
    for message in (LoadMasterKey("1", "", ClearKey(KEY)), LoadInitialKey(1, "", ClearKey(KEY), KSN)):
        assert "1011" not in repr(message)
