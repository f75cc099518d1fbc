# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What an ABECS pad's twin waits for besides a PIN: function keys, and a card that a person puts in or takes out.

Commands of this sort end when it has happened. A chip sale begins with one of them. Knows no packet and no PIN.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from device_profiles.twins.abecs_chip import CARD_TROUBLE, ChipSale, SaleFault
from device_profiles.twins.card_t0 import ContactCard
from device_profiles.twins.pinpad_cardholder import Key
from protocols.errors import DecodeError
from protocols.serial.abecs_messages import Command, Parameter, Status, decode_parameters, parameters
from protocols.serial.abecs_person import (
    ChipEvent,
    ChipThere,
    Happened,
    KeyPressed,
    PadKey,
    decode_watch,
    event_block,
    extended_event,
)

HAND_S = 0.05  # until the person has moved the card
_FUNCTION_KEYS: Mapping[int, PadKey] = {Key.ENTER: PadKey.ENTER, Key.CLEAR: PadKey.CLEAR, Key.CANCEL: PadKey.CANCEL}


@dataclass(frozen=True, slots=True)
class Answer:
    """A response, but for its packet."""

    name: str
    status: int = Status.OK
    blocks: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Waiting:
    """A command that has not ended."""

    name: str
    keys: bool = False
    chip: ChipEvent = ChipEvent.IGNORED
    until: float | None = None
    given: dict[int, bytes] = field(default_factory=dict)


class Desk:
    """The slot, the function keys and the person. Without a card nobody ever puts one in."""

    def __init__(self, card: ContactCard | None, random: Callable[[int], bytes]) -> None:
        self.sale: ChipSale | None = None
        self._card = card
        self._random = random
        self._present = False
        self._moves_at: float | None = None
        self._waiting: Waiting | None = None

    def await_key(self) -> None:
        """GKY."""
        self._waiting = Waiting("GKY", keys=True)

    def watch(self, command: Command, now: float) -> Answer | None:
        """CKE or CEX."""
        watched = decode_watch(command)
        return self._begin(Waiting(command.name, watched.keys, watched.chip), now)

    def await_removal(self, now: float) -> Answer | None:
        """RMC."""
        return self._begin(Waiting("RMC", chip=ChipEvent.REMOVED), now)

    def get_card(self, command: Command, now: float) -> Answer | None:
        """GCX."""
        given = decode_parameters(command.blocks, "ABECS GCX")
        self.sale = None
        wait_s = given.get(Parameter.TIMEOUT, b"")
        until = now + wait_s[0] if len(wait_s) == 1 else None
        return self._begin(Waiting("GCX", chip=ChipEvent.INSERTED, until=until, given=given), now)

    def finish(self, command: Command) -> Answer:
        """FCX."""
        if self.sale is None:
            return Answer("FCX", Status.BAD_CALL)
        sale, self.sale = self.sale, None
        return Answer("FCX", Status.OK, (parameters(sale.finish(decode_parameters(command.blocks, "ABECS FCX"))),))

    def press(self, key: int) -> Answer | None:
        """A key goes down; digits are never told (3.3.10)."""
        waiting, function = self._waiting, _FUNCTION_KEYS.get(key)
        if waiting is None or function is None:
            return None
        if waiting.name == "GCX" and function is PadKey.CANCEL:
            self.stop()
            return Answer("GCX", Status.CANCEL)
        if not waiting.keys:
            return None
        self.stop()
        return Answer("GKY", function) if waiting.name == "GKY" else _happened(waiting.name, KeyPressed(function))

    def tick(self, now: float) -> Answer | None:
        """The person's hand, and what it brings about."""
        if self._moves_at is not None and now >= self._moves_at:
            self._moves_at = None
            self._present = not self._present
            if not self._present:
                self._taken_out()
        return self._looked(now)

    @property
    def due(self) -> float | None:
        """When :meth:`tick` has something to do next."""
        until = self._waiting.until if self._waiting is not None else None
        return min((moment for moment in (self._moves_at, until) if moment is not None), default=None)

    def stop(self) -> None:
        """The command was broken off, or has ended."""
        self._waiting = None

    def _begin(self, waiting: Waiting, now: float) -> Answer | None:
        self._waiting = waiting
        wanted = waiting.chip is ChipEvent.INSERTED
        moves = waiting.chip is not ChipEvent.IGNORED and self._present != wanted
        if moves and self._card is not None and self._moves_at is None:
            self._moves_at = now + HAND_S
        return self._looked(now)

    def _looked(self, now: float) -> Answer | None:
        waiting = self._waiting
        if waiting is None:
            return None
        there = self._present
        if waiting.chip is ChipEvent.IGNORED or there != (waiting.chip is ChipEvent.INSERTED):
            if waiting.until is None or now < waiting.until:
                return None
            self.stop()
            return Answer(waiting.name, Status.TIMEOUT)
        self.stop()
        if waiting.name == "GCX":
            return self._got(waiting.given)
        return Answer(waiting.name) if waiting.name == "RMC" else _happened(waiting.name, ChipThere(there))

    def _got(self, given: Mapping[int, bytes]) -> Answer:
        assert self._card is not None  # nothing else can be present
        sale = ChipSale(self._card, self._random)
        try:
            found = sale.get(given)
        except SaleFault as fault:
            return Answer("GCX", fault.status)
        except DecodeError:
            return Answer("GCX", CARD_TROUBLE)
        self.sale = sale
        return Answer("GCX", Status.OK, (parameters(found),))

    def _taken_out(self) -> None:
        self.sale = None
        if self._card is not None:
            self._card.power_off()


def _happened(name: str, what: Happened) -> Answer:
    """The event as CKE or CEX tells it."""
    return Answer(name, Status.OK, (event_block(what) if name == "CKE" else extended_event(what),))
