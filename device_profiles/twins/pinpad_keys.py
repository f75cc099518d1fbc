# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The secure part of a PIN pad's twin: DUKPT engines, master keys, throttle, and what they compute. Knows no packet.

A PIN comes in from the keypad and leaves as a format 0 block, under the PIN key of a KSN that is never used again or
under a session key that does not come back. What must survive a power cycle is :meth:`PinpadKeys.memory`; the far end
of the wire saves it before a block is sent. A pad that was opened erases all of it and stays so.
"""

from typing import Protocol

from device_profiles.pinpad_load import PinpadLoad, SlotUse
from device_profiles.twins.pinpad_memory import Kept, StorageKey
from device_profiles.twins.pinpad_sessions import SessionKeys
from device_profiles.twins.pinpad_slots import LoadFault, LoadRefusedError, MasterKeys
from device_profiles.twins.pinpad_throttle import Throttle
from protocols.dukpt.ksn import TdesKsn
from protocols.dukpt.originator import TdesOriginator
from protocols.dukpt.tdes import Purpose
from protocols.errors import DecodeError
from protocols.mac import Padding, RetailMacKey
from protocols.pan import Pan
from protocols.pin.iso9564 import encipher, encode_format_0
from protocols.primitives import TdesKey, Use, is_single_strength
from protocols.secret import ClearKey, Pin

ENGINES = 2  # packets 90 and 94
# NIST SP 800-67 rev. 2, B.1: the first block of its example, under three keys
KNOWN_KEY = bytes.fromhex("0123456789ABCDEF23456789ABCDEF01456789ABCDEF0123")
KNOWN_CLEAR, KNOWN_CIPHER = bytes.fromhex("5468652071756663"), bytes.fromhex("A826FD8CE53B855F")


class PinEngine(Protocol):
    """What the firmware asks of the secure part for a PIN; a fault may stand in for it."""

    def encipher_pin(self, pin: Pin, pan: Pan) -> tuple[bytes, bytes] | None:
        """KSN (10 octets) and enciphered block (8 octets), or None when the key is used up."""
        ...


class PinpadKeys:
    """Keys of one pad."""

    def __init__(self, load: PinpadLoad, sessions: SessionKeys | None = None) -> None:
        """Take the keys of a load; the load's own copies stay with the caller."""
        self._storage = StorageKey(load)
        self._engines: list[TdesOriginator | None] = [TdesOriginator(load.test_initial_key, load.initial_ksn), None]
        self._selected = 0
        self.masters = MasterKeys(load)
        self.sessions = sessions or SessionKeys()
        self.throttle = Throttle(load.throttle.burst, load.throttle.spacing_s)
        self.tampered = False

    def has_slot(self, slot: str) -> bool:
        """Whether a master key for MACs is in a slot."""
        return self.masters.get(slot, SlotUse.MAC) is not None

    @property
    def next_ksn(self) -> TdesKsn | None:
        """The KSN of the selected engine's next PIN; None where it has none left, or was never loaded."""
        engine = self._engines[self._selected]
        return None if engine is None else engine.next_ksn

    def select_engine(self, number: int) -> bool:
        """Use another DUKPT engine from now on; False for one that holds no key."""
        if number not in range(ENGINES) or self._engines[number] is None:
            return False
        self._selected = number
        return True

    def load_engine(self, number: int, key: ClearKey, ksn: TdesKsn) -> None:
        """Put an initial key into an engine; :class:`LoadRefusedError` for a counter that has run or a weak key."""
        if ksn.counter:
            raise LoadRefusedError(LoadFault.COUNTER)
        if len(key) != 16 or is_single_strength(key):
            raise LoadRefusedError(LoadFault.WEAK)
        before, self._engines[number] = self._engines[number], TdesOriginator(key, ksn)
        if before is not None:
            before.wipe()

    def encipher_pin(self, pin: Pin, pan: Pan) -> tuple[bytes, bytes] | None:
        """See :class:`PinEngine`."""
        engine = self._engines[self._selected]
        transaction = None if engine is None else engine.advance()
        if transaction is None:
            return None
        with (
            transaction,
            transaction.working_key(Purpose.PIN) as octets,
            encode_format_0(pin, pan) as clear,
            TdesKey(octets, Use.ENCIPHER) as key,
        ):
            return transaction.ksn.octets, encipher(key, clear)

    def session_key(self, slot: str, enciphered: bytes) -> ClearKey | None:
        """The session key for PINs in a cryptogram; None for one that is weak or was replaced before."""
        held = self.masters.get(slot, SlotUse.PIN)
        if held is None:
            return None
        with TdesKey(held.key, Use.DECIPHER) as master:
            key = ClearKey(bytearray(master.decipher(enciphered)))
        if is_single_strength(key) or not self.sessions.admit(key):
            key.wipe()
            return None
        return key

    @staticmethod
    def encipher_under(session_key: ClearKey, pin: Pin, pan: Pan) -> bytes:
        """The enciphered block (8 octets) of a PIN under a session key."""
        with encode_format_0(pin, pan) as clear, TdesKey(session_key, Use.ENCIPHER) as key:
            return encipher(key, clear)

    def self_test(self) -> bool:
        """Whether the cipher computes a published value and the memory reads back as it was written."""
        with TdesKey(KNOWN_KEY, Use.ENCIPHER) as key:
            right = key.encipher(KNOWN_CLEAR) == KNOWN_CIPHER
        try:
            self._storage.open(self.memory(), ENGINES)
        except DecodeError:
            return False
        return right

    def mac_piece(self, slot: str, session_key: bytes, chaining: bytes, data: bytes, *, last: bool) -> bytes:
        """The MAC behind the last piece, else the chaining value, under a session key deciphered by the slot's key."""
        clear = self._deciphered(slot, SlotUse.MAC, session_key)
        try:
            key = RetailMacKey(clear)
        finally:
            clear[:] = bytes(len(clear))
        return key.last(chaining, data, Padding.ZEROS) if last else key.middle(chaining, data)

    def has_data_slot(self, slot: str) -> bool:
        """Whether a master key for data is in a slot."""
        return self.masters.get(slot, SlotUse.DATA) is not None

    def encipher_data(self, slot: str, working_key: bytes, iv: bytes, data: bytes) -> bytes:
        """TDES in CBC under a working key deciphered by the slot's key; whole blocks."""
        clear = self._deciphered(slot, SlotUse.DATA, working_key)
        try:
            with TdesKey(clear, Use.CHAIN) as key:
                return key.cbc_encipher(iv, data)
        finally:
            clear[:] = bytes(len(clear))

    def wipe_masters(self) -> None:
        """Erase the master keys, and what is remembered of the session keys under them."""
        self.masters.wipe()
        self.sessions.wipe()

    def tamper(self) -> None:
        """The pad was opened: erase every secret, for good."""
        self.tampered = True
        self.wipe_masters()
        for engine in self._engines:
            if engine is not None:
                engine.wipe()
        self._engines = [None] * ENGINES

    def memory(self) -> bytes:
        """What a power cycle must not lose, sealed by the pad's own key."""
        return self._storage.seal(
            Kept(
                self.tampered,
                self.throttle.credit,
                self._selected,
                tuple(None if engine is None else engine.state() for engine in self._engines),
                tuple(self.masters.items()),
                self.sessions.octets(),
            )
        )

    def remember(self, sealed: bytes) -> None:
        """Go on from a saved memory; :class:`DecodeError` if it is not one of this pad and load."""
        kept = self._storage.open(sealed, ENGINES)
        engines = [None if part is None else TdesOriginator.restore(part) for part in kept.engines]
        for engine in self._engines:
            if engine is not None:
                engine.wipe()
        self._engines = engines
        self._selected, self.tampered = kept.selected, kept.tampered
        self.throttle.restore(kept.credit)
        self.masters.wipe()
        for slot, held in kept.slots:
            self.masters.restore(slot, held)
        self.sessions.restore(kept.sessions)

    def _deciphered(self, slot: str, use: SlotUse, enciphered: bytes) -> bytearray:
        held = self.masters.get(slot, use)
        if held is None:
            raise KeyError(slot)
        with TdesKey(held.key, Use.DECIPHER) as master:
            return bytearray(master.decipher(enciphered))
