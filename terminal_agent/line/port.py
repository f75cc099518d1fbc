# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The port that every serial driver stands on, and its errors. Opens nothing itself."""

from typing import Protocol

from terminal_agent.errors import AgentError


class LineError(AgentError):
    """Something is wrong with a line."""


class LineAbsent(LineError):
    """There is no such port, or nobody listens at the address."""


class LineBusy(LineError):
    """Another process holds the port."""


class LineGone(LineError):
    """The other end hung up, or the cable was pulled. The line is of no more use; open it anew."""


class Line(Protocol):
    """A stream of octets both ways. One task reads at a time."""

    @property
    def name(self) -> str:
        """How a person calls it: a path or an address."""
        ...

    @property
    def ended(self) -> bool:
        """Whether the other end is known to have gone, also while nobody reads or writes."""
        ...

    async def read(self) -> bytes:
        """At least one octet, as soon as there is any; :class:`LineGone` at the end."""
        ...

    def write(self, octets: bytes) -> None:
        """Send octets, in order, without waiting; :class:`LineGone` where they cannot be sent any more."""
        ...

    async def close(self) -> None:
        """Give the line up. A read under way ends with :class:`LineGone`. Closing twice does nothing."""
        ...
