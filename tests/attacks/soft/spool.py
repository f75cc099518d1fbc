# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Queues for head office as they are mostly written: one for all, or one without an end."""

from collections import deque
from dataclasses import dataclass, field

from protocols.telemetry.events import Event


@dataclass
class OneForAll:
    """The last so many events, whatever they are: who floods it decides what is left."""

    kept: deque[Event] = field(default_factory=lambda: deque(maxlen=300))

    def put(self, event: Event) -> None:
        """Keep one; the oldest goes."""
        self.kept.append(event)

    def events(self) -> list[Event]:
        """What is kept."""
        return list(self.kept)


@dataclass
class Endless(OneForAll):
    """Keeps everything."""

    kept: deque[Event] = field(default_factory=deque)
