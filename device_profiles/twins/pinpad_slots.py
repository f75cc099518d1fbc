# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Master keys of a PIN pad's twin: which slot takes which use, and what is refused. Knows no packet and no time.

A key is what its slot and its attributes say and nothing else: a PIN key never MACs, a loading key never leaves a PIN.
The same value in two slots would undo that, so it is refused; so is a key that is longer than the one it came under,
which would be no better protected than that one. Sources: UIC PP791 user's manual (packet 02, key slots); PCI PIN v3.1,
requirements 17 (no key with two uses) and 20.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from device_profiles.pinpad_load import PinpadLoad, SlotUse
from protocols.errors import DecodeError, IntegrityError
from protocols.keyblock.header import Header
from protocols.keyblock.x9143 import ProtectionKey
from protocols.primitives import is_single_strength
from protocols.secret import ClearKey

USAGES: Mapping[SlotUse, tuple[str, ...]] = {
    SlotUse.PIN: ("P0", "K0"),
    SlotUse.MAC: ("M3", "M1", "K0"),
    SlotUse.LOADING: ("K1", "K0"),
    SlotUse.DATA: ("D0", "K0"),
}
"""Key block usages that a slot takes (UIC PP791, packet 02), the one of a load's own keys first."""
KEY_OCTETS = (16, 24)  # a single DES key protects nothing any more


class LoadFault(StrEnum):
    """Why a key is not taken: the code of the reply. A to F and 1, 2 are the manual's, the others this twin's own."""

    NOT_AUTHENTICATED = "1"  # in clear, outside the key injection mode
    NOT_HEXADECIMAL = "2"
    USAGE = "6"
    DUPLICATE = "8"
    WEAK = "9"
    BLOCK = "A"
    STRONGER = "B"
    MAC = "C"
    NO_LOADING_KEY = "D"
    COUNTER = "F"


class LoadRefusedError(Exception):
    """The key is not taken; ``code`` says why."""

    def __init__(self, code: LoadFault) -> None:
        super().__init__(code.name)
        self.code = code


@dataclass(frozen=True, slots=True)
class MasterKey:
    """A key and what it is for."""

    use: SlotUse
    usage: str
    mode: str
    key: ClearKey

    @property
    def attributes(self) -> str:
        """Usage and mode of use, three characters."""
        return self.usage + self.mode


class MasterKeys:
    """The slots of one pad."""

    def __init__(self, load: PinpadLoad) -> None:
        self._plan = load.slot_plan
        self._held = {
            slot: MasterKey(use, USAGES[use][0], "B", ClearKey(key.reveal())) for slot, (use, key) in load.slots.items()
        }

    def get(self, slot: str, use: SlotUse | None = None) -> MasterKey | None:
        """The key of a slot; with ``use``, only if it is for that."""
        held = self._held.get(slot)
        return held if held is not None and use in (None, held.use) else None

    def items(self) -> Iterator[tuple[str, MasterKey]]:
        """Slots and keys, in order of the slots."""
        return iter(sorted(self._held.items()))

    def check(self, slot: str, usage: str, mode: str, key: ClearKey, *, alone: bool = False) -> SlotUse:
        """What a key would be for in a slot, or :class:`LoadRefusedError`; ``alone``: the others go before it comes."""
        use = self._use(slot, usage)
        if use is None or mode not in "BDEGVCN" or len(mode) != 1:
            raise LoadRefusedError(LoadFault.USAGE)
        if len(key) not in KEY_OCTETS or is_single_strength(key):
            raise LoadRefusedError(LoadFault.WEAK)
        if not alone and any(held.key == key for _, held in self.items()):
            raise LoadRefusedError(LoadFault.DUPLICATE)
        return use

    def put(self, slot: str, usage: str, mode: str, key: ClearKey) -> None:
        """Take a key, or raise :class:`LoadRefusedError`; a key in the slot is replaced."""
        use = self.check(slot, usage, mode, key)
        before = self._held.get(slot)
        self._held[slot] = MasterKey(use, usage, mode, key)
        if before is not None:
            before.key.wipe()

    def usage_of(self, slot: str) -> str:
        """The usage of a key that comes without attributes."""
        for use in SlotUse:
            if slot in self._plan.get(use, ""):
                return USAGES[use][0]
        raise LoadRefusedError(LoadFault.USAGE)

    def restore(self, slot: str, held: MasterKey) -> None:
        """A key from the pad's own memory."""
        self._held[slot] = held

    def unwrap(self, block: str) -> tuple[Header, ClearKey]:
        """The key in a key block under the loading key, or :class:`LoadRefusedError`."""
        loading = next((held for _, held in self.items() if held.use is SlotUse.LOADING), None)
        if loading is None:
            raise LoadRefusedError(LoadFault.NO_LOADING_KEY)
        with ProtectionKey.tdes(loading.key) as protection:
            try:
                unwrapped = protection.unwrap(block, strict=False)
            except IntegrityError:
                raise LoadRefusedError(LoadFault.MAC) from None
            except DecodeError:
                raise LoadRefusedError(LoadFault.BLOCK) from None
            if len(unwrapped.key) > protection.octets:
                unwrapped.key.wipe()
                raise LoadRefusedError(LoadFault.STRONGER)
        return unwrapped.header, unwrapped.key

    def wipe(self) -> None:
        """Erase every key."""
        for _, held in self.items():
            held.key.wipe()
        self._held.clear()

    def _use(self, slot: str, usage: str) -> SlotUse | None:
        for use in SlotUse:
            if slot in self._plan.get(use, "") and usage in USAGES[use]:
                return use
        return None
