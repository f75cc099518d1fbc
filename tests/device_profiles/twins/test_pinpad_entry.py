# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Invariant: a PIN leaves under a fresh or current session key of a PIN slot, behind a prompt of the pad's own."""

import warnings
from collections.abc import Mapping

import psec.des
import psec.pinblock
import pytest

from device_profiles.twins.pinpad_cardholder import Behaviour, Key
from device_profiles.twins.pinpad_prompts import IDLE_WORDS
from device_profiles.twins.pinpad_sessions import MOST, SessionKeys
from protocols.secret import ClearKey
from protocols.serial.framer import Envelope, Packet, PacketFramer
from protocols.serial.ipp import PinBlock, PinRefusal, SelectKey, ShowText
from protocols.serial.ipp_codec import decode_reply
from protocols.serial.ipp_entry import (
    AskKey,
    AskString,
    KeyPressed,
    RequestAmountPin,
    RequestSessionPin,
    SessionPinBlock,
    ShowPrompt,
    StringEntered,
)
from tests.device_profiles.twins.master_pads import ACK, EOT, Bench, block, key_of, session
from tests.device_profiles.twins.pads import PROFILE, TEST_PAN, TEST_PIN, VERIFONE

FIRST, SECOND = key_of("session 1"), key_of("session 2")
KEY = session(FIRST)


def pin_of(reply: SessionPinBlock, value: bytes) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # psec's use of cryptography
        clear = psec.des.decrypt_tdes_ecb(value, reply.block)
    return psec.pinblock.decode_pinblock_iso_0(clear, TEST_PAN.digits)


def selected(behaviour: Behaviour | None = Behaviour.RIGHT_PIN) -> Bench:
    bench = Bench(behaviour)
    assert bench.ask(SelectKey("0")) == ACK
    return bench


@pytest.mark.parametrize(
    "request_",
    [
        RequestSessionPin("70", TEST_PAN, KEY, "42.00"),
        RequestSessionPin("70", TEST_PAN, KEY, time_units=2),
        RequestSessionPin("Z60", TEST_PAN, KEY),
        RequestSessionPin("Z62", TEST_PAN, KEY, "", 4, 6, False, ("WRONG PIN", "PIN AGAIN", "PROCESSING"), 1),
        RequestSessionPin("Z62", TEST_PAN, KEY),
    ],
)
def test_the_block_deciphers_under_the_session_key(request_: RequestSessionPin) -> None:
    bench = selected()
    reply = bench.ask(request_)
    assert isinstance(reply, SessionPinBlock)
    assert (reply.digits, pin_of(reply, FIRST)) == (4, TEST_PIN)
    shown = [one.text for one in bench.twin.drain_shown()]
    assert shown[-1] == IDLE_WORDS
    assert (request_.amount + " ENTER PIN").strip() in shown or request_.prompts[0] in shown


def test_what_stands_on_the_line() -> None:
    bench = selected()
    said = bench.say(RequestSessionPin("Z60", TEST_PAN, KEY)) + bench.twin.tick(bench.now + 5)
    (packet,) = (event for event in PacketFramer().feed(said) if isinstance(event, Packet))
    assert packet.body.startswith(b"71.00401")
    assert len(packet.body) == len("71.00401") + 16


def test_70_under_dukpt() -> None:
    bench = Bench()
    assert isinstance(bench.ask(RequestAmountPin(TEST_PAN, "42.00")), PinBlock)
    assert "42.00 ENTER PIN" in [one.text for one in bench.twin.drain_shown()]


def _body(text: str) -> bytes:
    return Packet(Envelope.TRANSACTION, text.encode()).encode()


HEX = KEY.hex().upper()
REFUSED: Mapping[str, str] = {
    f"70.\x1c{HEX}1.00": "0",
    f"Z60.1234567\x1c{HEX}": "2",
    f"Z60.{'1' * 20}\x1c{HEX}": "3",
    f"70.4000a00099990016\x1c{HEX}": "4",
    "70.4000009999990016\x1cXYZ": "5",
    f"70.4000009999990016\x1c{HEX[:16]}": "5",
    f"Z62.4000009999990016\x1c{HEX}0412": "5",
    f"70.4000009999990016\x1c{HEX}\x1c0": "6",
    f"Z62.4000009999990016\x1c{HEX}0412NYOUR CARD PIN?\x1c\x1c": "8",
    f"Z62.4000009999990016\x1c{HEX}0412N\x1c\x1cPIN PLEASE": "8",
    f"Z62.4000009999990016\x1c{HEX}0412N": "8",
    f"Z62.4000009999990016\x1c{HEX}0312N\x1c\x1c": "E",
    f"Z62.4000009999990016\x1c{HEX}0413N\x1c\x1c": "E",
}


@pytest.mark.parametrize(("text", "code"), REFUSED.items())
def test_refusals_of_uic(text: str, code: str) -> None:
    bench = selected()
    (packet,) = (event for event in PacketFramer().feed(bench.twin.feed(_body(text), 0.0)) if isinstance(event, Packet))
    assert packet.body == f"71{code}".encode()
    assert decode_reply(packet, PROFILE.dialect) == PinRefusal(code)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (f"Z63.1234567\x1c{HEX}0412N\x1c\x1c", "2"),
        (f"Z63.4000009999990016\x1c{HEX}0312N\x1c\x1c", "4"),
        (f"Z63.4000009999990016\x1c{HEX}0412N\x1c\x1c", "1"),
        ("Z60.4000009999990016", "2"),
    ],
)
def test_refusals_of_verifone(text: str, code: str) -> None:
    bench = Bench(profile=VERIFONE)
    (packet,) = (event for event in PacketFramer().feed(bench.twin.feed(_body(text), 0.0)) if isinstance(event, Packet))
    assert packet.body == f"71{code}".encode()


def test_the_slot_must_be_selected_and_for_pins() -> None:
    bench = Bench()
    assert bench.ask(RequestSessionPin("Z60", TEST_PAN, KEY)) == PinRefusal("9")
    bench.ask(SelectKey("5"))
    assert bench.ask(RequestSessionPin("Z60", TEST_PAN, KEY)) == PinRefusal("9")
    bench.ask(SelectKey("B"))
    assert bench.ask(RequestSessionPin("Z60", TEST_PAN, KEY)) == PinRefusal("A")


def test_a_session_key_that_was_replaced_never_comes_back() -> None:
    bench = selected()
    old, new = RequestSessionPin("Z60", TEST_PAN, KEY), RequestSessionPin("Z60", TEST_PAN, session(SECOND))
    for request in (old, old, new, new):
        assert isinstance(bench.ask(request), SessionPinBlock)
    assert bench.ask(old) == PinRefusal("1")
    bench.power_cycle()
    bench.ask(SelectKey("0"))
    assert bench.ask(old) == PinRefusal("1")
    assert isinstance(bench.ask(new), SessionPinBlock)


def test_not_even_under_another_master_key() -> None:
    from protocols.serial.ipp_keys import LoadMasterKey

    bench = selected()
    for value in (FIRST, SECOND):
        bench.ask(RequestSessionPin("Z60", TEST_PAN, session(value)))
    bench.ask(LoadMasterKey("1", block(key_of("TMK-PIN-2"), "P0", "E")))
    bench.ask(SelectKey("1"))
    assert bench.ask(RequestSessionPin("Z60", TEST_PAN, session(FIRST, "TMK-PIN-2"))) == PinRefusal("1")


def test_a_session_key_that_is_single_des() -> None:
    assert selected().ask(RequestSessionPin("Z60", TEST_PAN, session(FIRST[:8] * 2))) == PinRefusal("1")


def test_a_memory_that_is_full_takes_no_new_key() -> None:
    sessions = SessionKeys()
    for number in range(MOST):
        assert sessions.admit(ClearKey(number.to_bytes(16, "big")))
    assert not sessions.admit(ClearKey(b"\xff" * 16))
    assert sessions.admit(ClearKey((MOST - 1).to_bytes(16, "big")))


def test_limits_and_an_empty_pin_by_hand() -> None:
    bench = selected(None)
    bench.say(RequestSessionPin("Z62", TEST_PAN, KEY, "", 5, 6, True))
    for key in (1, 2, 3, 4, Key.ENTER):
        assert bench.twin.press(key, 0.0) == b""
    for key in (5, 6, 7):
        bench.twin.press(key, 0.0)
    said = bench.twin.press(Key.ENTER, 0.0)
    (packet,) = (event for event in PacketFramer().feed(said) if isinstance(event, Packet))
    reply = decode_reply(packet, PROFILE.dialect)
    assert isinstance(reply, SessionPinBlock)
    assert pin_of(reply, FIRST) == "123456"
    bench.twin.feed(ACK, 0.0)
    bench.say(RequestSessionPin("Z62", TEST_PAN, KEY, "", 5, 6, True))
    said = bench.twin.press(Key.ENTER, 0.0)
    (packet,) = (event for event in PacketFramer().feed(said) if isinstance(event, Packet))
    assert decode_reply(packet, PROFILE.dialect) == SessionPinBlock(0, bytes(8))


def test_the_test_request_with_a_fixed_pin_is_not_there() -> None:
    """Packet 76 would have a pad encipher 1234 for anybody, and show a host how its keys work."""
    bench = Bench(None)
    for body in (b"76", b"76.4000009999990016", b"76.4000009999990016\x1c" + b"0" * 32):
        said = bench.twin.feed(Packet(Envelope.TRANSACTION, body).encode(), 0.0)
        assert said == ACK + EOT


def test_input_in_clear_only_behind_an_authenticated_prompt() -> None:
    bench = Bench(None)
    assert bench.say(AskString(30, 6)) == ACK + EOT
    bench.say(ShowText("12.00"))
    assert bench.say(AskKey(30)) == ACK + EOT
    assert bench.say(ShowPrompt("02")) == ACK
    bench.say(AskString(30, 6))
    for key in (1, 2, 3):
        bench.twin.press(key, 0.0)
    assert bench.twin.drain_shown()[-1].text == "LOYALTY NUMBER 123"
    said = bench.twin.press(Key.ENTER, 0.0)
    (packet,) = (event for event in PacketFramer().feed(said) if isinstance(event, Packet))
    assert decode_reply(packet, PROFILE.dialect) == StringEntered("123")
    bench.twin.feed(ACK, 0.0)
    assert bench.say(AskString(30, 6)) == ACK + EOT, "one prompt, one input"
    bench.say(ShowPrompt("04"))
    bench.say(AskKey(30))
    said = bench.twin.press(Key.ENTER, 0.0)
    (packet,) = (event for event in PacketFramer().feed(said) if isinstance(event, Packet))
    assert decode_reply(packet, PROFILE.dialect) == KeyPressed("E")


def test_a_text_after_the_prompt_takes_it_away() -> None:
    bench = Bench(None)
    bench.say(ShowPrompt("02"))
    bench.say(ShowText("1.00"))
    assert bench.say(AskString(30, 6)) == ACK + EOT


@pytest.mark.parametrize("words", ["PIN 4", "ENTER PIN", "WRONG PIN", "PLEASE WAIT A BIT", "LOYALTY NUMBER"])
def test_words_of_a_host(words: str) -> None:
    bench = Bench(None, profile=VERIFONE)
    bench.twin.drain_shown()
    bench.say(ShowText(words))
    assert bench.twin.drain_shown() == []
    assert [one.text for one in bench.twin.drain_noted()] == ["a host's prompt refused"]


def test_sentences_of_the_pad() -> None:
    bench = Bench(None)
    bench.say(ShowText("REMOVE CARD"))
    assert bench.twin.drain_shown()[-1].text == "REMOVE CARD"
    assert bench.say(ShowPrompt("99")) == ACK + EOT
