# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The keys that a virtual PIN pad was loaded with, from data. TEST keys only: no real pad gives its keys to a file."""

from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from device_profiles.catalog import find
from device_profiles.model import AbecsProfile, PadProfile
from protocols.dukpt.ksn import TdesKsn
from protocols.errors import ProtocolError
from protocols.secret import ClearKey
from tillguard.exits import Exit
from tillguard.settings import load
from tillguard.voice import Fault

KEY_OCTETS = 16
LONGEST_SERIAL = 32
SEED_OCTETS = 32  # RFC 8032, 5.1.5
OFFICERS = 2
PASSWORD_DIGITS = range(7, 13)


class SlotUse(Enum):
    """What the key of a slot is for."""

    PIN = "pin"
    """Session keys for PIN blocks come under it."""
    MAC = "mac"
    LOADING = "loading"
    """Key blocks come under it."""
    DATA = "data"
    """Working keys for the encipherment of data come under it."""


@dataclass(frozen=True, slots=True)
class SlotPlan:
    """[slots]: which slots a pad has for which use, one character each. A slot in two lists goes by its key's usage."""

    pin: str = ""
    mac: str = ""
    loading: str = ""
    data: str = ""


@dataclass(frozen=True, slots=True)
class ThrottleData:
    """[throttle]: how many PINs in a row, and how far apart on average (PCI PTS POI v6, B: 120 an hour)."""

    burst: int = 120
    spacing_s: float = 30.0

    def __post_init__(self) -> None:
        if not 1 <= self.burst <= 1_000_000 or not 0.001 <= self.spacing_s <= 3600:
            raise ValueError("burst must be 1 to 1000000, spacing-s 0.001 to 3600")


@dataclass(frozen=True, slots=True)
class MasterKeyData:
    """One slot as the file has it."""

    slot: str
    use: SlotUse
    test_key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class LoadData:
    """The file as it stands: hexadecimal digits."""

    serial: str
    title: str
    initial_ksn: str
    test_initial_key: str = field(repr=False)
    master_keys: tuple[MasterKeyData, ...] = ()
    slots: SlotPlan = field(default_factory=SlotPlan)
    throttle: ThrottleData = field(default_factory=ThrottleData)
    test_passwords: tuple[str, ...] = field(default=(), repr=False)
    """Of the two officers who may open the key injection mode together."""
    test_identity_key: str = field(default="", repr=False)
    """Seed of the Ed25519 key with which an ABECS pad signs; empty: it has none."""

    def __post_init__(self) -> None:
        if not (_is_plain(self.serial) and len(self.serial) <= LONGEST_SERIAL):
            raise ValueError(f"serial must be up to {LONGEST_SERIAL} letters and digits")
        if not all(len(one.slot) in (1, 2) and _is_plain(one.slot) for one in self.master_keys):
            raise ValueError("a slot is one or two letters or digits")
        if len({one.slot for one in self.master_keys}) != len(self.master_keys):
            raise ValueError("a slot holds one key")
        if len(set(self.test_passwords)) not in (0, OFFICERS) or not all(map(_is_password, self.test_passwords)):
            raise ValueError("test-passwords: two different ones of 7 to 12 digits expected, or none")


@dataclass(frozen=True, slots=True)
class PinpadLoad:
    """A pad's serial number and keys, ready for its twin."""

    serial: str
    initial_ksn: TdesKsn
    test_initial_key: ClearKey
    slots: dict[str, tuple[SlotUse, ClearKey]]
    slot_plan: dict[SlotUse, str]
    throttle: ThrottleData = field(default_factory=ThrottleData)
    test_passwords: tuple[str, ...] = field(default=(), repr=False)
    test_identity: ClearKey | None = field(default=None, repr=False)


def fitting_load(profile: PadProfile) -> str:
    """The load of the TEST bank for a pad of that profile: by family, and by the slot of its key for MACs."""
    if isinstance(profile, AbecsProfile):
        return "test-bank-abecs"
    return "test-bank-verifone" if profile.dialect.mac_select else "test-bank"


def load_pinpad(name_or_path: str) -> PinpadLoad:
    """The load of that name among this package's data, or of a user's own file."""
    path = find("pinpads/loads", name_or_path)
    data = load(path, LoadData)
    initial = _key(data.test_initial_key, path)
    return PinpadLoad(
        data.serial,
        _ksn(data.initial_ksn, path),
        initial,
        {one.slot: (one.use, _key(one.test_key, path)) for one in data.master_keys},
        {use: getattr(data.slots, use.value) for use in SlotUse},
        data.throttle,
        data.test_passwords,
        _key(data.test_identity_key, path, SEED_OCTETS) if data.test_identity_key else None,
    )


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isalnum()


def _is_password(digits: str) -> bool:
    return digits.isascii() and digits.isdigit() and len(digits) in PASSWORD_DIGITS


def _ksn(text: str, path: Path) -> TdesKsn:
    try:
        return TdesKsn.from_hex(text)
    except ProtocolError as fault:
        raise Fault(f"{path}: initial-ksn: {fault}", "20 hexadecimal digits, counter bits 0", Exit.USAGE) from None


def _key(text: str, path: Path, octets: int = KEY_OCTETS) -> ClearKey:
    try:
        key = ClearKey.from_hex(text)
    except ProtocolError:
        key = ClearKey(b"")
    if len(key) != octets:
        raise Fault(
            f"{path}: a key is not {2 * octets} hexadecimal digits", "see the other loads for the form", Exit.USAGE
        )
    return key
