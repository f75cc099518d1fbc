# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Terminal risk management: floor limit, random selection, velocity, exception file. It draws and declines nothing.

EMV 4.4 Book 3, 10.6. It is done for every card, also where the AIP does not ask for it: it protects the acquirer, and
the profile of a card is the card's word.
"""

from collections.abc import Generator

from protocols.emv import apdu, tlv
from protocols.emv.apdu import Response
from protocols.emv.bits import Tvr
from protocols.emv.tags import Tag
from terminal_agent.emv.card_data import CardData
from terminal_agent.emv.contact_application import ContactApplication
from terminal_agent.emv.exception_file import ExceptionFile
from terminal_agent.emv.outcome import Trail
from terminal_agent.emv.request import TransactionRequest


def assess(
    application: ContactApplication,
    request: TransactionRequest,
    roll: int,
    card: CardData,
    trail: Trail,
    exceptions: ExceptionFile | None = None,
    *,
    foreign: bool,
) -> Generator[bytes, bytes, Tvr]:
    """The findings. ``roll`` is 1 to 99; ``foreign``: the limits say nothing about this payment's currency.

    Stricter than the book: a foreign currency counts as above the floor limit (Emms and others, CCS 2014).
    """
    found = _listed(card, exceptions, trail)
    if request.forced_online:
        trail.note("risk", "the merchant wants this payment online", "Book 4, 6.5.4")
        found |= Tvr.MERCHANT_FORCED_ONLINE
    limits = _limits(application, request.amount + request.earlier, roll, foreign)
    words = "; ".join(limits.words()) or "under the floor limit, not selected at random"
    trail.note("risk", words, "Book 3, 10.6.1 and 10.6.2")
    found |= limits
    found |= yield from _velocity(card, trail)
    return found


def _listed(card: CardData, exceptions: ExceptionFile | None, trail: Trail) -> Tvr:
    """Whether the acquirer listed the card (Book 4, 6.5.1); a terminal need not have a list."""
    pan = card.pan
    if exceptions is None or pan is None or not exceptions.lists(pan, card.sequence_number):
        return Tvr(0)
    trail.note("risk", "the card is on the terminal's exception file", "Book 4, 6.5.1")
    return Tvr.ON_EXCEPTION_FILE


def _limits(application: ContactApplication, amount: int, roll: int, foreign: bool) -> Tvr:
    if foreign or amount >= application.floor_limit:
        return Tvr.OVER_FLOOR_LIMIT
    return Tvr.RANDOMLY_SELECTED if roll <= selection_percent(application, amount) else Tvr(0)


def selection_percent(application: ContactApplication, amount: int) -> int:
    """How many of a hundred payments of ``amount`` go online at random: more towards the floor limit (10.6.2)."""
    least, most = application.random_percent, application.random_most_percent
    above = amount - application.random_threshold
    if above < 0:
        return least
    return least + (most - least) * above // (application.floor_limit - application.random_threshold)


def _velocity(card: CardData, trail: Trail) -> Generator[bytes, bytes, Tvr]:
    """How many payments in a row the card made without its issuer (10.6.3)."""
    lower, upper = card.sized(Tag.LOWER_CONSECUTIVE_LIMIT), card.sized(Tag.UPPER_CONSECUTIVE_LIMIT)
    if lower is None or upper is None:
        return Tvr(0)
    counter = yield from _counter(Tag.ATC)
    last_online = yield from _counter(Tag.LAST_ONLINE_ATC)
    source = "Book 3, 10.6.3"
    found = Tvr.NEW_CARD if last_online == 0 else Tvr(0)
    if counter is None or last_online is None or counter <= last_online:
        trail.note("velocity", "the card's counters cannot be had or contradict one another", source)
        return found | Tvr.OVER_LOWER_CONSECUTIVE | Tvr.OVER_UPPER_CONSECUTIVE
    row = counter - last_online
    trail.note("velocity", f"{row} payments since the issuer was asked; limits {lower[0]} and {upper[0]}", source)
    found |= Tvr.OVER_LOWER_CONSECUTIVE if row > lower[0] else Tvr(0)
    return found | (Tvr.OVER_UPPER_CONSECUTIVE if row > upper[0] else Tvr(0))


def _counter(tag: Tag) -> Generator[bytes, bytes, int | None]:
    """GET DATA of a counter; None where the card does not give it."""
    response = Response.decode((yield apdu.get_data(tag).encode()))
    if not response.ok:
        return None
    value = tlv.decode(response.data, where="answer to GET DATA").first(tag)
    return int.from_bytes(value, "big") if value is not None and len(value) == 2 else None
