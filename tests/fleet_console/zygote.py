# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Starts ingests, fleets, agents and consoles in milliseconds, and has them die where a test says: real kill -9.

A process of its own that has everything imported and forks for each order, a line of JSON on its standard input::

    {"role": "ingest", "words": ["--settings", "…"], "out": "…", "point": ["write", "before", 3, 0]}

A point is a call (see :data:`POINTS`), before or after it, the how manieth call, and whom it kills: 0 is the process
itself, else the number of a process, such as the broker's. The code under test knows nothing of this: the call is
wrapped from outside.
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import device_profiles.cli  # path above
import fleet_console.cli
from device_profiles.serve import fleet_command  # noqa: F401  # imported once, before anybody forks
from device_profiles.serve.fleet import Member
from device_profiles.serve.fleet_spool import FleetSpool
from fleet_console import audit_command, ingest, orders_command  # noqa: F401
from fleet_console.feed import Feed
from fleet_console.store.postgres import PostgresDatabase
from fleet_console.store.sqlite import SqliteDatabase
from terminal_agent.report.mqtt import _Client
from terminal_agent.report.outbox import Outbox
from tests.fleet_console import kill_agent

POINTS: dict[str, tuple[type, str]] = {
    "commit": (SqliteDatabase, "_write"),
    "commit to PostgreSQL": (PostgresDatabase, "write"),
    "order": (SqliteDatabase, "_write"),
    "order to PostgreSQL": (PostgresDatabase, "write"),
    "acknowledge": (Feed, "done_with"),
    "receipt": (Feed, "publish"),
    "answer": (Feed, "flush"),
    "spool": (FleetSpool, "keep"),
    "send": (Member, "publish"),
    "trim": (FleetSpool, "trim"),
    "agent spool": (Outbox, "put"),
    "agent send": (_Client, "post"),
    "agent trim": (Outbox, "receipted"),
}


def console(words: list[str]) -> int:
    """A person at head office who gives orders, each by a command of its own, until he is ended."""
    while True:
        fleet_console.cli.main(["orders", "new", "ping", *words])


ROLES: dict[str, Callable[[list[str]], int]] = {
    "ingest": lambda words: fleet_console.cli.main(["ingest", *words]),
    "fleet": lambda words: device_profiles.cli.main(["fleet", *words]),
    "agent": kill_agent.main,
    "console": console,
}


def arm(call: str, when: str, number: int, victim: int) -> None:
    """Have the call kill, the ``number``-th time that it is made."""
    owner, name = POINTS[call]
    true = getattr(owner, name)
    made = 0

    def strike() -> None:
        os.kill(victim or os.getpid(), signal.SIGKILL)

    if call.endswith("to PostgreSQL"):

        async def later(*args: Any, **more: Any) -> Any:
            nonlocal made
            made += 1
            if made == number and when == "before":
                strike()
            found = await true(*args, **more)
            if made == number and when == "after":
                strike()
            return found

        setattr(owner, name, later)
        return

    def wrapped(*args: Any, **more: Any) -> Any:
        nonlocal made
        made += 1
        if made == number and when == "before":
            strike()
        found = true(*args, **more)
        if made == number and when == "after":
            strike()
        return found

    setattr(owner, name, wrapped)


def child(order: dict[str, Any]) -> int:
    """The forked process."""
    out = os.open(order["out"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(out, 1)
    os.dup2(out, 2)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.stdout = os.fdopen(1, "w", buffering=1, closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if order.get("point"):
        arm(*order["point"])
    return ROLES[order["role"]](order["words"])


def main() -> None:
    """Fork for each line."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the dead
    print("ready", flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if not pid:
            code = 70
            try:
                code = child(order)
            finally:
                sys.stdout.flush()
                os._exit(code)
        print(pid, flush=True)


if __name__ == "__main__":
    main()
