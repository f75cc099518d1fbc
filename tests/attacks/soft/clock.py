# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A clock that lacks one defence: it believes whatever the machine says, or can only ever go ahead."""

from terminal_agent.clock import Clock, GuardedClock


class BelievingClock(GuardedClock):
    """The machine's time as it is."""

    def now_ms(self) -> int:
        """See :class:`GuardedClock`."""
        return self._source.now_ms()


class RatchetClock(GuardedClock):
    """Never earlier than the latest time that it ever saw."""

    def __init__(self, source: Clock, trusted_ms: int | None) -> None:
        super().__init__(source, trusted_ms)
        self._latest = 0

    def now_ms(self) -> int:
        """See :class:`GuardedClock`."""
        self._latest = max(self._latest, self._source.now_ms())
        return self._latest
