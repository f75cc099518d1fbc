# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Invariant: the pad's PIN leaves only as a block that pydukpt can decipher, and one KSN is used once."""

import hashlib

import psec.mac
import pydukpt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_profiles.pinpad_load import load_pinpad
from device_profiles.twins.pinpad import IDLE_WORDS, SILENT_HOST_S, PinpadTwin
from device_profiles.twins.pinpad_cardholder import Behaviour, Cardholder, Key
from device_profiles.twins.pinpad_faults import PINPAD_FAULTS
from device_profiles.twins.pinpad_keys import PinpadKeys
from protocols.errors import DecodeError
from protocols.primitives import with_odd_parity
from protocols.secret import Pin
from protocols.serial.framer import Control, Damaged, Envelope, Event, Packet, PacketFramer
from protocols.serial.ipp import (
    Cancel,
    CheckKey,
    KeyPresence,
    MacResult,
    Message,
    PinBlock,
    PinRefusal,
    ReadSerial,
    Reply,
    RequestMac,
    RequestPin,
    SelectKey,
    SerialNumber,
    ShowText,
)
from protocols.serial.ipp_codec import decode_reply, encode
from tests.device_profiles.twins.pads import PROFILE, TEST_PAN, TEST_PIN, pad

DIALECT = PROFILE.dialect
ACK, NAK, EOT = (bytes((control,)) for control in (Control.ACK, Control.NAK, Control.EOT))


def test_key(name: str) -> bytes:
    return bytes(with_odd_parity(hashlib.sha256(f"tillguard TEST {name}".encode()).digest()[:16]))


test_key.__test__ = False  # type: ignore[attr-defined]  # not a test, a TEST key


def frame(message: Message) -> bytes:
    return encode(message, DIALECT).encode()


def heard(octets: bytes) -> list[Event]:
    return PacketFramer().feed(octets)


def reply(octets: bytes) -> Reply:
    (packet,) = (event for event in heard(octets) if isinstance(event, Packet))
    return decode_reply(packet, DIALECT)


def entered(twin: PinpadTwin, now: float = 0.0) -> PinBlock:
    """Ask for a PIN, wait for the person, acknowledge."""
    assert twin.feed(frame(RequestPin(TEST_PAN)), now) == ACK
    answer = reply(twin.tick(now + 5))
    assert isinstance(answer, PinBlock)
    assert twin.feed(ACK, now + 5) == EOT
    return answer


def test_the_load_is_derived_from_the_test_keys() -> None:
    load = load_pinpad("test-bank")
    assert bytes(load.test_initial_key.reveal()) == pydukpt.derive_ipek(test_key("BDK"), load.initial_ksn.octets)
    assert bytes(load.slots["B"][1].reveal()) == test_key("TMK-MAC")
    assert "72DD" not in repr(load)


@pytest.mark.parametrize(("behaviour", "pin"), [(Behaviour.RIGHT_PIN, "7391"), (Behaviour.WRONG_PIN, "8402")])
def test_the_block_deciphers_under_the_base_derivation_key(behaviour: Behaviour, pin: str) -> None:
    twin = pad(behaviour)
    seen = set()
    for _ in range(12):
        answer = entered(twin)
        initial = pydukpt.derive_ipek(test_key("BDK"), answer.ksn)
        assert pydukpt.decrypt_pin(pydukpt.derive_key(initial, answer.ksn), answer.block, TEST_PAN.digits) == pin
        seen.add((answer.ksn, answer.block))
    assert len({ksn for ksn, _ in seen}) == 12


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")  # psec's
def test_the_mac_is_the_retail_mac_under_the_deciphered_key() -> None:
    from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
    from cryptography.hazmat.primitives.ciphers import Cipher, modes

    enciphered, data = bytes(range(0x10, 0x20)), bytes(range(200))
    master = test_key("TMK-MAC")
    key = Cipher(TripleDES(master + master[:8]), modes.ECB()).decryptor().update(enciphered)
    twin = pad()
    first = twin.feed(frame(RequestMac(False, 0, enciphered, data[:104])), 0.0)
    assert reply(first) == MacResult("1")
    twin.feed(ACK, 0.0)
    last = twin.feed(frame(RequestMac(True, 1, enciphered, data[104:])), 0.0)
    assert reply(last) == MacResult("0", psec.mac.generate_retail_mac(key[:8], key[8:], data, 1, 8))


def test_pieces_out_of_order() -> None:
    twin = pad()
    assert reply(twin.feed(frame(RequestMac(True, 1, bytes(16), bytes(8))), 0.0)) == MacResult("2")


def test_identification_and_slots() -> None:
    twin = pad()
    assert reply(twin.feed(frame(ReadSerial()), 0.0)) == SerialNumber("TGUIC0000001")
    assert reply(twin.feed(frame(CheckKey("B")), 0.0)) == KeyPresence(True, "M3B")
    assert reply(twin.feed(frame(CheckKey("0")), 0.0)) == KeyPresence(False)
    assert twin.feed(frame(SelectKey("B")), 0.0) == ACK


def test_cancelling_an_idle_and_a_busy_pad() -> None:
    twin = pad(Behaviour.SILENT)
    assert twin.feed(frame(Cancel()), 0.0) == ACK
    twin.feed(frame(RequestPin(TEST_PAN)), 0.0)
    assert twin.feed(frame(ShowText("1.00")), 0.0) == NAK
    assert twin.feed(frame(Cancel()), 0.0) == EOT
    assert twin.due is None


def test_the_pads_own_time_limit() -> None:
    twin = pad(Behaviour.SILENT)
    twin.feed(frame(RequestPin(TEST_PAN, 2)), 100.0)
    assert twin.due == 160.0
    assert twin.tick(159.9) == b""
    assert twin.tick(160.0) == EOT


def test_a_host_that_falls_silent_or_does_not_understand() -> None:
    twin = pad()
    answer = twin.feed(frame(ReadSerial()), 0.0)
    assert twin.feed(NAK, 1.0) == twin.feed(NAK, 2.0) == answer.removeprefix(ACK)
    assert twin.feed(NAK, 3.0) == EOT
    twin.feed(frame(ReadSerial()), 10.0)
    assert twin.tick(10.0 + SILENT_HOST_S) == EOT
    assert twin.feed(ACK, 30.0) == b""


def test_a_damaged_request_is_asked_for_again() -> None:
    twin = pad()
    broken = bytearray(frame(ReadSerial()))
    broken[1] ^= 1
    assert twin.feed(bytes(broken), 0.0) == NAK
    assert twin.feed(b"\x02Z60.", 1.0) == b""
    assert twin.tick(1.0 + PROFILE.timers.octet_s) == NAK
    assert reply(twin.feed(frame(ReadSerial()), 2.0)) == SerialNumber("TGUIC0000001")


@pytest.mark.parametrize("body", [b"99", b"Z2\x1a" + b"x" * 40, b"\xff", b""])
def test_what_no_pad_knows_ends_the_session(body: bytes) -> None:
    assert pad().feed(Packet(Envelope.TRANSACTION, body).encode(), 0.0) == ACK + EOT


def test_a_request_without_a_proper_pan_is_refused_with_its_code() -> None:
    octets = pad().feed(Packet(Envelope.TRANSACTION, b"Z60.123").encode(), 0.0)
    assert reply(octets) == PinRefusal("2")


def test_keys_by_hand() -> None:
    twin = pad(behaviour=None)
    assert twin.press(1, 0.0) == b""
    twin.feed(frame(ShowText("EUR 42.00")), 0.0)
    twin.feed(frame(RequestPin(TEST_PAN)), 0.0)
    for key in (1, 2, 3, Key.ENTER, Key.CLEAR, *(4,) * 14):
        assert twin.press(key, 0.0) == b""
    shown = [one.text for one in twin.drain_shown()]
    assert shown[:3] == [IDLE_WORDS, "EUR 42.00", "EUR 42.00 ENTER PIN"]
    assert shown[-1] == "EUR 42.00 ENTER PIN " + "*" * 12
    assert isinstance(reply(twin.press(Key.ENTER, 0.0)), PinBlock)
    assert twin.drain_shown()[-1].text == IDLE_WORDS


@pytest.mark.parametrize("text", ["ENTER PIN", "PIN?", "12a", ""])
def test_no_host_words_a_prompt(text: str) -> None:
    twin = pad(behaviour=None)
    twin.drain_shown()
    assert twin.feed(frame(ShowText(text)), 0.0) == ACK
    assert twin.drain_shown() == []


def test_a_cloned_pad_repeats_itself() -> None:
    load = load_pinpad("test-bank")
    keys = PinpadKeys(load)
    person = Cardholder(Pin.from_text(TEST_PIN), Behaviour.RIGHT_PIN)
    twin = PinpadTwin(PROFILE, load, keys, PINPAD_FAULTS["replay"](keys), person)
    assert entered(twin) == entered(twin)


def test_a_power_cycle_uses_no_key_twice() -> None:
    load = load_pinpad("test-bank")
    first, second = PinpadKeys(load), PinpadKeys(load)
    pin = Pin.from_text(TEST_PIN)
    used = first.encipher_pin(pin, TEST_PAN)
    second.remember(first.memory())
    assert used is not None
    assert second.encipher_pin(pin, TEST_PAN) != used


def test_the_memory_of_another_pad_is_refused() -> None:
    import dataclasses

    from protocols.dukpt.ksn import TdesKsn

    load = load_pinpad("test-bank")
    other = dataclasses.replace(load, initial_ksn=TdesKsn.from_hex("FFFF9876543210C00000"))
    with pytest.raises(DecodeError):
        PinpadKeys(load).remember(PinpadKeys(other).memory())


def test_a_key_that_is_used_up() -> None:
    class Spent:
        def encipher_pin(self, pin: object, pan: object) -> None:
            return None

    load = load_pinpad("test-bank")
    person = Cardholder(Pin.from_text(TEST_PIN), Behaviour.RIGHT_PIN)
    twin = PinpadTwin(PROFILE, load, PinpadKeys(load), Spent(), person)
    twin.feed(frame(RequestPin(TEST_PAN)), 0.0)
    assert reply(twin.tick(5.0)) == PinRefusal("F")


@given(
    st.lists(
        st.one_of(st.binary(max_size=30), st.sampled_from([frame(RequestPin(TEST_PAN)), ACK, NAK, EOT])), max_size=12
    )
)
@settings(max_examples=60, deadline=None)
def test_nothing_on_the_line_breaks_it_or_brings_out_the_pin(pieces: list[bytes]) -> None:
    twin, now = pad(), 0.0
    said = b""
    for piece in pieces:
        now += 0.5
        said += twin.feed(piece, now) + twin.tick(now + 0.2)
    said += twin.tick(now + 100)
    assert TEST_PIN.encode() not in b"".join(
        event.body for event in heard(said) if isinstance(event, Packet) and event.body[:2] != b"71"
    )
    assert not any(isinstance(event, Damaged) for event in heard(said))
    twin.feed(EOT, now + 100)
    assert reply(twin.feed(frame(ReadSerial()), now + 200)) == SerialNumber("TGUIC0000001")
