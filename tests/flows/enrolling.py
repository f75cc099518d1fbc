# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A terminal and head office's desk, both real, and what goes between them. No test."""

import asyncio
import hashlib
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from device_profiles.twins.pki import Authority as TestAuthority
from fleet_console.authority import Authority
from fleet_console.enrolment import EnrolmentDesk, StepTaken
from fleet_console.life_steps import LifeStep
from fleet_console.store.sqlite import SqliteDatabase
from protocols.ed25519 import verify
from protocols.identity.binding import Binding
from protocols.identity.life import Step
from protocols.signed import Person, Trust
from terminal_agent.flows.enrolment import Enrolment
from terminal_agent.identity.folder import Folder
from tests.protocols import persons

T = TypeVar("T")
TERMINAL = "TG000001"
BINDING = Binding("123456", "MERCHANT 1", "LIC-2026-77", "SN-00042", "+52.5200+013.4050")
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TRUST = Trust(
    tuple(
        Person(name, persons.key(name).public, frozenset(kinds))
        for name, kinds in (
            ("alice", {"life", "life-grave"}),
            ("bob", {"life", "life-grave"}),
            ("tess", {"technician"}),
        )
    ),
    {"life": 1, "life-grave": 2},
)


class Stage:
    """Both ends over one clock."""

    def __init__(self, folder: Path, terminal: str = TERMINAL) -> None:
        self.folder = folder
        self.now = NOW
        self._drawn = 0
        self.authority = TestAuthority(NOW - timedelta(days=1), timedelta(days=3650))
        self.office = Authority(self.authority.credential.certificate, self.authority.credential.key)
        self.loop = asyncio.new_event_loop()
        self.database = self.run(SqliteDatabase.open(folder / "office.db"))
        self.desk = EnrolmentDesk(self.database, self.office, TRUST, verify, self.now_ms, self.entropy)
        self.terminal = self.another(terminal)

    def another(self, name: str) -> Enrolment:
        """One more terminal."""
        self.identity = Folder(self.folder / name, name)
        return Enrolment(self.identity, name, self.authority.credential.certificate, self.now_ms, self.entropy)

    def run(self, doing: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(doing)

    def close(self) -> None:
        self.run(self.database.close())
        self.loop.close()

    def now_ms(self) -> int:
        return int(self.now.timestamp() * 1000)

    def entropy(self, octets: int) -> bytes:
        self._drawn += 1
        return hashlib.sha256(self._drawn.to_bytes(4, "big")).digest()[:octets]

    def signed(self, step: LifeStep, *names: str, terminal: str = TERMINAL, number: int | None = None) -> bytes:
        """A step as persons sign it."""
        standing = self.run(self.desk.records.standing(terminal))
        now_s = int(self.now.timestamp())
        statement = step.statement(terminal, number or standing.steps + 1, now_s, now_s + 3600)
        return persons.sealed(statement, *names).encode()

    def step(
        self, step: Step, *names: str, application: str = "", terminal: str = TERMINAL, **faults: str
    ) -> StepTaken:
        return self.run(self.desk.step(self.signed(LifeStep(step, application, faults), *names, terminal=terminal)))

    def enrol(self) -> str:
        """All the way to an active terminal; gives the code that the merchant got."""
        filed = self.run(self.desk.file(self.terminal.apply(BINDING, "tillguard 1")))
        self.terminal.take(self.step(Step.ACCEPT, "alice", application=filed.digest).answer)
        self.step(Step.CONTRACT, "alice")
        code = self.step(Step.INSTALL, "alice", application=filed.digest).code
        self.terminal.take(self.run(self.desk.activate(self.terminal.activate(code))))
        return code
