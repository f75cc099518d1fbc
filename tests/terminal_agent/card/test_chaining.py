# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Invariant: whatever a card answers, one command ends in one answer within a bound, or in CardLost; never in a crash.

The scripts of emulated T=0 cards are replayed octet by octet: the layer must send exactly what they expect.
"""

import contextlib
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_profiles.card_profile import load_card
from device_profiles.twins.card_t0 import T0View
from device_profiles.twins.contact_card import ContactCardTwin
from protocols.emv import apdu
from terminal_agent.card.chaining import MOST_ANSWER, MOST_FETCHES, Chaining, EndlessAnswer, exchange
from terminal_agent.card.port import CardLost, CardPresence
from tests.protocols.emv.contact_traces import Exchanges, emulated, transaction

SELECT = apdu.select(apdu.PSE).encode()
READ = apdu.read_record(1, 1).encode()
SCRIPTS = emulated()

WHOLE = {
    "test_pcsc_case_1_normal": "9000",
    "test_pcsc_case_1_error": "6A81",
    "test_pcsc_case_2_error_early": "6A81",
    "test_pcsc_case_2_error_late": "6581",
    "test_pcsc_case_3_normal": "9000",
    "test_pcsc_case_3_error": "6A81",
    "test_pcsc_case_4_error_early": "6A82",
    "test_pcsc_case_4_error_late": "6581",
}
"""The scripts of APDU level that end within their recording, and the status that must come out."""


def run(command: bytes, answer: Callable[[bytes], bytes]) -> bytes:
    turns = exchange(command)
    try:
        send = next(turns)
        while True:
            send = turns.send(answer(send))
    except StopIteration as end:
        whole: bytes = end.value
        return whole


def replay(script: Exchanges) -> tuple[bytes, list[bytes]]:
    """The answer to the script's first command, and what was sent; every command must be the recorded one."""
    left = iter(script)
    sent: list[bytes] = []

    def answer(command: bytes) -> bytes:
        expected, octets = next(left)
        assert command == expected
        sent.append(command)
        return octets

    return run(script[0][0], answer), sent


@pytest.mark.parametrize("name", WHOLE)
def test_recorded_scripts(name: str) -> None:
    script = SCRIPTS[f"emv_ttl_pcsc_test:{name}"]
    whole, sent = replay(script)
    assert whole.hex().upper() == WHOLE[name]
    assert len(sent) == len(script)


@pytest.mark.parametrize(
    ("name", "next_command"),
    [
        ("test_pcsc_case_2_normal", "00B2010C1C"),
        ("test_pcsc_case_4_normal", "00C0000026"),
        ("test_pcsc_case_2_normal_advanced", "00C000001C"),
        ("test_pcsc_case_4_normal_advanced", "00C0000026"),
        ("test_pcsc_case_4_warning1", "00C0000026"),
        ("test_pcsc_case_4_warning2", "00C0000026"),
    ],
)
def test_recorded_scripts_whose_last_answer_is_cut(name: str, next_command: str) -> None:
    """The recording shows the beginning only: what the layer sends next, and that it gives the data with the status."""
    script = SCRIPTS[f"emv_ttl_pcsc_test:{name}"]
    data = bytes(int(next_command[-2:], 16))
    whole, sent = replay([*script, (bytes.fromhex(next_command), data + b"\x90\x00")])
    assert len(sent) == len(script) + 1
    status = script[0][1][-2:] if script[0][1][0] == 0x62 else b"\x90\x00"
    assert whole == data + status


def test_a_blocked_directory_keeps_its_warning_and_gives_its_data() -> None:
    script = SCRIPTS["emv_build_candidate_list_test:test_pse_blocked"][:3]
    whole, sent = replay(script)
    assert len(sent) == 3
    assert whole == script[2][1][:-2] + b"\x62\x83"


def test_a_whole_t0_transaction_replays_command_by_command() -> None:
    """Every recorded command that is not a fetch, given whole, makes the layer send the recorded sequence."""
    left = transaction()
    while left:
        count = 1
        while left[count - 1][1][0] in (0x61, 0x6C) and len(left[count - 1][1]) == 2:
            count += 1
        whole, sent = replay(left[:count])
        assert whole[-2:] in (b"\x90\x00", b"\x6a\x83")
        assert len(sent) == count
        left = left[count:]


def test_a_t0_card_answers_as_a_t1_card_does() -> None:
    profile = load_card("test-visa-contact")
    assert profile.contact is not None
    plain = ContactCardTwin(profile)
    view = T0View(ContactCardTwin(profile), bytes.fromhex(profile.contact.atr_t0))
    assert plain.power_on() != view.power_on()
    name = apdu.select(bytes.fromhex(profile.application.aid)).encode()
    options = apdu.get_processing_options(b"").encode()
    first = apdu.generate_ac(2, bytes(33)).encode()
    for command in (
        SELECT,
        READ,
        name,
        options,
        READ,
        apdu.read_record(2, 1).encode(),
        first,
        b"\x00\x82\x00\x00\x01\x00",
    ):
        assert run(command, view.apdu) == plain.apdu(command)


def test_long_answers_come_in_pieces() -> None:
    answers = iter([b"\x61\x00", b"\x01" * 256 + b"\x61\x10", b"\x02" * 16 + b"\x90\x00"])
    sent: list[bytes] = []

    def answer(command: bytes) -> bytes:
        sent.append(command)
        return next(answers)

    assert run(SELECT, answer) == b"\x01" * 256 + b"\x02" * 16 + b"\x90\x00"
    assert sent[1:] == [bytes.fromhex("00C0000000"), bytes.fromhex("00C0000010")]


@pytest.mark.parametrize("octets", ["9000", "6A82", "6C", "", "61", "6283", "63C2", "0102039000", "010203626E"])
def test_what_needs_no_chaining_passes_untouched(octets: str) -> None:
    """A command that expects no data is never followed by a fetch, whatever the status."""
    command = apdu.external_authenticate(bytes(10)).encode()
    sent: list[bytes] = []

    def answer(sending: bytes) -> bytes:
        sent.append(sending)
        return bytes.fromhex(octets)

    assert run(command, answer) == bytes.fromhex(octets)
    assert sent == [command]


def test_what_is_no_command_passes_untouched() -> None:
    assert run(b"\x00\x20", lambda command: b"\x61\x05") == b"\x61\x05"


@pytest.mark.parametrize("status", ["6105", "6C05", "61FF", "6C00"])
def test_an_answer_without_an_end(status: str) -> None:
    count = 0

    def answer(command: bytes) -> bytes:
        nonlocal count
        count += 1
        return bytes.fromhex(status)

    with pytest.raises(EndlessAnswer):
        run(SELECT, answer)
    assert count <= MOST_FETCHES + 1


def test_data_without_an_end() -> None:
    with pytest.raises(EndlessAnswer):
        run(SELECT, lambda command: bytes(256) + b"\x61\x00")
    with pytest.raises(EndlessAnswer):
        run(SELECT, lambda command: bytes(MOST_ANSWER) + b"\x61\x01")


@given(st.lists(st.binary(max_size=40), max_size=30), st.sampled_from([SELECT, READ, b"\x80\xae\x80\x00"]))
@settings(max_examples=300, deadline=None)
def test_garbage(pieces: list[bytes], command: bytes) -> None:
    left, count = iter(pieces), 0

    def answer(sent: bytes) -> bytes:
        nonlocal count
        count += 1
        return next(left, b"\x90\x00")

    with contextlib.suppress(EndlessAnswer):
        assert isinstance(run(command, answer), bytes)
    assert count <= MOST_FETCHES + 1


class Recorded:
    """A reader with one answer for everything."""

    def __init__(self, octets: bytes) -> None:
        self.octets = octets
        self.calls: list[str] = []

    async def wait_for_card(self, timeout_s: float) -> CardPresence | None:
        self.calls.append("wait")
        return CardPresence("contact", "recorded")

    async def transmit(self, command: bytes) -> bytes:
        return self.octets

    async def release(self) -> None:
        self.calls.append("release")

    async def close(self) -> None:
        self.calls.append("close")


async def test_the_layer_is_a_reader() -> None:
    reader = Recorded(b"\x90\x00")
    layer = Chaining(reader)
    assert await layer.wait_for_card(1) == CardPresence("contact", "recorded")
    assert await layer.transmit(SELECT) == b"\x90\x00"
    await layer.release()
    await layer.close()
    assert reader.calls == ["wait", "release", "close"]
    with pytest.raises(CardLost, match="no end"):
        await Chaining(Recorded(b"\x61\x00")).transmit(SELECT)
