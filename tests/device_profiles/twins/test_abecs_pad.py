# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Invariant: the twin answers as protocol 2.12 has it, and nothing but an enciphered block leaves it."""

import pytest

from device_profiles.twins.abecs_pad import AbecsPadTwin
from device_profiles.twins.pinpad_cardholder import Key
from protocols.serial.abecs import Control, Event, Packet, PacketFramer
from protocols.serial.abecs_messages import (
    OPEN,
    Command,
    Parameter,
    PinMethod,
    PinRequest,
    close,
    decode_parameters,
    decode_response,
    display,
    encipher,
    get_info,
    parameters,
)
from tests.device_profiles.twins.pads import TEST_PAN, abecs_pad

ASKED = PinRequest(PinMethod.DUKPT_TDES, 1, TEST_PAN, "EUR 42.00       ENTER PIN").command()
KEY = bytes(range(16))


def heard(octets: bytes) -> list[Event]:
    return PacketFramer().feed(octets)


def asked(twin: AbecsPadTwin, command: Command, now: float = 0.0) -> str:
    """Name and status of the response."""
    events = heard(twin.feed(command.packet().encode(), now))
    assert events[0] is Control.ACK
    assert isinstance(events[1], Packet)
    response = decode_response(events[1])
    return f"{response.name}{response.status:03d}"


def at_work() -> AbecsPadTwin:
    twin, _ = abecs_pad(None)
    assert asked(twin, OPEN) == "OPN000"
    return twin


def test_nothing_before_a_session_and_nothing_after() -> None:
    twin, _ = abecs_pad(None)
    assert asked(twin, display("x")) == "DSP010"
    assert asked(twin, OPEN) == "OPN000"
    assert asked(twin, display("x")) == "DSP000"
    assert asked(twin, close()) == "CLX000"
    assert asked(twin, ASKED) == "GPN010"


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        (Command("XYZ"), "ERR010"),
        (Command("OPN", (b"secure",)), "OPN011"),
        (Command("DSP", (b"short",)), "DSP011"),
        (Command("DSP", (b"\x00" * 32,)), "DSP011"),
        (Command("GIX", (b"\x00",)), "GIX011"),
        (Command("GPN", (b"short",)), "GPN011"),
        (Command("EBX", (b"",)), "EBX019"),
        (PinRequest(PinMethod.MASTER_TDES, 1, TEST_PAN, "").command(), "GPN042"),
        (PinRequest(PinMethod.DUKPT_TDES, 2, TEST_PAN, "").command(), "GPN042"),
        (encipher(3, KEY, bytes(8), bytes(8)), "EBX042"),
        (encipher(2, KEY, bytes(8), bytes(8)), "EBX000"),
        (
            Command(
                "EBX",
                (
                    parameters(
                        {
                            Parameter.DATA_IN: b"odd",
                            Parameter.DATA_METHOD: b"11",
                            Parameter.KEY_INDEX: b"02",
                            Parameter.WORKING_KEY: KEY,
                        }
                    ),
                ),
            ),
            "EBX011",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_statuses(command: Command, answer: str) -> None:
    assert asked(at_work(), command) == answer


def test_properties() -> None:
    twin = at_work()
    events = heard(twin.feed(get_info().packet().encode(), 0.0))
    assert isinstance(events[1], Packet)
    found = decode_parameters(decode_response(events[1]).blocks, "GIX")
    assert found[Parameter.SERIAL_NUMBER] == b"TGABE0000001"
    assert found[Parameter.DUKPT_KEYS_FOR_PINS] == b"01" + b"0" * 98
    assert found[Parameter.MASTER_KEYS_FOR_DATA] == b"001" + b"0" * 97
    events = heard(twin.feed(get_info(Parameter.MODEL).packet().encode(), 0.0))
    assert isinstance(events[1], Packet)
    assert set(decode_parameters(decode_response(events[1]).blocks, "GIX")) == {Parameter.MODEL}


def test_a_response_is_repeated_twice_and_no_more() -> None:
    twin = at_work()
    said = twin.feed(display("x").packet().encode(), 0.0)[1:]
    nak = bytes((Control.NAK,))
    assert [twin.feed(nak, 0.0) for _ in range(3)] == [said, said, b""]
    assert twin.feed(b"\x16garbage\x17\x00\x00", 0.0) == nak


def test_can_ends_whatever_it_does() -> None:
    twin = at_work()
    can, eot = bytes((Control.CAN,)), bytes((Control.EOT,))
    assert twin.feed(can, 0.0) == eot
    twin.feed(ASKED.packet().encode(), 0.0)
    twin.press(1, 1.0)
    assert twin.due is not None
    assert twin.feed(can, 2.0) == eot
    assert twin.due is None
    assert twin.press(Key.ENTER, 2.0) == b""


def test_keys_one_by_one() -> None:
    twin, engine = abecs_pad(None)
    asked(twin, OPEN)
    twin.feed(ASKED.packet().encode(), 0.0)
    for key in (1, 2, Key.ENTER, Key.CLEAR, 7, 3, 9, 1):
        assert twin.press(key, 1.0) == b""
    assert "ENTER PIN ****" in twin.drain_shown()[-1].text
    (said,) = heard(twin.press(Key.ENTER, 1.0))
    assert isinstance(said, Packet)
    assert decode_response(said).status == 0
    assert len(engine.made) == 1


def test_a_minute_without_a_key_ends_it() -> None:
    twin = at_work()
    twin.feed(ASKED.packet().encode(), 0.0)
    twin.press(1, 30.0)
    assert twin.due == pytest.approx(90.0)
    (said,) = heard(twin.tick(90.0))
    assert isinstance(said, Packet)
    assert decode_response(said).status == 12
