# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A port at which devices come and go faster than anybody plugs. Switches nothing, asks no clock."""

from collections import deque
from enum import Enum

STORM = "storm"  # the rule id of a port that is off because of one
MOST_APPEARANCES = 40
WITHIN_S = 10
"""A worn plug rattles some times in a second and then rests; a device with four alternating faces needs no ten."""
OFF_S = 60
MOST_PORTS = 4_096


class Storm(Enum):
    """What an appearance is."""

    NONE = "a device, to be judged"
    BEGINS = "one too many: the port goes off"
    GOES_ON = "the port should be off"


class StormWatch:
    """All ports of a machine."""

    def __init__(self) -> None:
        self._seen: dict[str, deque[float]] = {}
        self._off: dict[str, float] = {}

    def appeared(self, port: str, steady_s: float) -> Storm:
        """A device appeared at a port."""
        if port in self._off:
            return Storm.GOES_ON
        if len(self._seen) >= MOST_PORTS:
            self._seen.clear()
        seen = self._seen.setdefault(port, deque(maxlen=MOST_APPEARANCES))
        seen.append(steady_s)
        if len(seen) < MOST_APPEARANCES or steady_s - seen[0] > WITHIN_S:
            return Storm.NONE
        self._off[port] = steady_s + OFF_S
        self._seen.pop(port)
        return Storm.BEGINS

    def over(self, steady_s: float) -> list[str]:
        """The ports whose storm is over."""
        found = [port for port, until_s in self._off.items() if until_s <= steady_s]
        for port in found:
            del self._off[port]
        return found
