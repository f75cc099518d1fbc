# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What happened between two tables of readers, as events in an order that could have been. Watches nothing itself.

The event thread hands over tables and not events, so that a slow listener holds one table and not a queue without
bound. The difference replays as events: what was there and is not any more has gone, what is new has come, and a card
whose visit is another one went and came back. Nothing that still holds can be missing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from terminal_agent.card.pcsc_codes import words
from terminal_agent.card.pcsc_watch import Slot, Table


class What(StrEnum):
    """Kinds of events."""

    SERVICE_LOST = "service.lost"
    SERVICE_BACK = "service.back"
    READER_CAME = "reader.came"
    READER_WENT = "reader.went"
    CARD_CAME = "card.came"
    CARD_MUTE = "card.mute"
    CARD_WENT = "card.went"


@dataclass(frozen=True, slots=True)
class Event:
    """One event; ``reader`` is empty where it is about the service."""

    what: What
    reader: str = ""
    detail: str = ""
    """The card's answer to reset, or why the service is away."""


def between(before: Table | None, after: Table) -> tuple[Event, ...]:
    """The events from one table to the next; from the beginning where there is none before."""
    return tuple(_between(before or Table(), after))


def _between(before: Table, after: Table) -> Iterator[Event]:
    for name, slot in before.slots.items():
        if name not in after.slots:
            if slot.present:
                yield Event(What.CARD_WENT, name)
            yield Event(What.READER_WENT, name)
    if before.fault != after.fault:
        if after.fault is not None:
            yield Event(What.SERVICE_LOST, "", words(after.fault))
        else:
            yield Event(What.SERVICE_BACK)
    for name, slot in after.slots.items():
        known = before.slots.get(name)
        if known is None:
            yield Event(What.READER_CAME, name)
        yield from _of_slot(name, known or Slot(), slot)


def _of_slot(name: str, before: Slot, after: Slot) -> Iterator[Event]:
    same = before.present == after.present and (not after.present or before.visit == after.visit)
    if before.present and not same:
        yield Event(What.CARD_WENT, name)
    if after.present and (not same or before.mute != after.mute):
        yield Event(What.CARD_MUTE if after.mute else What.CARD_CAME, name, after.atr.hex().upper())
