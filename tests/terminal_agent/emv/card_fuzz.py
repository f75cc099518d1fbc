# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A card between a good card and the terminal that answers nonsense, and payments with it. Judges by :func:`spoilt`."""

import random
import tracemalloc
from collections.abc import Callable
from typing import Any

from device_profiles.card_profile import load_card
from device_profiles.twins.contact_card import ContactCardTwin, Memory
from protocols.emv import tlv
from terminal_agent.emv import ContactTransaction, Decision, EmvOutcome, IssuerAnswer, PinAnswer
from terminal_agent.emv.contact_run import PinAtReader, PinToEncipher
from tests.terminal_agent.emv.contact_session import application, authorities, request, terminal

AREA = "cards"
PACKAGES = (
    "terminal_agent/emv",
    *(f"protocols/emv/{name}.py" for name in ("apdu", "bits", "card_results", "dol", "oda", "status", "tags", "tlv")),
)
ANSWERS = "fuzzed answers of cards"
TAPS = "fuzzed answers of contactless cards"
TEARS = "cards torn out at every command"
MOST_COMMANDS = 250
MOST_OCTETS = 4 << 20
"""Of memory above what a good payment needs."""
KEYS = authorities()
NAMES = ("test-visa-sda", "test-visa-dda", "test-visa-cda", "test-mastercard-cda", "test-multi-application")
CARDS = tuple(ContactCardTwin(load_card(name)) for name in NAMES)
"""Personalised once: certificates cost more than a payment."""
SHOP = terminal(
    contact=(application(floor_limit=5_000, tac_online="0000000000"), application(aid="A0000000041010")),
    capabilities="E0F8C8",
    offline_pin=True,
    enciphered_pin=True,
    cardholder_choice=True,
)
Change = Callable[[random.Random, bytes], bytes]


def _flipped(dice: random.Random, answer: bytes) -> bytes:
    octets = bytearray(answer)
    for _ in range(dice.randint(1, 4)):
        octets[dice.randrange(len(octets))] = dice.randrange(256)
    return bytes(octets)


def _cut(dice: random.Random, answer: bytes) -> bytes:
    return answer[: dice.randrange(len(answer))]


def _cut_within(dice: random.Random, answer: bytes) -> bytes:
    return answer[: dice.randrange(len(answer))] + b"\x90\x00"


def _longer(dice: random.Random, answer: bytes) -> bytes:
    return answer[:-2] + dice.randbytes(dice.choice((1, 40, 300, 5_000))) + answer[-2:]


def _noise(dice: random.Random, answer: bytes) -> bytes:
    return dice.randbytes(dice.choice((0, 1, 2, 30, 256, 1_000))) + dice.choice((b"", b"\x90\x00", b"\x61\x00"))


def _status(dice: random.Random, answer: bytes) -> bytes:
    return dice.choice((answer[:-2], b"")) + dice.randbytes(2)


def _nested(dice: random.Random, answer: bytes) -> bytes:
    inside = answer[:-2]
    for _ in range(dice.randint(2, 60)):
        if len(inside) > 60_000:
            break
        inside = (
            dice.choice((b"\x70", b"\x77", b"\x6f", b"\xbf\x0c")) + b"\x82" + len(inside).to_bytes(2, "big") + inside
        )
    return inside + b"\x90\x00"


def _many(dice: random.Random, answer: bytes) -> bytes:
    body = b"\x9f\x10\x00" * dice.randint(50, 9_000)
    return b"\x70\x82" + len(body).to_bytes(2, "big") + body + b"\x90\x00"


def _twice(dice: random.Random, answer: bytes) -> bytes:
    """Objects given again, left out, in another order, with other values."""
    try:
        (outer,) = tlv.decode(answer[:-2])
    except (ValueError, tlv.DecodeError):
        return answer
    tag, inside = outer
    if isinstance(inside, bytes):
        return answer
    items: list[Any] = list(inside)
    for _ in range(dice.randint(1, 3)):
        if not items:
            break
        place = dice.randrange(len(items))
        match dice.randrange(4):
            case 0:
                items.append(items[place])
            case 1:
                del items[place]
            case 2:
                dice.shuffle(items)
            case _:
                number, value = items[place]
                if isinstance(value, bytes):
                    items[place] = number, dice.randbytes(dice.choice((0, 1, len(value), 200)))
    return tlv.encode([(tag, tlv.Objects(items))]) + answer[-2:]


CHANGES: tuple[Change, ...] = (_flipped, _cut, _cut_within, _longer, _noise, _status, _nested, _many, _twice)


class FuzzedCard:
    """A good card of which every ``one_in``-th answer arrives changed."""

    def __init__(self, dice: random.Random, one_in: int) -> None:
        self._good = dice.choice(CARDS)
        self._good.memory = Memory()
        self._good.power_on()
        self._dice = dice
        self._one_in = one_in
        self.changed = 0
        self.sent = 0

    def apdu(self, command: bytes) -> bytes:
        """The answer as it arrives."""
        self.sent += 1
        if self.sent > MOST_COMMANDS:
            raise AssertionError("the machine does not come to an end")
        answer = self._good.apdu(command)
        if self._dice.randrange(self._one_in):
            return answer
        self.changed += 1
        return self._dice.choice(CHANGES)(self._dice, answer)


def spoilt(dice: random.Random) -> tuple[int, EmvOutcome]:
    """One payment with a fuzzed card, whatever the issuer says: how many answers were changed, and its outcome."""
    card = FuzzedCard(dice, dice.choice((2, 4, 8)))
    payment = ContactTransaction(SHOP, request(), dice.randint(1, 99), KEYS)
    outcome = _run(payment.first(), card, dice)
    if outcome.decision is Decision.ONLINE:
        said = dice.choice((None, IssuerAnswer("00", True, dice.randbytes(10)), IssuerAnswer("05", False)))
        outcome = _run(payment.second(said), card, dice)
    assert outcome.notes[-1].subject == "decision"
    assert "4000009999" not in "".join(map(str, outcome.notes))
    return card.changed, outcome


def _run(machine: Any, card: FuzzedCard, dice: random.Random) -> EmvOutcome:
    try:
        wanted = next(machine)
        while True:
            if isinstance(wanted, bytes):
                wanted = machine.send(card.apdu(wanted))
            elif isinstance(wanted, PinAtReader):
                wanted = machine.send(card.apdu(wanted.template)[-2:].rjust(2, b"\0"))
            elif isinstance(wanted, PinToEncipher):
                wanted = machine.send(bytes(wanted.key.octets))
            elif hasattr(wanted, "labels"):
                wanted = machine.send(dice.randrange(len(wanted.labels)))
            else:
                wanted = machine.send(dice.choice((PinAnswer.ENTERED, PinAnswer.BYPASSED)))
    except StopIteration as end:
        outcome: EmvOutcome = end.value
        return outcome


def memory_of(dice: random.Random, payments: int) -> int:
    """The most octets that payments with fuzzed cards took at once."""
    tracemalloc.start()
    try:
        for _ in range(payments):
            spoilt(dice)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
