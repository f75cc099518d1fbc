# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The payment systems' keys that a terminal trusts, and the certificates they withdrew. Reads no file and no card.

EMV 4.4 Book 2, 5.2 and 11: a terminal holds up to six keys of each payment system, found by the system's registered
identifier (RID) and the index that the card gives. A key serves until the day its payment system named; a withdrawn
issuer certificate is listed by RID, index and serial number. Where keys come from: ``device_profiles/ca_keys.py``.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date

from protocols.emv.oda import CaKey
from protocols.errors import IntegrityError


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """A payment system's key and its last day; None where the system named none."""

    ca: CaKey
    expires: date | None = None


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """An issuer certificate that its payment system withdrew."""

    rid: bytes
    index: int
    serial: bytes


@dataclass(frozen=True, slots=True)
class Authorities:
    """All keys and withdrawals of a terminal."""

    keys: tuple[TrustedKey, ...] = ()
    withdrawn: tuple[Withdrawn, ...] = ()
    _found: dict[tuple[bytes, int], TrustedKey] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        for trusted in self.keys:
            place = trusted.ca.rid, trusted.ca.index
            known = self._found.setdefault(place, trusted)
            if known is not trusted and known.ca.key != trusted.ca.key:
                rid, index = place[0].hex().upper(), f"{place[1]:02X}"
                raise ValueError(f"two different keys {rid} {index}: which of them is the payment system's?")

    def find(self, rid: bytes, index: int, today: date) -> CaKey:
        """The key; :class:`IntegrityError` says why there is none (Book 2, 5.2; Book 4, 10.2)."""
        trusted = self._found.get((rid, index))
        name = f"CA key {rid.hex().upper()} {index:02X}"
        if trusted is None:
            raise IntegrityError(f"this terminal does not hold {name}")
        if trusted.expires is not None and trusted.expires < today:
            raise IntegrityError(f"{name} served until {trusted.expires.isoformat()}")
        return trusted.ca

    def knows(self, rid: bytes) -> bool:
        """Whether any key of this payment system is held: where none is, nothing of its cards can be checked."""
        return any(trusted.ca.rid == rid for trusted in self.keys)

    def revoked(self, rid: bytes, index: int) -> frozenset[bytes]:
        """Serial numbers of the issuer certificates that were withdrawn under one key (Book 2, 5.1.2)."""
        return frozenset(gone.serial for gone in self.withdrawn if (gone.rid, gone.index) == (rid, index))

    @classmethod
    def together(cls, parts: Iterable["Authorities"]) -> "Authorities":
        """Several lists as one; ValueError where they contradict one another."""
        listed = tuple(parts)
        return cls(
            tuple(key for part in listed for key in part.keys),
            tuple(gone for part in listed for gone in part.withdrawn),
        )
