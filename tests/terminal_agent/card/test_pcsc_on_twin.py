# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The PC/SC reader over libpcsclite on our own service, with what no real one can be made to do on demand."""

import asyncio
import dataclasses
import threading
from collections.abc import Generator

import pytest

from device_profiles.model import AtrRules
from device_profiles.serve.card_choice import chosen
from device_profiles.twins.card import CardTorn
from device_profiles.twins.keypad import Keypad
from device_profiles.twins.pcscd_reader import VirtualReader
from device_profiles.twins.pinpad_cardholder import Behaviour, Cardholder
from protocols.pcsc.features import EMV_PLAINTEXT, EMV_VERIFY, PinForm, PinModify, PinVerify
from protocols.secret import Pin
from terminal_agent.card.chaining import Chaining
from terminal_agent.card.port import CardError, CardLost, ReaderAbsent, converse, pin_entry
from terminal_agent.card.reading import read_card
from tests.device_profiles.twins.pcscd_client import PlainCard
from tests.patience import PATIENCE_S
from tests.terminal_agent.card.pcsc_desk import SELECT_PSE, done, opened
from tests.twin_pcscd import READER, Desk

VERIFY = PinVerify(EMV_VERIFY, EMV_PLAINTEXT, timeout_s=5)


# Conversations


def three(answers: list[bytes]) -> Generator[bytes, bytes, str]:
    for number in range(3):
        answers.append((yield bytes((0, 0xA4, 4, number))))
    return "done"


async def test_a_conversation_is_one_hop(desk: Desk) -> None:
    desk.insert(chosen("test-visa-contact"))
    async with opened() as reader:
        assert await reader.wait_for_card(30) is not None
        threads: set[str] = set()

        def turns() -> Generator[bytes, bytes, int]:
            for _ in range(20):
                yield SELECT_PSE
                threads.add(threading.current_thread().name)
            return 7

        assert await reader.converse(turns()) == 7
        assert threads == {"pcsc-cards"}


async def test_chaining_is_inside_the_conversation(desk: Desk) -> None:
    desk.insert(chosen("test-visa-contact", transmission="t0"))

    def turns() -> Generator[bytes, bytes, bytes]:
        return (yield SELECT_PSE)

    async with opened() as reader:
        assert await reader.wait_for_card(30) is not None
        assert (await converse(Chaining(reader), turns()))[-2:] == b"\x90\x00"


async def test_an_error_in_the_turns_leaves_the_card(desk: Desk) -> None:
    desk.insert(PlainCard())

    def turns() -> Generator[bytes, bytes, None]:
        yield SELECT_PSE
        raise RuntimeError("the machine's own fault")

    async with opened() as reader:
        assert await reader.wait_for_card(30) is not None
        with pytest.raises(RuntimeError, match="own fault"):
            await reader.converse(turns())
        assert await reader.transmit(SELECT_PSE) == b"\x90\x00"


async def test_a_cancelled_conversation_sends_nothing_more() -> None:
    card = PlainCard()
    begun = threading.Event()

    def two() -> Generator[bytes, bytes, None]:
        begun.set()
        yield SELECT_PSE
        yield SELECT_PSE

    with Desk(VirtualReader(READER, card_delay_s=0.5)) as desk:
        desk.insert(card)
        async with opened() as reader:
            assert await reader.wait_for_card(30) is not None
            turns = two()
            talking = asyncio.create_task(reader.converse(turns))
            await asyncio.to_thread(begun.wait)
            talking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await talking
            turns.close()  # nobody is inside: it may be closed at once
            await reader.release()
            assert len(card.told) == 1


async def test_the_card_goes_in_mid_conversation(desk: Desk) -> None:
    card = PlainCard()
    desk.insert(card)

    def turns() -> Generator[bytes, bytes, None]:
        yield SELECT_PSE
        card.torn = True
        yield SELECT_PSE

    async with opened() as reader:
        assert await reader.wait_for_card(30) is not None
        with pytest.raises(CardLost, match="the exchange with the card failed"):
            await reader.converse(turns())
        with pytest.raises(CardLost, match="no card"):
            await reader.transmit(SELECT_PSE)
        assert desk.events == [("card.removed", READER)]


# Cards that misbehave


async def test_a_card_without_end(desk: Desk) -> None:
    desk.insert(PlainCard(answer=bytes(16) + b"\x61\x10"))
    async with opened() as reader:
        assert await reader.wait_for_card(30) is not None
        with pytest.raises(CardLost, match="has no end"):
            await Chaining(reader).transmit(SELECT_PSE)


async def test_a_card_that_always_wants_another_length(desk: Desk) -> None:
    card = PlainCard(answer=b"\x6c\x10")
    desk.insert(card)
    async with opened() as reader:
        assert await reader.wait_for_card(30) is not None
        with pytest.raises(CardLost, match="has no end"):
            await Chaining(reader).transmit(SELECT_PSE)
        assert len(card.told) <= 25


async def test_a_mute_card(desk: Desk) -> None:
    desk.insert(None)
    async with opened() as reader:
        with pytest.raises(CardError, match="does not answer the reset"):
            await reader.wait_for_card(30)
        await done(desk.remove)
        desk.insert(PlainCard())
        assert await reader.wait_for_card(30) is not None


@pytest.mark.parametrize("answer", ["", "3B", "0000", "3BF0", "3B" + "80" * 20])
async def test_answers_to_reset_that_are_none(desk: Desk, answer: str) -> None:
    desk.insert(PlainCard(atr=bytes.fromhex(answer)))
    async with opened() as reader:
        with pytest.raises(CardError, match="does not answer the reset"):
            await reader.wait_for_card(30)


async def test_an_answer_to_reset_that_emv_refuses(desk: Desk) -> None:
    card = PlainCard(atr=bytes.fromhex("3B800181"))  # T=1 without TB3 and TB1
    desk.insert(card)
    async with opened() as reader:
        with pytest.raises(CardError, match="not one that EMV takes: ") as caught:
            await reader.wait_for_card(30)
        assert "atr-rules" in caught.value.hint
        resets = card.resets
        assert resets >= 2  # a warm one was tried
    async with opened(atr_rules=AtrRules.ISO) as reader:
        assert await reader.wait_for_card(30) is not None


class Warms(PlainCard):
    """Says TB1 = 25 at first, as cards from before EMV did; a warm reset may say so."""

    def power_on(self) -> bytes:
        super().power_on()
        return bytes.fromhex("3B2025")


async def test_a_warm_reset_is_judged_more_leniently(desk: Desk) -> None:
    card = Warms(atr=bytes.fromhex("3B2025"))
    desk.insert(card)
    async with opened() as reader:
        presence = await reader.wait_for_card(30)
        assert presence is not None
        assert "T=0" in presence.identity
        assert card.resets == 2


async def test_extended_commands_and_answers(desk: Desk) -> None:
    card = PlainCard(answer=bytes(65_000) + b"\x90\x00")
    desk.insert(card)
    command = bytes.fromhex("00CB3FFF00FDE8") + bytes(65_000) + b"\0\0"
    async with opened() as reader:
        assert await reader.wait_for_card(30) is not None
        assert len(await reader.transmit(command)) == 65_002
        assert card.told == [command]


async def test_a_slow_card_is_waited_for_and_a_silent_one_given_up() -> None:
    with Desk(VirtualReader(READER, card_delay_s=0.8)) as desk:
        desk.insert(PlainCard())
        async with opened(exchange_s=20.0) as reader:
            assert await reader.wait_for_card(30) is not None
            assert await reader.transmit(SELECT_PSE) == b"\x90\x00"
        async with opened(exchange_s=0.05) as reader:
            assert await reader.wait_for_card(30) is not None
            with pytest.raises(ReaderAbsent, match="did not answer within"):
                await reader.transmit(SELECT_PSE)


# PIN pads


def pad(behaviour: Behaviour) -> VirtualReader:
    return VirtualReader("Till Pad", keypad=Keypad(Cardholder(Pin.from_text("27418"), behaviour, 0.001)))


@pytest.mark.parametrize(
    ("behaviour", "status"),
    [(Behaviour.RIGHT_PIN, "9000"), (Behaviour.CANCEL, "6401"), (Behaviour.SILENT, "6400")],
)
async def test_a_pin_goes_from_the_keys_to_the_card(behaviour: Behaviour, status: str) -> None:
    card = PlainCard()
    with Desk(pad(behaviour)) as desk:
        desk.insert(card)
        async with opened("pcsc:Pad") as driver:
            keypad = pin_entry(Chaining(driver))
            assert keypad is not None
            assert await keypad.takes_pins()
            assert await driver.wait_for_card(30) is not None
            asked = dataclasses.replace(VERIFY, timeout_s=1) if behaviour is Behaviour.SILENT else VERIFY
            assert (await keypad.enter_pin(asked)).hex() == status
    typed = [bytes.fromhex("00200080082527418FFFFFFFFF")] if behaviour is Behaviour.RIGHT_PIN else []
    assert card.told == typed


async def test_a_pin_is_changed_at_the_keys() -> None:
    card = PlainCard()
    with Desk(pad(Behaviour.RIGHT_PIN)) as desk:
        desk.insert(card)
        async with opened("pcsc:Pad") as driver:
            assert await driver.wait_for_card(30) is not None
            form = PinForm(bcd=False, left_aligned=True, position=0, block_size=8)
            assert (await driver.change_pin(PinModify(bytes.fromhex("0024000010") + bytes(16), form))).hex() == "9000"
    assert card.told == [bytes.fromhex("0024000010" + "3237343138000000" * 2)]


@pytest.mark.parametrize("number", range(11))
async def test_a_card_torn_at_every_command(desk: Desk, number: int) -> None:
    """Wherever it tears: it is lost, at once, and comes back whole."""
    card = TearsAt(number)
    desk.insert(card)
    async with opened() as reader:
        assert await reader.wait_for_card(30) is not None
        async with asyncio.timeout(PATIENCE_S):
            with pytest.raises(CardLost):
                await converse(Chaining(reader), read_card())
        card.left = 10_000
        desk.insert(card)
        assert await reader.wait_for_card(30) is not None
        assert (await converse(Chaining(reader), read_card())).applications


class TearsAt(PlainCard):
    """The shipped card, torn out at a command."""

    def __init__(self, left: int) -> None:
        self._card = chosen("test-visa-contact")
        super().__init__(atr=self._card.atr)
        self.left = left

    def power_on(self) -> bytes:
        return self._card.power_on()

    def apdu(self, command: bytes) -> bytes:
        self.left -= 1
        if self.left < 0:
            raise CardTorn
        return self._card.apdu(command)


async def test_a_reader_without_keys(desk: Desk) -> None:
    desk.insert(PlainCard())
    async with opened() as reader:
        assert not await reader.takes_pins()
        with pytest.raises(CardLost, match="no card"):
            await reader.enter_pin(VERIFY)
        assert await reader.wait_for_card(30) is not None
        with pytest.raises(CardError, match="no such feature"):
            await reader.enter_pin(VERIFY)
