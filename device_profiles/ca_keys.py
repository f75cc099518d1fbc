# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Lists of payment systems' public keys, as read from TOML. It trusts nobody: a terminal's profile names its lists.

Every key carries the checksum that its payment system published, and is refused where it does not match. A list is
labelled ``live`` or ``test``; which of the two a terminal takes is its profile's, and never both.
"""

from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from device_profiles import catalog
from device_profiles.hexadecimal import octets
from protocols.emv.oda import CaKey, PublicKey
from protocols.errors import ProtocolError
from tillguard.settings import load

KIND = "ca-keys"
RID_OCTETS, SERIAL_OCTETS, CHECKSUM_OCTETS = 5, 3, 20
MOST_MODULUS, MOST_EXPONENT = 248, 3  # EMV 4.4 Book 2, Annex D1 and B2.1


class Use(StrEnum):
    """What cards a list is for."""

    LIVE = "live"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class ListedKey:
    """One key (EMV 4.4 Book 2, 11.2.2). ``expires``: its last day as YYYY-MM-DD, empty where the source names none."""

    rid: str
    index: str
    modulus: str
    checksum: str
    exponent: str = "03"
    expires: str = ""

    def __post_init__(self) -> None:
        try:
            self.ca_key().check()
        except ProtocolError as fault:
            raise ValueError(str(fault)) from None
        if self.expires:
            try:
                date.fromisoformat(self.expires)
            except ValueError:
                raise ValueError("expires: a day as YYYY-MM-DD expected") from None

    def ca_key(self) -> CaKey:
        """The key as the mathematics takes it."""
        return CaKey(
            octets(self.rid, "rid", RID_OCTETS),
            octets(self.index, "index", 1)[0],
            PublicKey.of(
                octets(self.modulus, "modulus", 1, MOST_MODULUS), octets(self.exponent, "exponent", 1, MOST_EXPONENT)
            ),
            octets(self.checksum, "checksum", CHECKSUM_OCTETS),
        )

    @property
    def last_day(self) -> date | None:
        """Until when it serves."""
        return date.fromisoformat(self.expires) if self.expires else None


@dataclass(frozen=True, slots=True)
class ListedWithdrawal:
    """An issuer certificate that its payment system withdrew: the key it is under, and its serial number."""

    rid: str
    index: str
    serial: str

    def __post_init__(self) -> None:
        self.octets()

    def octets(self) -> tuple[bytes, int, bytes]:
        """The three as octets."""
        rid, index = octets(self.rid, "rid", RID_OCTETS), octets(self.index, "index", 1)[0]
        return rid, index, octets(self.serial, "serial", SERIAL_OCTETS)


@dataclass(frozen=True, slots=True)
class CaKeyList:
    """One file."""

    title: str
    kind: Use
    source: str
    keys: tuple[ListedKey, ...]
    withdrawn: tuple[ListedWithdrawal, ...] = field(default=())


def load_ca_keys(name_or_path: str) -> CaKeyList:
    """A list of this package by name, or a user's own file by path; Fault where there is none or a key is wrong."""
    return load(catalog.find(KIND, name_or_path), CaKeyList)


def ca_key_lists() -> tuple[str, ...]:
    """The lists that this package knows."""
    return catalog.names(KIND)
