# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""[vault] of a terminal profile: where store, counter, source of keys and inputs are, and the policy. Opens none."""

import re
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

_GPIO = re.compile(r"/[^:=]+:[0-9]{1,4}=[01]")
ALARMS = ("pad", "audit", "rollback")
"""A PIN pad that says it was opened; an audit log that does not hold; a store older than the counter kept elsewhere."""


def _needed() -> tuple[str, ...]:
    from terminal_agent.sealed.keys.slots import MAC_MASTER, PIN  # for terminals that have a vault

    return PIN, MAC_MASTER


@dataclass(frozen=True, slots=True)
class VaultSettings:
    """One vault."""

    store: Path
    """The sealed file; ``terminal-agent keys init`` makes it."""
    counter: Path | None = None
    """The second location, where there is no TPM: not in the store's folder, at best on another disk."""
    tpm: str = ""
    """``/dev/tpmrm0``, or the path of a TPM simulator's socket; empty for none."""
    tpm_index: int = 0x01800011
    """NV index of the counter (TPM 2.0 part 2, 13.3); the owner's range begins at 0x01800000."""
    token: Path | None = None
    """A TOML with ``module``, ``token``, ``key`` and ``pin-file`` of a PKCS#11 token."""
    passphrase: Path | None = None
    """A file with a passphrase; ``keys init`` makes a random one where there is none."""
    keypad: str = ""
    """The line of the vault's own keypad; empty where the PIN pad enciphers by itself."""
    tamper: str = ""
    """A line on which anything that comes, and its end, is a tamper input."""
    tamper_levels: tuple[str, ...] = ()
    """``PATH=QUIET``: files of the kernel's that stand at QUIET unless somebody tampers with the terminal."""
    tamper_gpio: tuple[str, ...] = ()
    """``CHIP:LINE=QUIET``: input lines of GPIO chips, such as ``/dev/gpiochip0:17=1`` for a loop that is closed."""
    tamper_on: tuple[str, ...] = ("pad",)
    """What else is a tamper input: see :data:`ALARMS`."""
    custodians: tuple[Path, ...] = ()
    """Ed25519 public keys (PEM); with two or more, two sign whatever is done to keys."""
    needed: tuple[str, ...] = field(default_factory=_needed)
    """Slots that must hold a key before payments are served."""
    pin_format: int = 0
    pin_interval: float = 30.0
    """Seconds between two PINs, on average (PCI PTS POI: against trying all PINs)."""
    pin_burst: int = 8
    card_pin: bool = False
    """Whether a PIN may be enciphered for a card that checks it; whose key that is, the vault cannot check."""

    def __post_init__(self) -> None:
        from terminal_agent.sealed.keys.slots import SLOTS

        if self.pin_format not in (0, 3, 4):
            raise ValueError("pin-format: 0, 3 or 4 expected: the formats that are bound to an account (ISO 9564-1)")
        if not 0 < self.pin_interval <= 3_600 or not 1 <= self.pin_burst <= 1_000:
            raise ValueError("pin-interval: up to 3600 s, pin-burst: 1 to 1000 expected")
        if not set(self.needed) <= set(SLOTS):
            raise ValueError(f"needed: slots out of {', '.join(SLOTS)} expected")
        if not all(level.startswith("/") and level.rpartition("=")[2] for level in self.tamper_levels):
            raise ValueError("tamper-levels: as /sys/class/hwmon/hwmon0/intrusion0_alarm=0 expected")
        if not all(_GPIO.fullmatch(line) for line in self.tamper_gpio):
            raise ValueError("tamper-gpio: as /dev/gpiochip0:17=1 expected, a line and its quiet level")
        if not set(self.tamper_on) <= set(ALARMS):
            raise ValueError(f"tamper-on: some of {', '.join(ALARMS)} expected")
        if len(self.custodians) == 1:
            raise ValueError("custodians: none, or at least two: one alone cannot share control")
        if not (self.tpm or self.counter):
            raise ValueError(
                "counter: a second location expected, since there is no TPM whose counter finds a rollback"
            )
        if self.counter is not None and self.counter.parent == self.store.parent:
            raise ValueError(
                "counter: another folder than the store's expected, since both would be rolled back at once"
            )

    def document(self) -> dict[str, Any]:
        """For the vault's command line, the fields of its order: none of them is secret."""
        found: dict[str, Any] = {}
        for one in fields(self):
            value = getattr(self, one.name)
            if one.name != "custodians":  # whoever makes the vault needs them
                found[one.name] = str(value.absolute()) if isinstance(value, Path) else value
        return found
