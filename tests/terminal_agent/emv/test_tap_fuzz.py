# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Invariant: whatever a contactless card answers, a tap ends in an outcome, and an approval has the card's signature.

A thousand changed answers in every run, more in the long one, whose evidence is docs/evidence/cards.json. A card that
leaves ends nothing by itself: the machine is closed, and the next tap works.
"""

import random

import pytest

from device_profiles.twins.card_answer import CardTorn
from terminal_agent.emv import Decision
from tests import evidence
from tests.terminal_agent.emv.card_fuzz import AREA, CHANGES, PACKAGES, TAPS
from tests.terminal_agent.emv.tap_session import Field, both, twin

SHORT, LONG = 1_000, 20_000
SEED = 20_261_122
NAMES = ("test-mastercard-like", "test-mobile-mastercard", "test-visa-fdda", "test-mobile-visa", "test-visa-like")
PLACE = both(signed_online=True)
PROVEN = ("CDA succeeded", "fDDA succeeded")


class Fuzzed:
    """A good card of which every ``one_in``-th answer arrives changed."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self._one_in = dice.randint(2, 12)
        self.changed = 0

    def __call__(self, command: bytes, answer: bytes) -> bytes:
        if self._dice.randrange(self._one_in):
            return answer
        self.changed += 1
        return self._dice.choice(CHANGES)(self._dice, answer)


FIELDS = tuple(Field(twin(name)) for name in NAMES)
"""Personalised once: certificates cost more than a tap."""


def fuzz(least: int, seed: int) -> None:
    dice, changed = random.Random(seed), 0
    while changed < least:
        field, change = dice.choice(FIELDS), Fuzzed(dice)
        field.spoil = change
        field.card.atc = 0
        field.card.power_on()
        field.commands.clear()
        outcome = field.tap(dice.choice((1_500, 4_200, 70_000)), PLACE)
        changed += change.changed
        if outcome.decision is Decision.APPROVED:
            assert any(note.words.startswith(PROVEN) for note in outcome.notes)


def test_fuzzed_taps() -> None:
    fuzz(SHORT, 1)


@pytest.mark.long
def test_many_fuzzed_taps() -> None:
    with evidence.run(AREA, PACKAGES, TAPS, cases=LONG, seed=SEED):
        fuzz(LONG, SEED)


class Leaving:
    """A card that goes when it has acted on its command ``at`` (from 1)."""

    def __init__(self, name: str, at: int) -> None:
        self.field = Field(twin(name), spoil=self._leave)
        self._at = at
        self._sent = 0

    def _leave(self, command: bytes, answer: bytes) -> bytes:
        self._sent += 1
        if self._sent == self._at:
            raise CardTorn
        return answer


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("amount", [1_500, 4_200])
def test_a_card_that_leaves_at_any_command_can_be_tapped_again(name: str, amount: int) -> None:
    commands = len(_whole(name, amount).commands)
    for at in range(1, commands + 1):
        leaving = Leaving(name, at)
        with pytest.raises(CardTorn):
            leaving.field.tap(amount, PLACE)
        leaving.field.card.power_on()
        again = leaving.field.tap(amount, PLACE)
        assert again.decision in (Decision.ONLINE, Decision.APPROVED)
        assert again.alerts == () or name == "test-visa-like"
        assert len(leaving.field.log) == 0


def _whole(name: str, amount: int) -> Field:
    field = Field(twin(name))
    field.tap(amount, PLACE)
    return field
