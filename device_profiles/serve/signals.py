# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""How a serving command is told to stop. Stops nothing itself."""

import asyncio
import signal


def until_signalled() -> asyncio.Event:
    """An event of the running loop that SIGTERM and SIGINT set: a clean end, exit code 0."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop
