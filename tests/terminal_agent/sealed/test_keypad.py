# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A PIN at the vault's own keypad, over a real pseudo terminal and a real process: every way that it can end."""

import os
import select
from collections.abc import Iterator
from pathlib import Path

import pytest

from protocols.dukpt import tdes
from protocols.dukpt.ksn import TdesKsn
from protocols.pan import Pan
from protocols.pin.iso9564 import Format, decipher_pin
from protocols.primitives import TdesKey
from protocols.vault import CancelPin, Done, Ended, EnterPin, Mac, PinEnded, PinMade, Refusal, Refused, Result
from terminal_agent.sealed.pin.entry import TRANSITIONS, Entry, Input, State
from tests.terminal_agent.sealed.vaults import Asker, component_files, keypad_pair, load_all, made, made_key, running

PAN = "4000001234567899"


class Person:
    """At the keypad: sees the display, presses keys."""

    def __init__(self, keypad: int) -> None:
        self.keypad = keypad

    def read(self) -> str:
        """The next of what is shown."""
        ready, _, _ = select.select([self.keypad], [], [], 10)
        assert ready, "nothing is shown"
        return os.read(self.keypad, 4096).decode()

    def press(self, keys: str) -> None:
        os.write(self.keypad, keys.encode())


@pytest.fixture(scope="module")
def lane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Asker, Person]]:
    folder = tmp_path_factory.mktemp("lane")
    keypad, link = keypad_pair(folder)
    with running(made(folder, keypad=str(link)), components=component_files(folder)) as asker:
        load_all(asker)
        yield asker, Person(keypad)


def deciphered(reply: object) -> list[int]:
    assert isinstance(reply, PinMade), reply
    ksn = TdesKsn(bytes(reply.ksn))
    key = tdes.working_key(tdes.transaction_key(made_key("pin"), ksn), tdes.Purpose.PIN)
    with TdesKey(key) as receiving:
        return list(decipher_pin(receiving, Format.ISO_0, bytes(reply.block), Pan(PAN)))


def asked(asker: Asker, person: Person, timeout_ms: int = 20_000) -> int:
    asker.status()
    while select.select([person.keypad], [], [], 0)[0]:
        person.read()  # of the entry before
    number = asker.send(EnterPin(PAN.encode(), "EUR 42.00", timeout_ms))
    shown = person.read()
    while "ENTER PIN" not in shown:
        shown = person.read()
    assert shown.strip() == "EUR 42.00 ENTER PIN"
    return number


def test_a_pin_becomes_a_block_and_stars(lane: tuple[Asker, Person]) -> None:
    asker, person = lane
    number = asked(asker, person)
    shown = ""
    for key in "8604":
        person.press(key)
        shown += person.read()
    assert shown.splitlines() == [f"EUR 42.00 ENTER PIN {'*' * count}" for count in range(1, 5)]
    person.press("\r")
    assert deciphered(asker.answer(number)) == [8, 6, 0, 4]


def test_clear_starts_again_and_a_short_pin_is_not_taken(lane: tuple[Asker, Person]) -> None:
    asker, person = lane
    number = asked(asker, person)
    person.press("999\r")  # three digits: ENTER does nothing
    person.press("\x08" + "123456\r")
    assert deciphered(asker.answer(number)) == [1, 2, 3, 4, 5, 6]


def test_more_than_twelve_digits_are_not_taken(lane: tuple[Asker, Person]) -> None:
    asker, person = lane
    number = asked(asker, person)
    person.press("1234567890123456\r")
    assert deciphered(asker.answer(number)) == [1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2]


def test_cancelled_by_the_person_by_the_asker_and_by_time(lane: tuple[Asker, Person]) -> None:
    asker, person = lane
    number = asked(asker, person)
    person.press("86\x1b")
    assert asker.answer(number) == PinEnded(Ended.CANCELLED)
    number = asked(asker, person)
    person.press("86")
    assert asker.ask(CancelPin()) == Done()
    assert asker.answer(number) == PinEnded(Ended.CANCELLED)
    number = asked(asker, person, timeout_ms=150)
    assert asker.answer(number) == PinEnded(Ended.TIMED_OUT)


def test_other_requests_are_served_meanwhile_and_a_second_entry_is_not(lane: tuple[Asker, Person]) -> None:
    asker, person = lane
    number = asked(asker, person)
    assert isinstance(asker.ask(Mac(bytes(16), b"x")), Result)
    second = asker.ask(EnterPin(PAN.encode(), "", 1000))
    assert isinstance(second, Refused)
    assert second.why == Refusal.BUSY
    person.press("8604\r")
    assert deciphered(asker.answer(number)) == [8, 6, 0, 4]


def test_what_is_typed_before_the_prompt_is_thrown_away(lane: tuple[Asker, Person]) -> None:
    asker, person = lane
    person.press("9999")
    asker.status()
    number = asked(asker, person)
    person.press("8604\r")
    assert deciphered(asker.answer(number)) == [8, 6, 0, 4]


@pytest.mark.parametrize(
    "request_", [EnterPin(b"x" * 16, "", 1000), EnterPin(PAN.encode(), "", 0), EnterPin(PAN.encode(), "", 999_999)]
)
def test_bounds(lane: tuple[Asker, Person], request_: EnterPin) -> None:
    reply = lane[0].ask(request_)
    assert isinstance(reply, Refused)
    assert reply.why == Refusal.MALFORMED


def test_pins_too_fast_are_refused_told_and_a_restart_does_not_help(tmp_path: Path) -> None:
    keypad, link = keypad_pair(tmp_path)
    person = Person(keypad)
    wanted = made(tmp_path, keypad=str(link), pin_interval=3600.0, pin_burst=2)
    with running(wanted, components=component_files(tmp_path)) as asker:
        load_all(asker)
        for _ in range(2):
            number = asked(asker, person)
            person.press("8604\r")
            assert isinstance(asker.answer(number), PinMade)
        refused = asker.ask(EnterPin(PAN.encode(), "", 1000))
        assert isinstance(refused, Refused)
        assert refused.why == Refusal.THROTTLED
        asker.status()
        assert "vault.throttled" in [event.name for event in asker.events]
    with running(wanted) as asker:
        refused = asker.ask(EnterPin(PAN.encode(), "", 1000))
        assert isinstance(refused, Refused)
        assert refused.why == Refusal.THROTTLED


def test_a_keypad_that_is_pulled_ends_the_entry_and_is_told(tmp_path: Path) -> None:
    keypad, link = keypad_pair(tmp_path)
    wanted = made(tmp_path, keypad=str(link))
    with running(wanted, components=component_files(tmp_path)) as asker:
        load_all(asker)
        number = asked(asker, Person(keypad))
        for descriptor in list(Path("/proc/self/fd").iterdir()):
            if os.path.realpath(descriptor) == os.path.realpath(link):
                os.close(int(descriptor.name))
        os.close(keypad)
        assert asker.answer(number) == PinEnded(Ended.CANCELLED)
        refused = asker.ask(EnterPin(PAN.encode(), "", 1000))
        assert isinstance(refused, Refused)
        assert refused.why == Refusal.KEYPAD
        assert "vault.keypad_lost" in [event.name for event in asker.events]


def test_without_a_keypad_no_clear_pin_is_ever_made(tmp_path: Path) -> None:
    """The PIN-pad mode: the pad enciphers; this vault has no way to a PIN."""
    with running(made(tmp_path), components=component_files(tmp_path)) as asker:
        load_all(asker)
        refused = asker.ask(EnterPin(PAN.encode(), "", 1000))
        assert isinstance(refused, Refused)
        assert refused.why == Refusal.KEYPAD


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("key", Input)
def test_every_state_takes_every_input(state: State, key: Input) -> None:
    entry = Entry(memoryview(bytearray(12)))
    entry.state, entry.count = state, 4
    entry.press(key)
    assert entry.state is TRANSITIONS.get((state, key), state)


def test_an_entry_that_ends_otherwise_leaves_zeros() -> None:
    digits = memoryview(bytearray(12))
    for way in (Input.CANCEL, Input.SILENCE, Input.CLEAR):
        entry = Entry(digits)
        entry.begin("")
        for digit in (8, 6, 0, 4):
            entry.digit(digit)
        assert bytes(digits[:4]) == b"\x08\x06\x00\x04"
        entry.press(way)
        assert bytes(digits) == bytes(12)
