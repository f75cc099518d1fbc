# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The profile's [report] section, and the errors of this room. Opens nothing."""

from dataclasses import dataclass
from pathlib import Path

from terminal_agent.errors import AgentError


class ReportError(AgentError):
    """Reports cannot be kept or cannot be sent."""


class OutboxError(ReportError):
    """The outbox cannot keep a report: what it was to tell must count as failed."""


@dataclass(frozen=True, slots=True)
class ReportSettings:
    """Where reports go. Always mutual TLS: there is no setting for less."""

    broker: str
    """host:port; the host as the broker's certificate names it."""
    ca: Path
    """PEM file with the only authority that the broker's certificate may come from."""
    certificate: Path
    """PEM file; its common name is the terminal's name."""
    key: Path
    outbox_rows: int = 20_000
    """Reports that wait at most, about 400 octets each; beyond that the oldest of the least lane are dropped."""
    keep_alive_s: int = 20
    answer_s: float = 10.0
    """How long the broker may take to answer anything."""
    longest_wait_s: float = 60.0
    """The upper bound of the back-off between two connections."""

    def __post_init__(self) -> None:
        host, _, port = self.broker.rpartition(":")
        if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65_536:
            raise ValueError("broker: host:port expected, such as 127.0.0.1:8883")
        for name, value, bounds in (
            ("outbox_rows", self.outbox_rows, (100, 1_000_000)),
            ("keep_alive_s", self.keep_alive_s, (5, 300)),
            ("answer_s", self.answer_s, (1, 60)),
            ("longest_wait_s", self.longest_wait_s, (1, 3_600)),
        ):
            if not bounds[0] <= value <= bounds[1]:
                raise ValueError(f"{name}: {bounds[0]} to {bounds[1]} expected")

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        host, _, port = self.broker.rpartition(":")
        return host.strip("[]"), int(port)
