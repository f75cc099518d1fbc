# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The PC/SC service as one process uses it: one event thread for all its readers, and no pile of hanging ones.

A service that hangs keeps the thread that asked it for ever. While one such thread is left behind, no further reader is
opened; so however often the agent tries, one thread waits and not one for every attempt. When the service is restarted
the call comes back with an error, the thread ends, and the next attempt succeeds.
"""

import threading
from collections.abc import Callable

from terminal_agent.card.pcsc_codes import HANGING, RESTART, words
from terminal_agent.card.pcsc_watch import View, Watch
from terminal_agent.card.port import ReaderAbsent
from terminal_agent.card.scard import Context
from terminal_agent.card.worker import Worker

CLOSE_S = 1.0


class PcscService:
    """Made once in a process that uses PC/SC readers, used in its loop."""

    def __init__(self, establish: Callable[[], Context] = Context) -> None:
        self.establish = establish
        self._watch: Watch | None = None
        self._users = 0
        self._left_behind: list[threading.Thread] = []

    def view(self) -> View:
        """A look at the readers, to be given back; :class:`ReaderAbsent` while a call hangs in the service."""
        self._left_behind = [thread for thread in self._left_behind if thread.is_alive()]
        if self._left_behind:
            raise ReaderAbsent(words(HANGING), RESTART)
        if self._watch is None:
            self._watch = Watch(self.establish)
        self._users += 1
        return View(self._watch)

    async def give_back(self, view: View) -> None:
        """Look no more; the event thread ends with the last view."""
        await view.close()
        self._users -= 1
        watch = self._watch
        if watch is None or self._users:
            return
        self._watch = None
        await watch.close()
        if watch.thread.is_alive():
            self._left_behind.append(watch.thread)

    async def retire(self, worker: Worker) -> None:
        """End a worker, or remember that it hangs."""
        await worker.close(CLOSE_S)
        if worker.thread.is_alive():
            self._left_behind.append(worker.thread)
