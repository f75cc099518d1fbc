# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Orders from head office: believed by this terminal itself, written down, handed to the room that acts, answered.

Whoever runs head office's machines or the broker can hold orders back, no more: what counts are persons' own
signatures. An order's floor is on disk before anything is done, so it is done at most once; its room judges once more;
its result is recorded like everything else. An order that is refused changes nothing but the audit log.

:meth:`Ordering.take` runs before the broker's copy is acknowledged and raises nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from hashlib import sha256

from protocols.errors import DecodeError, ProtocolError
from protocols.signed import Cause, Envelope, Floor, Refused, Trust, Verify, read, signers
from protocols.telemetry.events import fit
from protocols.telemetry.fields import IDENTIFIER
from protocols.telemetry.orders import (
    LARGEST_ORDER,
    TRUST_KIND,
    NotAnOrder,
    Order,
    Room,
    believe_order,
    identifier_of,
    rotate,
)
from terminal_agent.clock import Clock
from terminal_agent.errors import AgentError
from terminal_agent.flows.reporting import Recorder
from terminal_agent.orders.ledger import Ledger
from terminal_agent.orders.standing import step

Act = Callable[[Order], Awaitable[str]]
"""What a room does about an order: words for its result; raises :class:`AgentError` where it refuses."""

MOST_WAITING = 16  # orders that are believed and not carried out yet
MOST_ALERTS = 10  # in :data:`ALERTS_MS`; whoever floods a terminal must not fill its outbox
ALERTS_MS = 60_000


class NotAvailable(AgentError):
    """This terminal has no room for that."""


class Ordering:
    """The orders of one terminal. ``profile_trust``: who may give them, by its profile; None where nobody may."""

    def __init__(
        self,
        terminal: str,
        ledger: Ledger,
        profile_trust: Trust | None,
        verify: Verify,
        recorder: Recorder,
        clock: Clock,
        rooms: Mapping[Room, Act],
    ) -> None:
        self._terminal = terminal
        self._ledger = ledger
        self._profile_trust = profile_trust
        self._verify = verify
        self._recorder = recorder
        self._clock = clock
        self._rooms = rooms
        self._waiting: asyncio.Queue[Order] = asyncio.Queue()
        self._alerts_from = float("-inf")
        self._alerts = 0

    def open(self) -> None:
        """At start: answer the order in which an earlier run died."""
        begun = self._ledger.begun
        if begun is not None:
            reason = "the agent ended while it was carried out; look how far it came"
            self._refuse(begun.id, begun.command, begun.sequence, begun.persons, reason)
            self._ledger.end()

    def take(self, octets: bytes, retained: bool) -> None:
        """Something came where orders come: believe it and write it down, or refuse it."""
        try:
            self._take(octets, retained)
        except AgentError as fault:  # the ledger's disk: nothing was begun
            self._alert("not-written", fault.what)

    def doubt(self, reason: str) -> None:
        """Something that posed as head office's word, elsewhere, is not believed."""
        self._alert("not-believed", reason)

    async def run(self) -> None:
        """Carry out what was believed, one after the other, for the agent's life."""
        while True:
            await self._carry_out(await self._waiting.get())

    def trust(self) -> tuple[Trust, Floor] | None:
        """Who may give orders now; the floor is that of the list."""
        kept = self._ledger.trust
        if kept is not None:
            return kept
        return (self._profile_trust, Floor(0, "")) if self._profile_trust is not None else None

    def _take(self, octets: bytes, retained: bool) -> None:
        known = self.trust()
        if retained:
            self._alert("retained", "an order that the broker had kept, or was asked to keep")
            return
        if known is None:
            self._alert("nobody", "an order came, and the profile names nobody who may give one")
            return
        if len(octets) > LARGEST_ORDER:
            self._alert("malformed", f"an order of {len(octets)} octets")
            return
        try:
            envelope, verify = read(octets), cache(self._verify)  # each signature is looked at more than once
            if not signers(envelope, known[0], verify):
                raise Refused(Cause.NOBODY)
            if envelope.unverified.kind == TRUST_KIND:
                self._rotate(envelope, *known)
                return
            order = believe_order(
                envelope, known[0], verify, terminal=self._terminal, now_s=self._now_s(), floor=self._ledger.floor
            )
        except NotAnOrder as fault:
            believed = fault.believed
            self._ledger.begin(believed.floor, "", "", "")
            statement = believed.statement
            self._refuse(identifier_of(statement.body), "", statement.version, _names(believed.persons), str(fault))
            return
        except Refused as fault:
            self._not_believed(envelope, known[0], fault)
            return
        except DecodeError as fault:
            self._alert("malformed", str(fault))
            return
        self._begin(order)

    def _begin(self, order: Order) -> None:
        persons = _names(order.believed.persons)
        if self._waiting.qsize() >= MOST_WAITING:
            self._refuse(order.id, order.kind.name, order.sequence, persons, "too many orders wait; give it anew")
            return
        self._ledger.begin(order.believed.floor, order.id, order.kind.name, persons)
        self._waiting.put_nowait(order)

    async def _carry_out(self, order: Order) -> None:
        persons, command = _names(order.believed.persons), order.kind.name
        try:
            step(self._ledger.standing, command)
            act = self._rooms.get(order.kind.room)
            if act is None:
                raise NotAvailable(f"{command}: not available on this terminal", "")
            result = fit(await act(order)) or "done"
        except (AgentError, ProtocolError) as fault:
            self._refuse(order.id, command, order.sequence, persons, str(fault))
        else:
            self._recorder.note(
                "order.done", order=order.id, command=command, sequence=order.sequence, persons=persons, result=result
            )
        self._ledger.end()

    def _rotate(self, envelope: Envelope, trust: Trust, floor: Floor) -> None:
        fresh, found = rotate(envelope, trust, self._verify, terminal=self._terminal, now_s=self._now_s(), floor=floor)
        self._ledger.keep_trust(found.statement.body, found.floor)
        signed = (person.name for known in (trust, fresh) for person in signers(envelope, known, self._verify))
        names = _names(tuple(dict.fromkeys(signed)))
        self._recorder.note("trust.rotated", persons=names, version=found.statement.version)

    def _not_believed(self, envelope: Envelope, trust: Trust, fault: Refused) -> None:
        """Refused: an alert; and an answer where a known person signed what has not been answered before."""
        self._alert(fault.cause.name.lower().replace("_", "-"), str(fault))
        persons = tuple(dict.fromkeys(person.name for person in signers(envelope, trust, self._verify)))
        again = fault.cause is Cause.AGAIN or self._ledger.answered(sha256(envelope.statement).hexdigest())
        if not persons or again or fault.cause is Cause.OTHER_TERMINAL:
            return
        statement = envelope.unverified
        if (identifier := identifier_of(statement.body)) is not None:
            self._refuse(identifier, "", statement.version, _names(persons), str(fault))

    def _refuse(self, identifier: str | None, command: str, sequence: int, persons: str, reason: str) -> None:
        if identifier is None or IDENTIFIER.refusal(identifier):
            self._alert("malformed", reason)
            return
        more = {"command": command} if command else {}
        self._recorder.note(
            "order.refused", order=identifier, sequence=sequence, persons=persons, reason=fit(reason), **more
        )

    def _alert(self, cause: str, reason: str) -> None:
        now = self._clock.steady_ms()
        if now - self._alerts_from >= ALERTS_MS:
            more = f"; {self._alerts - MOST_ALERTS} more within a minute" if self._alerts > MOST_ALERTS else ""
            self._alerts_from, self._alerts = now, 0
            reason += more
        self._alerts += 1
        if self._alerts <= MOST_ALERTS:
            self._recorder.note("order.alert", cause=cause, reason=fit(reason))

    def _now_s(self) -> int:
        return self._clock.now_ms() // 1000


def _names(persons: tuple[str, ...]) -> str:
    return fit(", ".join(persons)) or "nobody"
