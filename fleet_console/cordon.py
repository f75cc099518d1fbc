# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What the ingest has done at the broker, beside its own work: copies barred, the broker's list kept. Judges nobody.

A broker that is slow to answer, or a reload that hangs, must not hold up the reports of all other terminals. So whoever
is to be barred is put into a row, and the ingest goes on. It has nothing to wait for: the store refuses such a
terminal's reports already. Lines are ended one after the other; the list follows beside them, one for all.
"""

import asyncio
import time

from fleet_console.containment import Control
from fleet_console.findings import Say
from fleet_console.isolation import revocation_list
from fleet_console.list_keeper import ListKeeper
from fleet_console.metrics import Counts
from fleet_console.settings import OfficeSettings
from fleet_console.store.choose import open_store
from tillguard.voice import Fault


class Cordon:
    """Runs until cancelled; :meth:`bar` waits for nothing."""

    def __init__(self, control: Control, keeper: ListKeeper | None, say: Say) -> None:
        """``keeper``: None where the settings name no list."""
        self._control, self._keeper, self._say = control, keeper, say
        self._due: asyncio.Queue[str] = asyncio.Queue()

    @classmethod
    def of(cls, settings: OfficeSettings, say: Say, counts: Counts) -> "Cordon":
        """By the settings, which name a broker; raises :class:`Fault` where a file of theirs cannot be used."""
        broker = settings.broker
        assert broker is not None
        revoked = revocation_list(settings)  # also where no list is named: a key that is no use is said at the start
        if broker.crl is None:
            return cls(Control(broker.access), None, say)
        keeper = ListKeeper(
            broker.crl, revoked, lambda: open_store(settings.store), lambda: time.time_ns() // 1_000_000, say, counts
        )
        return cls(Control(broker.access), keeper, say)

    def bar(self, terminal: str) -> None:
        """End its line at the broker, and list its certificates, soon."""
        self._due.put_nowait(terminal)

    async def run(self) -> None:
        """Bar whoever is due, and keep the list."""
        doings = [self._end_lines()] if self._keeper is None else [self._end_lines(), self._keeper.run()]
        await asyncio.gather(*doings)

    async def _end_lines(self) -> None:
        while True:
            terminal = await self._due.get()
            try:
                await self._control.isolate(terminal)
            except Fault as fault:
                document = {"terminal": terminal, "reason": fault.what, "hint": fault.hint}
                words = (
                    f"{terminal} is isolated, but not at the broker: {fault.what}; fleet-console broker sync tells it"
                )
                self._say("not barred", document, words)
            else:
                self._say("barred", {"terminal": terminal}, f"{terminal}: its line at the broker is ended")
            if self._keeper is not None:
                self._keeper.hurry()
