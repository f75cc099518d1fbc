# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Taps within one payment: a card that leaves too early comes back, a telephone wants its holder, nobody comes."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from device_profiles.twins.card_answer import CardTorn
from protocols.emv.apdu import Ins
from terminal_agent.card.port import CardPresence
from tests.terminal_agent.emv.tap_session import KEYS, both, twin
from tests.terminal_agent.flows.test_payment import Bench


class Tearing:
    """A card that leaves when it has acted on the commands of these instructions, once each."""

    def __init__(self, card: Any, *instructions: Ins) -> None:
        self.card = card
        self.sent: list[int] = []
        self._leaves = list(instructions)

    def power_on(self) -> Any:
        return self.card.power_on()

    def power_off(self) -> None:
        self.card.power_off()

    def apdu(self, command: bytes) -> bytes:
        self.sent.append(command[1])
        answer: bytes = self.card.apdu(command)
        if self._leaves and command[1] == self._leaves[0]:
            self._leaves.pop(0)
            raise CardTorn
        return answer


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    made.till.terminal = both(relay_resistance=False)
    made.till.authorities = KEYS
    yield made
    made.journal.close()


def presented(bench: Bench) -> list[str]:
    """What the till says when a card is to be presented."""
    steps = [event.fields for event in bench.chain.named("payment.step")]
    return [str(fields["words"]) for fields in steps if fields["step"] == "present"]


async def test_a_torn_payment_goes_on_with_the_next_tap(bench: Bench) -> None:
    card = bench.reader_driver.card = Tearing(twin("test-mastercard-like"), Ins.GENERATE_AC)
    fields = await bench.pay()
    assert fields["outcome"] == "approved"
    assert card.card.atc == 1
    assert (card.sent.count(Ins.GENERATE_AC), card.sent.count(Ins.RECOVER_AC)) == (1, 1)
    assert presented(bench)[1:] == ["the card left too early: present it again"]
    assert len(bench.acquiring.requests) == 1


async def test_a_card_that_leaves_before_its_cryptogram_was_asked_for_ends_the_payment(bench: Bench) -> None:
    bench.reader_driver.card = Tearing(twin("test-mastercard-like"), Ins.READ_RECORD)
    fields = await bench.pay()
    assert (fields["outcome"], len(presented(bench))) == ("failed", 1)


async def test_after_three_taps_it_has_to_do(bench: Bench) -> None:
    card = Tearing(twin("test-mastercard-like"), *(Ins.GENERATE_AC, Ins.RECOVER_AC) * 3)
    bench.reader_driver.card = card
    fields = await bench.pay()
    assert fields["outcome"] == "failed"
    assert len(presented(bench)) <= 3
    assert bench.acquiring.requests == []


async def test_a_telephone_that_wants_its_holder(bench: Bench) -> None:
    phone: Any = twin("test-mobile-mastercard")
    phone.unlocked = False
    bench.reader_driver.card = phone
    wait = bench.reader_driver.wait_for_card

    async def unlocked_meanwhile(timeout_s: float) -> CardPresence | None:
        phone.unlocked = len(presented(bench)) > 1
        return await wait(timeout_s)

    bench.reader_driver.wait_for_card = unlocked_meanwhile  # type: ignore[method-assign]  # a person's hand
    fields = await bench.pay()
    assert fields["outcome"] == "approved"
    assert presented(bench)[1:] == ["the device wants its holder: see what it shows, then tap again"]
    assert bench.pad_driver.asked == []


async def test_a_telephone_that_stays_locked_ends_the_payment(bench: Bench) -> None:
    phone: Any = twin("test-mobile-mastercard")
    phone.unlocked = False
    bench.reader_driver.card = phone
    fields = await bench.pay()
    assert (fields["outcome"], len(presented(bench))) == ("failed", 3)
    assert "wants its holder" in fields["reason"]


async def test_nobody_comes_again(bench: Bench) -> None:
    phone: Any = twin("test-mobile-mastercard")
    phone.unlocked = False
    bench.reader_driver.card = phone
    wait = bench.reader_driver.wait_for_card

    async def once(timeout_s: float) -> CardPresence | None:
        return await wait(timeout_s) if len(presented(bench)) == 1 else None

    bench.reader_driver.wait_for_card = once  # type: ignore[method-assign]  # a person's hand
    fields = await bench.pay()
    assert (fields["outcome"], fields["reason"]) == ("failed", "the card was not presented again")


@pytest.mark.parametrize("card", ["test-mastercard-like", "test-visa-fdda"])
async def test_an_offline_approval_is_booked_where_the_acquirer_books_such(bench: Bench, card: str) -> None:
    bench.reader_driver.card = twin(card)
    bench.acquiring.offline_limit = 1_500
    fields = await bench.pay(1_500)
    assert (fields["outcome"], fields["response_code"]) == ("approved", "Y1")
    assert bench.acquiring.requests == []
    assert len(bench.chain.named("advice.owed")) == 1


@pytest.mark.parametrize("card", ["test-mastercard-like", "test-visa-fdda"])
async def test_elsewhere_the_acquirer_is_asked(bench: Bench, card: str) -> None:
    bench.reader_driver.card = twin(card)
    bench.acquiring.offline_limit = 1_499
    fields = await bench.pay(1_500)
    assert (fields["outcome"], fields["response_code"]) == ("approved", "00")
    assert len(bench.acquiring.requests) == 1


async def test_a_relayed_card_is_reported(bench: Bench) -> None:
    bench.till.terminal = dataclasses.replace(bench.till.terminal, relay_resistance=True)
    bench.reader_driver.card = twin("test-mastercard-like")
    bench.clock._passes = 25  # milliseconds for every exchange: whoever relays takes them
    fields = await bench.pay(1_500)
    assert fields["outcome"] == "declined"
    alerts = [event.fields["alert"] for event in bench.chain.named("payment.alert")]
    assert alerts == ["card.relay-suspected"]
