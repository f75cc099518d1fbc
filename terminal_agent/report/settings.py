# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The profile's [report] section, and the errors of this room. Opens nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from protocols.telemetry.events import Lane
from terminal_agent.errors import AgentError
from tillguard.address import host_port


class ReportError(AgentError):
    """Reports cannot be kept or cannot be sent."""


class OutboxError(ReportError):
    """The outbox cannot keep a report: what it was to tell must count as failed."""


class OutboxFull(OutboxError):
    """Full of alerts: nothing is lost, what follows waits in the audit log until head office's receipts come."""


@dataclass(frozen=True, slots=True)
class LaneBounds:
    """[report.lanes]: how many KiB of reports without a receipt each lane holds at most; a report takes about 0.4."""

    alert_kib: int = 4_096
    ack_kib: int = 2_048
    health_kib: int = 8_192
    bulk_kib: int = 16_384

    def __post_init__(self) -> None:
        for lane in Lane:
            if not 64 <= getattr(self, f"{lane.value}_kib") <= 1 << 20:
                raise ValueError(f"{lane.value}-kib: 64 to {1 << 20} expected")

    @property
    def octets(self) -> Mapping[Lane, int]:
        """The bounds in octets."""
        return {lane: 1024 * int(getattr(self, f"{lane.value}_kib")) for lane in Lane}


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
    """PEM file with the certificate's private key, of P-256 or Ed25519; it signs the reports as well."""
    receipt_key: Path | None = None
    """PEM file with the public key of head office's receipts. Without it nothing is ever done; the oldest goes."""
    lanes: LaneBounds = field(default_factory=LaneBounds)
    keep_alive_s: int = 20
    heartbeat_s: int = 60
    """How often this terminal says that it is there."""
    receipt_s: float = 30.0
    """How long a receipt may take before reports are sent again; each time without one it is twice as long."""
    answer_s: float = 10.0
    """How long the broker may take to answer anything."""
    longest_wait_s: float = 60.0
    """The upper bound of the back-off between two connections."""

    def __post_init__(self) -> None:
        try:
            host_port(self.broker)
        except ValueError as fault:
            raise ValueError(f"broker: {fault}, such as 127.0.0.1:8883") from None
        for name, value, bounds in (
            ("keep_alive_s", self.keep_alive_s, (5, 300)),
            ("heartbeat_s", self.heartbeat_s, (5, 3_600)),
            ("receipt_s", self.receipt_s, (1, 3_600)),
            ("answer_s", self.answer_s, (1, 60)),
            ("longest_wait_s", self.longest_wait_s, (1, 3_600)),
        ):
            if not bounds[0] <= value <= bounds[1]:
                raise ValueError(f"{name.replace('_', '-')}: {bounds[0]} to {bounds[1]} expected")

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        return host_port(self.broker)


@dataclass(frozen=True, slots=True)
class ReportStatus:
    """How reporting stands, for a person."""

    connected: bool
    words: str
