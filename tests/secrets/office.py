# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Head office's end of the reports, in a thread: topics and payloads as they arrive behind TLS. Shows nothing."""

import asyncio
import contextlib
import threading
from pathlib import Path
from typing import Self

from fleet_console.feed import Feed, Joined
from fleet_console.settings import BrokerAccess
from protocols.mqtt.session import Message
from protocols.telemetry.topics import EVERYTHING
from tests.patience import PATIENCE_S
from tests.secrets.taps import TO_SERVER, Recording


class Office:
    """Listens for the length of a block."""

    def __init__(self, broker: str, pki: Path) -> None:
        self.recording = Recording([[]])
        self._access = BrokerAccess.of(broker, pki / "ca.pem", pki / "head-office.pem", pki / "head-office.key")
        self._ready, self._finished = threading.Event(), threading.Event()
        self._loop = asyncio.new_event_loop()
        self._task = self._loop.create_task(self._listen())
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(PATIENCE_S)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(PATIENCE_S)

    def wait_for_the_end(self) -> None:
        """Until the end of a payment was reported."""
        assert self._finished.wait(PATIENCE_S)

    def _run(self) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._task)
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    async def _listen(self) -> None:
        feed = Feed(self._access, "tapped", (EVERYTHING,), lambda: 0.0)
        async with contextlib.aclosing(feed.messages()) as messages:
            async for item in messages:
                if isinstance(item, Joined):
                    self._ready.set()
                elif isinstance(item, Message):
                    octets = item.topic.encode() + b" " + item.payload + b"\n"
                    self.recording.connections[0].append((TO_SERVER, octets))
                    feed.done_with(item)
                    if b"payment.finished" in item.payload:
                        self._finished.set()
