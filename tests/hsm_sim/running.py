# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A simulator as its own process, for one test or bench. No test."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.hsm_sim.conftest import command_line

Address = tuple[str, int]


@dataclass(frozen=True)
class Running:
    """A process and what its readiness line said."""

    process: "subprocess.Popen[str]"
    ready: dict[str, Any]

    def address(self, name: str = "address") -> Address:
        """Where it listens."""
        host, _, port = self.ready[name].rpartition(":")
        return host.strip("[]"), int(port)

    @property
    def resident_kib(self) -> int:
        """Its resident memory."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


@contextmanager
def running(*arguments: str, settings: str | None = None, folder: Path | None = None) -> Iterator[Running]:
    """A simulator with these arguments and, in ``folder``, this text as its settings; ends however the test does."""
    more: list[str] = []
    if settings is not None and folder is not None:
        (folder / "hsm.toml").write_text(settings)
        more = ["--config", str(folder / "hsm.toml")]
    line = command_line("serve", "--port", "0", "--json", *more, *arguments)
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            first = process.stdout.readline()
            assert first, process.stderr.read() if process.stderr is not None else ""
            yield Running(process, json.loads(first))
        finally:
            process.kill()
