# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Renewals that terminals reported: each is answered once, and the answer goes back in an order. Signs no order itself.

A terminal's application comes as a report (``certificate.requested``). What the desk asks of a renewal that somebody
carried, it asks of this one: the key in force stands for it, and the binding is the one in force. The answer is sealed
by the issuing authority; the order around it is signed by a person, like every order.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from fleet_console import orders
from fleet_console.enrolment import EnrolmentDesk, NotDone
from fleet_console.enrolment_records import read_applied
from fleet_console.store.port import Database
from protocols.ed25519 import SigningKey
from protocols.errors import ProtocolError
from protocols.identity import documents
from protocols.signed import Trust
from protocols.telemetry.envelope import decode
from protocols.telemetry.fields import document_octets, document_text
from protocols.telemetry.orders import LONGEST_ORDER_S

EVENT = "certificate.requested"
COMMAND = "certificate"
_NAMED = 8  # digits of the application's digest in the order's name
_LATEST = (
    "SELECT octets FROM reports WHERE event = $1 AND number IN "
    "(SELECT max(number) FROM reports WHERE event = $1 GROUP BY terminal) ORDER BY terminal"
)
_UNDER_WAY = (
    "SELECT 1 FROM orders WHERE terminal = $1 AND name = $2 AND id LIKE $3 AND until_s > $4"
    " AND state IN ('waiting', 'ready', 'sent', 'done')"
)


@dataclass(frozen=True, slots=True)
class Renewal:
    """What became of one terminal's application. ``order``: the order with its certificate; ``fault``: why none."""

    terminal: str
    order: str = ""
    fault: str = ""


class Renewals:
    """Over the store that the ingest fills. ``key``: of the person who gives the orders."""

    def __init__(
        self,
        database: Database,
        desk: EnrolmentDesk,
        trust: Trust,
        key: SigningKey,
        now_ms: Callable[[], int],
        entropy: Callable[[int], bytes],
    ) -> None:
        self._database = database
        self._desk = desk
        self._trust = trust
        self._key = key
        self._now_ms = now_ms
        self._entropy = entropy

    async def answer_all(self) -> AsyncIterator[Renewal]:
        """The newest application of each terminal, where it has not been answered; one at fault holds up no other."""
        for (octets,) in await self._database.read(_LATEST, EVENT):
            report = decode(bytes(octets))
            terminal = report.terminal
            try:
                found = await self._answer(terminal, document_octets(str(report.event.fields["document"])))
            except (NotDone, ProtocolError) as fault:
                yield Renewal(terminal, fault=fault.what if isinstance(fault, NotDone) else str(fault))
            else:
                if found:
                    yield Renewal(terminal, found)

    async def _answer(self, terminal: str, endorsed: bytes) -> str:
        """The order's name; empty where one is under way."""
        applied, _, digest = read_applied(documents.open_document(endorsed, "application").body)
        if applied.terminal != terminal:
            raise NotDone(f"the application is for {applied.terminal}")
        beginning = f"{COMMAND}-{digest[:_NAMED]}"
        now_s = self._now_ms() // 1000
        if await self._database.read(_UNDER_WAY, terminal, COMMAND, f"{beginning}%", now_s):
            return ""
        answer = document_text(await self._desk.renew(endorsed))
        name, sequence = f"{beginning}-{self._entropy(2).hex()}", await orders.next_sequence(self._database, terminal)
        drafted = orders.draft(terminal, sequence, now_s, now_s + LONGEST_ORDER_S, name, COMMAND, {"answer": answer})
        signed = drafted.signed_by(self._key.public, self._key.sign)
        return (await orders.submit(self._database, signed, self._trust, self._now_ms())).id
