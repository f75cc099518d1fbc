# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What a payment asks people: the application, the signature. Silence and refusal never pay, and nothing stays held."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from terminal_agent.flows.questions import About, NotAsked, Questions
from tests.terminal_agent.flows.contact_bench import Shop

pytestmark = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")

Open = Callable[..., Shop]
CHOICE = {"card": "test-multi-application", "terminal": {"cardholder_choice": True}}


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Open]:
    with contextlib.ExitStack() as stack:

        def opened(**changes: Any) -> Shop:
            made = Shop(tmp_path / "shop", **changes)
            stack.callback(made.close)
            return made

        yield opened


def asked(till: Shop) -> list[tuple[str, str]]:
    return [
        (str(event.fields["about"]), str(event.fields["options"]))
        for event in till.events
        if event.name == "payment.question"
    ]


# The application


@pytest.mark.parametrize(("answer", "label"), [(1, "TEST MASTERCARD"), (2, "TEST VISA"), (3, "TEST DEBIT")])
async def test_the_cardholder_chooses(shop: Open, answer: int, label: str) -> None:
    till = shop(**CHOICE)
    till.answers = [answer]
    await till.pay()
    assert asked(till) == [("application", "1 TEST MASTERCARD; 2 TEST VISA; 3 TEST DEBIT")]
    said = till.words("application")
    assert f"the cardholder chose {label} among 3" in said
    assert any(words.startswith(f"{label}, A0000000") for words in said)


@pytest.mark.parametrize(
    ("answers", "reason"),
    [([0], "the cardholder chose none of the card's applications"), ([], "no application chosen within 0 s")],
)
async def test_whoever_chooses_nothing_pays_nothing(shop: Open, answers: list[int], reason: str) -> None:
    till = shop(**CHOICE)
    till.answers = answers
    fields = await till.pay()
    assert (fields["outcome"], fields["reason"]) == ("cancelled", reason)
    assert "0100" not in till.line.sent
    assert till.reader.released == 1
    assert not till.till.fallbacks.ended("contact", chip_failed=False), "a choice is no chip that failed"


async def test_a_terminal_without_a_choice_asks_nobody(shop: Open) -> None:
    till = shop(card="test-multi-application")
    await till.pay()
    assert not asked(till)
    assert any(words.startswith("TEST MASTERCARD, ") for words in till.words("application")), "the first by priority"


# The signature

PAPER = {
    "card": "test-mastercard-cda",
    "terminal": {"capabilities": "E028C8", "online_pin": False, "signature": True},
}
OPTIONS = ("signature", "1 the signature is the card's; 2 it is not")


async def test_a_signature_that_the_cashier_accepts(shop: Open) -> None:
    till = shop(**PAPER)
    till.answers = [1]
    fields = await till.pay()
    assert (fields["outcome"], fields["response_code"]) == ("approved", "00")
    assert till.words("CVM")[-1].startswith("signature")
    assert asked(till) == [OPTIONS]
    (receipt,) = [event.fields["words"] for event in till.events if event.fields.get("step") == "receipt"]
    assert receipt == ("approved, signature needed: EUR 42.00, card 541333******2043, signature x____________")
    told = [event.fields["words"] for event in till.events if event.fields.get("step") == "signature"]
    assert told == ["the signature is the card's"]
    assert till.held == 4_200
    assert not till.journal.reversals()


@pytest.mark.parametrize(
    ("answers", "outcome", "reason"),
    [
        ([2], "declined", "the signature was not accepted; the approval is taken back"),
        ([0], "declined", "the signature was not accepted; the approval is taken back"),
        ([], "failed", "nobody said within 0 s whose signature it is; the approval is taken back"),
    ],
)
async def test_an_approval_without_its_signature_is_taken_back(
    shop: Open, answers: list[int], outcome: str, reason: str
) -> None:
    till = shop(**PAPER)
    till.answers = answers
    fields = await till.pay()
    assert (fields["outcome"], fields["reason"]) == (outcome, reason)
    assert till.reader.released == 1
    assert len(till.journal.reversals()) == 1
    await till.settle()
    assert till.held == 0
    assert till.line.sent[-1] == "0400"


async def test_nobody_looks_at_a_signature_of_a_declined_payment(shop: Open) -> None:
    till = shop(**PAPER)
    fields = await till.pay(200_000_000)
    assert (fields["outcome"], fields["response_code"]) == ("declined", "51")
    assert not asked(till)


async def test_an_approval_without_the_acquirer_waits_for_its_signature_too(shop: Open) -> None:
    limits = {"floor_limit": 5_000, "tac_online": "0000000000", "tac_default": "0000000000", "offline_limit": 5_000}
    till = shop(**PAPER, **limits)
    till.answers = [2, 1]
    assert (await till.pay())["outcome"] == "declined"
    assert not till.journal.advices(), "nothing was booked, and nothing is to be"
    fields = await till.pay()
    assert (fields["outcome"], fields["response_code"]) == ("approved", "Y1")
    assert len(till.journal.advices()) == 1


# An answer


async def test_only_the_open_question_is_answered(shop: Open) -> None:
    till = shop(**CHOICE)
    questions = till.till.questions
    with pytest.raises(NotAsked, match="asks nothing now"):
        questions.answer("p1", 1)
    refused: list[str] = []

    def wrong(number: int, payment: str) -> None:
        with pytest.raises(NotAsked) as caught:
            questions.answer(payment, number)
        refused.append(caught.value.what)

    def at_the_question(event: Any) -> None:
        if event.name == "payment.question":
            payment = event.fields["payment"]
            wrong(1, "another")
            wrong(4, payment)
            wrong(-1, payment)
            questions.answer(payment, 2)
            wrong(1, payment)

    till.recorder.listen(at_the_question)
    assert await questions.ask("p1", About.APPLICATION, ["A", "B", "C"]) == 2
    assert questions.open is None
    assert refused == ["this payment asks nothing now", "4 is no answer", "-1 is no answer", refused[0]]


async def test_labels_of_a_card_are_made_fit_to_be_told(shop: Open) -> None:
    """A label is the card's own word: an account number in it is starred like everywhere else."""
    till = shop(**CHOICE)
    questions = Questions(till.recorder, 0.01)
    assert await questions.ask("p1", About.APPLICATION, ["4000009999990057", "B\x07C"]) is None
    (told,) = [event for event in till.events if event.name == "payment.question"]
    assert "4000009999990057" not in str(told.fields["options"])
    assert str(told.fields["options"]).endswith("B C")


# What the program that asks for a payment says


async def test_a_payment_that_is_wanted_online_goes_online(shop: Open) -> None:
    offline = {"floor_limit": 5_000, "tac_online": "0800000080", "tac_default": "0000000000", "offline_limit": 5_000}
    till = shop(card="test-visa-cda", terminal={"capabilities": "E008C8", "online_pin": False}, **offline)
    assert (await till.pay())["response_code"] == "Y1"
    await till.pay(online=True)
    assert "0100" in till.line.sent
    assert "the merchant wants this payment online" in till.words("risk")


@pytest.mark.parametrize(("earlier", "code"), [(0, "Y1"), (799, "Y1"), (800, "00")])
async def test_parts_of_a_sale_count_together_against_the_floor_limit(shop: Open, earlier: int, code: str) -> None:
    limits = {"floor_limit": 5_000, "tac_online": "0000008000", "tac_default": "0000000000", "offline_limit": 5_000}
    till = shop(card="test-visa-cda", terminal={"capabilities": "E008C8", "online_pin": False}, **limits)
    fields = await till.pay(4_200, earlier=earlier)
    assert (fields["outcome"], fields["response_code"]) == ("approved", code)
