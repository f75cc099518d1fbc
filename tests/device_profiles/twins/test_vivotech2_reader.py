# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Invariant: the twin answers every sound request once, in order, and knows a card only in pass-through mode."""

import json
from pathlib import Path
from typing import Any

import pytest

from device_profiles.twins.vivotech2_reader import Vivotech2ReaderTwin
from protocols.serial.vivotech2 import Frame, FrameFramer, request_octets
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
    Request,
    SetLed,
    SetPolling,
    Status,
    decode_token,
    request_frame,
)
from protocols.serial.vivotech2_payment import Activate, CancelPayment, GetResult, PaymentRequest
from tests.device_profiles.twins.hands import hand

PUBLISHED: list[dict[str, Any]] = [
    fact
    for fact in json.loads((Path(__file__).parents[2] / "vectors" / "vivopay_neo_frames.json").read_text())["facts"]
    if fact["kind"] == "cmd"
]


def asked(twin: Vivotech2ReaderTwin, *requests: Request, now: float = 0.0) -> list[Frame]:
    octets = b"".join(request_octets(request_frame(request)) for request in requests)
    return heard(twin.feed(octets, now))


def heard(octets: bytes) -> list[Frame]:
    events = FrameFramer().feed(octets)
    assert all(isinstance(event, Frame) for event in events)
    return events  # type: ignore[return-value]


@pytest.mark.parametrize(
    "request_", [PollForToken(1.0), Exchange(b"\x00\xa4\x00\x00"), SetLed(1, True), Beep(1)], ids=repr
)
def test_outside_pass_through_mode_there_is_no_card(request_: Request) -> None:
    twin = Vivotech2ReaderTwin(hand()[0])
    assert asked(twin, request_) == [Frame(request_.name[0], Status.SUB_COMMAND_NOT_ALLOWED)]


def test_what_waits_is_answered_in_order() -> None:
    twin = Vivotech2ReaderTwin(None)
    assert [frame.command for frame in asked(twin, PassThrough(True), PollForToken(0.5), Ping(), GetVersion())] == [
        0x2C
    ]
    assert twin.due == pytest.approx(0.5)
    replies = heard(twin.tick(0.5))
    assert [(reply.command, reply.detail) for reply in replies] == [(0x2C, 0x08), (0x18, 0), (0x29, 0)]


def test_a_card_is_found_used_and_let_go() -> None:
    person, card = hand(after_s=0.2)
    twin = Vivotech2ReaderTwin(person)
    assert len(asked(twin, SetPolling(), PassThrough(True), PollForToken(1.0))) == 2
    assert twin.due == pytest.approx(0.2)
    (found,) = heard(twin.tick(0.2))
    assert decode_token(found.data).kind is CardType.A_ISO_DEP
    (answer,) = asked(twin, Exchange(b"\x00\xa4\x00\x01"))
    assert answer.data == b"\x00\xa4\x00\x01\x90\x00"
    assert card.powered == 1
    asked(twin, PassThrough(False))
    assert card.powered == 0
    asked(twin, PassThrough(True))
    assert asked(twin, Exchange(b"\x00\xa4\x00\x01")) == [Frame(0x2C, Status.FAILED)]


def test_lights_and_sounds() -> None:
    twin = Vivotech2ReaderTwin(None)
    asked(twin, PassThrough(True), SetLed(255, True), SetLed(2, False), Beep(3))
    assert twin.lit == {0, 1, 3}
    assert twin.beeps == 3


def test_messages_are_shown_outside_of_pass_through_mode() -> None:
    twin = Vivotech2ReaderTwin(None)
    show = ShowMessage(LcdMessage.PRESENT_CARD, 2, 255, True)
    assert [one.detail for one in asked(twin, show, ShowMessage(LcdMessage.NONE))] == [Status.OK] * 2
    assert twin.shown == [LcdMessage.WELCOME, LcdMessage.PRESENT_CARD]
    assert (twin.beeps, twin.lit) == (2, {1, 2, 3})
    assert asked(twin, PassThrough(True), show)[1].detail == Status.COMMAND_NOT_ALLOWED
    assert twin.shown[-1] is LcdMessage.PRESENT_CARD


def test_damaged_and_unknown_requests() -> None:
    twin = Vivotech2ReaderTwin(None)
    spoiled = bytearray(request_octets(request_frame(Ping())))
    spoiled[-1] ^= 1
    assert twin.feed(bytes(spoiled), 0.0) == b""
    assert heard(twin.feed(request_octets(Frame(0x77, 0)), 0.0)) == [Frame(0x77, Status.UNKNOWN_COMMAND)]
    assert heard(twin.feed(request_octets(Frame(0x2C, 0x77)), 0.0)) == [Frame(0x2C, Status.UNKNOWN_SUB_COMMAND)]


def test_half_a_frame_is_forgotten() -> None:
    twin = Vivotech2ReaderTwin(None)
    ping = request_octets(request_frame(Ping()))
    twin.feed(ping[:9], 0.0)
    assert twin.due == pytest.approx(0.05)
    twin.tick(0.05)
    assert heard(twin.feed(ping, 0.1)) == [Frame(0x18, 0)]


def test_the_crcs_order_is_the_profiles() -> None:
    twin = Vivotech2ReaderTwin(None, high_first=())
    frame = request_frame(PassThrough(True))
    assert twin.feed(request_octets(frame), 0.0) == b""
    assert heard(twin.feed(request_octets(frame, ()), 0.0)) == [Frame(0x2C, 0)]


def payment(twin: Vivotech2ReaderTwin, request_: PaymentRequest, now: float = 0.0) -> bytes:
    return twin.feed(request_octets(Frame(*request_.name, request_.data())), now)


def test_a_payment_by_its_own_kernel() -> None:
    person, _ = hand(after_s=0.5)
    twin = Vivotech2ReaderTwin(person)
    assert payment(twin, Activate(10, bytes.fromhex("9F0206000000004200"))) == b""
    assert twin.due == pytest.approx(0.5)
    (result,) = FrameFramer().feed(twin.tick(0.5))
    assert result == Frame(0x02, 0x23, bytes.fromhex("9F390107"))
    assert payment(twin, GetResult(), 1.0) == Frame(0x03, Status.OK).encode()
    assert payment(twin, CancelPayment(), 1.0) == Frame(0x05, Status.OK).encode()


def test_nobody_comes_to_a_payment() -> None:
    twin = Vivotech2ReaderTwin(None)
    payment(twin, Activate(3, b""))
    assert twin.tick(2.9) == b""
    assert twin.tick(3.0) == Frame(0x02, Status.TIMEOUT).encode()


def test_automatic_polling_pushes_each_card_once() -> None:
    person, _ = hand(after_s=0.5)
    twin = Vivotech2ReaderTwin(person)
    twin.feed(request_octets(request_frame(SetPolling(Polling.AUTOMATIC))), 0.0)
    assert twin.tick(0.5) == Frame(0x03, 0x23, bytes.fromhex("9F390107")).encode()
    assert twin.tick(1.0) == b""
    assert payment(twin, Activate(3, b""), 1.0) == Frame(0x02, Status.COMMAND_NOT_ALLOWED).encode()


@pytest.mark.parametrize(
    "frame",
    [Frame(0x02, 0x01), Frame(0x02, 0x01, b"\x00"), Frame(0x02, 0x01, b"\x05\x9f"), Frame(0x03, 0x00, b"x")],
    ids=repr,
)
def test_malformed_payments_are_refused(frame: Frame) -> None:
    refused = Frame(frame.command, Status.MALFORMED_DATA).encode()
    assert Vivotech2ReaderTwin(None).feed(request_octets(frame), 0.0) == refused


@pytest.mark.parametrize("fact", PUBLISHED, ids=lambda fact: fact["what"])
def test_published_requests_are_answered(fact: dict[str, Any]) -> None:
    """What others' programs send: each gets a frame of its own command, if only to say that it is not known here."""
    octets = bytes.fromhex(fact["frame"])
    order = {octets[10]} if fact["crc_order"] == "big" else set()
    (said,) = heard(Vivotech2ReaderTwin(None, order).feed(octets, 0.0))
    assert said.command == octets[10]
    known = (octets[10], octets[11]) in ((0x18, 0x01), (0x2C, 0x01))
    assert (said.detail == Status.OK) is known
