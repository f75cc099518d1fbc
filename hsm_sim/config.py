# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The simulator's settings: where it listens and its limits. Reads no file itself and knows no command."""

from dataclasses import dataclass
from ipaddress import ip_address

from protocols.hsm.frame import HEADER_OCTETS, LARGEST_FRAME

LOOPBACK = "127.0.0.1"
USUAL_PORT = 1500
PORTS = range(1 << 16)
LEAST_FRAME = 512  # below that not even a PIN translation with a long header fits
MOST_CONNECTIONS = 65535


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set; :class:`ValueError` for a value out of range."""

    listen: str = LOOPBACK
    """An IP address of this machine."""
    port: int = USUAL_PORT
    """0 takes any free port."""
    header_octets: int = 4
    """Length of the message header that hosts send and get back."""
    largest_frame: int = LARGEST_FRAME
    connections: int = 2048
    """More are closed as they come."""

    def __post_init__(self) -> None:
        for name, value, allowed in (
            ("port", self.port, PORTS),
            ("header_octets", self.header_octets, HEADER_OCTETS),
            ("largest_frame", self.largest_frame, range(LEAST_FRAME, LARGEST_FRAME + 1)),
            ("connections", self.connections, range(1, MOST_CONNECTIONS + 1)),
        ):
            if value not in allowed:
                raise ValueError(f"{name}: {allowed.start} to {allowed.stop - 1} expected")
        try:
            ip_address(self.listen)
        except ValueError:
            raise ValueError("listen: an IP address expected") from None

    @property
    def only_here(self) -> bool:
        """Whether nobody outside this machine can connect."""
        return ip_address(self.listen).is_loopback
