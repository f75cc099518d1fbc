# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The virtual contact card: selection, records, which command when, its chip, its view under T=0."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_profiles.card_profile import load_card
from device_profiles.twins.card import CardTorn, CardTwin
from device_profiles.twins.card_t0 import T0View
from device_profiles.twins.contact_card import ALLOWED, ContactCardTwin, State
from protocols.emv import apdu, tlv
from protocols.emv.apdu import Command, Ins
from protocols.emv.tags import Tag
from tests.device_profiles.twins.contact_desk import (
    AAC,
    AID,
    ARQC,
    PROFILE,
    ask,
    begin,
    changed,
    generate,
    powered,
    values,
)
from tillguard.voice import Fault

pytestmark = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")


# Selection, records, states


def test_the_directory() -> None:
    twin = powered()
    answer = tlv.decode(ask(twin, apdu.select(apdu.PSE)).data).inside(0x6F, 0xA5)
    assert answer is not None
    assert answer.first(0x88) == b"\x01"
    entry = tlv.decode(ask(twin, apdu.read_record(1, 1)).data).inside(0x70, 0x61)
    assert entry is not None
    assert entry.first(0x4F) == AID
    assert ask(twin, apdu.read_record(1, 2)).status == 0x6A83
    assert ask(twin, apdu.read_record(2, 1)).status == 0x6A82


@pytest.mark.parametrize(
    ("name", "following", "status"),
    [
        ("A0000000031010", False, 0x9000),
        ("A000000003", False, 0x9000),
        ("A000000003", True, 0x6A82),
        ("A000000004", False, 0x6A82),
        ("A000000003101001", False, 0x6A82),
    ],
)
def test_selection_by_name(name: str, following: bool, status: int) -> None:
    assert ask(powered(), apdu.select(bytes.fromhex(name), following=following)).status == status


def test_a_blocked_application() -> None:
    profile = dataclasses.replace(PROFILE, application=dataclasses.replace(PROFILE.application, blocked=True))
    assert ask(powered(profile), apdu.select(AID)).status == 0x6283


@pytest.mark.parametrize("response_format", [1, 2])
def test_records_hold_what_a_terminal_needs(response_format: int) -> None:
    twin = powered(changed(response_format=response_format))
    ask(twin, apdu.select(AID))
    options = ask(twin, apdu.get_processing_options(b"")).data
    assert options[0] == {1: 0x80, 2: 0x77}[response_format]
    found: dict[int, bytes] = {}
    for sfi in (1, 2):
        found |= dict(tlv.decode(ask(twin, apdu.read_record(sfi, 1)).data).leaves())
    assert {0x5A, 0x57, 0x5F24, 0x5F34, 0x8C, 0x8D, 0x8E, 0x9F07, 0x9F08, 0x9F0D, 0x9F0E, 0x9F0F} <= set(found)


NOT_PERSONALISED = {Ins.INTERNAL_AUTHENTICATE, Ins.GET_CHALLENGE, Ins.VERIFY}
"""This card has no key of its own and verifies no PIN."""
STATUSES = {0x6985, 0x6E00, 0x6D00, 0x6700, 0x6A82, 0x6A83, 0x6A86, 0x6A88, 0x6A80, 0x6300, 0x9000}


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("ins", [*Ins, 0xFF])
def test_every_command_in_every_state(state: State, ins: int) -> None:
    for cla in (0x00, 0x80, 0x84):
        twin = powered()
        twin.state = state
        command = Command(cla, ins, 0x00, 0x00, bytes(33)).encode()
        if state is State.OFF:
            with pytest.raises(CardTorn):
                twin.apdu(command)
            continue
        status = ask(twin, command).status
        assert status in STATUSES
        if ins not in ALLOWED or ins in NOT_PERSONALISED:
            assert status == 0x6D00
        elif ALLOWED[ins][0] != cla:
            assert status == 0x6E00
        elif state not in ALLOWED[ins][1]:
            assert (status, twin.state) == (0x6985, state)


@pytest.mark.parametrize(
    ("command", "status"),
    [
        ("80AE40002100", 0x6700),
        ("80AEC0001D" + "00" * 29, 0x6A86),
        ("80AE90001D" + "00" * 29, 0x6A86),
        ("80AE80011D" + "00" * 29, 0x6A86),
        ("80AE80001C" + "00" * 28, 0x6700),
    ],
)
def test_cryptograms_that_cannot_be(command: str, status: int) -> None:
    twin = powered()
    begin(twin)
    assert ask(twin, bytes.fromhex(command)).status == status


def test_no_second_question_at_the_end() -> None:
    twin = powered()
    begin(twin)
    generate(twin, ARQC)
    assert ask(twin, apdu.generate_ac(ARQC, values(Tag.CDOL_2))).status == 0x6A86
    generate(twin, AAC, Tag.CDOL_2)
    assert ask(twin, apdu.generate_ac(AAC, values(Tag.CDOL_2))).status == 0x6985


@given(st.binary(max_size=60), st.integers(0, 3))
@settings(max_examples=200, deadline=None)
def test_any_command(octets: bytes, how_far: int) -> None:
    twin = powered()
    if how_far:
        begin(twin)
    if how_far > 1:
        generate(twin, ARQC)
    size = bytes((len(octets),))
    for sent in (octets, b"\x80\xae\x40\x00" + size + octets, b"\x00\x82\x00\x00" + size + octets):
        assert ask(twin, sent).status in STATUSES


# Which chip a card has


def test_each_twin_wants_its_chip() -> None:
    with pytest.raises(Fault, match="has contacts only"):
        CardTwin(PROFILE, bytes)
    with pytest.raises(Fault, match="has no contacts"):
        ContactCardTwin(load_card("test-visa-like"))


# The view under T=0


def test_the_t0_view_is_honest_about_lengths() -> None:
    assert PROFILE.contact is not None
    view = T0View(ContactCardTwin(PROFILE), bytes.fromhex(PROFILE.contact.atr_t0))
    assert view.power_on() == view.atr
    assert view.atr[1] >> 4 & 0x8 == 0, "no TD1: T=0 only"
    assert view.apdu(apdu.select(AID).encode()).hex() == "6122"
    assert view.apdu(bytes.fromhex("00C0000021")).hex()[-4:] == "6101"
    assert len(view.apdu(bytes.fromhex("00C0000001"))) == 3
    assert view.apdu(bytes.fromhex("00C0000001")).hex() == "6985"
    assert view.apdu(bytes.fromhex("80CA9F3600")).hex() == "6c05"
    assert view.apdu(bytes.fromhex("80CA9F3605")).hex() == "9f360200009000"
    assert view.apdu(b"\x00") == b"\x67\x00"
    view.power_off()
    with pytest.raises(CardTorn):
        view.apdu(apdu.select(AID).encode())


def test_the_t0_view_tells_a_warning_before_its_data() -> None:
    class Warned:
        atr = b"\x3b\x00"

        def power_on(self) -> bytes:
            return self.atr

        def power_off(self) -> None:
            pass

        def apdu(self, command: bytes) -> bytes:
            return b"\x6f\x00\x62\x83"

    view = T0View(Warned(), b"\x3b\x00")
    assert view.apdu(apdu.select(AID).encode()).hex() == "6283"
    assert view.apdu(bytes.fromhex("00C0000000")).hex() == "6c02"
    assert view.apdu(bytes.fromhex("00C0000002")).hex() == "6f009000"
