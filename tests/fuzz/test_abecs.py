# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Invariant: no packet, sound or not, breaks the virtual ABECS pad or a decoder: an answer comes, or a DecodeError."""

import contextlib
from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from device_profiles.card_profile import load_card
from device_profiles.pinpad_load import load_pinpad
from device_profiles.twins.abecs_pad import _OBEYED, AbecsPadTwin
from device_profiles.twins.contact_card import ContactCardTwin
from device_profiles.twins.pinpad_cardholder import Behaviour, Cardholder
from device_profiles.twins.pinpad_keys import PinpadKeys
from protocols.errors import DecodeError, IntegrityError
from protocols.secret import Pin
from protocols.serial.abecs import Control, Packet, PacketFramer
from protocols.serial.abecs_chip import decode_card, decode_finished, decode_gone_on, decode_tags
from protocols.serial.abecs_identity import decode_ask_proof, decode_proof
from protocols.serial.abecs_messages import OPEN, Command, Parameter, Response, parameters
from protocols.serial.abecs_person import decode_event, decode_notification, decode_show_long, decode_watch
from protocols.serial.abecs_secure import SessionCipher, decode_open_secure, decode_opened
from tests.device_profiles.twins.pads import ABECS, TEST_PIN

CARD = load_card("test-visa-contact")
DIGITS = st.text("0123456789", max_size=14).map(str.encode)
VALUES = st.dictionaries(st.sampled_from(list(Parameter)), DIGITS | st.binary(max_size=20), max_size=8)
SALE = {
    Parameter.AMOUNT: b"000000004200",
    Parameter.DATE: b"261122",
    Parameter.TIME: b"080000",
    Parameter.CURRENCY: b"978",
    Parameter.PIN_METHOD: b"3",
    Parameter.KEY_INDEX: b"01",
    Parameter.FINISH_OPTIONS: b"0000",
    Parameter.TAGS: b"\x95\x9f\x26",
}
BLOCKS = (
    st.binary(max_size=40)
    | DIGITS
    | VALUES.map(parameters)
    | VALUES.map(lambda changed: parameters({**SALE, **changed}))
)
COMMANDS = st.builds(
    lambda name, blocks: Command(name, tuple(blocks)), st.sampled_from(sorted(_OBEYED)), st.lists(BLOCKS, max_size=2)
)
DECODERS: tuple[Callable[[Response], object], ...] = (
    decode_card,
    decode_gone_on,
    decode_finished,
    decode_event,
    decode_notification,
    decode_opened,
    decode_proof,
)
PAD_SIDE: tuple[Callable[[Command], object], ...] = (
    decode_open_secure,
    decode_ask_proof,
    decode_show_long,
    decode_watch,
)


def pad() -> AbecsPadTwin:
    load = load_pinpad("test-bank-abecs")
    keys = PinpadKeys(load)
    person = Cardholder(Pin.from_text(TEST_PIN), Behaviour.RIGHT_PIN)
    return AbecsPadTwin(ABECS, load, keys, keys, person, bytes, ContactCardTwin(CARD))


@given(st.lists(COMMANDS, min_size=1, max_size=8))
@settings(max_examples=150, deadline=None)
def test_every_command_is_acknowledged(commands: list[Command]) -> None:
    twin, now = pad(), 0.0
    twin.feed(OPEN.packet().encode(), now)
    pan = CARD.application.pan.encode()
    for command in (Command("GCX", (parameters(SALE),)), *commands):
        now += 1.0
        said = twin.feed(command.packet().encode(), now)
        while twin.due is not None and twin.due < now + 0.9:
            said += twin.tick(twin.due)
        events = PacketFramer().feed(said)
        assert events[0] is Control.ACK
        assert pan not in said or command.name == "GCX", "only a host that wants it unmasked reads the number"
    assert twin.feed(bytes((Control.CAN,)), now + 99) == bytes((Control.EOT,))


@given(st.lists(BLOCKS, max_size=3), st.sampled_from(DECODERS), st.sampled_from(PAD_SIDE))
def test_decoders(blocks: list[bytes], decode: Callable[[Response], object], pads: Callable[[Command], object]) -> None:
    with contextlib.suppress(DecodeError):
        decode(Response("GCX", 0, tuple(blocks)))
    for name in ("CKE", "CEX"):
        with contextlib.suppress(DecodeError):
            pads(Command(name, tuple(blocks)))
    with contextlib.suppress(DecodeError):
        decode_tags(b"".join(blocks), "tags")


@given(st.binary(max_size=200))
def test_sealed_noise(noise: bytes) -> None:
    with SessionCipher(bytes(16)) as cipher, contextlib.suppress(IntegrityError):
        cipher.open(Packet(b"\x12" + noise))
