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
    PVV = auto()
    """Visa PIN verification values."""
    IBM_PIN = auto()
    """IBM 3624 PINs and offsets."""
    CARD_VERIFICATION = auto()
    CBC_MAC = auto()
    RETAIL_MAC = auto()
    CMAC = auto()
    BLOCK = auto()
    """Encipher and decipher single blocks as hosts of the eighties do with a TAK (HE, HG)."""
    DUKPT = auto()
    DUKPT_INITIAL = auto()
    """A device's initial key, on its way to the device."""
    APPLICATION_CRYPTOGRAM = auto()
    SCRIPT_INTEGRITY = auto()
    SCRIPT_CONFIDENTIALITY = auto()
    CARD_KEY = auto()
    """Other issuer master keys."""
    DATA = auto()


_DOUBLE_LENGTH_ONLY = (
    Use.CARD_VERIFICATION
    | Use.DUKPT
    | Use.DUKPT_INITIAL
    | Use.APPLICATION_CRYPTOGRAM
    | Use.SCRIPT_INTEGRITY
    | Use.SCRIPT_CONFIDENTIALITY
    | Use.CARD_KEY
)
_TWO_KEYS = range(16, 17)
_ONE_TO_THREE_KEYS = range(8, 25, 8)


@dataclass(frozen=True, slots=True, eq=False)
class KeyType:
    """One key type: its code, the trade's name, and its uses. Each exists once, in :data:`KEY_TYPES`."""

    code: str
    name: str
    uses: Use

    @property
    def in_block(self) -> bool:
        """Whether the key block alone says what the key is; a variant LMK wraps no such key."""
        return self.code == "FFF"

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


_TERMINAL = Use.TERMINAL_TRANSPORT | Use.PIN_TERMINAL | Use.PVV | Use.IBM_PIN
_MACS = Use.CBC_MAC | Use.RETAIL_MAC

KEY_TYPES: Mapping[str, KeyType] = MappingProxyType(
    {
        code: KeyType(code, name, uses)
        for code, name, uses in (
            ("000", "ZMK", Use.TRANSPORT),
            ("001", "ZPK", Use.PIN_ZONE),
            ("002", "TMK, TPK, PVK", _TERMINAL),
            ("70D", "TPK, where 002 is kept for TMK and PVK", Use.PIN_TERMINAL),
            ("302", "IKEY (the number is common among hosts; no public source found)", Use.DUKPT_INITIAL),
            ("402", "CVK", Use.CARD_VERIFICATION),
            ("003", "TAK", _MACS | Use.BLOCK),
            ("008", "ZAK", _MACS),
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

IN_BLOCK = KeyType("FFF", "as its key block says", ~Use(0))
"""The type that hosts write for keys in key blocks, which carry their usage themselves."""


def key_type(code: str) -> KeyType:
    """The type of a code; refuses one that is not in the table."""
    found = IN_BLOCK if code == IN_BLOCK.code else KEY_TYPES.get(code)
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
IKEY = KEY_TYPES["302"]
MK_AC = KEY_TYPES["109"]
MK_CVC3 = KEY_TYPES["709"]
ZEK = KEY_TYPES["00A"]
