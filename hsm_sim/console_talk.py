# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""How an order at the console goes: what it may ask for, what it comes to, and why it is declined. Holds no order.

An action is a generator: it yields what it must ask a person for, is sent the answer as a secret, and gives a document
with its text. It reads no terminal and no socket; whoever runs it brings the answers and wipes nothing, since every
secret that was sent is wiped where it is used.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field

from hsm_sim.engine.states import Doing
from hsm_sim.simulator import Simulator
from protocols.secret import Secret


@dataclass(frozen=True, slots=True)
class Ask:
    """A secret that a person must bring; an empty answer ends a list of them."""

    words: str


@dataclass(frozen=True, slots=True)
class Done:
    """What an action came to."""

    document: Mapping[str, object]
    text: str


class Declined(Exception):
    """The console does not do it: what, and the cure. Quotes no secret."""

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint


Talk = Generator[Ask, Secret, Done]


@dataclass(frozen=True, slots=True)
class Action:
    """One order: how it is written, what it is for, what the state must permit, and how it is carried out."""

    usage: str
    summary: str
    doing: Doing
    run: Callable[[Simulator, Sequence[str]], Talk]
    arguments: range = field(default=range(1))

    @property
    def name(self) -> tuple[str, ...]:
        """The words that choose it."""
        return tuple(word for word in self.usage.split() if word.islower())


def said(text: str, **document: object) -> Talk:
    """An answer by an action that asks nothing."""
    yield from ()
    return Done(document or {"done": text}, text)


def number(text: str, least: int, most: int) -> int:
    """A whole number in bounds; :class:`ValueError` says them."""
    if not (text.isascii() and text.isdecimal()) or len(text) > 6 or not least <= int(text) <= most:
        raise ValueError(f"a number from {least} to {most} expected")
    return int(text)
