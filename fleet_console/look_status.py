# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""`fleet-console status`: how the fleet stands, in numbers out of the store. Asks no terminal and no broker."""

import argparse
import asyncio
import time
from collections import Counter

from fleet_console import presence
from fleet_console.arguments import common
from fleet_console.settings import load
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
    found = asyncio.run(_status(load(args.settings).store))
    lines = [f"{name.replace('_', ' '):<20}{_words(value)}" for name, value in found.items()]
    Voice("fleet-console", as_json=args.json).answer({"event": "status", **found}, "\n".join(lines))
    return 0


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
