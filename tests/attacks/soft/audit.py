# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""An audit log that lacks one defence: numbered lines without a chain, or a chain whose end nobody remembers."""

import json
from pathlib import Path

from protocols.audit_chain import Head
from protocols.telemetry.events import Event
from terminal_agent.audit import SUFFIX, verify_file


class NumberedLog:
    """Lines of JSON that count, as most logs do at best."""

    def __init__(self, folder: Path, terminal: str) -> None:
        self.path = folder / f"{terminal}{SUFFIX}"
        self._next = len(self.path.read_bytes().splitlines()) + 1 if self.path.exists() else 1

    def append(self, event: Event) -> None:
        """One more line."""
        line = json.dumps({"seq": self._next, "at_ms": event.at_ms, "name": event.name, "fields": dict(event.fields)})
        with self.path.open("a") as file:
            file.write(line + "\n")
        self._next += 1

    def close(self) -> None:
        """Nothing to let go of."""


def numbers_hold(path: Path, _: Head | None) -> str:
    """Whether the lines count from 1 without a gap: empty, or what is wrong."""
    numbers = [json.loads(line)["seq"] for line in path.read_bytes().splitlines()]
    return "" if numbers == list(range(1, len(numbers) + 1)) else "missing"


def chain_holds_by_itself(path: Path, _: Head | None) -> str:
    """Verify the chain against nothing that was noted elsewhere."""
    verify_file(path)
    return ""
