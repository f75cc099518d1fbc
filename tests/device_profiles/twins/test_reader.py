# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Invariant: the chip answers sound frames only, one at a time, and a card leaves when it is released or torn away."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_profiles.card_profile import load_card
from device_profiles.twins.card import CardTwin
from device_profiles.twins.reader import FIRMWARE, ROUND_S, Hand, ReaderTwin
from protocols.serial.pn532 import WAKE, Event, Frame, FrameFramer, Signal
from protocols.serial.pn532_chip import (
    Diagnose,
    InCommunicateThru,
    PowerDown,
    ReadRegister,
    SetSerialBaudRate,
    WriteRegister,
)
from protocols.serial.pn532_codec import decode_reply
from protocols.serial.pn532_messages import (
    Code,
    Command,
    DataExchanged,
    Deselected,
    Done,
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
    TargetB,
    Targets,
    command_frame,
)
from tests.device_profiles.twins.hands import EchoCardB, hand
from tests.protocols.serial.captures import sessions

ACK, NACK = Signal.ACK.value, Signal.NACK.value
APDU = bytes.fromhex("00A40400")


def frame(command: Command) -> bytes:
    return command_frame(command).encode()


def heard(octets: bytes) -> list[Event]:
    return FrameFramer().feed(octets)


def reply(octets: bytes) -> Reply:
    (one,) = (event for event in heard(octets) if isinstance(event, Frame))
    return decode_reply(one)


def awake(after_s: float = 0.0) -> ReaderTwin:
    twin = ReaderTwin(hand(after_s)[0])
    twin.feed(WAKE + frame(RfConfiguration(RfItem.RETRIES, b"\xff\x01\x03")), 0.0)
    return twin


def test_it_sleeps_until_woken() -> None:
    twin = ReaderTwin(None)
    assert twin.feed(frame(GetFirmwareVersion()), 0.0) == b""
    octets = twin.feed(WAKE + frame(SamConfiguration()), 0.0)
    assert heard(octets)[0] is Signal.ACK
    assert reply(octets) == Done(Code.SAM_CONFIGURATION)
    assert reply(twin.feed(frame(GetFirmwareVersion()), 0.0)) == FIRMWARE
    assert reply(twin.feed(frame(SetParameters(0x14)), 0.0)) == Done(Code.SET_PARAMETERS)


def test_a_tap_and_a_release() -> None:
    twin = awake(after_s=0.01)
    assert heard(twin.feed(frame(InListPassiveTarget()), 1.0)) == [Signal.ACK]
    assert twin.due == pytest.approx(1.01)
    found = reply(twin.tick(1.01))
    assert isinstance(found, Targets)
    assert len(found.found) == 1
    assert reply(twin.feed(frame(InDataExchange(1, APDU)), 1.1)) == DataExchanged(0, APDU + b"\x90\x00")
    assert reply(twin.feed(frame(InDeselect()), 1.1)) == Deselected()
    assert reply(twin.feed(frame(InRelease()), 1.2)) == Released()
    assert reply(twin.feed(frame(InDataExchange(1, APDU)), 1.3)) == DataExchanged(0x27)


def test_the_search_ends_after_its_rounds() -> None:
    twin = awake(after_s=60.0)
    twin.feed(frame(InListPassiveTarget()), 1.0)
    assert twin.tick(1.0 + 3 * ROUND_S) == b""
    assert reply(twin.tick(1.0 + 4 * ROUND_S)) == Targets(())


def test_an_endless_search_ends_with_our_ack() -> None:
    twin = ReaderTwin(hand(after_s=9.0)[0])
    twin.feed(WAKE + frame(InListPassiveTarget()), 0.0)
    assert twin.due == pytest.approx(9.0)
    assert twin.feed(ACK, 1.0) == b""
    assert twin.tick(9.0) == b""


@pytest.mark.parametrize("modulation", [Modulation.FELICA_212, Modulation.TYPE_B_106, Modulation.JEWEL_106])
def test_other_modulations_find_nobody(modulation: Modulation) -> None:
    twin = awake()
    twin.feed(frame(InListPassiveTarget(1, modulation)), 0.0)
    assert reply(twin.tick(1.0)) == Targets(())


def test_nack_repeats_the_last_reply() -> None:
    twin = awake()
    octets = twin.feed(frame(GetFirmwareVersion()), 0.0)
    assert ACK + twin.feed(NACK, 0.0) == octets


def test_broken_and_unknown_frames() -> None:
    twin = awake()
    broken = bytearray(frame(GetFirmwareVersion()))
    broken[-2] ^= 1
    assert twin.feed(bytes(broken), 0.0) == b""
    assert heard(twin.feed(Frame(0xD4, b"\x99").encode(), 0.0)) == [Signal.ACK, Signal.SYNTAX_ERROR]
    assert twin.feed(Frame(0xD5, b"\x02").encode(), 0.0) == b""


def test_a_torn_card() -> None:
    person, card = hand(0.0, torn_at=0)
    twin = ReaderTwin(person)
    twin.feed(WAKE + frame(InListPassiveTarget()), 0.0)
    assert reply(twin.feed(frame(InDataExchange(1, APDU)), 0.0)) == DataExchanged(0x01)
    assert card.powered == 0


def test_the_field_goes_off() -> None:
    person, card = hand(0.0)
    twin = ReaderTwin(person)
    twin.feed(WAKE + frame(InListPassiveTarget()), 0.0)
    assert card.powered == 1
    twin.feed(frame(RfConfiguration(RfItem.FIELD, b"\x00")), 0.0)
    assert card.powered == 0


def test_without_automatic_rats_there_is_no_ats() -> None:
    twin = awake()
    twin.feed(frame(SetParameters(0x00)), 0.0)
    found = reply(twin.feed(frame(InListPassiveTarget()), 0.0))
    assert isinstance(found, Targets)
    assert found.found[0].ats == b""


def test_a_card_of_type_b() -> None:
    card = EchoCardB()
    twin = ReaderTwin(Hand(card, 0.0))
    twin.feed(WAKE + frame(RfConfiguration(RfItem.RETRIES, b"\xff\x01\x03")), 0.0)
    twin.feed(frame(InListPassiveTarget()), 0.0)
    assert reply(twin.tick(1.0)) == Targets(())
    found = reply(twin.feed(frame(InListPassiveTarget(1, Modulation.TYPE_B_106, b"\x00")), 1.0))
    assert found == Targets((TargetB(1, bytes.fromhex("500811223300000000008171"), b"\x00"),))
    assert reply(twin.feed(frame(InDataExchange(1, APDU)), 1.1)) == DataExchanged(0, APDU + b"\x90\x00")
    twin.feed(frame(InRelease()), 1.2)
    assert card.powered == 0


def test_a_card_that_is_activated_anew_keeps_its_identifier() -> None:
    profile = load_card("test-visa-like")
    draws = iter((b"\x01\x02\x03", b"\x04\x05\x06", b"\x07\x08\x09"))
    twin = ReaderTwin(Hand(CardTwin(profile, lambda _: next(draws)), 0.0))
    first = reply(twin.feed(WAKE + frame(InListPassiveTarget()), 0.0))
    twin.feed(frame(InDeselect()), 0.1)
    again = reply(twin.feed(frame(InListPassiveTarget()), 0.2))
    assert first == again
    twin.feed(frame(RfConfiguration(RfItem.FIELD, b"\x00")), 0.3)
    assert reply(twin.feed(frame(InListPassiveTarget()), 0.4)) != again


def test_the_chip_tests_itself_and_sleeps() -> None:
    twin = awake()
    for asked, answer in (
        (Diagnose(0, bytes(range(256))), b"\x01\x00" + bytes(range(256))),
        (Diagnose(1), b"\x01\x00"),
        (Diagnose(6), b"\x01\x01"),
        (Diagnose(5), b"\x01\x27"),
        (WriteRegister(((0x6302, 0x83),)), b"\x09"),
        (ReadRegister((0x6302, 0x6303)), b"\x07\x83\x00"),
        (SetSerialBaudRate(7), b"\x11"),
        (InCommunicateThru(b"\xe0\x80"), b"\x43\x01"),
        (PowerDown(0xF0), b"\x17\x00"),
    ):
        assert heard(twin.feed(command_frame(asked).encode(), 0.0))[1] == Frame(0xD5, answer)
    assert twin.feed(frame(GetFirmwareVersion()), 0.1) == b""


def test_a_torn_card_behind_a_library() -> None:
    person, card = hand(0.0, torn_at=0)
    twin = ReaderTwin(person)
    twin.feed(WAKE + frame(SetParameters(0)), 0.0)
    twin.feed(frame(InListPassiveTarget()), 0.0)
    for octets, answer in ((b"\xe0\x80", b"\x43\x00\x05\x78\x80\x70\x02"), (b"\x02" + APDU, b"\x43\x01")):
        said = heard(twin.feed(command_frame(InCommunicateThru(octets)).encode(), 0.1))
        assert said[1] == Frame(0xD5, answer)
    assert card.powered == 0


def test_real_clients_are_answered() -> None:
    """What libnfc and nfcpy sent: every command gets its ACK and an answer, and none is unknown to the chip."""
    for exchange in sessions().values():
        twin, now = ReaderTwin(hand(0.0)[0]), 0.0
        for way, octets in exchange:
            now += 1.0
            if way == "host":
                answer = heard(twin.feed(octets, now) + twin.tick(now + 0.9))
                assert answer == [] or answer[0] is Signal.ACK or isinstance(answer[0], Frame)
                assert Signal.SYNTAX_ERROR not in answer


@given(
    st.lists(st.one_of(st.binary(max_size=30), st.sampled_from([frame(InListPassiveTarget()), ACK, NACK])), max_size=10)
)
@settings(max_examples=60, deadline=None)
def test_nothing_on_the_line_breaks_it(pieces: list[bytes]) -> None:
    twin, now = awake(), 0.0
    for piece in pieces:
        now += 0.5
        twin.feed(piece, now)
        twin.tick(now + 0.2)
    twin.tick(now + 1)
    assert reply(twin.feed(frame(GetFirmwareVersion()), now + 2)) == FIRMWARE
