# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What the rest of the agent may expect of a line to the acquirer, and how it fails. Implements nothing.

Every error says whether octets may have reached the host: where they may, the caller owes a reversal; where they
cannot, it owes nothing.
"""

from collections.abc import Callable
from typing import Protocol

from terminal_agent.errors import AgentError

Trace = Callable[[str, str, str], None]
"""Called with the wire's name, the direction (``>`` away from the terminal) and text that is already redacted."""


class HostError(AgentError):
    """Root of this room's errors. ``sent``: the host may have seen the request."""

    def __init__(self, what: str, hint: str = "", *, sent: bool) -> None:
        super().__init__(what, hint)
        self.sent = sent


class HostUnreachable(HostError):
    """No connection, or the connection went away."""


class HostSilent(HostUnreachable):
    """The request left and no answer came in time."""


class HostUntrusted(HostUnreachable):
    """The other end is not who it must be: TLS refused it, or it refused us."""


class HostGarbled(HostError):
    """What came is not a readable, authentic answer to the request."""


class JournalError(HostError):
    """The journal cannot say what was sent, so nothing more may be."""


class JournalFull(JournalError):
    """No room to record what is about to be sent; it was not sent."""


class AcquirerPort(Protocol):
    """A line that carries one request and brings back its answer."""

    async def exchange(self, octets: bytes, timeout_s: float, answers: Callable[[bytes], bool] | None = None) -> bytes:
        """Send a message, return the next message that ``answers`` accepts (any, without it)."""
        ...

    async def close(self) -> None:
        """Give the line up; an exchange under way ends as lost."""
        ...
