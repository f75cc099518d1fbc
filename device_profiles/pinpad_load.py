# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The keys that a virtual PIN pad was loaded with, from data. TEST keys only: no real pad gives its keys to a file."""

from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from device_profiles.catalog import find
from protocols.dukpt.ksn import TdesKsn
from protocols.errors import ProtocolError
from protocols.secret import ClearKey
from tillguard.exits import Exit
from tillguard.settings import load
from tillguard.voice import Fault

KEY_OCTETS = 16


class SlotUse(Enum):
    """What the key of a slot is for."""

    MAC = "mac"
    DATA = "data"
    """Of ABECS pads: working keys for the encipherment of data come under it."""


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

    def __post_init__(self) -> None:
        if not self.serial.isalnum():
            raise ValueError("serial must be letters and digits")
        if not all(len(one.slot) in (1, 2) and one.slot.isalnum() for one in self.master_keys):
            raise ValueError("a slot is one or two letters or digits")


@dataclass(frozen=True, slots=True)
class PinpadLoad:
    """A pad's serial number and keys, ready for its twin."""

    serial: str
    initial_ksn: TdesKsn
    test_initial_key: ClearKey
    test_mac_keys: dict[str, ClearKey]
    test_data_keys: dict[str, ClearKey]


def load_pinpad(name_or_path: str) -> PinpadLoad:
    """The load of that name among this package's data, or of a user's own file."""
    path = find("pinpads/loads", name_or_path)
    data = load(path, LoadData)
    keys: dict[SlotUse, dict[str, ClearKey]] = {use: {} for use in SlotUse}
    for one in data.master_keys:
        keys[one.use][one.slot] = _key(one.test_key, path)
    initial = _key(data.test_initial_key, path)
    return PinpadLoad(data.serial, _ksn(data.initial_ksn, path), initial, keys[SlotUse.MAC], keys[SlotUse.DATA])


def _ksn(text: str, path: Path) -> TdesKsn:
    try:
        return TdesKsn.from_hex(text)
    except ProtocolError as fault:
        raise Fault(f"{path}: initial-ksn: {fault}", "20 hexadecimal digits, counter bits 0", Exit.USAGE) from None


def _key(text: str, path: Path) -> ClearKey:
    try:
        key = ClearKey.from_hex(text)
    except ProtocolError:
        key = ClearKey(b"")
    if len(key) != KEY_OCTETS:
        raise Fault(f"{path}: a key is not 32 hexadecimal digits", "see the other loads for the form", Exit.USAGE)
    return key
