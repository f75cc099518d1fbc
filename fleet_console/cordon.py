# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What the ingest has done at the broker, beside its own work: copies barred, the broker's list kept. Judges nobody.

A broker that is slow to answer, or a reload that hangs, must not hold up the reports of all other terminals. So whoever
is to be barred is put into a row, and the ingest goes on. It has nothing to wait for: the store refuses such a
terminal's reports already. Lines are ended one after the other; the list follows beside them, one for all.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial

from fleet_console.containment import Control
from fleet_console.findings import Say
from fleet_console.isolation import revocation_list
from fleet_console.list_keeper import ListKeeper
from fleet_console.metrics import Counts
from fleet_console.register import State
from fleet_console.settings import OfficeSettings
from fleet_console.store.choose import open_store
from fleet_console.store.port import Database
from tillguard.voice import Fault

Store = Callable[[], Awaitable[Database]]
AGAIN_S = 30.0  # after a broker that could not be told, which is said each time


class Cordon:
    """Runs until cancelled; :meth:`bar` waits for nothing."""

    def __init__(
        self, control: Control, keeper: ListKeeper | None, open_store: Store, say: Say, again_s: float = AGAIN_S
    ) -> None:
        """``keeper``: None where the settings name no list."""
        self._control, self._keeper, self._open_store, self._say = control, keeper, open_store, say
        self._again_s = again_s
        self._due: asyncio.Queue[str] = asyncio.Queue()
        self._late: set[str] = set()

    @classmethod
    def of(cls, settings: OfficeSettings, say: Say, counts: Counts) -> "Cordon":
        """By the settings, which name a broker; raises :class:`Fault` where a file of theirs cannot be used."""
        broker = settings.broker
        assert broker is not None
        revoked = revocation_list(settings)  # also where no list is named: a key that is no use is said at the start
        store = partial(open_store, settings.store)
        keeper = None
        if broker.crl is not None:
            keeper = ListKeeper(broker.crl, revoked, store, lambda: time.time_ns() // 1_000_000, say, counts)
        return cls(Control(broker.access), keeper, store, say)

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
                if terminal not in self._late or await self._still(terminal):
                    await self._control.isolate(terminal)
                    self._say("barred", {"terminal": terminal}, f"{terminal}: its line at the broker is ended")
                self._late.discard(terminal)
            except Fault as fault:
                self._late.add(terminal)
                asyncio.get_running_loop().call_later(self._again_s, self.bar, terminal)
                document = {
                    "terminal": terminal, "reason": fault.what, "hint": fault.hint, "again_s": self._again_s,
                }  # fmt: skip
                words = f"{terminal} is isolated, but not at the broker: {fault.what}; again in {self._again_s:g} s"
                self._say("not barred", document, words)
            if self._keeper is not None:
                self._keeper.hurry()

    async def _still(self, terminal: str) -> bool:
        """Whether nobody has released it meanwhile."""
        database = await self._open_store()
        try:
            found = await database.read("SELECT state FROM terminals WHERE terminal = $1", terminal)
        finally:
            await database.close()
        return bool(found) and found[0][0] != State.ACTIVE
