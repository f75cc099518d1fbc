# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A terminal's disk with its audit log and outbox, an auditor, and head office. Attacks nothing.

The auditor is the shipped command, ``terminal-agent audit verify``, with the head that it printed at the last visit.
"""

import contextlib
import io
import json
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

from fleet_console.watch import Watch
from protocols.audit_chain import Head
from protocols.telemetry.events import Event, make
from terminal_agent.audit import SUFFIX, AuditBroken, AuditLog, verify_file
from terminal_agent.cli import main as terminal_agent
from terminal_agent.report.outbox import Outbox
from tests.attacks.office import Office
from tillguard.exits import Exit

TERMINAL = "TG000001"
FIRST_MS = 1_800_000_000_000


class Log(Protocol):
    """What the agent asks of its log."""

    def append(self, event: Event) -> object:
        """Commit an event."""
        ...

    def close(self) -> None:
        """Let go."""
        ...


OpenLog = Callable[[Path, str], Log]
Auditor = Callable[[Path, Head | None], str]
"""Given the log and the head of the last visit: empty where it holds, else in one word what is wrong."""


def auditor(path: Path, remembered: Head | None) -> str:
    """Run the command as a person would; the damage is what it says behind the record's number."""
    head = ["--head", remembered.text()] if remembered is not None else []
    said, talk = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(talk):
        code = terminal_agent(["audit", "verify", str(path), *head, "--json"])
    if code == 0:
        return ""
    assert code == Exit.INTEGRITY, talk.getvalue()
    return str(json.loads(said.getvalue())["error"]).split(": record ")[1].split(": ")[1]


class Disk:
    """A :class:`tests.attacks.harness.Target`."""

    def __init__(self, folder: Path, open_log: OpenLog, audit: Auditor, watch: type[Watch]) -> None:
        self.state = folder / "state"
        self.log = self.state / f"{TERMINAL}{SUFFIX}"
        self.office = Office(watch)
        self._open_log = open_log
        self._audit = audit
        self._found: list[str] = []
        self._clock = FIRST_MS
        self._remembered: Head | None = None

    async def honest(self) -> bool:
        """Two runs of an agent; the auditor comes in between and at the end and finds all well."""
        self.work(3)
        first = self.inspect()
        self.work(3)
        return first and self.inspect() and self.office.shows(TERMINAL, "device.back") == 6

    def alerts(self) -> list[str]:
        """What the auditor found and head office sees."""
        return [*self._found, *self.office.alerts()]

    def work(self, events: int) -> None:
        """One run of an agent, which audits and reports; raises what a broken log raises at its start."""
        self._clock += 60_000
        self.state.mkdir(exist_ok=True)
        log = self._open_log(self.state, TERMINAL)
        outbox = Outbox.open(self.state / "outbox.db", TERMINAL, opened_at_ms=self._clock)
        try:
            for number in range(events):
                event = make("device.back", self._clock + number, device=f"reader{number}")
                log.append(event)
                outbox.put(event)
            self.office.take_all(outbox)
        finally:
            outbox.close()
            log.close()

    def inspect(self) -> bool:
        """The auditor's visit: whether it ends well. The head is noted for the next one."""
        found = self._audit(self.log, self._remembered)
        if found:
            self._found.append(f"audit: {found}")
            return False
        with contextlib.suppress(AuditBroken):  # a log without a chain has no head to note
            self._remembered = verify_file(self.log).head
        return True

    def records(self) -> list[Any]:
        """What the log says."""
        return [json.loads(line) for line in self.log.read_bytes().splitlines()]

    def image(self) -> Path:
        """A copy of the whole disk."""
        return Path(shutil.copytree(self.state, self.state.with_name("image")))

    def put_back(self, image: Path) -> None:
        """The copy in place of the disk."""
        shutil.rmtree(self.state)
        shutil.copytree(image, self.state)


def open_audit_log(folder: Path, terminal: str) -> Log:
    """The shipped one."""
    return AuditLog.open(folder, terminal)


@asynccontextmanager
async def disk(
    folder: Path, open_log: OpenLog = open_audit_log, audit: Auditor = auditor, watch: type[Watch] = Watch
) -> AsyncIterator[Disk]:
    """A disk with the shipped parts, but for those that are given."""
    yield Disk(folder, open_log, audit, watch)
