# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Invariant: a request is read as it was built, a refusal has the status a reader says, and no trace shows a card."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import DecodeError, EncodeError
from protocols.serial.framer import Damaged
from protocols.serial.vivotech2 import Frame
from protocols.serial.vivotech2_display import LcdMessage, ShowMessage
from protocols.serial.vivotech2_messages import (
    Beep,
    CardType,
    Exchange,
    GetVersion,
    PassThrough,
    Ping,
    PollForToken,
    Polling,
    RefusedError,
    Request,
    SetLed,
    SetPolling,
    Status,
    Token,
    decode_request,
    decode_token,
    decode_version,
    redacted_reply,
    redacted_request,
    reply_frame,
    request_frame,
    status_words,
)

REQUESTS: list[Request] = [
    Ping(),
    GetVersion(),
    SetPolling(),
    SetPolling(Polling.AUTOMATIC),
    PassThrough(True),
    PassThrough(False),
    PollForToken(2.0),
    PollForToken(0.5),
    PollForToken(255.0),
    Exchange(bytes.fromhex("00A404000E325041592E5359532E444446303100")),
    SetLed(3, True),
    SetLed(255, False),
    Beep(4),
    ShowMessage(LcdMessage.PRESENT_CARD),
    ShowMessage(LcdMessage.NONE, 4, 255, False),
]


@pytest.mark.parametrize("request_", REQUESTS, ids=repr)
def test_a_request_is_read_as_it_was_built(request_: Request) -> None:
    assert decode_request(request_frame(request_)) == request_


def test_a_published_poll_is_built_alike() -> None:
    assert request_frame(PassThrough(True)) == Frame(0x2C, 0x01, b"\x01")
    assert request_frame(PollForToken(2.0)) == Frame(0x2C, 0x02, b"\x02\x00")
    assert decode_request(Frame(0x2C, 0x02, b"\x00\xc8")) == PollForToken(2.0)


@pytest.mark.parametrize("request_", REQUESTS, ids=repr)
def test_other_lengths_are_refused(request_: Request) -> None:
    frame = request_frame(request_)
    for size in [size for size in range(4) if size != len(frame.data)]:
        with pytest.raises(RefusedError) as caught:
            decode_request(Frame(frame.command, frame.detail, bytes(size)))
        assert caught.value.status is Status.INCORRECT_PARAMETER


@pytest.mark.parametrize(
    ("frame", "status"),
    [
        (Frame(0x77, 1), Status.UNKNOWN_COMMAND),
        (Frame(0x2C, 0x77), Status.UNKNOWN_SUB_COMMAND),
        (Frame(0x2C, 0x01, b"\x02"), Status.INCORRECT_PARAMETER),
        (Frame(0x2C, 0x02, b"\x00\x00"), Status.INCORRECT_PARAMETER),
        (Frame(0x0A, 0x02, b"\x04\x01"), Status.INCORRECT_PARAMETER),
        (Frame(0x0A, 0x02, b"\x01\x02"), Status.INCORRECT_PARAMETER),
        (Frame(0x0B, 0x01, b"\x00"), Status.INCORRECT_PARAMETER),
        (Frame(0x01, 0x01, b"\x02"), Status.INCORRECT_PARAMETER),
    ],
)
def test_what_a_reader_refuses(frame: Frame, status: Status) -> None:
    with pytest.raises(RefusedError) as caught:
        decode_request(frame)
    assert caught.value.status is status
    assert status_words(status) in status_words(int(status))


@given(st.builds(Frame, st.integers(0, 255), st.integers(0, 255), st.binary(max_size=40)))
def test_garbage_gives_only_our_errors(frame: Frame) -> None:
    for decode in (decode_request, lambda frame: decode_token(frame.data), lambda frame: decode_version(frame.data)):
        try:
            decode(frame)
        except DecodeError as fault:
            assert str(fault)
    assert redacted_request(frame)
    assert redacted_reply(frame)


def test_what_cannot_be_asked() -> None:
    for request in (PollForToken(0.0), PollForToken(255.5), SetLed(4, True), Beep(0), Beep(5)):
        with pytest.raises(EncodeError):
            request_frame(request)


@pytest.mark.parametrize("kind", CardType)
def test_tokens(kind: CardType) -> None:
    token = Token(kind, bytes.fromhex("08112233"))
    assert decode_token(token.data()) == token
    assert "0811" not in repr(token)


@pytest.mark.parametrize(
    "data", ["", "08", "0108", "01081122", "0108112233445566778899AA", "0208112233445566778899AABB"]
)
def test_what_is_no_token(data: str) -> None:
    with pytest.raises(DecodeError, match="2C-02"):
        decode_token(bytes.fromhex(data))


def test_nobody_came_has_no_serial_number() -> None:
    assert decode_token(b"\x00") == Token(CardType.NONE)


def test_versions() -> None:
    assert decode_version(b"NEO2 v1.00.000\x00") == "NEO2 v1.00.000"
    for data in (b"", b"\x00", b"\xff\xfe", b"a\nb"):
        with pytest.raises(DecodeError, match="29-00"):
            decode_version(data)


def test_words_of_a_trace() -> None:
    uid = Token(CardType.A_ISO_DEP, bytes.fromhex("08112233"))
    found = reply_frame(PollForToken(1.0), 0, uid.data())
    assert redacted_reply(found, to=PollForToken.name) == "found A_ISO_DEP"
    assert "11" not in redacted_reply(found)
    assert redacted_reply(Frame(0x2C, 0x08)) == "2C the time was up"
    assert redacted_reply(Frame(0x2C, 0x99)) == "2C unknown status 99"
    assert redacted_request(Damaged("why")) == redacted_reply(Damaged("why")) == "damaged (why)"
    assert redacted_request(request_frame(PassThrough(True))) == "pass-through on"
    record = bytes.fromhex("70125A084000009999990016" + "5F24032812319000")
    assert "99999900" not in redacted_reply(Frame(0x2C, 0, record), to=Exchange.name)
    assert redacted_reply(Frame(0x2C, 0, record)) == "2C success, 20 octets"
    assert redacted_request(Frame(0x77, 0x01, b"4000009999990016")) == "77-01, 16 octets"


@pytest.mark.parametrize("data", ["06000001", "01050001", "01000401", "01000002"])
def test_a_message_that_no_display_knows_is_refused(data: str) -> None:
    with pytest.raises(RefusedError) as refused:
        decode_request(Frame(0x01, 0x02, bytes.fromhex(data)))
    assert refused.value.status in (Status.PARAMETER_NOT_SUPPORTED, Status.INCORRECT_PARAMETER)
    with pytest.raises(EncodeError):
        ShowMessage(LcdMessage.WAIT, beeps=5).data()


def test_a_message_is_told_by_its_name() -> None:
    assert redacted_request(request_frame(ShowMessage(LcdMessage.TRY_AGAIN))) == "display TRY_AGAIN"
    assert redacted_request(Frame(0x01, 0x02, bytes.fromhex("77000001"))) == "display message 77"
    assert redacted_request(Frame(0x01, 0x02, b"")) == "display"
