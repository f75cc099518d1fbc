# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""An event loop whose clock jumps to the next timer instead of waiting. Readiness of real descriptors still counts."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Selector(selectors.DefaultSelector):
    """Says at once what is ready; where nothing is, time passes."""

    loop: "VirtualTimeLoop"

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if not ready and timeout is None:
            raise RuntimeError("every task waits for something that never comes")
        if not ready and timeout:
            self.loop.passed += timeout
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Starts at 1000 s, so that a time of zero in the code under test stands out."""

    def __init__(self) -> None:
        self.passed = 1000.0
        selector = _Selector()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self.passed


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run to the end in virtual time; tasks that are left over are a fault of the test."""
    loop = VirtualTimeLoop()
    try:
        result = loop.run_until_complete(main)
        left = [task for task in asyncio.all_tasks(loop) if not task.done()]
        assert not left, f"{len(left)} tasks left running"
        return result
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
