# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Approved without the acquirer: it books such payments or they fail; it hears of each, and books it once.

The card's part is a stand-in that takes the real one's outcome and says that it approves; a card that really does, by
CDA, is in test_contact_payment.py. All else is the real flow, books, journal, host client and bank.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from terminal_agent.emv import Decision, EmvOutcome
from terminal_agent.flows import payment
from terminal_agent.flows.card_present import InsertedCard
from terminal_agent.host.port import HostGarbled, HostSilent, HostUnreachable
from tests.terminal_agent.flows.contact_bench import Shop

pytestmark = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")  # the oracles'


class Approving(InsertedCard):
    """A card that approves with its first cryptogram."""

    async def ask(self, ask_for_pin: Any) -> EmvOutcome:
        return replace(await super().ask(ask_for_pin), decision=Decision.APPROVED)


class ApprovingLate(InsertedCard):
    """A card that wants its issuer, and approves when nobody could be asked."""

    async def tell(self, answer: Any, *, failed: bool = False) -> EmvOutcome:
        outcome = await super().tell(answer, failed=failed)
        return replace(outcome, decision=Decision.APPROVED) if answer is None and not failed else outcome


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    made = Shop(tmp_path)
    made.acquiring._offline_limit = 5_000
    yield made
    made.close()


async def settle(shop: Shop) -> None:
    """Send what is owed."""
    task = asyncio.create_task(shop.acquiring.settle())
    for _ in range(300):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def names(shop: Shop) -> list[str]:
    return [event.name for event in shop.events if event.name.startswith(("advice.", "reversal.", "payment.f"))]


async def test_the_acquirer_is_told_and_books_it(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(payment, "InsertedCard", Approving)
    fields = await shop.pay()
    assert (fields["outcome"], fields["response_code"]) == ("approved", "Y1")
    assert "0100" not in shop.line.sent
    assert shop.held == 0
    await settle(shop)
    assert shop.line.sent[-1] == "0220"
    assert shop.held == 4_200
    assert names(shop) == ["advice.owed", "payment.finished", "advice.settled"]
    assert not shop.journal.owes()


async def test_after_asking_in_vain_the_request_is_taken_back_and_the_advice_stands(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(payment, "InsertedCard", ApprovingLate)
    shop.line.fault = HostSilent("no answer in 1 s", sent=True)
    fields = await shop.pay()
    assert (fields["outcome"], fields["response_code"]) == ("approved", "Y3")
    assert shop.held == 4_200, "the bank had booked the request"
    shop.line.fault = None
    await settle(shop)
    assert [kind for kind in shop.line.sent if kind != "0800"] == ["0100", "0400", "0220"]
    assert shop.held == 4_200, "of the advice, and of nothing else"
    assert names(shop) == ["reversal.owed", "advice.owed", "payment.finished", "reversal.settled", "advice.settled"]


@pytest.mark.parametrize(
    ("card", "fault", "limit", "reason"),
    [
        (Approving, None, 4_199, "the card approved offline, and the acquirer books no such payment"),
        (Approving, None, 0, "the card approved offline, and the acquirer books no such payment"),
        (ApprovingLate, HostUnreachable("no route", sent=False), 4_199, "no route"),
        (ApprovingLate, HostGarbled("the MAC is wrong", sent=True), 5_000, "the MAC is wrong"),
    ],
)
async def test_elsewhere_nothing_is_approved_offline(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, card: type, fault: Any, limit: int, reason: str
) -> None:
    monkeypatch.setattr(payment, "InsertedCard", card)
    shop.acquiring._offline_limit = limit
    shop.line.fault = fault
    fields = await shop.pay()
    assert (fields["outcome"], fields["reason"]) == ("failed", reason)
    shop.line.fault = None
    await settle(shop)
    assert shop.held == 0
    assert "0220" not in shop.line.sent


async def test_an_advice_whose_answer_is_lost_is_repeated_and_booked_once(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(payment, "InsertedCard", Approving)
    monkeypatch.setattr("terminal_agent.flows.acquiring.REVERSAL_PAUSE_S", 0)
    await shop.pay()
    exchange = shop.line.exchange
    lost = []

    async def losing(octets: bytes, timeout_s: float, answers: Any = None) -> bytes:
        answer = await exchange(octets, timeout_s, answers)
        if octets[:3] == b"022" and len(lost) < 2:
            lost.append(octets)
            raise HostSilent("no answer in 1 s", sent=True)
        return answer

    monkeypatch.setattr(shop.line, "exchange", losing)
    await settle(shop)
    assert [kind for kind in shop.line.sent if kind.startswith("022")] == ["0220", "0221", "0221"]
    assert shop.held == 4_200
    assert names(shop)[-1] == "advice.settled"


async def test_a_seal_that_does_not_open_is_an_alert_and_stops_no_reversal(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("terminal_agent.flows.acquiring.REVERSAL_PAUSE_S", 0)
    monkeypatch.setattr(payment, "InsertedCard", Approving)
    await shop.pay()
    (tmp_path / "advice.key").write_bytes(bytes(32))
    monkeypatch.setattr(payment, "InsertedCard", InsertedCard)
    shop.line.fault = HostSilent("no answer in 1 s", sent=True)
    await shop.pay()
    shop.line.fault = None
    await settle(shop)
    assert shop.journal.reversals() == ()
    assert shop.held == 0
    assert [event.name for event in shop.events].count("advice.stuck") == 1
    assert shop.journal.owes()
