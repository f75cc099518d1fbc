# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""`fleet-console status`: how the fleet stands, in numbers out of the store. Asks no terminal and no broker.

And how long the broker's list of withdrawn certificates lives: without one the broker refuses every terminal.
"""

import argparse
import asyncio
import time
from collections import Counter

from fleet_console import presence
from fleet_console.arguments import common
from fleet_console.isolation import listed_in
from fleet_console.list_keeper import life_left, soon_over
from fleet_console.settings import OfficeSettings, load
from fleet_console.store.choose import open_store
from fleet_console.store.port import Database
from tillguard.voice import Voice

EXAMPLES = """\
examples:
  fleet-console status --settings office.toml
  fleet-console status --json
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    common(parser)


def run(args: argparse.Namespace) -> int:
    """Print the numbers."""
    settings = load(args.settings)
    found = asyncio.run(_status(settings.store))
    document, words = _list(settings)
    lines = [f"{name.replace('_', ' '):<20}{_words(value)}" for name, value in found.items()]
    voice = Voice("fleet-console", as_json=args.json)
    lines.append(f"{'withdrawn list':<20}{voice.paint(words, *(['red'] if document and document['due'] else []))}")
    voice.answer({"event": "status", **found, "withdrawn_list": document}, "\n".join(lines))
    return 0


def _list(settings: OfficeSettings) -> tuple[dict[str, object] | None, str]:
    """The broker's list, as it lies on this machine's disk."""
    if settings.broker is None or settings.broker.crl is None:
        return None, "none; see [broker] crl"
    found, now = listed_in(settings.broker.crl), time.time_ns() // 1_000_000
    due = soon_over(found, now)
    document: dict[str, object] = {
        "file": str(settings.broker.crl),
        "certificates": len(found.serials) if found else None,
        "ends_ms": found.ends_ms if found else None,
        "left_s": (found.ends_ms - now) // 1000 if found else None,
        "read_by_broker": found is not None and found.read_by_broker,
        "due": due,
    }
    count = f"{len(found.serials)} listed; " if found else ""
    cure = "; does an ingest run? now: fleet-console broker sync" if due else ""
    return document, f"{count}{life_left(found, now)}{cure}"


async def _status(address: str) -> dict[str, object]:
    database = await open_store(address, must_exist=True)
    try:
        return {
            "terminals": await _counts(database, "SELECT state, count(*) FROM terminals GROUP BY state"),
            "presence": await _presence(database),
            "reports": (await database.read("SELECT count(*) FROM reports"))[0][0],
            "dead_letters": await _counts(database, "SELECT reason, count(*) FROM dead_letters GROUP BY reason"),
            "orders": await _counts(database, "SELECT state, count(*) FROM orders GROUP BY state"),
            "audit_records": (await database.read("SELECT count(*) FROM audit"))[0][0],
        }
    finally:
        await database.close()


async def _counts(database: Database, statement: str) -> dict[str, int]:
    return dict(sorted(await database.read(statement)))


async def _presence(database: Database) -> dict[str, int]:
    now = time.time_ns() // 1_000_000
    rows = await database.read(
        "SELECT presence, deadline_ms FROM terminals LEFT JOIN terminal_latest USING (terminal) WHERE state = 'active'"
    )
    return dict(sorted(Counter(presence.now(kept, deadline, now).value for kept, deadline in rows).items()))


def _words(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{number} {name}" for name, number in value.items()) or "none"
    return str(value)
