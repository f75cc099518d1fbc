# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""How long a test waits for what has to come. Measures nothing: how soon it comes, the benchmarks say."""

import asyncio
from collections.abc import Callable

PATIENCE_S = 60.0
"""More than any machine needs that runs much else beside. Only a test that fails waits so long."""


async def until(holds: Callable[[], object]) -> None:
    """Give the loop turns until that holds; :class:`TimeoutError` where it never does."""
    async with asyncio.timeout(PATIENCE_S):
        while not holds():
            await asyncio.sleep(0.01)
