# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Renewal of the terminal's certificate: apply in time or by order, and take what comes of it, by order.

The key in use stands for the application, which goes to head office as a report; the issuing authority seals the
answer, which comes back in an order. So each way checks what it always checks, and persons stand for both.
"""

import asyncio
import contextlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from protocols.errors import ProtocolError
from protocols.telemetry.events import Event
from protocols.telemetry.fields import document_octets, document_text
from protocols.telemetry.orders import Order
from terminal_agent.clock import Clock
from terminal_agent.errors import AgentError
from terminal_agent.flows.reporting import Recorder

if TYPE_CHECKING:
    from terminal_agent.flows.enrolment import Enrolment

LOOK_S = 3_600.0
TELL_AGAIN_MS = 86_400_000
Enrolled = Callable[[], "Enrolment"]
"""The terminal's enrolment, made when it is first needed; raises :class:`AgentError` where it cannot be."""


class IdentityRoom:
    """``renew-certificate`` and ``certificate``. ``reconnect``: the next connection shows what is on trial."""

    def __init__(self, enrolment: Enrolled, model: str, recorder: Recorder, reconnect: Callable[[], None]) -> None:
        self._enrolment = enrolment
        self._model = model
        self._recorder = recorder
        self._reconnect = reconnect

    async def __call__(self, order: Order) -> str:
        """Apply, or take the answer."""
        try:
            if order.kind.name == "renew-certificate":
                self.apply()
                return "a key is made, and its certificate applied for"
            self._enrolment().take(document_octets(str(order.arguments["answer"])))
        except ProtocolError as fault:
            raise AgentError(f"{order.kind.name}: {fault}", "see what head office answered") from None
        self._reconnect()
        return "on trial until head office answers over it"

    def apply(self) -> None:
        """Make the next key, and report the application for its certificate; what waited before is given up."""
        application = self._enrolment().renew(self._model)
        self._recorder.record("certificate.requested", document=document_text(application))


class Renewals:
    """Applies for the next certificate in time, and tells once a day that it is due, until one is on trial."""

    def __init__(
        self,
        enrolment: Enrolled,
        apply: Callable[[], None],
        frozen: Callable[[], bool],
        note: Callable[..., Event | None],
        clock: Clock,
    ) -> None:
        """``frozen``: whether the terminal is to change no keys now."""
        self._enrolment = enrolment
        self._apply = apply
        self._frozen = frozen
        self._note = note
        self._clock = clock
        self._told_ms = float("-inf")

    async def run(self) -> None:
        """Look every hour, for the agent's life."""
        while True:
            self.look()
            await asyncio.sleep(LOOK_S)

    def look(self) -> None:
        """Tell it and apply, if it is due; an identity that cannot be read is told where it is needed."""
        with contextlib.suppress(AgentError, ProtocolError):
            standing, now = self._enrolment().standing(), self._clock.now_ms()
            certificate = standing.in_use
            if certificate is None or not standing.renewal_due(datetime.fromtimestamp(now / 1000, UTC)):
                return
            if now - self._told_ms >= TELL_AGAIN_MS:
                self._told_ms = now
                self._note("certificate.due", ends=f"{certificate.ends.astimezone(UTC):%Y-%m-%d %H:%M} UTC")
            if not standing.record.waiting and not self._frozen():
                self._apply()
