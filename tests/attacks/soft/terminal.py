# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A soft terminal, as a program: no worker and no fence; card, pad and messages are in the agent's own process.

All else is the agent as it is: its flows, drivers and books over the same lines.
"""

import asyncio
import sys
from pathlib import Path
from typing import Any

from terminal_agent.processes import agent as composition
from terminal_agent.processes.worker import Worker
from terminal_agent.processes.workers import Workers
from tests.flows.pipe_in_process import Wire
from tests.flows.rungs import NoSource


class LendingWire(Wire):
    """What is lent goes from hand to hand."""

    lenders: Any

    async def fetch(self, what: str) -> Any:
        """Ask the lender."""
        descriptor, name, kind = await self.lenders[what]()
        return {"name": name, "kind": kind}, descriptor


class WorkersInside(Workers):
    """A worker is a task of the agent."""

    async def _hire(self) -> Wire:
        wire = LendingWire(self._asked)
        wire.lenders = self._lenders
        self._working = asyncio.create_task(self._work(wire))
        return wire

    async def _work(self, wire: Wire) -> None:
        try:
            await Worker(*FOUND, wire, wire.told.pop(0).values, trace=False).run()
        finally:
            wire.gone.set()


FOUND: tuple[Any, Any]


def serve_without_workers() -> int:
    """Serve a profile."""
    global FOUND
    profile = Path(sys.argv[1])
    loaded = composition.load(profile)
    FOUND = (loaded, composition.models(loaded, profile))
    composition.Workers = WorkersInside  # type: ignore[misc]
    nobody: Any = NoSource()
    return composition.serve(profile, as_json=True, trace=False, source=nobody)


if __name__ == "__main__":
    sys.exit(serve_without_workers())
