# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Who was let in at the terminal, and who was not: each is an event before it counts. Lets nobody in by itself."""

from collections.abc import Callable

from protocols.identity.grants import Action, Grant
from protocols.telemetry.events import Event, fit
from terminal_agent.errors import AgentError
from terminal_agent.identity.technicians import Admission, NotLetIn, Technicians

Record = Callable[..., Event]
"""Commits an event of the registry durably, or raises."""


class Doorkeeper:
    """Technicians at one terminal. ``key`` gives the private key of the certificate in use, in PEM."""

    def __init__(self, technicians: Technicians, record: Record, key: Callable[[], bytes]) -> None:
        self._technicians = technicians
        self._record = record
        self._key = key
        self._challenge = b""

    def take(self, octets: bytes) -> Grant:
        """Keep a grant that head office signed."""
        grant = self._technicians.take(octets)
        self._record("technician.granted", person=fit(grant.person), actions=fit(", ".join(grant.actions)))
        return grant

    def grants(self) -> list[Grant]:
        """Those that hold now."""
        return self._technicians.grants()

    def tidy(self) -> int:
        """Remove those that are over."""
        return self._technicians.tidy()

    def locked_ms(self) -> int:
        """For how long nobody is let in."""
        return self._technicians.locked_ms()

    def challenge(self) -> bytes:
        """What a technician's key is to sign; the one before it is void."""
        self._challenge = self._technicians.challenge()
        return self._challenge

    def by_key(self, person: str, action: Action, signature: bytes) -> Admission:
        """Judge the answer to the last challenge."""
        challenge, self._challenge = self._challenge, b""
        if not challenge:
            raise NotLetIn("no challenge waits for an answer", "ask for one first; each is good once")
        return self._judged(
            person, action, lambda: self._technicians.let_in_by_key(person, action, challenge, signature)
        )

    def by_code(self, person: str, action: Action, code: str) -> Admission:
        """Judge a code of the technician's phone."""
        key = self._key()
        return self._judged(person, action, lambda: self._technicians.let_in_by_code(person, action, code, key))

    def _judged(self, person: str, action: Action, judge: Callable[[], Admission]) -> Admission:
        try:
            admission = judge()
        except AgentError as fault:
            self._record("technician.refused", person=fit(person) or "?", action=action.value, reason=fit(fault.what))
            raise
        self._record(
            "technician.entered", person=fit(person), action=action.value, persons=fit(", ".join(admission.signed))
        )
        return admission
