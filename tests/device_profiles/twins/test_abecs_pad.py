# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Invariant: the twin answers as protocol 2.12 has it, and nothing but an enciphered block leaves it."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from device_profiles.card_profile import load_card
from device_profiles.pinpad_load import SlotUse, load_pinpad
from device_profiles.twins.abecs_pad import AbecsPadTwin
from device_profiles.twins.contact_card import ContactCardTwin
from device_profiles.twins.pinpad_cardholder import Key
from device_profiles.twins.pinpad_keys import PinpadKeys
from protocols.ed25519 import verify
from protocols.primitives import TdesKey, Use
from protocols.secret import ClearKey
from protocols.serial.abecs import Control, Event, Packet, PacketFramer
from protocols.serial.abecs_identity import Statement, ask_proof, decode_proof, entry_statement
from protocols.serial.abecs_messages import (
    OPEN,
    Command,
    Parameter,
    PinMethod,
    PinRequest,
    Response,
    Status,
    close,
    decode_parameters,
    decode_pin_block,
    decode_response,
    display,
    encipher,
    get_info,
    parameters,
)
from protocols.serial.abecs_secure import SessionCipher, decode_opened, open_secure
from tests.device_profiles.twins.pads import ABECS, ABECS_IDENTITY, TEST_PAN, abecs_pad

ASKED = PinRequest(PinMethod.DUKPT_TDES, 1, TEST_PAN, "EUR 42.00       ENTER PIN").command()
RECORDED: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[2] / "vectors" / "abecs_pinpad_frames.json").read_text()
)["facts"]
KEY = bytes(range(16))
MASTER = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")  # TEST
PAN_FIELD = bytes.fromhex("0000000999999001")
RSA = generate_private_key(65537, 2048)


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


@pytest.mark.parametrize("cut", [1, 7, 1000])
def test_a_recorded_session_is_answered(cut: int) -> None:
    """What a till sent to a real pad: every packet is acknowledged, and every command answered by its own name."""
    card = ContactCardTwin(load_card("test-visa-contact"))
    load = load_pinpad("test-bank-abecs")
    keys = PinpadKeys(load)
    twin, now = AbecsPadTwin(ABECS, load, keys, keys, None, bytes, card), 0.0
    asked(twin, OPEN)
    for fact in RECORDED:
        octets = bytes.fromhex(fact["frame"])
        now += 1.0
        said = b"".join(twin.feed(octets[place : place + cut], now) for place in range(0, len(octets), cut))
        while twin.due is not None and twin.due < now + 0.9:
            said += twin.tick(twin.due)
        events = heard(said)
        assert events[0] is Control.ACK
        assert isinstance(events[1], Packet)
        response = decode_response(events[1])
        assert (response.name, response.status) == (fact["cmd"], 0)


def sealed() -> tuple[AbecsPadTwin, SessionCipher]:
    """A pad in an enciphered session, and the host's end of it."""
    twin, _ = abecs_pad(None)
    modulus = RSA.public_key().public_numbers().n.to_bytes(256, "big")
    events = heard(twin.feed(open_secure(modulus, 65537).packet().encode(), 0.0))
    assert isinstance(events[1], Packet)
    return twin, SessionCipher(RSA.decrypt(decode_opened(decode_response(events[1])), PKCS1v15()))


def sealed_answer(twin: AbecsPadTwin, cipher: SessionCipher, command: Command) -> Response:
    events = heard(twin.feed(cipher.seal(command.packet()).encode(), 0.0))
    assert isinstance(events[1], Packet)
    return decode_response(cipher.open(events[1]))


def test_a_sealed_session() -> None:
    twin, cipher = sealed()
    assert sealed_answer(twin, cipher, display("EUR 1.00")).status == 0
    assert asked(twin, display("in clear")) == "ERR009", "told in clear, and the session stands"
    assert sealed_answer(twin, cipher, display("EUR 2.00")).status == 0
    assert asked(twin, Command("OPN", (b"nonsense",))) == "OPN011"
    assert sealed_answer(twin, cipher, display("EUR 3.00")).status == 0
    assert [one.text for one in twin.drain_shown()] == ["WELCOME", "EUR 1.00", "EUR 2.00", "EUR 3.00"]


def test_a_packet_that_was_changed_ends_the_session() -> None:
    twin, cipher = sealed()
    octets = bytearray(cipher.seal(display("x").packet()).data)
    octets[-1] ^= 1
    events = heard(twin.feed(Packet(bytes(octets)).encode(), 0.0))
    assert isinstance(events[1], Packet)
    assert decode_response(events[1]).status == Status.PACKET_SECURITY
    events = heard(twin.feed(cipher.seal(display("x").packet()).encode(), 0.0))
    assert isinstance(events[1], Packet)
    assert decode_response(events[1]).status == Status.NO_SECURE_SESSION
    assert asked(twin, OPEN) == "OPN000"


def test_closing_ends_it_too() -> None:
    twin, cipher = sealed()
    events = heard(twin.feed(cipher.seal(close().packet()).encode(), 0.0))
    assert isinstance(events[1], Packet)
    assert decode_response(events[1]).status == 0, "said in clear"
    assert asked(twin, display("x")) == "DSP010"


def test_an_entry_is_proven_once() -> None:
    twin, _ = abecs_pad(None)
    asked(twin, OPEN)
    question = ask_proof(Statement.ENTRY, bytes(16))
    assert asked(twin, question) == "LNK010", "nothing was entered"
    twin.feed(ASKED.packet().encode(), 0.0)
    for key in (1, 2, 3, 4, Key.ENTER):
        said = twin.press(key, 1.0)
    (packet,) = heard(said)
    assert isinstance(packet, Packet)
    made = decode_pin_block(decode_response(packet))
    events = heard(twin.feed(question.packet().encode(), 2.0))
    assert isinstance(events[1], Packet)
    public, signature = decode_proof(decode_response(events[1]))
    statement = entry_statement(bytes(16), "TGABE0000001", "EUR 42.00       ENTER PIN", made.ksn, made.block)
    assert public.hex().upper() == ABECS_IDENTITY
    assert verify(public, statement, signature)
    assert asked(twin, question) == "LNK010"


def test_a_pin_under_a_session_key() -> None:
    load = load_pinpad("test-bank-abecs")
    slots = {**load.slots, "05": (SlotUse.PIN, ClearKey(MASTER))}
    keys = PinpadKeys(dataclasses.replace(load, slots=slots))
    twin = AbecsPadTwin(ABECS, load, keys, keys, None, bytes)
    asked(twin, OPEN)
    request = PinRequest(PinMethod.MASTER_TDES, 5, TEST_PAN, "EUR 1.00", KEY)
    twin.feed(request.command().packet().encode(), 0.0)
    for key in (7, 3, 9, 1, Key.ENTER):
        said = twin.press(key, 1.0)
    (packet,) = heard(said)
    assert isinstance(packet, Packet)
    made = decode_pin_block(decode_response(packet))
    assert made.ksn == bytes(10)
    with TdesKey(MASTER, Use.DECIPHER) as master, TdesKey(master.decipher(KEY), Use.DECIPHER) as session:
        clear = session.decipher(made.block)
    assert clear == bytes(a ^ b for a, b in zip(bytes.fromhex("047391FFFFFFFFFF"), PAN_FIELD, strict=True))
    weak = PinRequest(PinMethod.MASTER_TDES, 5, TEST_PAN, "EUR 1.00", bytes(16))
    assert asked(twin, weak.command()) == "GPN011"


def test_an_opened_pad_has_lost_its_keys_and_says_so() -> None:
    twin = at_work()
    twin.tamper(0.0)
    assert asked(twin, ASKED) == "GPN040"
    assert asked(twin, OPEN) == "OPN000"
    assert asked(twin, ask_proof(Statement.SESSION, bytes(16))) == "LNK040"
    assert asked(twin, encipher(2, KEY, bytes(8), bytes(8))) == "EBX040"
    events = heard(twin.feed(get_info().packet().encode(), 0.0))
    assert isinstance(events[1], Packet)
    found = decode_parameters(decode_response(events[1]).blocks, "GIX")
    for name in (Parameter.DUKPT_KEYS_FOR_PINS, Parameter.MASTER_KEYS_FOR_DATA, Parameter.MASTER_KEYS_FOR_PINS):
        assert found[name] == b"0" * 100
    assert twin.drain_shown()[-1].text == "TAMPERED"
    assert [one.text for one in twin.drain_noted()] == ["tampered with: all secrets erased"]


def test_it_tests_itself_before_it_answers() -> None:
    twin, _ = abecs_pad(None)
    twin.power_on(10.0)
    assert twin.feed(OPEN.packet().encode(), 10.05) == b""
    assert twin.due == pytest.approx(10.2)
    events = heard(twin.tick(10.2))
    assert events[0] is Control.ACK
    assert [one.text for one in twin.drain_shown()] == ["WELCOME", "SELF TEST", "WELCOME"]


def test_a_pad_that_fails_its_test_is_out_of_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PinpadKeys, "self_test", lambda self: False)
    twin, _ = abecs_pad(None)
    twin.power_on(0.0)
    twin.tick(0.2)
    assert asked(twin, OPEN, 1.0) == "OPN000"
    assert asked(twin, display("x"), 1.0) == "DSP040"
    assert asked(twin, get_info(Parameter.MODEL), 1.0) == "GIX000"
    assert twin.drain_shown()[-1].text == "OUT OF SERVICE"
    assert [one.text for one in twin.drain_noted()] == ["the self-test failed"]
