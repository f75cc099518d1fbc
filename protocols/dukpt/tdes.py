# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""TDES DUKPT, receiving side and key arithmetic (ANSI X9.24-1:2009, Annex A; also X9.24-3:2017, Annex C).

A host that holds a base derivation key (BDK) computes any transaction key from the KSN alone. The walk goes one step
per one-bit of the counter, and each step is two single-DES encipherments under keys used only once, so a key schedule
costs more than the encipherment. :class:`Receiver` remembers registers on the way: the next counter of a device then
costs one step. Device side: :mod:`protocols.dukpt.originator`.

Registers are computed as integers, which Python cannot wipe; what is kept or returned lives in wipeable octets.
"""

from enum import Enum
from typing import Final

from protocols.dukpt.ksn import TdesKsn, nodes
from protocols.dukpt.prefixes import Prefixes
from protocols.errors import EncodeError
from protocols.primitives import KeyOctets, OneTimeKeys, TdesKey, Use, one_time_tdes
from protocols.secret import ClearKey, Secret

KEY_OCTETS: Final = 16
_HALF: Final = 0xFFFFFFFFFFFFFFFF
_COUNTER: Final = (1 << TdesKsn.counter_bits) - 1
_KEY_MASK: Final = 0xC0C0C0C000000000  # X9.24-1:2009, A.2 and A.6: added to each half
_BOTH: Final = 1 << 64 | 1


class Purpose(Enum):
    """Variants of a transaction key (X9.24-1:2009, A.4.1, table A-1); the value is added to each half."""

    PIN = 0x00000000000000FF
    MAC_REQUEST = 0x000000000000FF00
    """Message authentication, originator to receiver, and both ways where one key serves both."""
    MAC_RESPONSE = 0x00000000FF000000
    DATA_REQUEST = 0x0000000000FF0000
    """Data encipherment; followed by the one-way function of A.4.1."""
    DATA_RESPONSE = 0x000000FF00000000


_ONE_WAY = frozenset({Purpose.DATA_REQUEST, Purpose.DATA_RESPONSE})


def initial_key(bdk: KeyOctets, ksn: TdesKsn) -> ClearKey:
    """The initial key (IPEK) of the device that ``ksn`` names, 16 octets (A.6). Key injection and receiving side."""
    octets = _octets(bdk)
    key = int.from_bytes(octets, "big")
    block = _initial_block(ksn.number)
    once = one_time_tdes()
    octets += octets[:8]
    left = once.encipher(octets, block)
    octets[:] = (key ^ _KEY_MASK * _BOTH).to_bytes(KEY_OCTETS, "big")
    octets += octets[:8]
    right = once.encipher(octets, block)
    octets[:] = bytes(len(octets))
    once.wipe()
    return ClearKey(bytearray(left + right))


def transaction_key(initial: KeyOctets, ksn: TdesKsn) -> ClearKey:
    """The transaction key of ``ksn`` by counter from a device's initial key, 16 octets (A.3). Receiving side.

    :class:`DecodeError` for a counter of 0 or with more than 10 one-bits. Before its purpose is added this key must
    encipher nothing: see :func:`working_key`.
    """
    number = ksn.transaction_number()
    register = int.from_bytes(_octets(initial), "big")
    once = one_time_tdes()
    for node in nodes(number, _COUNTER):
        register = derive(once, register, node)
    once.wipe()
    return _key(register)


def working_key(transaction: KeyOctets, purpose: Purpose) -> ClearKey:
    """The key of one purpose made from a transaction key, 16 octets (A.4.1). Both sides."""
    register = int.from_bytes(_octets(transaction), "big") ^ purpose.value * _BOTH
    if purpose not in _ONE_WAY:
        return _key(register)
    variant = bytearray(register.to_bytes(KEY_OCTETS, "big"))
    with TdesKey(variant, Use.ENCIPHER) as itself:
        key = ClearKey(bytearray(itself.encipher(variant)))
    variant[:] = bytes(KEY_OCTETS)
    return key


def pin_key(initial: KeyOctets, ksn: TdesKsn) -> ClearKey:
    """The PIN encipherment key of ``ksn`` from a device's initial key. Receiving side."""
    with transaction_key(initial, ksn) as transaction:
        return working_key(transaction, Purpose.PIN)


class Receiver:
    """A BDK as a receiving host uses it: keys of any device and counter under it. Bound to one thread.

    The same results as the functions above, with the BDK's key schedules kept and registers remembered.
    """

    __slots__ = ("_left", "_once", "_prefixes", "_right")

    def __init__(self, bdk: KeyOctets, remember: int = 4096) -> None:
        """``bdk`` is 16 octets; ``remember`` bounds the prefix memory in registers (0: none)."""
        octets = _octets(bdk)
        self._left = TdesKey(octets, Use.ENCIPHER)
        masked = bytearray((int.from_bytes(octets, "big") ^ _KEY_MASK * _BOTH).to_bytes(KEY_OCTETS, "big"))
        self._right = TdesKey(masked, Use.ENCIPHER)
        self._prefixes = Prefixes(remember)
        self._once = one_time_tdes()
        masked[:] = octets[:] = bytes(KEY_OCTETS)

    def initial_key(self, ksn: TdesKsn) -> ClearKey:
        """The initial key of the device that ``ksn`` names, 16 octets (A.6)."""
        return _key(self._initial(ksn.number))

    def transaction_key(self, ksn: TdesKsn) -> ClearKey:
        """The transaction key of ``ksn``, 16 octets (A.3); :class:`DecodeError` for a counter that cannot be."""
        return _key(self._register(ksn.transaction_number()))

    def working_key(self, ksn: TdesKsn, purpose: Purpose) -> ClearKey:
        """The key of one purpose for ``ksn``, 16 octets (A.4.1); :class:`DecodeError` for a counter that cannot be."""
        register = self._register(ksn.transaction_number())
        if purpose in _ONE_WAY:
            with _key(register) as transaction:
                return working_key(transaction, purpose)
        return _key(register ^ purpose.value * _BOTH)

    def wipe(self) -> None:
        """Drop the BDK and wipe what is remembered."""
        self._left.wipe()
        self._right.wipe()
        self._prefixes.wipe()
        self._once.wipe()

    def __enter__(self) -> "Receiver":
        return self

    def __exit__(self, *_: object) -> None:
        self.wipe()

    def __repr__(self) -> str:
        return f"Receiver({self._prefixes!r})"

    def _initial(self, number: int) -> int:
        block = _initial_block(number)
        return int.from_bytes(self._left.encipher(block) + self._right.encipher(block), "big")

    def _register(self, number: int) -> int:
        prefixes, once = self._prefixes, self._once
        pending = []
        node = number
        while node & _COUNTER:
            known = prefixes.recall(node)
            if known is not None:
                register = int.from_bytes(known, "big")
                break
            pending.append(node)
            node &= node - 1
        else:
            register = self._initial(node)
        while pending:
            node = pending.pop()
            register = derive(once, register, node)
            prefixes.remember(node, register.to_bytes(KEY_OCTETS, "big"))
        return register


def derive(once: OneTimeKeys, register: int, number: int) -> int:
    """One step of the walk: the register at KSN value ``number`` from its parent's (A.2). Both sides.

    Non-reversible key generation: both halves as one 128-bit number; of ``number`` the right 64 bits count.
    """
    left, right = register >> 64, register & _HALF
    crypto = number & _HALF
    low = once.encipher(left.to_bytes(8, "big") * 3, (crypto ^ right).to_bytes(8, "big"))
    other = right ^ _KEY_MASK
    high = once.encipher((left ^ _KEY_MASK).to_bytes(8, "big") * 3, (crypto ^ other).to_bytes(8, "big"))
    return (int.from_bytes(high, "big") ^ other) << 64 | int.from_bytes(low, "big") ^ right


def _initial_block(number: int) -> bytes:
    # The left 8 octets of the KSN, counter bits zero.
    return ((number & ~_COUNTER) >> 16).to_bytes(8, "big")


def _octets(key: KeyOctets) -> bytearray:
    octets = bytearray(key.reveal() if isinstance(key, Secret) else key)
    if len(octets) != KEY_OCTETS:
        raise EncodeError(f"TDES DUKPT key of {len(octets)} octets, {KEY_OCTETS} expected")
    return octets


def _key(register: int) -> ClearKey:
    return ClearKey(bytearray(register.to_bytes(KEY_OCTETS, "big")))
