# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The virtual card: its cryptogram against another implementation, its states, its refusals; nothing breaks it."""

import dataclasses

import pyemv
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_profiles.card_profile import CardProfile, load_card
from device_profiles.twins.activation import Activation
from device_profiles.twins.card import ALLOWED, CardTorn, CardTwin, State
from protocols.emv import apdu, dol, tlv
from protocols.emv.apdu import Command, Ins, Response

PROFILE = load_card("test-visa-like")
AID = bytes.fromhex("A0000000031010")
TERMINAL = {
    0x9F66: "24C00000",
    0x9F02: "000000004200",
    0x9F03: "000000000000",
    0x9F1A: "0276",
    0x95: "0000000000",
    0x5F2A: "0978",
    0x9A: "251122",
    0x9C: "00",
    0x9F37: "1A2B3C4D",
}


def card(profile: CardProfile = PROFILE, atc: int = 0) -> CardTwin:
    twin = CardTwin(profile, lambda count: b"\xa5" * count, atc)
    twin.power_on()
    return twin


def changed(**changes: object) -> CardProfile:
    """The test card with another application."""
    application = dataclasses.replace(PROFILE.application, **changes)  # type: ignore[arg-type]  # as each test needs
    return dataclasses.replace(PROFILE, application=application)


def ask(twin: CardTwin, command: Command | bytes) -> Response:
    octets = command if isinstance(command, bytes) else command.encode()
    return Response.decode(twin.apdu(octets))


def pay(twin: CardTwin, **changes: str) -> Response:
    """SELECT and GET PROCESSING OPTIONS with the usual terminal's data; ``tag9F66="..."`` changes one object."""
    selected = ask(twin, apdu.select(AID))
    assert selected.ok
    pdol = tlv.decode(selected.data).inside(0x6F, 0xA5)
    assert pdol is not None
    given = TERMINAL | {int(name[3:], 16): value for name, value in changes.items()}
    values = dol.fill(dol.decode(pdol.first(0x9F38) or b""), {tag: bytes.fromhex(text) for tag, text in given.items()})
    return ask(twin, apdu.get_processing_options(values))


def objects(response: Response) -> dict[int, bytes]:
    assert response.ok
    return dict(tlv.decode(response.data).leaves())


def expected_cryptogram(answer: dict[int, bytes], version: int = 10) -> bytes:
    """The cryptogram by pyemv, from the issuer's master key."""
    issuer_key = bytes.fromhex(PROFILE.keys.test_mk_ac)
    key = pyemv.kd.derive_icc_mk_a(issuer_key, PROFILE.application.pan, "01")
    if version == 17:
        data = bytes.fromhex(TERMINAL[0x9F02] + TERMINAL[0x9F37]) + answer[0x9F36] + answer[0x9F10][4:5]
        return pyemv.ac.generate_ac(key, data, pyemv.ac.PaddingType.VISA)
    data = bytes.fromhex("".join(value for tag, value in TERMINAL.items() if tag != 0x9F66))
    data += answer[0x82] + answer[0x9F36]
    if version == 18:
        session = pyemv.kd.derive_common_sk(key, answer[0x9F36] + bytes(6))
        return pyemv.ac.generate_ac(session, data + answer[0x9F10], pyemv.ac.PaddingType.EMV)
    return pyemv.ac.generate_ac(key, data + answer[0x9F10][3:], pyemv.ac.PaddingType.VISA)


def test_the_tap() -> None:
    twin = CardTwin(PROFILE, lambda count: bytes(range(count)))
    assert twin.power_on() == Activation(b"\x00\x04", 0x20, bytes.fromhex("08000102"), bytes.fromhex("0578807002"))


def test_the_directory_and_the_application() -> None:
    twin = card()
    listed = tlv.decode(ask(twin, apdu.select(apdu.PPSE)).data).inside(0x6F, 0xA5, 0xBF0C, 0x61)
    assert listed == ((0x4F, AID), (0x50, b"TEST CREDIT"), (0x87, b"\x01"))
    assert ask(twin, apdu.select(AID[:5])).ok
    selected = tlv.decode(ask(twin, apdu.select(AID)).data)
    assert selected.inside(0x6F) is not None
    assert (selected.inside(0x6F) or tlv.Objects()).first(0x84) == AID


def test_a_payment() -> None:
    twin = card()
    answer = objects(pay(twin))
    assert {f"{tag:X}": value.hex().upper() for tag, value in answer.items() if tag != 0x9F26} == {
        "82": "0000",
        "94": "10010100",
        "57": "4000009999990016D281220115757000000F",
        "5F34": "01",
        "9F10": "06010A03A00000",
        "9F27": "80",
        "9F36": "0001",
        "9F6C": "8000",
    }
    record = objects(ask(twin, apdu.read_record(2, 1)))
    assert record == {
        0x5A: bytes.fromhex("4000009999990016"),
        0x5F24: bytes.fromhex("281231"),
        0x5F28: bytes.fromhex("0276"),
        0x9F07: bytes.fromhex("FF00"),
    }


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")  # pyemv's own imports
@pytest.mark.parametrize("version", [10, 17, 18])
@pytest.mark.parametrize("atc", [0, 1, 0x1233])
def test_the_cryptogram_is_what_another_implementation_makes(version: int, atc: int) -> None:
    answer = objects(pay(card(changed(cryptogram_version=version), atc)))
    assert answer[0x9F36] == (atc + 1).to_bytes(2, "big")
    assert answer[0x9F26] == expected_cryptogram(answer, version)


@pytest.mark.parametrize("tag", [tag for tag in TERMINAL if tag not in (0x9F66, 0x95)])
def test_the_cryptogram_covers_what_the_terminal_gives(tag: int) -> None:
    other = "01" * (len(TERMINAL[tag]) // 2)
    assert objects(pay(card()))[0x9F26] != objects(pay(card(), **{f"tag{tag:X}": other}))[0x9F26]


def test_the_counter_rises_and_survives_the_field() -> None:
    twin = card()
    cryptograms = set()
    for count in range(1, 4):
        answer = objects(pay(twin))
        assert answer[0x9F36] == count.to_bytes(2, "big")
        cryptograms.add(answer[0x9F26])
        twin.power_off()
        twin.power_on()
    assert len(cryptograms) == 3


def test_the_counter_ends() -> None:
    twin = card(atc=0xFFFE)
    assert objects(pay(twin))[0x9F36] == b"\xff\xff"
    assert pay(twin).status == 0x6985
    assert twin.atc == 0xFFFF


@pytest.mark.parametrize(
    ("qualifiers", "changes", "ctq"),
    [
        ("24800000", {}, "0000"),
        ("24C00000", {}, "8000"),
        ("26C00000", {}, "8000"),
        ("22C00000", {"signature": True}, "4000"),
        ("26C00000", {"online_pin": False, "signature": True}, "4000"),
        ("24C04000", {"device_verification": True}, "0080"),
        ("24C00000", {"device_verification": True}, "8000"),
    ],
)
def test_how_the_holder_is_to_be_verified(qualifiers: str, changes: dict[str, object], ctq: str) -> None:
    assert objects(pay(card(changed(**changes)), tag9F66=qualifiers))[0x9F6C] == bytes.fromhex(ctq)


@pytest.mark.parametrize(
    ("qualifiers", "status"),
    [("20C00000", 0x6984), ("22C00000", 0x6984), ("80C00000", 0x6985), ("04C00000", 0x6985)],
)
def test_payments_that_the_card_does_not_take(qualifiers: str, status: int) -> None:
    twin = card()
    assert pay(twin, tag9F66=qualifiers).status == status
    assert twin.atc == 0


def test_an_offline_only_reader_is_declined() -> None:
    answer = objects(pay(card(), tag9F66="2C800000"))
    assert answer[0x9F27] == b"\x00"
    assert answer[0x9F10] == bytes.fromhex("06010A03800000")


@pytest.mark.parametrize(
    ("command", "status"),
    [
        ("00A4040007A0000000041010", 0x6A82),
        ("00A4040004A0000000", 0x6A82),
        ("00A4040207A0000000031010", 0x6A82),
        ("00A4000007A0000000031010", 0x6A86),
        ("00A4040107A0000000031010", 0x6A86),
        ("80A4040007A0000000031010", 0x6E00),
        ("84A8000002830000", 0x6E00),
        ("00B0000000", 0x6D00),
        ("0020008008241234FFFFFFFFFF", 0x6D00),
        ("80A8000002830000", 0x6985),
        ("00B2011400", 0x6985),
        ("00A4040007A00000", 0x6700),
        ("00A4", 0x6700),
        ("", 0x6700),
    ],
)
def test_refusals_before_selection(command: str, status: int) -> None:
    assert ask(card(), bytes.fromhex(command)) == Response(b"", status)


@pytest.mark.parametrize(
    ("command", "status"),
    [
        ("80A8000002830000", 0x6A80),
        ("80A8000002840000", 0x6A80),
        ("80A80000", 0x6A80),
        ("80A8010002830000", 0x6A86),
        ("80A80000" + "25" + "8321" + "00" * 33 + "8300", 0x6A80),
        ("00B2011300", 0x6A86),
        ("00B2010C00", 0x6A82),
        ("00B2021400", 0x6A83),
    ],
)
def test_refusals_after_selection(command: str, status: int) -> None:
    twin = card()
    assert ask(twin, apdu.select(AID)).ok
    assert ask(twin, bytes.fromhex(command)) == Response(b"", status)
    assert twin.atc == 0


def test_one_payment_for_each_selection() -> None:
    twin = card()
    assert pay(twin).ok
    again = apdu.get_processing_options(bytes(33))
    assert ask(twin, again).status == 0x6985
    assert pay(twin).ok


def test_a_blocked_application() -> None:
    assert ask(card(changed(blocked=True)), apdu.select(AID)).status == 0x6283


def test_outside_the_field_there_is_no_answer() -> None:
    twin = CardTwin(PROFILE, bytes)
    with pytest.raises(CardTorn):
        twin.apdu(apdu.select(AID).encode())
    twin.power_on()
    assert ask(twin, apdu.select(AID)).ok
    twin.power_off()
    with pytest.raises(CardTorn):
        twin.apdu(apdu.select(AID).encode())


REACHED = {
    State.IDLE: (),
    State.DIRECTORY: (apdu.select(apdu.PPSE),),
    State.APPLICATION: (apdu.select(AID),),
}
COMMANDS = {
    Ins.SELECT: apdu.select(AID),
    Ins.GET_PROCESSING_OPTIONS: apdu.get_processing_options(bytes.fromhex("20") + bytes(32)),
    Ins.READ_RECORD: apdu.read_record(2, 1),
}


@pytest.mark.parametrize("state", [State.IDLE, State.DIRECTORY, State.APPLICATION, State.PROCESSED])
@pytest.mark.parametrize("instruction", list(COMMANDS))
def test_all_states_and_commands(state: State, instruction: Ins) -> None:
    twin = card()
    if state is State.PROCESSED:
        assert pay(twin).ok
    else:
        for command in REACHED[state]:
            ask(twin, command)
    assert twin.state is state
    answer = ask(twin, COMMANDS[instruction])
    if state in ALLOWED[instruction][1]:
        assert answer.ok
    else:
        assert answer.status == 0x6985
        assert twin.state is state


@given(st.lists(st.binary(max_size=60), max_size=6))
@settings(max_examples=150, deadline=None)
def test_no_octets_break_it(commands: list[bytes]) -> None:
    twin = card()
    for command in commands:
        assert len(twin.apdu(command)) >= 2


@given(st.lists(st.sampled_from([*(command.encode() for command in COMMANDS.values()), b"\x80\xa8"]), max_size=12))
@settings(max_examples=100, deadline=None)
def test_its_counter_counts_its_cryptograms(commands: list[bytes]) -> None:
    twin = card()
    given = sum(twin.apdu(command).startswith(b"\x77") for command in commands)
    assert twin.atc == given


def test_it_prints_no_secrets() -> None:
    text = repr(PROFILE) + str(PROFILE)
    for secret in (PROFILE.application.pan, PROFILE.keys.test_mk_ac, PROFILE.cardholder.test_pin):
        assert secret not in text
