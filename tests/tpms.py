# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A TPM 2.0 in a process of its own (swtpm), and the independent client that looks at it (tpm2-tools)."""

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tests.patience import PATIENCE_S


class SoftTpm:
    """A running swtpm; ``socket`` is what a program connects to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = folder / "tpm"
        self._process: subprocess.Popen[bytes] | None = None

    def switch_on(self) -> None:
        """Start it on its state."""
        (self.folder / "state").mkdir(exist_ok=True)
        self._process = subprocess.Popen(
            [
                *("swtpm", "socket", "--tpm2", "--tpmstate", f"dir={self.folder / 'state'}"),
                *("--server", f"type=unixio,path={self.socket}"),
                *("--ctrl", f"type=unixio,path={self.socket}.ctrl", "--flags", "not-need-init,startup-clear"),
            ]
        )
        deadline = time.monotonic() + PATIENCE_S
        while not self.socket.exists():
            assert time.monotonic() < deadline, "swtpm does not start"
            time.sleep(0.01)

    def switch_off(self) -> None:
        """Power off."""
        assert self._process is not None
        self._process.terminate()
        self._process.wait()
        for path in (self.socket, Path(f"{self.socket}.ctrl")):
            path.unlink(missing_ok=True)

    def tool(self, *words: str) -> bytes:
        """What a command of tpm2-tools prints."""
        environment = os.environ | {"TPM2TOOLS_TCTI": f"swtpm:path={self.socket}"}
        return subprocess.run(words, env=environment, capture_output=True, check=True).stdout


@contextlib.contextmanager
def soft_tpm(folder: Path) -> Iterator[SoftTpm]:
    """On for a ``with``."""
    tpm = SoftTpm(folder)
    tpm.switch_on()
    try:
        yield tpm
    finally:
        tpm.switch_off()
