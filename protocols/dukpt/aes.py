# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""AES DUKPT, receiving side and key arithmetic (ANSI X9.24-3:2017, 6). Keys of 128, 192 and 256 bits; holds no device.

Every key, from the initial key down to a working key, is made the same way: 16 octets of derivation data (what the key
will be for, its algorithm and length, whose it is, the counter) enciphered under the key above, and once more with the
block counter raised if the key is longer than a block. The walk to a transaction key takes one such step per one-bit of
the counter. Device side: :mod:`protocols.dukpt.originator`.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from protocols.dukpt.ksn import AesKsn, nodes
from protocols.dukpt.prefixes import Prefixes
from protocols.errors import EncodeError
from protocols.primitives import AesKey, KeyOctets, OneTimeKeys, Use, one_time_aes
from protocols.secret import ClearKey, Secret

UPDATE_COUNTER: Final = 0xFFFFFFFF  # the counter value that no transaction has, kept for the update key
_COUNTER: Final = 0xFFFFFFFF
_HALF: Final = 0xFFFFFFFFFFFFFFFF
_VERSION: Final = 1


class Usage(IntEnum):
    """Key usage indicators of derivation data (X9.24-3:2017, 6.3.2, table 2)."""

    KEY_ENCRYPTION = 0x0002
    PIN_ENCRYPTION = 0x1000
    MAC_GENERATION = 0x2000
    MAC_VERIFICATION = 0x2001
    MAC_BOTH_WAYS = 0x2002
    DATA_ENCRYPT = 0x3000
    DATA_DECRYPT = 0x3001
    DATA_BOTH_WAYS = 0x3002
    KEY_DERIVATION = 0x8000
    KEY_DERIVATION_INITIAL_KEY = 0x8001


class Algorithm(IntEnum):
    """Algorithm indicators of derivation data (X9.24-3:2017, 6.2.1 and 6.3.2, table 3)."""

    TDEA_2_KEY = 0
    TDEA_3_KEY = 1
    AES_128 = 2
    AES_192 = 3
    AES_256 = 4
    HMAC = 5


@dataclass(frozen=True, slots=True)
class KeyType:
    """An algorithm with its key length."""

    algorithm: Algorithm
    bits: int

    @property
    def octets(self) -> int:
        """Key length in octets."""
        return self.bits // 8


TDEA_2_KEY: Final = KeyType(Algorithm.TDEA_2_KEY, 128)
TDEA_3_KEY: Final = KeyType(Algorithm.TDEA_3_KEY, 192)
AES_128: Final = KeyType(Algorithm.AES_128, 128)
AES_192: Final = KeyType(Algorithm.AES_192, 192)
AES_256: Final = KeyType(Algorithm.AES_256, 256)
HMAC_128: Final = KeyType(Algorithm.HMAC, 128)
HMAC_192: Final = KeyType(Algorithm.HMAC, 192)
HMAC_256: Final = KeyType(Algorithm.HMAC, 256)

DERIVATION_TYPES: Final = {16: AES_128, 24: AES_192, 32: AES_256}
"""Key length in octets to the type of BDK, initial key and everything derived on the walk."""

_WORKING_USAGES = frozenset(Usage) - {Usage.KEY_DERIVATION, Usage.KEY_DERIVATION_INITIAL_KEY}


def initial_key(bdk: KeyOctets, ksn: AesKsn) -> ClearKey:
    """The initial key of the device that ``ksn`` names, as long as the BDK (6.3). Key injection and receiving side."""
    octets = _octets(bdk)
    once = one_time_aes(len(octets))
    data = derivation_data(Usage.KEY_DERIVATION_INITIAL_KEY, DERIVATION_TYPES[len(octets)], ksn.number >> 32)
    derived = once.encipher(octets, data)[: len(octets)]
    once.wipe()
    _wipe(octets)
    return ClearKey(bytearray(derived))


def transaction_key(initial: KeyOctets, ksn: AesKsn) -> ClearKey:
    """The transaction key (derivation key of one counter) of ``ksn`` from a device's initial key (6.3). Receiving side.

    :class:`DecodeError` for a counter of 0 or with more than 16 one-bits. It only derives working keys.
    """
    return walk(initial, ksn.transaction_number())


def working_key(transaction: KeyOctets, ksn: AesKsn, usage: Usage, key_type: KeyType) -> ClearKey:
    """A working key from the transaction key of ``ksn`` (6.3). Both sides.

    :class:`EncodeError` for a usage that is not a working key's and for an AES or HMAC key stronger than its parent.
    """
    octets = _octets(transaction)
    _check_working(usage, key_type, len(octets))
    once = one_time_aes(len(octets))
    derived = once.encipher(octets, derivation_data(usage, key_type, ksn.number))[: key_type.octets]
    once.wipe()
    _wipe(octets)
    return ClearKey(bytearray(derived))


def update_key(initial: KeyOctets, ksn: AesKsn, key_type: KeyType) -> ClearKey:
    """The key under which a device's next initial key travels (6.3): counter FFFFFFFF, all 32 steps. Both sides.

    The counter of ``ksn`` does not matter. The device keeps this key, or a way to it, from its loading on.
    """
    ending = ksn.with_counter(UPDATE_COUNTER)
    with walk(initial, ending.number) as transaction:
        return working_key(transaction, ending, Usage.KEY_ENCRYPTION, key_type)


class Receiver:
    """A BDK as a receiving host uses it: keys of any device and counter under it. Bound to one thread.

    The same results as the functions above, with the BDK's key schedule kept and derivation keys remembered.
    """

    __slots__ = ("_bdk", "_once", "_prefixes", "_size")

    def __init__(self, bdk: KeyOctets, remember: int = 4096) -> None:
        """``bdk`` is 16, 24 or 32 octets; ``remember`` bounds the prefix memory in keys (0: none)."""
        octets = _octets(bdk)
        self._size = len(octets)
        self._bdk = AesKey(octets, Use.ENCIPHER)
        self._once = one_time_aes(self._size)
        self._prefixes = Prefixes(remember)
        _wipe(octets)

    def initial_key(self, ksn: AesKsn) -> ClearKey:
        """The initial key of the device that ``ksn`` names (6.3)."""
        return ClearKey(bytearray(self._initial(ksn.number)))

    def transaction_key(self, ksn: AesKsn) -> ClearKey:
        """The transaction key of ``ksn`` (6.3); :class:`DecodeError` for a counter that cannot be."""
        return ClearKey(bytearray(self._derivation_key(ksn.transaction_number())))

    def working_key(self, ksn: AesKsn, usage: Usage, key_type: KeyType) -> ClearKey:
        """A working key for ``ksn`` (6.3); :class:`DecodeError` for a counter that cannot be."""
        _check_working(usage, key_type, self._size)
        number = ksn.transaction_number()
        data = derivation_data(usage, key_type, number)
        return ClearKey(bytearray(self._once.encipher(self._derivation_key(number), data)[: key_type.octets]))

    def wipe(self) -> None:
        """Drop the BDK and wipe what is remembered."""
        self._bdk.wipe()
        self._once.wipe()
        self._prefixes.wipe()

    def __enter__(self) -> "Receiver":
        return self

    def __exit__(self, *_: object) -> None:
        self.wipe()

    def __repr__(self) -> str:
        return f"Receiver({self._prefixes!r})"

    def _initial(self, number: int) -> bytes:
        data = derivation_data(Usage.KEY_DERIVATION_INITIAL_KEY, DERIVATION_TYPES[self._size], number >> 32)
        return self._bdk.encipher(data)[: self._size]

    def _derivation_key(self, number: int) -> bytes:
        prefixes, once = self._prefixes, self._once
        pending = []
        node = number
        while node & _COUNTER:
            known = prefixes.recall(node)
            if known is not None:
                key = bytes(known)
                break
            pending.append(node)
            node &= node - 1
        else:
            key = self._initial(node)
        while pending:
            node = pending.pop()
            key = derive(once, key, node)
            prefixes.remember(node, key)
        return key


def derive(once: OneTimeKeys, parent: bytes | bytearray, number: int) -> bytes:
    """One step of the walk: the derivation key at KSN value ``number`` from its parent's (6.3). Both sides."""
    size = len(parent)
    first, second = _STEPS[size]
    own = number & _HALF
    if size == 16:
        return once.encipher(parent, (first | own).to_bytes(16, "big"))
    return once.encipher(parent, ((first | own) << 128 | second | own).to_bytes(32, "big"))[:size]


def walk(initial: KeyOctets, number: int) -> ClearKey:
    """The derivation key at KSN value ``number``, whatever its one-bits: for update keys and tests. Both sides."""
    octets = _octets(initial)
    once = one_time_aes(len(octets))
    key = bytes(octets)
    for node in nodes(number, _COUNTER):
        key = derive(once, key, node)
    once.wipe()
    _wipe(octets)
    return ClearKey(bytearray(key))


def _header(block: int, usage: Usage, key_type: KeyType) -> int:
    return (_VERSION << 56 | block << 48 | usage << 32 | key_type.algorithm << 16 | key_type.bits) << 64


def derivation_data(usage: Usage, key_type: KeyType, number: int) -> bytes:
    """Derivation data, one block per 16 octets of key (6.3.2, table 2 and 3); not secret. Both sides.

    Of ``number`` the right 64 bits say whose key it is: for an initial key the initial key id, for all others
    derivation id and counter.
    """
    own = number & _HALF
    blocks = (key_type.octets + 15) // 16
    return b"".join([(_header(block, usage, key_type) | own).to_bytes(16, "big") for block in range(1, blocks + 1)])


_STEPS = {
    size: (_header(1, Usage.KEY_DERIVATION, key_type), _header(2, Usage.KEY_DERIVATION, key_type))
    for size, key_type in DERIVATION_TYPES.items()
}


def _check_working(usage: Usage, key_type: KeyType, parent_octets: int) -> None:
    if usage not in _WORKING_USAGES:
        raise EncodeError("a derivation key is not a working key: another usage expected")
    if key_type.algorithm >= Algorithm.AES_128 and key_type.octets > parent_octets:
        raise EncodeError(f"a {8 * parent_octets}-bit key cannot derive a stronger one of {key_type.bits} bits")


def _octets(key: KeyOctets) -> bytearray:
    octets = bytearray(key.reveal() if isinstance(key, Secret) else key)
    if len(octets) not in DERIVATION_TYPES:
        raise EncodeError(f"AES DUKPT key of {len(octets)} octets, 16, 24 or 32 expected")
    return octets


def _wipe(octets: bytearray) -> None:
    octets[:] = bytes(len(octets))
