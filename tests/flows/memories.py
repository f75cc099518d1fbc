# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The memory of a terminal's processes as root reads it, and what the kernel says of cores and swap. Tests none."""

import contextlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.secrets.planted import PLANTED
from tests.secrets.scanner import Marked

_FORMS = re.compile("text|UTF-16|digits|BCD|BCD shifted|octets|left half|right half|hex of BCD|HEX of BCD")
"""Those in which a value is worked with. Files are searched for every form."""
_NAMES = {b"processes.vault": "vault", b"processes.worker_source": "source"}
LEAST_OCTETS = 1 << 20  # a process of Python has more; a scan that reads nothing finds nothing


def held(memory: bytes, marked: Iterable[Marked] = PLANTED) -> list[str]:
    """Which of the marked values it holds, and in what form."""
    return [
        f"{one.name} as {kind}"
        for one in marked
        for kind, form in one.forms
        if _FORMS.fullmatch(kind) and form in memory
    ]


@dataclass(frozen=True)
class Process:
    """One process of a terminal. ``name``: agent, vault, source or worker."""

    name: str
    pid: int

    def memory(self) -> bytes:
        """Everything that is mapped for writing, as far as root can read it."""
        found = bytearray()
        with Path(f"/proc/{self.pid}/mem").open("rb", buffering=0) as octets:
            for line in Path(f"/proc/{self.pid}/maps").read_text().splitlines():
                place = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw", line)
                if place is None:
                    continue
                start, end = (int(word, 16) for word in place.groups())
                with contextlib.suppress(OSError, ValueError):
                    octets.seek(start)
                    found += octets.read(end - start) or b""
        assert len(found) > LEAST_OCTETS
        return bytes(found)

    def status(self, field: str) -> str:
        """One line of /proc/PID/status (proc(5))."""
        text = (Path("/proc") / str(self.pid) / "status").read_text()
        return next(line.partition(":")[2].strip() for line in text.splitlines() if line.startswith(f"{field}:"))

    def limit(self, name: str) -> str:
        """The soft limit of that name (proc(5), limits)."""
        text = (Path("/proc") / str(self.pid) / "limits").read_text()
        return next(line[len(name) :].split()[0] for line in text.splitlines() if line.startswith(name))


def processes(agent: int) -> list[Process]:
    """The agent and everything below it, in order of their names."""
    parents: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError):
            found = re.search(r"PPid:\t(\d+)", (path / "status").read_text())
            parents[int(path.name)] = int(found.group(1)) if found else 0
    below = [pid for pid, parent in parents.items() if parent == agent]
    result = [Process("agent", agent)]
    for pid in below:
        with contextlib.suppress(OSError):
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
            name = next((name for marker, name in _NAMES.items() if marker in command), "other")
            result.append(Process(name, pid))
            result += [Process("worker", child) for child, parent in parents.items() if parent == pid]
    return sorted(result, key=lambda one: one.name)
