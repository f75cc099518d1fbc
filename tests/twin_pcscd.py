# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The pcscd twin for tests, as a process that a person would start, and its desk: readers, cards, life. Holds no test.

It stands where :mod:`tests.private_pcscd` puts the real one, since libpcsclite reads the socket's name once in a
process: tests on both run in one process, one after the other.
"""

import asyncio
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from device_profiles.serve.pcscd import PcscdServer
from device_profiles.twins.card_t0 import ContactCard
from device_profiles.twins.pcscd_reader import VirtualReader
from scripts.lib.stations import Station, command
from tests.patience import PATIENCE_S

T = TypeVar("T")
READER = "Till Contact"
_FOLDER = Path(tempfile.gettempdir()) / f"tillguard-pcscd-{os.getpid()}"


class TwinPcscd:
    """One pcscd twin. ``words`` are options of the command; without any there is one empty reader."""

    def __init__(
        self,
        *words: str,
        folder: Path | None = None,
        heard: Callable[[str, dict[str, Any]], None] = lambda name, line: None,
    ) -> None:
        self._heard = heard
        self._words = words or ("--reader", READER)
        self._folder = folder or _FOLDER / "run"

    def __enter__(self) -> Self:
        argv = [command("device-twin"), "pcscd", "--json", "--dir", str(self._folder), *self._words]
        self.station = Station("pcscd", argv, self._heard, obeys=True)
        try:
            self.station.wait_ready()
        except BaseException:
            self.station.stop()
            raise
        self.socket = str(self.station.ready["socket"])
        if self._folder == _FOLDER / "run":
            os.environ["PCSCLITE_CSOCK_NAME"] = self.socket
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.station.stop()
        shutil.rmtree(_FOLDER, ignore_errors=True)

    def order(self, words: str) -> dict[str, Any]:
        """Tell the person at the desk; the answer."""
        self.station.order(words)
        while (line := self.station.next_line(PATIENCE_S)) is not None:
            if line.get("event") != "traffic":
                return line
        raise AssertionError(f"no answer to the order '{words}': {self.station.talk}")

    def card(self, *options: str, card: str = "test-visa-contact") -> "TwinCard":
        """A card in the first reader, as :meth:`tests.private_pcscd.PrivatePcscd.card` makes it."""
        words = list(options)
        out = "--out" in words
        if out:
            words.remove("--out")
        trace = "--trace" in words
        assert not trace, "start the service itself with --trace"
        pairs = zip(words[::2], words[1::2], strict=True)
        made = TwinCard(self, ";".join([card, *(f"{key.removeprefix('--')}={value}" for key, value in pairs)]))
        if not out:
            made.insert()
        return made

    def kill(self) -> None:
        """The service dies as in a crash."""
        assert self.order("kill")["event"] == "daemon.killed"

    def start(self) -> None:
        """The service comes back."""
        assert self.order("start")["event"] == "daemon.started"

    def until(self, event: str) -> dict[str, Any]:
        """The next line of that event."""
        while (line := self.station.next_line(PATIENCE_S)) is not None:
            if line.get("event") == event:
                return line
        raise AssertionError(f"the desk did not say {event}")

    def client(self, *argv: str, timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
        """An independent PC/SC program, against this service."""
        environment = os.environ | {"PCSCLITE_CSOCK_NAME": self.socket}
        return subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=timeout_s, check=False)


class TwinCard:
    """The card of the first reader, and the person who has it."""

    def __init__(self, service: TwinPcscd, words: str) -> None:
        self._service = service
        self._words: str | None = words

    def insert(self) -> None:
        """The person puts the card in."""
        words, self._words = self._words, None  # afterwards it is that card, with what it remembers
        said = self._service.order(f"insert {READER}" + (f"={words}" if words else ""))
        assert said["event"] == "card.inserted", said

    insert_unseen = insert

    def remove(self) -> None:
        """The person takes the card out."""
        said = self._service.order(f"remove {READER}")
        assert said["event"] == "card.removed", said

    def until(self, event: str) -> None:
        """The next line of that event."""
        self._service.until(event)


class Desk:
    """The same service in a thread of this process, for cards that nobody ships: mute, endless, strange."""

    def __init__(self, *readers: VirtualReader, folder: Path | None = None) -> None:
        self.readers = readers or (VirtualReader(READER),)
        self._folder = folder or _FOLDER / "run"
        self._ready = threading.Event()
        self.events: list[tuple[str, str]] = []

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="desk")
        self._thread.start()
        assert self._ready.wait(PATIENCE_S)
        if self._folder == _FOLDER / "run":
            os.environ["PCSCLITE_CSOCK_NAME"] = str(self.server.socket)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        shutil.rmtree(_FOLDER, ignore_errors=True)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self.server = PcscdServer(self._folder, self.readers, lambda event, name: self.events.append((event, name)))
        self.server.start()
        self._ready.set()
        try:
            await self._stop.wait()
        finally:
            self.server.close()

    def do(self, work: Callable[[PcscdServer], T]) -> T:
        """Do something at the desk, in its thread."""

        async def done() -> T:
            return work(self.server)

        return asyncio.run_coroutine_threadsafe(done(), self._loop).result(PATIENCE_S)

    def insert(self, card: ContactCard | None, reader: int = 0) -> None:
        """Put a card in; None is one the wrong way round."""
        self.do(lambda server: server.insert(self.readers[reader], card))

    def remove(self, reader: int = 0) -> None:
        """Take the card out."""
        self.do(lambda server: server.remove(self.readers[reader]))
