# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Invariant: a command is read as it was built, recorded ones too; no trace shows a PAN, a key or data."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import DecodeError, EncodeError
from protocols.pan import Pan
from protocols.serial.abecs import Control, Packet, decode_packet
from protocols.serial.abecs_messages import (
    LONGEST_ENCIPHER,
    OPEN,
    Command,
    Parameter,
    PinBlock,
    PinMethod,
    PinRequest,
    Response,
    Status,
    close,
    decode_command,
    decode_parameters,
    decode_pin_block,
    decode_pin_request,
    decode_response,
    display,
    encipher,
    get_info,
    parameters,
    redacted_command,
    redacted_response,
    status_words,
)
from protocols.serial.framer import Damaged

RECORDED: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[2] / "vectors" / "abecs_pinpad_frames.json").read_text()
)["facts"]
TEST_PAN = Pan("4000009999990016")
ASKED = PinRequest(PinMethod.DUKPT_TDES, 1, TEST_PAN, "EUR 42.00       ENTER PIN")
KEY, IV = bytes(range(16)), bytes(8)


@pytest.mark.parametrize("fact", RECORDED, ids=range(len(RECORDED)))
def test_recorded_commands(fact: dict[str, Any]) -> None:
    packet = decode_packet(bytes.fromhex(fact["frame"]))
    command = decode_command(packet)
    assert command.name == fact["cmd"]
    assert command.packet() == packet
    if fact["cmd"] == "DSP":
        assert display(command.blocks[0].decode("ascii").rstrip()) == command


def test_recorded_questions_for_properties() -> None:
    assert get_info().packet().encode().hex() == RECORDED[0]["frame"]
    asked = decode_parameters(decode_command(decode_packet(bytes.fromhex(RECORDED[1]["frame"]))).blocks, "GIX")
    assert len(asked[Parameter.IDENTIFIERS]) == 12


@pytest.mark.parametrize(
    "command",
    [
        OPEN,
        close(),
        display("HELLO"),
        get_info(Parameter.SERIAL_NUMBER),
        ASKED.command(),
        encipher(2, KEY, IV, bytes(8)),
    ],
    ids=lambda command: command.name,
)
def test_a_command_is_read_as_it_was_built(command: Command) -> None:
    assert decode_command(command.packet()) == command
    assert "00" not in repr(command).split("(")[1].split(",")[0]


def test_a_pin_request_is_read_as_it_was_built() -> None:
    command = ASKED.command()
    assert len(command.blocks[0]) == 93
    assert command.packet().data.startswith(b"GPN093301" + b"0" * 32 + b"164000009999990016   10412EUR 42.00")
    assert decode_pin_request(command) == ASKED


@pytest.mark.parametrize("place", range(93))
def test_no_field_of_a_pin_request_takes_anything(place: int) -> None:
    """Whatever stands at a place, it is refused or read as what it is; nothing else happens."""
    block = bytearray(ASKED.command().blocks[0])
    for octet in (0x00, 0x20, 0x39, 0x41, 0xFF):
        block[place] = octet
        try:
            read = decode_pin_request(Command("GPN", (bytes(block),)))
        except DecodeError:
            continue
        assert read.command().blocks[0].upper() == bytes(block).upper()


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (lambda: display("x" * 33), "32 printable"),
        (lambda: display("é"), "32 printable"),
        (lambda: encipher(100, KEY, IV, bytes(8)), "key index"),
        (lambda: encipher(2, KEY[:8], IV, bytes(8)), "16 octets"),
        (lambda: encipher(2, KEY, IV, bytes(9)), "whole 8-octet blocks"),
        (lambda: encipher(2, KEY, IV, bytes(LONGEST_ENCIPHER + 8)), "at most 256"),
        (lambda: PinRequest(PinMethod.DUKPT_TDES, 100, TEST_PAN, "").command(), "key index"),
        (lambda: PinRequest(PinMethod.DUKPT_TDES, 1, TEST_PAN, "x" * 33).command(), "message"),
        (lambda: Command("DSP", (bytes(1000),)).packet(), "999"),
        (lambda: Response("DSP", 1000).packet(), "three digits"),
    ],
)
def test_what_cannot_be_said(made: Callable[[], object], why: str) -> None:
    with pytest.raises(EncodeError, match=why):
        made()


@given(st.binary(min_size=1, max_size=120))
def test_garbage_gives_only_our_errors(data: bytes) -> None:
    for packet in (Packet(data), Packet(b"GPN" + data), Packet(b"GPN000" + data), Packet(b"EBX" + data)):
        assert redacted_command(packet)
        assert redacted_response(packet)
        for read in (decode_command, decode_response):
            try:
                said = read(packet)
                decode_parameters(said.blocks, "test")
            except DecodeError as fault:
                assert str(fault)


def test_responses() -> None:
    entered = PinBlock(bytes(range(8)), bytes(range(10)))
    response = Response("GPN", Status.OK, (entered.data(),))
    assert decode_response(response.packet()) == response
    assert decode_pin_block(response) == entered
    for wrong in (Response("GPN", 0), Response("GPN", 0, (b"00" * 17,)), Response("GPN", 0, (b"ZZ" * 18,))):
        with pytest.raises(DecodeError):
            decode_pin_block(wrong)
    assert decode_response(Packet(b"ERR010")) == Response("ERR", 10)
    for octets in (b"GPN", b"GPN0", b"GPNabc", b"GPN000005xx", b"gpn000"):
        with pytest.raises(DecodeError):
            decode_response(Packet(octets))


def test_parameters() -> None:
    values = {Parameter.DATA_OUT: b"\x00\x01", Parameter.KSN: b""}
    assert decode_parameters((parameters(values),), "test") == values
    for block in (b"\x80", b"\x80\x4e\x00\x05x", parameters(values) * 2):
        with pytest.raises(DecodeError, match="test"):
            decode_parameters((block,), "test")


def test_words_of_a_trace() -> None:
    said = redacted_command(ASKED.command().packet())
    assert "400000******0016" in said
    assert TEST_PAN.digits not in said
    assert redacted_command(encipher(2, KEY, IV, TEST_PAN.digits.encode()).packet()) == "EBX 64 octets"
    entered = Response("GPN", 0, (PinBlock(bytes(8), bytes.fromhex("FFFF9876543240E00001")).data(),))
    assert redacted_response(entered.packet()) == "GPN success, KSN FFFF9876543240E00001, block of 8 octets"
    assert redacted_response(Response("GPN", 44).packet()) == "GPN PIN entries follow one another too fast"
    assert redacted_response(Packet(b"?")) == "packet of 1 octets"
    assert redacted_command(Control.CAN) == "CAN"
    assert redacted_response(Damaged("why")) == "damaged (why)"
    assert status_words(99) == "status 099"
