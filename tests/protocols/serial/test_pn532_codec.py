# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Invariant: commands and replies survive their frames; anything else is a DecodeError; traces show no card's data."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.errors import DecodeError, EncodeError
from protocols.serial.framer import Damaged
from protocols.serial.pn532 import CHIP_TO_HOST, HOST_TO_CHIP, Frame, Signal, decode_frame
from protocols.serial.pn532_codec import decode_command, decode_reply, redacted, redacted_event
from protocols.serial.pn532_messages import (
    CARD_LOST,
    STATUS_WORDS,
    Code,
    Command,
    DataExchanged,
    Deselected,
    Done,
    FirmwareVersion,
    GetFirmwareVersion,
    InDataExchange,
    InDeselect,
    InListPassiveTarget,
    InRelease,
    Modulation,
    Released,
    Reply,
    RfConfiguration,
    RfItem,
    SamConfiguration,
    SetParameters,
    TargetA,
    TargetB,
    Targets,
    command_frame,
    reply_frame,
    status_words,
)
from tests.protocols.serial.captures import known, sessions

CARD = TargetA(1, bytes.fromhex("0004"), 0x20, bytes.fromhex("08112233"), bytes.fromhex("0578807002"))
CARD_B = TargetB(1, bytes.fromhex("500811223300000000008171"), b"\x01")
MEMORY_CARD = TargetA(2, bytes.fromhex("0044"), 0x00, bytes(7), b"")
COMMANDS: list[Command] = [
    GetFirmwareVersion(),
    SamConfiguration(),
    SamConfiguration(1, 0x14, 1),
    RfConfiguration(RfItem.RETRIES, b"\xff\x01\x10"),
    SetParameters(0x14),
    InListPassiveTarget(),
    InListPassiveTarget(1, Modulation.FELICA_212, b"\x00\xff\xff\x01\x00"),
    InDataExchange(1, bytes.fromhex("00A4040000")),
    InDataExchange(1, bytes(262), more=True),
    InRelease(),
    InDeselect(1),
]
REPLIES: list[Reply] = [
    FirmwareVersion(0x32, 1, 6, 7),
    Targets(()),
    Targets((CARD,)),
    Targets((CARD_B,)),
    Targets((CARD_B, CARD)),
    Targets((CARD, MEMORY_CARD)),
    DataExchanged(0, bytes.fromhex("9000")),
    DataExchanged(0, bytes(262), more=True),
    DataExchanged(0x2B),
    Released(),
    Deselected(0x27),
    Done(Code.RF_CONFIGURATION),
]


@pytest.mark.parametrize("command", COMMANDS, ids=repr)
def test_commands_survive(command: Command) -> None:
    assert decode_command(decode_frame(command_frame(command).encode())) == command


@pytest.mark.parametrize("reply", REPLIES, ids=repr)
def test_replies_survive(reply: Reply) -> None:
    assert decode_reply(decode_frame(reply_frame(reply).encode())) == reply


def test_known_frames() -> None:
    frames = known()
    assert command_frame(GetFirmwareVersion()).encode() == frames["get_firmware"]
    assert reply_frame(FirmwareVersion(0x32, 1, 6, 7)).encode() == frames["firmware_1_6_answer"]
    assert command_frame(SamConfiguration(1, 0x14, 1)).encode() == frames["sam_configuration"]


def test_captured_targets() -> None:
    replies = [
        decode_reply(decode_frame(octets))
        for exchange in sessions().values()
        for way, octets in exchange
        if way == "chip" and octets[5:7] == b"\xd5\x4b"
    ]
    found = [one for reply in replies if isinstance(reply, Targets) for one in reply.found]
    assert len(found) == 3
    assert all(one.speaks_iso_dep and one.uid == bytes.fromhex("08112233") for one in found)
    assert [one.ats.hex() for one in found] == ["0578807002", "0578807002", ""]


@pytest.mark.parametrize("frame", [command_frame(one) for one in COMMANDS], ids=repr)
def test_truncated_commands(frame: Frame) -> None:
    whole = decode_command(frame)
    for cut in range(len(frame.data)):
        try:
            decoded = decode_command(Frame(frame.tfi, frame.data[:cut]))
        except DecodeError:
            continue
        assert decoded != whole


@pytest.mark.parametrize("frame", [reply_frame(one) for one in REPLIES], ids=repr)
def test_truncated_replies(frame: Frame) -> None:
    whole = decode_reply(frame)
    for cut in range(len(frame.data)):
        try:
            decoded = decode_reply(Frame(frame.tfi, frame.data[:cut]))
        except DecodeError:
            continue
        assert decoded != whole


@given(st.integers(0, 255), st.one_of(st.sampled_from(Code), st.integers(0, 255)), st.binary(max_size=60))
@settings(max_examples=400, deadline=None)
def test_garbage_is_a_decode_error(tfi: int, code: int, tail: bytes) -> None:
    for direction, offset, decode in ((HOST_TO_CHIP, 0, decode_command), (CHIP_TO_HOST, 1, decode_reply)):
        for frame in (Frame(direction, bytes((code + offset & 0xFF,)) + tail), Frame(tfi, tail)):
            with contextlib.suppress(DecodeError):
                decode(frame)
            assert isinstance(redacted_event(frame), str)


@pytest.mark.parametrize(
    "data",
    ["4B03", "4B010100042005", "4B0101000420000578", "4B01010004200408112233" + "00", "4B0001", "4A", "FF"],
)
def test_broken_replies(data: str) -> None:
    with pytest.raises(DecodeError):
        decode_reply(Frame(CHIP_TO_HOST, bytes.fromhex(data)))


def test_the_wrong_direction_is_refused() -> None:
    with pytest.raises(DecodeError):
        decode_reply(command_frame(GetFirmwareVersion()))
    with pytest.raises(DecodeError):
        decode_command(reply_frame(Released()))


@pytest.mark.parametrize("command", [InDataExchange(0, b""), InDataExchange(0x40, b""), InDataExchange(1, bytes(263))])
def test_what_does_not_fit_is_not_sent(command: InDataExchange) -> None:
    with pytest.raises(EncodeError):
        command_frame(command)


def test_statuses_have_words() -> None:
    assert set(STATUS_WORDS) >= CARD_LOST
    assert status_words(0x2B) == "the card has gone"
    assert status_words(0x3F) == "unknown status 3F"


TRACK = bytes.fromhex("571340000099999900 16D28122010000000000000F9000".replace(" ", ""))


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (Signal.SYNTAX_ERROR, "SYNTAX ERROR"),
        (Damaged("noise"), "damaged (noise)"),
        (command_frame(InListPassiveTarget()), "InListPassiveTarget TYPE_A_106"),
        (reply_frame(Targets(())), "InListPassiveTarget nobody"),
        (reply_frame(Targets((CARD, MEMORY_CARD))), "InListPassiveTarget ISO 14443-4 A, ISO 14443-3 A"),
        (reply_frame(DataExchanged(0x01)), "InDataExchange the card did not answer in time"),
        (reply_frame(DataExchanged(0, TRACK, more=True)), "InDataExchange piece of 23 octets"),
        (command_frame(InDataExchange(1, b"")), "InDataExchange piece of 0 octets"),
        (reply_frame(FirmwareVersion(0x32, 1, 6, 7)), "GetFirmwareVersion PN532 firmware 1.6"),
        (command_frame(RfConfiguration(1, b"\x00")), "RFConfiguration 0100"),
        (Frame(0x00, b""), "frame of 0 octets"),
    ],
)
def test_redacted_events(event: Frame | Signal | Damaged, words: str) -> None:
    assert redacted_event(event) == words


def test_a_continued_piece_is_not_read_as_an_apdu() -> None:
    frame = reply_frame(DataExchanged(0, TRACK))
    assert redacted_event(frame, continued=True) == "InDataExchange piece of 23 octets"


@pytest.mark.parametrize("secret", ["4000009999990016", "08112233"])
def test_a_trace_shows_neither_pan_nor_uid(secret: str) -> None:
    shown = redacted(reply_frame(DataExchanged(0, TRACK)).encode() + reply_frame(Targets((CARD,))).encode())
    assert secret not in shown
    assert "done" in shown


def test_filling_is_told_as_such() -> None:
    assert redacted(bytes.fromhex("5555000000")) == "5 octets to wake or fill"
