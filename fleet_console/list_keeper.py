# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Keeps the broker's list of withdrawn certificates alive, and says when it cannot. Decides nobody's withdrawal.

A list ends after 25 hours, and with it every terminal's way in: a list that somebody keeps back must not let a stolen
terminal in for ever. So the next one is made long before, by a process that runs anyway, the ingest: at half of a
list's life, at once when it does not say what the store says, and again when the broker was not told. Where this
machine has not the authority's key it can only say, from half of the life on, how long is left.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from fleet_console.authority import CRL_LIFE
from fleet_console.findings import Say
from fleet_console.isolation import Listed, RevocationList, listed_in
from fleet_console.metrics import Counts
from fleet_console.store.port import Database
from tillguard.voice import Fault

HALF_MS = round(CRL_LIFE.total_seconds() * 500)
LOOK_S = 60.0  # the store is asked once a minute whether the list still says what it says
AGAIN_S = 300.0  # after a failure, which is said each time


def soon_over(listed: Listed | None, now_ms: int) -> bool:
    """Whether it is time for the next list."""
    return listed is None or not listed.read_by_broker or listed.ends_ms - now_ms < HALF_MS


def life_left(listed: Listed | None, now_ms: int) -> str:
    """How long a list lives, in words."""
    if listed is None:
        return "there is none: the broker refuses every terminal"
    left = (listed.ends_ms - now_ms) // 60_000
    if left < 0:
        return "it has ended: the broker refuses every terminal"
    words = f"it lives {left // 60} h {left % 60} min more"
    return words if listed.read_by_broker else f"{words}, but the broker was not told to read it"


@dataclass(slots=True)
class ListKeeper:
    """One list. ``open_store`` gives a database for one look; ``now_ms`` is the time by which lists end."""

    file: Path
    revoked: RevocationList | None
    """None where this machine cannot make lists."""
    open_store: Callable[[], Awaitable[Database]]
    now_ms: Callable[[], int]
    say: Say
    counts: Counts
    _wake: asyncio.Event = field(default_factory=asyncio.Event)

    def hurry(self) -> None:
        """Somebody was isolated: look now."""
        self._wake.set()

    async def run(self) -> None:
        """Look for ever."""
        while True:
            wait_s = LOOK_S if await self.look() else AGAIN_S
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._wake.wait()
            self._wake.clear()

    async def look(self) -> bool:
        """Make the next list where it is time; whether all is well."""
        found = await asyncio.to_thread(listed_in, self.file)
        self.counts.list_ends_ms = found.ends_ms if found is not None else 0
        try:
            fresh = await self._renew(found)
        except Fault as fault:
            self.counts.counts["list_failures"] += 1
            self._complain(fault, found)
            return False
        if fresh is not None:
            self.counts.list_ends_ms = fresh.ends_ms
            self.counts.counts["list_renewals"] += 1
            document = {"file": str(self.file), "certificates": len(fresh.serials), "ends_ms": fresh.ends_ms}
            self.say("list renewed", document, f"{self.file}: {len(fresh.serials)} withdrawn certificates listed")
        return True

    async def _renew(self, found: Listed | None) -> Listed | None:
        """The list that was made, where one was."""
        late = soon_over(found, self.now_ms())
        if self.revoked is None:
            if late:
                raise Fault(
                    "the authority's key is not on this machine", "where it lies: fleet-console enrol crl, daily"
                )
            return None
        database = await self.open_store()
        try:
            if not late and found is not None:
                wanted = {f"{int(serial, 16):x}" for serial, _ in await self.revoked.wanted(database)}
                if wanted == found.serials:
                    return None
            await self.revoked.publish(database)
        finally:
            await database.close()
        return await asyncio.to_thread(listed_in, self.file)

    def _complain(self, fault: Fault, found: Listed | None) -> None:
        left = life_left(found, self.now_ms())
        document = {
            "file": str(self.file), "reason": fault.what, "hint": fault.hint,
            "ends_ms": found.ends_ms if found is not None else None,
        }  # fmt: skip
        words = f"{self.file}: the list of withdrawn certificates is not renewed: {fault.what}; {left}; {fault.hint}"
        self.say("list not renewed", document, words)
