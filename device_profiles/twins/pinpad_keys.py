# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The secure part of a PIN pad's twin: DUKPT engine, MAC master keys, and what they compute. Knows no packet.

A PIN comes in from the keypad and leaves as a format 0 block under the PIN key of a KSN that is never used again. What
must survive a power cycle is :meth:`PinpadKeys.memory`; the far end of the wire saves it before a block is sent.
"""

from typing import Protocol

from device_profiles.pinpad_load import PinpadLoad
from protocols.dukpt.originator import OriginatorState, TdesOriginator
from protocols.dukpt.tdes import Purpose
from protocols.errors import DecodeError
from protocols.mac import Padding, RetailMacKey
from protocols.pan import Pan
from protocols.pin.iso9564 import encipher, encode_format_0
from protocols.primitives import TdesKey, Use
from protocols.secret import Pin


class PinEngine(Protocol):
    """What the firmware asks of the secure part for a PIN; a fault may stand in for it."""

    def encipher_pin(self, pin: Pin, pan: Pan) -> tuple[bytes, bytes] | None:
        """KSN (10 octets) and enciphered block (8 octets), or None when the key is used up."""
        ...


class PinpadKeys:
    """Keys of one pad."""

    def __init__(self, load: PinpadLoad) -> None:
        """Take the keys of a load; the load's own copies stay with the caller."""
        self._initial_ksn = load.initial_ksn
        self._originator = TdesOriginator(load.test_initial_key, load.initial_ksn)
        self._mac_keys = {slot: TdesKey(key, Use.DECIPHER) for slot, key in load.test_mac_keys.items()}
        self._data_keys = {slot: TdesKey(key, Use.DECIPHER) for slot, key in load.test_data_keys.items()}

    def has_slot(self, slot: str) -> bool:
        """Whether a master key is in a slot."""
        return slot in self._mac_keys

    def encipher_pin(self, pin: Pin, pan: Pan) -> tuple[bytes, bytes] | None:
        """See :class:`PinEngine`."""
        transaction = self._originator.advance()
        if transaction is None:
            return None
        with (
            transaction,
            transaction.working_key(Purpose.PIN) as octets,
            encode_format_0(pin, pan) as clear,
            TdesKey(octets, Use.ENCIPHER) as key,
        ):
            return transaction.ksn.octets, encipher(key, clear)

    def mac_piece(self, slot: str, session_key: bytes, chaining: bytes, data: bytes, *, last: bool) -> bytes:
        """The MAC behind the last piece, else the chaining value, under a session key deciphered by the slot's key."""
        clear = bytearray(self._mac_keys[slot].decipher(session_key))
        try:
            key = RetailMacKey(clear)
        finally:
            clear[:] = bytes(len(clear))
        return key.last(chaining, data, Padding.ZEROS) if last else key.middle(chaining, data)

    def has_data_slot(self, slot: str) -> bool:
        """Whether a master key for data is in a slot."""
        return slot in self._data_keys

    def encipher_data(self, slot: str, working_key: bytes, iv: bytes, data: bytes) -> bytes:
        """TDES in CBC under a working key deciphered by the slot's key; whole blocks."""
        clear = bytearray(self._data_keys[slot].decipher(working_key))
        try:
            with TdesKey(clear, Use.CHAIN) as key:
                return key.cbc_encipher(iv, data)
        finally:
            clear[:] = bytes(len(clear))

    def memory(self) -> OriginatorState:
        """What a power cycle must not lose."""
        return self._originator.state()

    def remember(self, state: OriginatorState) -> None:
        """Go on from a saved memory; :class:`DecodeError` if it is not one of this pad and load."""
        restored = TdesOriginator.restore(state)
        following = restored.next_ksn
        if following is not None and following.with_counter(0) != self._initial_ksn:
            raise DecodeError("pad memory", "a KSN of another pad or load")
        self._originator.wipe()
        self._originator = restored
