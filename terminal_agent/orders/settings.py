# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The profile's [orders] section: who may order this terminal about. Opens nothing."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class OrdersSettings:
    """Whom the terminal obeys. Without this section it obeys nobody, and tells of every order that comes."""

    trust: Path
    """TOML file with the persons, their public keys and the thresholds: see docs/reporting.md."""
    usb: Path | None = None
    """Folder with the USB policies, where orders may bring new ones: see docs/usb.md."""
    usb_trust: Path | None = None
    """TOML file with the persons who sign USB policies."""

    def __post_init__(self) -> None:
        if (self.usb is None) != (self.usb_trust is None):
            raise ValueError("usb and usb-trust: both or none expected")
