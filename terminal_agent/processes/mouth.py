# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What the daemon itself prints, on two streams. Records nothing and renders no command's answer."""

import contextlib
import json
import sys

from protocols.telemetry.events import Event, words


class Mouth:
    """Where the daemon's own output goes: JSON lines for a program, words for a person. Nobody there: it goes on."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json

    def say(self, document: dict[str, object], text: str) -> None:
        """A JSON line, or its words."""
        with contextlib.suppress(OSError):  # a full disk, a closed pipe: no payment may depend on them
            sys.stdout.write((json.dumps(document, ensure_ascii=False) if self._as_json else text) + "\n")
            sys.stdout.flush()

    def tell(self, text: str) -> None:
        """A line for whoever looks after this machine."""
        with contextlib.suppress(OSError):
            sys.stderr.write(f"terminal-agent: {text}\n")

    def event(self, event: Event) -> None:
        """What was recorded."""
        document = {"event": "event", "name": event.name, "at_ms": event.at_ms, "fields": dict(event.fields)}
        self.say(document, f"{event.name}: {words(event)}")

    def traffic(self, wire: str, direction: str, text: str) -> None:
        """What went over a wire, redacted by its type."""
        document: dict[str, object] = {"event": "traffic", "wire": wire, "direction": direction, "text": text}
        self.say(document, f"{wire} {direction} {text}")
