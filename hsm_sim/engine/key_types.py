# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The key types of a variant LMK: which pair and variant wraps them, and what a key of each type may do. Data only.

A type code has three digits `vpp`: `pp` names the LMK pair, `v` the variant of it. Separation of purposes rests on
this table twice: a key wrapped as one type does not unwrap as another, and an operation asks for its :class:`Use`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Flag, auto
from types import MappingProxyType

from hsm_sim.engine.refusal import Reason, Refused


class Use(Flag):
    """What a key may do."""

    TRANSPORT = auto()
    """Wrap other keys for another party (ZMK)."""
    TERMINAL_TRANSPORT = auto()
    """Wrap a terminal's keys (TMK)."""
    PIN_TERMINAL = auto()
    PIN_ZONE = auto()
    PIN_VERIFICATION = auto()
    CARD_VERIFICATION = auto()
    MAC_TERMINAL = auto()
    MAC_ZONE = auto()
    DUKPT = auto()
    APPLICATION_CRYPTOGRAM = auto()
    SCRIPT_INTEGRITY = auto()
    SCRIPT_CONFIDENTIALITY = auto()
    CARD_KEY = auto()
    """Other issuer master keys."""
    DATA = auto()


_DOUBLE_LENGTH_ONLY = (
    Use.CARD_VERIFICATION
    | Use.DUKPT
    | Use.APPLICATION_CRYPTOGRAM
    | Use.SCRIPT_INTEGRITY
    | Use.SCRIPT_CONFIDENTIALITY
    | Use.CARD_KEY
)
_TWO_KEYS = range(16, 17)
_ONE_TO_THREE_KEYS = range(8, 25, 8)


@dataclass(frozen=True, slots=True)
class KeyType:
    """One key type: its code, the trade's name, and its uses."""

    code: str
    name: str
    uses: Use

    @property
    def variant(self) -> int:
        """The variant of the LMK pair, 0 to 9."""
        return int(self.code[0])

    @property
    def pair(self) -> int:
        """The place of its LMK pair: 0 is 04-05, 1 is 06-07, and so on."""
        return int(self.code[1:], 16)

    @property
    def octets(self) -> range:
        """Lengths that keys of this type may have: two DES keys where the algorithm is made for exactly two."""
        return _TWO_KEYS if self.uses & _DOUBLE_LENGTH_ONLY else _ONE_TO_THREE_KEYS

    def permits(self, use: Use) -> None:
        """Refuse a use that the type does not have."""
        if not use & self.uses:
            raise Refused(Reason.NOT_PERMITTED)


_TERMINAL = Use.TERMINAL_TRANSPORT | Use.PIN_TERMINAL | Use.PIN_VERIFICATION

KEY_TYPES: Mapping[str, KeyType] = MappingProxyType(
    {
        code: KeyType(code, name, uses)
        for code, name, uses in (
            ("000", "ZMK", Use.TRANSPORT),
            ("001", "ZPK", Use.PIN_ZONE),
            ("002", "TMK, TPK, PVK", _TERMINAL),
            ("402", "CVK", Use.CARD_VERIFICATION),
            ("003", "TAK", Use.MAC_TERMINAL),
            ("008", "ZAK", Use.MAC_ZONE),
            ("009", "BDK-1", Use.DUKPT),
            ("609", "BDK-2", Use.DUKPT),
            ("809", "BDK-3", Use.DUKPT),
            ("109", "MK-AC", Use.APPLICATION_CRYPTOGRAM),
            ("209", "MK-SMI", Use.SCRIPT_INTEGRITY),
            ("309", "MK-SMC", Use.SCRIPT_CONFIDENTIALITY),
            ("409", "MK-DAC", Use.CARD_KEY),
            ("509", "MK-DN", Use.CARD_KEY),
            ("709", "MK-CVC3", Use.CARD_KEY),
            ("00A", "ZEK", Use.DATA),
            ("00B", "DEK", Use.DATA),
            ("30B", "TEK", Use.DATA),
        )
    }
)


def key_type(code: str) -> KeyType:
    """The type of a code; refuses one that is not in the table."""
    found = KEY_TYPES.get(code)
    if found is None:
        raise Refused(Reason.KEY_TYPE)
    return found


ZMK = KEY_TYPES["000"]
ZPK = KEY_TYPES["001"]
TMK = TPK = PVK = KEY_TYPES["002"]
CVK = KEY_TYPES["402"]
TAK = KEY_TYPES["003"]
ZAK = KEY_TYPES["008"]
BDK = KEY_TYPES["009"]
MK_AC = KEY_TYPES["109"]
