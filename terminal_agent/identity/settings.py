# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The profile's [identity] section: the five elements as the contract says them, and whose seal on answers counts."""

from dataclasses import dataclass
from pathlib import Path

from protocols.identity.binding import Binding


@dataclass(frozen=True, slots=True)
class IdentitySettings:
    """What a terminal applies with. The merchant number is [terminal]'s."""

    authority: Path
    """PEM file with the certificate of head office's issuing authority: its seal on answers, its certificates."""
    acquirer: str
    """Acquiring institution, 6 to 11 digits (ISO 8583 DE32)."""
    licence: str
    """The merchant's licence, 4 to 32 letters, digits and hyphens."""
    serial: str
    """The machine's serial number, 4 to 32 letters, digits and hyphens."""
    location: str
    """Where it stands: latitude and longitude as in +52.5200+013.4050 (ISO 6709)."""

    tpm: str = ""
    """``/dev/tpmrm0``, or the path of a TPM simulator's socket: it keeps the passphrase of the terminal's keys."""
    token: Path | None = None
    """A TOML that names a PKCS#11 token, as in [vault]; it does the same where there is no TPM."""

    def __post_init__(self) -> None:
        for name, words in self.binding("M").faults().items():
            raise ValueError(f"{name}: {words}")

    def binding(self, merchant: str) -> Binding:
        """The five elements."""
        return Binding(self.acquirer, merchant, self.licence, self.serial, self.location)
