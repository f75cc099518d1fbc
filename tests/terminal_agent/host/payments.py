# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Payments in a journal for tests: begun, ended, and a journal as a dead agent leaves it. Tests nothing itself."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

from protocols.acquirer.message import Draft
from protocols.telemetry.events import Event, make
from terminal_agent.host.client import Reply
from terminal_agent.host.journal import Journal
from tests.terminal_agent.host.test_client import AT, REQUEST, answer_to, client

BEGAN_MS = 1_780_000_000_000
LATER = datetime(2026, 6, 7, 9, 0, 0, tzinfo=UTC)


def begun(journal: Journal, amount: int = 4200) -> str:
    """A payment that has begun."""
    return journal.begin(amount, "EUR", BEGAN_MS)


def ended(payment: str, outcome: str = "approved", amount: int = 4200) -> Event:
    """The event of its end."""
    return make(
        "payment.finished", BEGAN_MS + 900, payment=payment, outcome=outcome, amount=amount, currency="EUR", ms=900
    )


def conclude(journal: Journal, payment: str, outcome: str, at: datetime) -> None:
    """It ends."""
    journal.conclude(payment, ended(payment, outcome), at)


def after_power_loss(journal: Journal, folder: Path) -> Journal:
    """A journal over copies of the files as they are on the disk now: what a killed agent leaves."""
    source = journal._file.path
    folder.mkdir()
    for path in source.parent.glob(source.name + "*"):
        if path.is_file():
            shutil.copy(path, folder / path.name)
    return Journal.open(folder / source.name)


def asked(journal: Journal) -> Draft:
    """A question with the next trace number."""
    return client().authorise(REQUEST, journal.next_stan(), AT)


def reply(to: Draft, code: str = "00") -> Reply:
    """The bank's answer to it."""
    return Reply(answer_to(to, response_code=code, approval="A1B2C3" if code == "00" else None), b"")
