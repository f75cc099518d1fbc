# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The simulator's settings as a file says them: where it listens, what it keeps, its limits. Reads no file itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path

from hsm_sim.engine.counters import Limits
from hsm_sim.engine.master_keys import KINDS, LMK_IDS
from hsm_sim.engine.settings import Operating, changed
from protocols.hsm.commands import COMMANDS
from protocols.hsm.frame import HEADER_OCTETS, LARGEST_FRAME

LOOPBACK = "127.0.0.1"
USUAL_PORT = 1500
USUAL_TLS_PORT = 2500
PORTS = range(1 << 16)
LEAST_FRAME = 512  # below that not even a PIN translation with a long header fits
MOST_CONNECTIONS = 65535
LONGEST_UNFINISHED_S = 3600

AUDITED = (
    "A0", "A4", "A6", "A8", "AE", "AG", "B0", "BA", "BW", "DW", "DY", "EI", "EO", "EW", "FA", "FC",
    "FE", "FI", "FK", "FM", "GC", "GY", "HA", "HC", "IA", "L0", "LO", "MG", "MI", "NG", "QK", "RA",
)  # fmt: skip
"""Commands that make, move or open keys or clear PINs, or sign, or end authorisations."""


class Loop(StrEnum):
    """The event loop."""

    AUTO = "auto"
    """uvloop where it is installed."""
    ASYNCIO = "asyncio"
    UVLOOP = "uvloop"


class Preset(StrEnum):
    """Where the policy starts from."""

    USUAL = "usual"
    HARDENED = "hardened"
    """Nothing unauthenticated, no halves, no bare decimalisation tables, no clear PINs."""


@dataclass(frozen=True, slots=True)
class Tls:
    """The listener for TLS; with ``client_ca`` only hosts with a certificate of that authority get in."""

    certificate: Path
    key: Path
    client_ca: Path | None = None
    port: int = USUAL_TLS_PORT

    def __post_init__(self) -> None:
        if self.port not in PORTS:
            raise ValueError(f"port: 0 to {PORTS.stop - 1} expected")


@dataclass(frozen=True, slots=True)
class Token:
    """A PKCS#11 token that wraps the vault key."""

    module: Path
    """The token's library."""
    token: str
    pin_file: Path
    key: str = "tillguard hsm-sim"
    """Labels of the token and of the AES key in it, which is made if it is not there."""


@dataclass(frozen=True, slots=True)
class Vault:
    """What opens the vault: one of the two."""

    passphrase_file: Path | None = None
    token: Token | None = None

    def __post_init__(self) -> None:
        if (self.passphrase_file is None) == (self.token is None):
            raise ValueError("either passphrase-file or token expected")


@dataclass(frozen=True, slots=True)
class PolicySettings:
    """What the owner permits: a preset, and single settings on top, named as in `hsm-sim console settings`."""

    preset: Preset = Preset.USUAL
    settings: Mapping[str, str] = field(default_factory=dict)
    old_test_lmk: bool = False
    """Also hold the public old TEST LMK, from which keys and PINs can be translated (BW, BG)."""

    def __post_init__(self) -> None:
        self.upon(Operating())

    def upon(self, operating: Operating) -> Operating:
        """``operating`` with the single settings on top; :class:`ValueError` names the one that cannot be so."""
        for name, text in self.settings.items():
            try:
                operating = changed(operating, name, text)
            except ValueError as fault:
                raise ValueError(f"settings: {name}: {fault}") from None
        return operating


@dataclass(frozen=True, slots=True)
class CommandSettings:
    """Host commands by code."""

    disabled: tuple[str, ...] = ()
    """Answered as if they did not exist."""
    audited: tuple[str, ...] = AUDITED
    """Recorded in the audit every time; of the others only refusals are, by their number."""

    def __post_init__(self) -> None:
        for name, codes in (("disabled", self.disabled), ("audited", self.audited)):
            unknown = [code for code in codes if code.upper() not in COMMANDS]
            if unknown:
                raise ValueError(f"{name}: {unknown[0]} is no command of this unit; see: hsm-sim commands")


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set; :class:`ValueError` for a value out of range."""

    listen: str = LOOPBACK
    """An IP address of this machine."""
    port: int = USUAL_PORT
    """0 takes any free port."""
    plain: bool = True
    """Whether hosts may connect without TLS."""
    header_octets: int = 4
    """Length of the message header that hosts send and get back."""
    largest_frame: int = LARGEST_FRAME
    connections: int = 2048
    """More are closed as they come."""
    unfinished_s: int = 60
    """A host whose frame stands still unfinished so long is disconnected; 0: never. Idle hosts may stay."""
    event_loop: Loop = Loop.AUTO
    test_lmks: Mapping[str, str] = field(
        default_factory=lambda: {"00": "variant", "01": "tdes-blocks", "02": "aes-blocks"}
    )
    """The public TEST master keys by identifier; one of the same identifier in the vault takes its place."""
    state: Path | None = None
    """A folder for vault, audit and console; without it nothing is kept and nobody can give orders."""
    metrics_port: int | None = None
    """Loopback port that gives Prometheus its metrics; 0 takes any free one."""
    faults: Path | None = None
    """A script of faults on purpose."""
    tls: Tls | None = None
    vault: Vault | None = None
    policy: PolicySettings = field(default_factory=PolicySettings)
    fraud: Limits = field(default_factory=Limits)
    commands: CommandSettings = field(default_factory=CommandSettings)

    def __post_init__(self) -> None:
        for name, value, allowed in (
            ("port", self.port, PORTS),
            ("header_octets", self.header_octets, HEADER_OCTETS),
            ("largest_frame", self.largest_frame, range(LEAST_FRAME, LARGEST_FRAME + 1)),
            ("connections", self.connections, range(1, MOST_CONNECTIONS + 1)),
            ("unfinished_s", self.unfinished_s, range(LONGEST_UNFINISHED_S + 1)),
            ("metrics_port", self.metrics_port, PORTS),
        ):
            if value is not None and value not in allowed:
                raise ValueError(f"{name}: {allowed.start} to {allowed.stop - 1} expected")
        if "00" not in self.test_lmks:
            raise ValueError("test_lmks: 00, which commands mean that name none, expected among them")
        for name, kind in self.test_lmks.items():
            if name not in LMK_IDS or kind not in KINDS:
                raise ValueError(f"test_lmks: identifiers of two digits, each with one of {', '.join(KINDS)}, expected")
        try:
            ip_address(self.listen)
        except ValueError:
            raise ValueError("listen: an IP address expected") from None
        if not self.plain and self.tls is None:
            raise ValueError("plain: false leaves no way in unless [tls] gives one")
        if self.vault is not None and self.state is None:
            raise ValueError("vault: state, the folder that it lies in, expected too")

    @property
    def only_here(self) -> bool:
        """Whether nobody outside this machine can connect."""
        return ip_address(self.listen).is_loopback
