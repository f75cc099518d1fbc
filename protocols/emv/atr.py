# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The answer to reset: its bytes by ISO/IEC 7816-3, and what EMV allows in them. Resets nothing.

TS says the convention, T0 which interface bytes follow; each TDi says which follow it and for which protocol. EMV
narrows that to two forms, one for T=0 and one for T=1, and tells a terminal what it must take and what it must refuse
after a cold reset and, once more lenient, after a warm one (EMV 4.3 Book 1, 8.3).
"""

from dataclasses import dataclass
from functools import reduce
from operator import xor

from protocols.errors import DecodeError
from protocols.octets import Cursor

LONGEST = 33  # ISO/IEC 7816-3:2006, 8.2.1: TS and at most 32 more
DIRECT, INVERSE = 0x3B, 0x3F  # TS
_MOST_GROUPS = 8  # 32 octets hold no more


@dataclass(frozen=True, slots=True)
class Group:
    """TAi, TBi, TCi and TDi of one i; None where a byte is absent."""

    ta: int | None
    tb: int | None
    tc: int | None
    td: int | None


@dataclass(frozen=True, slots=True)
class Atr:
    """An answer to reset. ``protocols`` in the order offered, T=0 where none is named."""

    convention: int
    groups: tuple[Group, ...]
    historical: bytes
    protocols: tuple[int, ...]
    check_is_right: bool | None
    """None where no check byte is due: only T=0 is offered."""

    @property
    def specific(self) -> int | None:
        """The protocol of the specific mode that TA2 imposes, else None (ISO/IEC 7816-3:2006, 8.3)."""
        ta2 = self._byte(1, "ta")
        return None if ta2 is None else ta2 & 0x0F

    def _byte(self, group: int, name: str) -> int | None:
        return getattr(self.groups[group], name) if group < len(self.groups) else None

    def emv_faults(self, *, warm: bool = False) -> tuple[str, ...]:
        """Why a terminal has to refuse it, in words; nothing where it must take it (EMV 4.3 Book 1, 8.3.2 and 8.3.3).

        After a cold reset the terminal then tries a warm one; after that it gives the card up (ibid., 8.4).
        """
        faults = []
        if self._byte(1, "td") is None:
            first = 0 if self._byte(0, "td") is None else self.protocols[0]
        else:
            first = self.protocols[0]
        if first not in (0, 1):
            faults.append(f"TD1: T={first} is offered first, T=0 or T=1 expected")
        ta1, tb1, ta2 = self._byte(0, "ta"), self._byte(0, "tb"), self._byte(1, "ta")
        if ta2 is not None and ta2 & 0x10:
            faults.append("TA2: the specific mode with implicit parameters is not used")
        if ta1 is not None and ta2 is not None and ta1 not in (0x11, 0x12, 0x13):
            faults.append(f"TA1: {ta1:02X} in the specific mode, 11 to 13 expected")
        if not warm and tb1 != 0:
            faults.append("TB1: 00 expected after a cold reset")
        if self._byte(1, "tb") is not None:
            faults.append("TB2: expected to be absent")
        tc2 = self._byte(1, "tc")
        if first == 0 and tc2 not in (None, 0x0A):
            faults.append(f"TC2: waiting integer {tc2:02X}, 0A expected")
        if first == 1:
            faults += self._faults_of_t1()
        if self.check_is_right is False:
            faults.append("TCK: the check byte is wrong")
        return tuple(faults)

    def _faults_of_t1(self) -> list[str]:
        faults = []
        td2 = self._byte(1, "td")
        if td2 is None or td2 & 0x0F != 1:
            faults.append("TD2: T=1 expected again")
        size, waits, check = self._byte(2, "ta"), self._byte(2, "tb"), self._byte(2, "tc")
        if size is not None and not 0x10 <= size <= 0xFE:
            faults.append(f"TA3: an information field of {size} octets, 16 to 254 expected")
        guard = self._byte(0, "tc")
        extra = 0 if guard is None else -1 if guard == 0xFF else guard
        if waits is None:
            faults.append("TB3: expected to be present for T=1")
        elif waits & 0x0F > 5 or waits >> 4 > 4 or 1 << (waits & 0x0F) <= extra + 1:
            faults.append(
                f"TB3: waiting times {waits:02X}: CWI 0 to 5, longer than the guard time, BWI 0 to 4 expected"
            )
        if check not in (None, 0):
            faults.append("TC3: LRC expected as the block's check")
        return faults


def decode(octets: bytes) -> Atr:
    """Read an answer to reset (ISO/IEC 7816-3:2006, 8.2). Raises :class:`DecodeError`; a wrong TCK is only noted."""
    if len(octets) > LONGEST:
        raise DecodeError("ATR", f"{len(octets)} octets, at most {LONGEST} expected")
    read = Cursor(octets, "ATR")
    convention = read.u8("TS")
    if convention not in (DIRECT, INVERSE):
        raise DecodeError("ATR, TS", f"{convention:02X}, 3B or 3F expected")
    announced = read.u8("T0")
    count = announced & 0x0F
    groups: list[Group] = []
    protocols: list[int] = []
    more: int | None = announced
    while more is not None:
        number = len(groups) + 1
        if number > _MOST_GROUPS:
            raise DecodeError("ATR", f"more than {_MOST_GROUPS} groups of interface bytes")
        found = [read.u8(f"T{name}{number}") if more & bit else None for name, bit in _BITS]
        groups.append(Group(*found))
        more = found[3]
        if more is not None and more & 0x0F not in protocols and more & 0x0F != 15:
            protocols.append(more & 0x0F)
    named = tuple(protocols) or (0,)
    historical = read.take(count, "the historical bytes")
    checked = any(group.td is not None and group.td & 0x0F != 0 for group in groups)
    right: bool | None = None
    if checked:
        read.u8("TCK")
        right = reduce(xor, octets[1:]) == 0
    read.end()
    return Atr(convention, tuple(groups), historical, named, right)


_BITS = (("A", 0x10), ("B", 0x20), ("C", 0x40), ("D", 0x80))
