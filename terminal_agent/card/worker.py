# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A thread that makes blocking calls for one reader, in the order they were asked for. Knows no reader.

It is a daemon thread on purpose: a driver that hangs in the system must not keep the agent from ending.
"""

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


class Worker:
    """One thread and its queue. Made and used in a running loop."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._jobs: queue.SimpleQueue[tuple[Callable[[], Any], asyncio.Future[Any]] | None] = queue.SimpleQueue()
        self._ended = asyncio.Event()
        self.thread = threading.Thread(target=self._run, name=name, daemon=True)
        self.thread.start()

    async def do(self, work: Callable[[], T]) -> T:
        """What ``work`` returns or raises. A caller that is cancelled does not stop a call that has begun."""
        return await self.post(work)

    def post(self, work: Callable[[], T]) -> "asyncio.Future[T]":
        """Ask for ``work`` without waiting for it; a call that nobody waits for any more is left out."""
        future: asyncio.Future[T] = self._loop.create_future()
        self._jobs.put((work, future))
        return future

    async def close(self, timeout_s: float) -> None:
        """Let it finish what was asked for, but not for longer than ``timeout_s``."""
        self._jobs.put(None)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._ended.wait()

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            work, future = job
            if future.cancelled():
                continue
            try:
                result, fault = work(), None
            except Exception as raised:
                result, fault = None, raised
            self._tell(_settle, future, result, fault)
        self._tell(self._ended.set)

    def _tell(self, what: Callable[..., None], *about: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended: nobody waits any more
            self._loop.call_soon_threadsafe(what, *about)


def _settle(future: "asyncio.Future[Any]", result: object, fault: Exception | None) -> None:
    if future.cancelled():
        return
    if fault is not None:
        future.set_exception(fault)
    else:
        future.set_result(result)
