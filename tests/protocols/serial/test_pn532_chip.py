# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Invariant: what libraries ask of the chip itself survives its frame; anything else is a DecodeError."""

import pytest

from protocols.errors import DecodeError
from protocols.serial.framer import Damaged
from protocols.serial.pn532 import HOST_TO_CHIP, Frame, FrameFramer, decode_frame
from protocols.serial.pn532_chip import (
    ChipCommand,
    ChipReply,
    Diagnose,
    InCommunicateThru,
    PowerDown,
    ReadRegister,
    SetSerialBaudRate,
    WriteRegister,
)
from protocols.serial.pn532_codec import decode_command, redacted_event
from protocols.serial.pn532_messages import Code, command_frame, reply_frame
from tests.protocols.serial.captures import sessions

COMMANDS: list[ChipCommand] = [
    Diagnose(0x00, bytes(262)),
    Diagnose(0x06),
    ReadRegister((0x6302, 0x6303)),
    WriteRegister(((0x6302, 0x80), (0x633D, 0x00))),
    SetSerialBaudRate(7),
    PowerDown(0xF0),
    PowerDown(0xB0, 0),
    InCommunicateThru(bytes.fromhex("E080")),
    InCommunicateThru(b""),
]


@pytest.mark.parametrize("command", COMMANDS, ids=repr)
def test_commands_survive(command: ChipCommand) -> None:
    assert decode_command(decode_frame(command_frame(command).encode())) == command


@pytest.mark.parametrize(
    "octets",
    ["00" + "00" * 264, "06", "0663", "08", "086302", "10", "1009", "100000", "16", "16F00000", "42" + "00" * 264],
)
def test_others_are_refused(octets: str) -> None:
    data = bytes.fromhex(octets)
    with pytest.raises(DecodeError):
        decode_command(Frame(HOST_TO_CHIP, data if data[0] != 0x42 else data + b"\x00"))


def test_every_command_of_the_real_clients_is_known() -> None:
    for exchange in sessions().values():
        for way, octets in exchange:
            for event in FrameFramer().feed(octets):
                assert not isinstance(event, Damaged)
                if way == "host" and isinstance(event, Frame):
                    assert command_frame(decode_command(event)) == event


def test_octets_for_a_card_are_not_shown() -> None:
    shown = redacted_event(command_frame(InCommunicateThru(bytes.fromhex("0200B2010C00"))))
    assert shown == "InCommunicateThru"
    assert "6F" not in repr(ChipReply(Code.IN_COMMUNICATE_THRU, b"\x6f"))
    assert reply_frame(ChipReply(Code.DIAGNOSE, b"\x00")).data == b"\x01\x00"
