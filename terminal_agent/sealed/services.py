# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What the vault computes for payments: PIN block, MAC, enciphered account data, binding proof. Moves no phase.

Each takes its key from the one slot that is made for it. Nothing here takes octets of the asker's and a PIN key.
"""

import hashlib
import hmac
from collections.abc import Callable
from typing import Final

from protocols.dukpt.aes import DERIVATION_TYPES, Usage
from protocols.dukpt.originator import TdesTransaction
from protocols.dukpt.tdes import Purpose
from protocols.emv.oda import PublicKey
from protocols.mac import Padding, RetailMacKey
from protocols.primitives import AesKey, TdesKey, Use
from protocols.vault import Encrypt, Mac, PinMade, Prove, Refusal, Refused, Reply, Result
from terminal_agent.sealed.keys.counters import Counters, UsedUp
from terminal_agent.sealed.keys.ring import Ring
from terminal_agent.sealed.keys.slots import BINDING, DATA, MAC_MASTER
from terminal_agent.sealed.pin import block, card
from terminal_agent.sealed.pin.block import PinFormat

SESSION_KEY_OCTETS: Final = 16
SESSIONS_KEPT: Final = 2
"""The present session key and the one before it, so that what is under way at a sign-on can still be checked."""
LARGEST_DATA: Final = 4_096
LARGEST_ACCOUNT_DATA: Final = 512
LARGEST_CHALLENGE: Final = 256
PROOF_LABEL: Final = b"tillguard binding proof 1\0"


class Services:
    """The working part of one vault."""

    def __init__(self, ring: Ring, counters: Counters | None, random: Callable[[int], bytes]) -> None:
        self.counters = counters
        self._ring = ring
        self._random = random
        self._sessions: dict[bytes, RetailMacKey] = {}

    def pin_block(self, form: PinFormat, pin: memoryview, pan: memoryview, field: memoryview) -> Reply:
        """The PIN that was typed, enciphered under a key that was never used and never will be again."""
        if self.counters is None:
            return Refused(Refusal.NO_KEY, "the store is not open")
        try:
            transaction = self.counters.take_pin()
        except UsedUp:
            return Refused(Refusal.EXHAUSTED, "the PIN key is used up: load another one")
        with transaction:
            made = block.enciphered(transaction, form, pin, pan, self._random(block.RANDOM_OCTETS), field)
            return PinMade(transaction.ksn.octets, made, int(form))

    def card_pin(self, key: PublicKey, challenge: bytes, pin: memoryview, field: memoryview) -> Reply:
        """The PIN that was typed, enciphered for the card; the throttle is charged on the disk before."""
        if self.counters is None:
            return Refused(Refusal.NO_KEY, "the store is not open")
        self.counters.charge_pin()
        return Result(card.enciphered(key, pin, challenge, self._random, field))

    def mac(self, request: Mac) -> Reply:
        """Retail MAC, zero-filled to whole blocks (ISO/IEC 9797-1, algorithm 3, padding 1)."""
        if len(request.data) > LARGEST_DATA or len(request.session_key) != SESSION_KEY_OCTETS:
            return Refused(Refusal.MALFORMED, f"a session key of 16 octets and {LARGEST_DATA} of data at most expected")
        key = self._session(bytes(request.session_key))
        if key is None:
            return Refused(Refusal.NO_KEY, "no key in slot mac-master to open session keys with")
        return Result(_blockwise(key, memoryview(request.data)))

    def encrypt(self, request: Encrypt) -> Reply:
        """CBC from a zero block, zero-filled, under a DUKPT data key of this one request (X9.24-1:2009, A.4.1)."""
        data = bytearray(request.data)
        try:
            if not 0 < len(data) <= LARGEST_ACCOUNT_DATA:
                return Refused(Refusal.MALFORMED, f"1 to {LARGEST_ACCOUNT_DATA} octets of account data expected")
            if self.counters is None or not self._ring.serving[DATA]:
                return Refused(Refusal.NO_KEY, "no key in slot data")
            try:
                transaction = self.counters.take(DATA)
            except UsedUp:
                return Refused(Refusal.EXHAUSTED, "the data key is used up: load another one")
            with transaction:
                if isinstance(transaction, TdesTransaction):
                    data += bytes(-len(data) % TdesKey.block_octets)
                    with transaction.working_key(Purpose.DATA_REQUEST) as octets, TdesKey(octets, Use.CHAIN) as tdes:
                        return Result(tdes.cbc_encipher(bytes(8), data), transaction.ksn.octets)
                data += bytes(-len(data) % AesKey.block_octets)
                kind = DERIVATION_TYPES[len(transaction.key)]
                with transaction.working_key(Usage.DATA_ENCRYPT, kind) as octets, AesKey(octets, Use.CHAIN) as aes:
                    return Result(aes.cbc_encipher(bytes(16), data), transaction.ksn.octets)
        finally:
            data[:] = bytes(len(data))

    def prove(self, request: Prove) -> Reply:
        """HMAC-SHA-256 over a label of its own and the challenge (RFC 2104)."""
        if not 0 < len(request.challenge) <= LARGEST_CHALLENGE:
            return Refused(Refusal.MALFORMED, f"a challenge of 1 to {LARGEST_CHALLENGE} octets expected")
        held = self._ring.serving[BINDING]
        if not held:
            return Refused(Refusal.NO_KEY, "no key in slot binding")
        return Result(hmac.digest(held.octets, PROOF_LABEL + bytes(request.challenge), hashlib.sha256))

    def forget(self) -> None:
        """Drop every session key."""
        self._sessions.clear()

    def _session(self, cryptogram: bytes) -> RetailMacKey | None:
        known = self._sessions.get(cryptogram)
        if known is not None:
            return known
        held = self._ring.serving[MAC_MASTER]
        if not held:
            return None
        with TdesKey(held.octets, Use.DECIPHER) as master:
            clear = bytearray(master.decipher(cryptogram))
        try:
            key = RetailMacKey(clear)
        finally:
            clear[:] = bytes(len(clear))
        while len(self._sessions) >= SESSIONS_KEPT:
            del self._sessions[next(iter(self._sessions))]
        self._sessions[cryptogram] = key
        return key


def _blockwise(key: RetailMacKey, data: memoryview) -> bytes:
    """The MAC, zero-filled, taken a block at a time: no copy is made of the account number in a message."""
    size = key.block_octets
    whole = max(0, len(data) - 1) // size * size
    chaining = bytes(size)
    for place in range(0, whole, size):
        chaining = key.middle(chaining, data[place : place + size])
    return key.last(chaining, data[whole:], Padding.ZEROS)
