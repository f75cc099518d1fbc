# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The CCID reader twin and the card's side of T=1, against what a real driver sent; its whole run is on the rungs."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_profiles.twins.card_t1 import T1Card
from device_profiles.twins.ccid_reader import CcidReader, Kind
from device_profiles.twins.keypad import Keypad
from device_profiles.twins.pinpad_cardholder import Behaviour, Cardholder
from protocols.emv import t1
from protocols.errors import DecodeError
from protocols.pcsc.features import EMV_PLAINTEXT, EMV_VERIFY, PinVerify
from protocols.secret import Pin
from protocols.serial.ccid import Fault, Framer, Message, Type
from tests.device_profiles.twins.pcscd_client import ATR_T1, PlainCard

CAPTURES = json.loads((Path(__file__).parents[2] / "vectors/ccid_serial_captures.json").read_text())["facts"]
VERIFY = PinVerify(EMV_VERIFY, EMV_PLAINTEXT).encode()
AS_CCID = b"\x00" + VERIFY[:1] + VERIFY[2:15] + VERIFY[19:]


def answers(reader: CcidReader, *asked: Message, now: float = 0.0) -> list[Message]:
    said = b"".join(reader.feed(message.framed(), now) for message in asked)
    return [event for event in Framer().feed(said) if isinstance(event, Message)]


def last(reader: CcidReader, kind: Type, data: bytes = b"", specific: bytes = b"\0\0\0", slot: int = 0) -> Message:
    return answers(reader, Message(kind, slot, 9, specific, data))[-1]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("GemPCPinPad ATR 3B6800000073C84000009000", Kind.PIN_PAD),
        ("GemCorePOSPro ATR 3B800181", Kind.POS_PRO),
        ("GemPCTwin ATR 3B6800000073C84000009000", Kind.TWIN),
    ],
)
def test_everything_a_real_driver_sends_is_answered_in_kind(name: str, kind: Kind) -> None:
    """Type and slot of each answer are those of the recorded session; its card's answers were another's."""
    reader = CcidReader(kind)
    for slot in range(reader.shape.slots):
        reader.insert(PlainCard(atr=bytes.fromhex(name.rpartition(" ")[2])), slot)
    recorded = [(direction, bytes.fromhex(octets)) for direction, octets in CAPTURES[name]]
    compared = 0
    for place, (direction, octets) in enumerate(recorded):
        if direction != "host->reader" or octets[2] == Type.SECURE:
            continue
        expected = []
        for other, more in recorded[place + 1 :]:
            if other == "host->reader":
                break
            expected.append((more[2], more[7], more[8]))
        said = [event for event in Framer().feed(reader.feed(octets, 0.0)) if isinstance(event, Message)]
        assert [(one.kind, one.slot, one.sequence) for one in said] == expected
        compared += 1
    assert compared > 20


def test_the_slot_says_what_is_in_it() -> None:
    reader = CcidReader(Kind.TWIN)
    assert last(reader, Type.GET_SLOT_STATUS).specific[0] == 2
    reader.insert(PlainCard())
    assert last(reader, Type.GET_SLOT_STATUS).specific[0] == 1
    assert last(reader, Type.ICC_POWER_ON).data == ATR_T1
    assert last(reader, Type.GET_SLOT_STATUS).specific[0] == 0
    assert last(reader, Type.ICC_POWER_OFF).specific[0] == 1
    reader.insert(None)
    mute = last(reader, Type.ICC_POWER_ON)
    assert (mute.specific[0], mute.specific[1]) == (0x41, Fault.ICC_MUTE)
    reader.remove()
    assert last(reader, Type.XFR_BLOCK, b"\x00").specific == bytes((0x42, Fault.ICC_MUTE, 0))


def test_what_it_does_not_do() -> None:
    reader = CcidReader(Kind.POS_PRO)
    assert last(reader, Type.GET_SLOT_STATUS, slot=5).specific[1] == Fault.BAD_SLOT
    assert last(reader, Type.T0_APDU).specific == bytes((0x42, Fault.NOT_SUPPORTED, 0))
    assert last(reader, Type.SECURE, AS_CCID).specific[1] == Fault.NOT_SUPPORTED


def test_a_damaged_command_is_asked_for_again_and_a_lost_answer_said_again() -> None:
    reader = CcidReader(Kind.POS_PRO)
    reader.insert(PlainCard())
    good = Message(Type.ICC_POWER_ON, 0, 1).framed()
    assert reader.feed(good[:-1] + b"\x00", 0.0) == bytes.fromhex("031516")
    said = reader.feed(good, 0.0)
    assert reader.feed(bytes.fromhex("031516"), 0.0) == said


def test_a_card_that_tears() -> None:
    torn: list[int] = []
    reader = CcidReader(Kind.POS_PRO, told_torn=torn.append)
    reader.insert(PlainCard(torn=True), 3)
    last(reader, Type.ICC_POWER_ON, slot=3)
    assert last(reader, Type.XFR_BLOCK, b"\x00", slot=3).specific[0] == 0x42
    assert torn == [3]


@pytest.mark.parametrize("protocol", [0, 1])
def test_a_pin_is_typed(protocol: int) -> None:
    card = PlainCard()
    reader = CcidReader(Kind.PIN_PAD, Keypad(Cardholder(Pin.from_text("27418"), Behaviour.RIGHT_PIN, 0.1)))
    reader.insert(card)
    last(reader, Type.ICC_POWER_ON)
    last(reader, Type.SET_PARAMETERS, b"\x11\x00\x00\x0a\x00", bytes((protocol, 0, 0)))
    asked = AS_CCID[:12] + (b"\x00\x00\x0d" if protocol else bytes(3)) + AS_CCID[15:]
    (echo,) = answers(reader, Message(Type.SECURE, 0, 9, data=asked), now=5.0)
    assert echo.kind == Type.SECURE
    assert reader.due == pytest.approx(5.6)
    (event,) = Framer().feed(reader.tick(6.0))
    assert isinstance(event, Message)
    assert event.data == (b"\x90\x00" if protocol == 0 else t1.information(0, b"\x90\x00").encode())
    assert card.told == [bytes.fromhex("00200080082527418FFFFFFFFF")]


@pytest.mark.parametrize(
    ("behaviour", "fault"), [(Behaviour.CANCEL, Fault.PIN_CANCELLED), (Behaviour.SILENT, Fault.PIN_TIMEOUT)]
)
def test_a_pin_is_not_typed(behaviour: Behaviour, fault: Fault) -> None:
    reader = CcidReader(Kind.PIN_PAD, Keypad(Cardholder(Pin.from_text("27418"), behaviour, 0.1)))
    reader.insert(PlainCard())
    last(reader, Type.ICC_POWER_ON)
    answers(reader, Message(Type.SECURE, 0, 9, data=AS_CCID))
    (event,) = Framer().feed(reader.tick(60.0))
    assert isinstance(event, Message)
    assert event.specific == bytes((0x40, fault, 0))
    assert last(reader, Type.SECURE, b"\x00\x01").specific[1] == Fault.NOT_SUPPORTED


def block(card: T1Card, asked: t1.Block) -> t1.Block:
    return t1.decode(card.take(asked.encode()))


def test_t1_chains_both_ways() -> None:
    plain = PlainCard(answer=bytes(range(100)) + b"\x90\x00")
    card = T1Card(plain)
    assert block(card, t1.information(0, b"\x00\xa4", more=True)) == t1.ready(1)
    first = block(card, t1.information(1, b"\x04\x00"))
    assert plain.told == [b"\x00\xa4\x04\x00"]
    assert (len(first.information), first.more, first.number) == (32, True, 0)
    pieces = [first]
    while pieces[-1].more:
        pieces.append(block(card, t1.ready(pieces[-1].number ^ 1)))
    assert b"".join(piece.information for piece in pieces) == plain.answer


def test_t1_repeats_resizes_and_starts_anew() -> None:
    plain = PlainCard(answer=bytes(50) + b"\x90\x00")
    card = T1Card(plain)
    assert block(card, t1.Block(0, 0xC1, b"\xfe")) == t1.Block(0, 0xE1, b"\xfe")
    answer = block(card, t1.information(0, b"\x00"))
    assert len(answer.information) == 52
    assert block(card, t1.ready(0, t1.LRC_ERROR)) == answer
    assert card.take(b"\x00\x00\x01\x00\x77") == t1.ready(1, t1.LRC_ERROR).encode()
    assert block(card, t1.information(0, b"\x00")) == t1.ready(1, t1.OTHER_ERROR)
    assert block(card, t1.Block(0, 0xC0)) == t1.Block(0, 0xE0)
    assert len(block(card, t1.information(0, b"\x00")).information) == 32
    assert block(card, t1.Block(0, 0xC2)) == t1.Block(0, 0xE2)
    assert block(card, t1.ready(1)) == t1.Block(0, 0xE2)


@given(st.lists(st.binary(max_size=12), max_size=20))
def test_t1_whatever_comes(blocks: list[bytes]) -> None:
    """Every block is answered by a block."""
    card = T1Card(PlainCard())
    for octets in blocks:
        try:
            asked = t1.decode(octets).encode()
        except DecodeError:
            asked = octets
        t1.decode(card.take(asked))
