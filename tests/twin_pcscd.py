# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The pcscd twin for tests, as a process that a person would start, and its desk: readers, cards, life. Holds no test.

It stands where :mod:`tests.private_pcscd` puts the real one, since libpcsclite reads the socket's name once in a
process: tests on both run in one process, one after the other.
"""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from scripts.lib.stations import Station, command

READER = "Till Contact"
_FOLDER = Path(tempfile.gettempdir()) / f"tillguard-pcscd-{os.getpid()}"


class TwinPcscd:
    """One pcscd twin. ``words`` are options of the command; without any there is one empty reader."""

    def __init__(self, *words: str, folder: Path | None = None) -> None:
        self._words = words or ("--reader", READER)
        self._folder = folder or _FOLDER / "run"

    def __enter__(self) -> Self:
        argv = [command("device-twin"), "pcscd", "--json", "--dir", str(self._folder), *self._words]
        self.station = Station("pcscd", argv, lambda name, line: None, obeys=True)
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
        while (line := self.station.next_line(5)) is not None:
            if line.get("event") != "traffic":
                return line
        raise AssertionError(f"no answer to the order '{words}': {self.station.talk}")

    def client(self, *argv: str, timeout_s: float = 30) -> subprocess.CompletedProcess[str]:
        """An independent PC/SC program, against this service."""
        environment = os.environ | {"PCSCLITE_CSOCK_NAME": self.socket}
        return subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=timeout_s, check=False)
