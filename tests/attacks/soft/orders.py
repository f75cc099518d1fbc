# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Parts of a terminal that lack one defence each: a memory of orders, an ear for retained messages, a floor."""

from pathlib import Path

from protocols.errors import DecodeError
from protocols.signed import Believed, Envelope, Floor, Refused, read, vouched
from terminal_agent.flows.ordering import Ordering
from terminal_agent.orders.ledger import Ledger
from terminal_agent.orders.profile_store import ProfileStore
from terminal_agent.usb.policy import Now
from terminal_agent.usb.store import NotTaken, Store


class ForgetfulLedger(Ledger):
    """Forgets which orders it saw."""

    @property
    def floor(self) -> Floor | None:
        """None, always."""
        return None

    def begin(self, floor: Floor, identifier: str, command: str, persons: str) -> None:
        """Writes it down without its number."""
        with self._transaction() as run:
            run("UPDATE ledger SET begun = ?, begun_command = ?, begun_persons = ?", (identifier, command, persons))


def forgetful(path: Path, terminal: str) -> Ledger:
    """A ledger without a memory."""
    return ForgetfulLedger.open(path, terminal)


class EarlessOrdering(Ordering):
    """Does not hear that a message was retained."""

    def take(self, octets: bytes, retained: bool) -> None:
        """See :class:`Ordering`."""
        super().take(octets, False)


class AnybodysOrdering(Ordering):
    """Does not ask for which terminal an order is."""

    def take(self, octets: bytes, retained: bool) -> None:
        """See :class:`Ordering`."""
        self._terminal = read(octets).unverified.audience
        super().take(octets, retained)


class TimelessOrdering(Ordering):
    """Does not ask whether an order's time is over."""

    def take(self, octets: bytes, retained: bool) -> None:
        """See :class:`Ordering`."""
        self._then = read(octets).unverified.from_s
        super().take(octets, retained)

    def _now_s(self) -> int:
        return self._then


class FloorlessStore(Store):
    """Takes whatever policy was signed once."""

    def _floor(self) -> Floor | None:
        return None


class TimelessStore(Store):
    """Takes a policy whose time is over."""

    def _believe(self, envelope: Envelope, kind: str, now: Now, floor: Floor | None) -> Believed:
        try:
            return vouched(envelope, self._trust, self._verify, kind=kind, terminal=self._terminal)
        except (Refused, DecodeError) as fault:
            raise NotTaken(str(fault), "") from None


class FloorlessProfiles(ProfileStore):
    """Starts with whatever profile was signed once."""

    def _floor(self) -> Floor | None:
        return None


class AnybodysProfiles(ProfileStore):
    """Does not ask for which terminal a profile is."""

    def take(self, envelope: Envelope, now_s: int) -> int:
        """See :class:`ProfileStore`."""
        self._terminal = envelope.unverified.audience
        return super().take(envelope, now_s)


class EagerOrdering(Ordering):
    """Tells of everything that is not believed, however often."""

    def _alert(self, cause: str, reason: str) -> None:
        self._alerts = 0
        super()._alert(cause, reason)
