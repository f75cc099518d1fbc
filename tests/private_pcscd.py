# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The real pcscd with virtual readers for tests, and cards to put into them. Holds no test.

Each is a process of its own, started by the command that a person would use. A test fails where pcscd is missing or
the system refuses namespaces, with the command's own words; nothing is skipped.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from scripts.lib.stations import Station, command
from tests.patience import PATIENCE_S

READER = "Till Contact"
FIRST_SLOT = f"{READER} * 00"  # vpcd makes two slots for a reader
SELECT_PSE = bytes.fromhex("00A404000E315041592E5359532E444446303100")

# libpcsclite reads the socket's name once in a process: every daemon of this process stands at the same place.
_FOLDER = Path(tempfile.gettempdir()) / f"tillguard-pcscd-{os.getpid()}"


Heard = Callable[[str, dict[str, Any]], None]

# What pcscd knows about every reader, until it knows of no card.
_MISSED = """
from smartcard.scard import *
context = SCardEstablishContext(SCARD_SCOPE_USER)[1]
known = {name: SCARD_STATE_UNAWARE for name in SCardListReaders(context, [])[1]}
while not all(state & SCARD_STATE_EMPTY for state in known.values()):
    code, seen = SCardGetStatusChange(context, 5000, list(known.items()))
    known = {name: state & ~SCARD_STATE_CHANGED for name, state, _ in seen}
"""


def until_missed(client: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    """Wait until the service has noticed that the card is gone: the real pcscd looks every 0.4 s or when it can."""
    done = client(sys.executable, "-c", _MISSED)
    assert done.returncode == 0, done.stderr


class Twin(Station):
    """A serving twin that takes orders by signal."""

    def remove(self) -> None:
        """The person takes the card out."""
        self.process.send_signal(signal.SIGUSR1)
        self.until("card.removed")

    def insert(self) -> None:
        """The person puts the card in."""
        self.insert_unseen()
        self.until("card.inserted")

    def insert_unseen(self) -> None:
        """The person puts the card in, whether or not there is a service that could see it."""
        self.process.send_signal(signal.SIGUSR2)

    def until(self, event: str) -> dict[str, Any]:
        """The next line of that event."""
        while (line := self.next_line(PATIENCE_S)) is not None:
            if line.get("event") == event:
                return line
        raise AssertionError(f"{self.name} did not say {event}: {self.lines[-3:]}")


class PrivatePcscd:
    """One pcscd, and the cards of a test. Several tests may run side by side: each process has its own."""

    def __init__(
        self,
        *readers: str,
        folder: Path | None = None,
        heard: Heard = lambda name, line: None,
        serial: tuple[str, ...] = (),
    ) -> None:
        """``heard`` is told every line that daemon and cards print. ``serial``: readers of ``device-twin ccid``."""
        self._heard = heard
        self._serial = serial
        self._readers = readers or (() if serial else (READER,))
        self._folder = folder or _FOLDER
        self._stations: list[Twin] = []

    def __enter__(self) -> Self:
        names = [word for name in self._readers for word in ("--reader", name)]
        names += [word for words in self._serial for word in ("--serial", words)]
        self.daemon = self._start("pcscd", "pcscd", "--kind", "real", "--dir", str(self._folder), *names)
        self.socket = str(self.daemon.ready["socket"])
        if self._folder == _FOLDER:
            os.environ["PCSCLITE_CSOCK_NAME"] = self.socket
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        for station in reversed(self._stations):
            station.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def card(self, *options: str, reader: int = 0, card: str = "test-visa-contact") -> Twin:
        """A card twin in a reader."""
        address = self.daemon.ready["readers"][reader]["address"]
        where = ["--vpcd", address, "--network-of", str(self.daemon.ready["pid"])]
        station = self._start("card", "card", *where, "--card", card, *options)
        if "--out" not in options:
            station.until("card.inserted")
        return station

    def kill(self) -> None:
        """pcscd dies as in a crash."""
        self.daemon.process.send_signal(signal.SIGUSR1)
        self.daemon.until("daemon.killed")

    def start(self) -> None:
        """pcscd comes back."""
        self.daemon.process.send_signal(signal.SIGUSR2)
        self.daemon.until("daemon.started")

    def client(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """An independent PC/SC program, against this daemon."""
        environment = os.environ | {"PCSCLITE_CSOCK_NAME": self.socket}
        return subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=60, check=False)

    def _start(self, name: str, *argv: str) -> Twin:
        station = Twin(name, [command("device-twin"), *argv, "--json"], self._heard)
        self._stations.append(station)
        station.wait_ready()
        return station
