# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The one cipher seam: block ciphers, chaining, CMAC, check values, key parity. Knows no message and no key's purpose.

A key object turns its octets into live OpenSSL contexts once and keeps nothing else:

* The octets are copied into one bytearray (for TDES always 24 octets, K1 K2 K1) which is wiped as soon as the contexts
  stand. The caller's own copy stays the caller's to wipe.
* ``Cipher`` and algorithm objects are never kept. They hold a reference to that bytearray: an encryptor made from them
  after the wipe would encipher under the all-zero key and nobody would notice.
* TDES keys are expanded here: ``cryptography`` would expand a shorter one into a hidden copy that no one wipes.
* A live CBC context cannot be reset, but it need not be: its state is the last cipher block it gave, so the next
  message starts from any initialisation vector when that block is added (exclusive or) to its first block.

A context belongs to one thread; OpenSSL's are not safe to share ("Already borrowed"). OpenSSL cleanses a context when
it is dropped: :meth:`BlockKey.wipe` drops them. Until then an AES context holds its first round key, which is the key.

Keys with K1 = K2 (single DES by another name) are computed with, since DUKPT registers and published vectors have them;
NIST SP 800-67 rev. 2 and ISO/IEC 18033-3 forbid making or importing one, and :func:`is_single_strength` tells.
"""

from collections.abc import Callable
from enum import Flag, auto
from functools import cache
from typing import ClassVar, NoReturn, Self, cast

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import BlockCipherAlgorithm, Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES, SM4
from cryptography.hazmat.primitives.cmac import CMAC

from protocols.errors import EncodeError
from protocols.secret import Secret

Octets = bytes | bytearray | memoryview
KeyOctets = Secret | bytes | bytearray | memoryview

_ECB = modes.ECB()  # noqa: S305 - the block function itself; the modes are built on it here and in mac.py

_CBC_FROM_ZERO = {size: modes.CBC(bytes(size)) for size in (8, 16)}

# Annotated for bytes alone, these take any buffer, and only a bytearray can be wiped.
_tdes_algorithm = cast(Callable[[Octets], BlockCipherAlgorithm], TripleDES)
_aes_algorithm = cast(Callable[[Octets], BlockCipherAlgorithm], AES)
_sm4_algorithm = cast(Callable[[Octets], BlockCipherAlgorithm], SM4)


class Use(Flag):
    """What a key object can do: each use is one live context, and a context costs 2 to 3 µs to make."""

    ENCIPHER = auto()
    DECIPHER = auto()
    CHAIN = auto()
    CMAC = auto()
    ALL = ENCIPHER | DECIPHER | CHAIN | CMAC


# Plain numbers: asking a Flag what it contains costs as much as a context.
_ENCIPHER, _DECIPHER, _CHAIN, _CMAC = Use.ENCIPHER.value, Use.DECIPHER.value, Use.CHAIN.value, Use.CMAC.value
_BLOCKS = _ENCIPHER | _DECIPHER


def _not_made(*_: object) -> NoReturn:
    raise EncodeError("this key object was made without that use, or has been wiped")


class BlockKey:
    """A key of one block cipher as live contexts: whole blocks in, whole blocks out. Bound to one thread.

    ``encipher_unchecked`` and ``decipher_into`` are the contexts' own entries for measured hot paths of this package:
    the caller guarantees whole blocks, and an output buffer that is one block less one octet longer than the input.
    """

    __slots__ = ("_chain", "_chain_state", "_cmac", "_decipher", "decipher_into", "encipher_unchecked")

    block_octets: ClassVar[int] = 0
    key_octets: ClassVar[tuple[int, ...]] = ()

    _decipher: Callable[[Octets], bytes]
    _chain: Callable[[Octets], bytes]
    _cmac: CMAC | None
    encipher_unchecked: Callable[[Octets], bytes]
    decipher_into: Callable[[Octets, bytearray], int]

    def __init__(self, key: KeyOctets, uses: Use = Use.ALL) -> None:
        """Make the contexts of ``uses``; :class:`EncodeError` for a key of another length than the cipher takes."""
        octets = bytearray(key.reveal() if isinstance(key, Secret) else key)
        if len(octets) not in self.key_octets:
            found = len(octets)
            octets[:] = bytes(found)
            raise EncodeError(f"{type(self).__name__} of {found} octets, expected one of {self.key_octets}")
        expanded = self._expand(octets)
        if expanded is not octets:
            octets[:] = bytes(len(octets))
        self.encipher_unchecked = self._decipher = self._chain = self.decipher_into = _not_made
        self._cmac = None
        self._chain_state = 0
        wanted = uses._value_
        try:
            algorithm = self._algorithm(expanded)
            if wanted & _BLOCKS:
                cipher = Cipher(algorithm, _ECB)
                if wanted & _ENCIPHER:
                    self.encipher_unchecked = cipher.encryptor().update
                if wanted & _DECIPHER:
                    deciphering = cipher.decryptor()
                    self._decipher, self.decipher_into = deciphering.update, deciphering.update_into
            if wanted & _CHAIN:
                self._chain = Cipher(algorithm, _CBC_FROM_ZERO[self.block_octets]).encryptor().update
            if wanted & _CMAC:
                self._cmac = CMAC(algorithm)
        finally:
            expanded[:] = bytes(len(expanded))

    @staticmethod
    def _expand(octets: bytearray) -> bytearray:
        return octets

    @staticmethod
    def _algorithm(octets: bytearray) -> BlockCipherAlgorithm:
        raise EncodeError("BlockKey is no cipher: make a TdesKey, AesKey or Sm4Key")

    def encipher(self, data: Octets) -> bytes:
        """ECB encipherment of whole blocks (ISO/IEC 10116:2017, 6)."""
        if len(data) % self.block_octets:
            raise EncodeError(f"{len(data)} octets are not whole blocks of {self.block_octets}")
        return self.encipher_unchecked(data)

    def decipher(self, data: Octets) -> bytes:
        """ECB decipherment of whole blocks (ISO/IEC 10116:2017, 6)."""
        if len(data) % self.block_octets:
            raise EncodeError(f"{len(data)} octets are not whole blocks of {self.block_octets}")
        return self._decipher(data)

    def cbc_encipher(self, iv: Octets, data: Octets) -> bytes:
        """CBC encipherment of whole blocks from ``iv``, one block (ISO/IEC 10116:2017, 7)."""
        size = self.block_octets
        if len(iv) != size or len(data) % size:
            raise EncodeError(f"CBC takes an initialisation vector of {size} octets and whole blocks of {size}")
        if not data:
            return b""
        first = int.from_bytes(data[:size], "big") ^ int.from_bytes(iv, "big") ^ self._chain_state
        output = self._chain(b"".join((first.to_bytes(size, "big"), data[size:])))
        self._chain_state = int.from_bytes(output[-size:], "big")
        return output

    def cbc_decipher(self, iv: Octets, data: Octets) -> bytes:
        """CBC decipherment of whole blocks from ``iv``, one block (ISO/IEC 10116:2017, 7)."""
        size = self.block_octets
        if len(iv) != size or len(data) % size:
            raise EncodeError(f"CBC takes an initialisation vector of {size} octets and whole blocks of {size}")
        if not data:
            return b""
        before = int.from_bytes(b"".join((iv, data[:-size])), "big")
        return (int.from_bytes(self._decipher(data), "big") ^ before).to_bytes(len(data), "big")

    def cmac(self, data: Octets) -> bytes:
        """CMAC of ``data``, one whole block (NIST SP 800-38B; ISO/IEC 9797-1:2011 MAC algorithm 5)."""
        if self._cmac is None:
            _not_made()
        running = self._cmac.copy()
        running.update(data if isinstance(data, bytes) else bytes(data))
        return running.finalize()

    def wipe(self) -> None:
        """Drop the contexts: OpenSSL cleanses them when the last reference goes. Any later use is refused."""
        self.encipher_unchecked = self._decipher = self._chain = _not_made
        self.decipher_into = _not_made
        self._cmac = None
        self._chain_state = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.wipe()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(redacted)"

    def _refuse(self, *_: object) -> NoReturn:
        raise TypeError(f"{type(self).__name__} refuses to be copied or serialised")

    __copy__ = __deepcopy__ = __reduce_ex__ = __reduce__ = __getstate__ = _refuse


class TdesKey(BlockKey):
    """Triple DES (NIST SP 800-67 rev. 2): 24 octets K1 K2 K3, or 16 used as K1 K2 K1, or 8 which make plain DES."""

    __slots__ = ()
    block_octets = 8
    key_octets = (8, 16, 24)

    @staticmethod
    def _expand(octets: bytearray) -> bytearray:
        size = len(octets)
        if size == 16:
            return octets + octets[:8]
        return octets if size == 24 else octets * 3

    @staticmethod
    def _algorithm(octets: bytearray) -> BlockCipherAlgorithm:
        return _tdes_algorithm(octets)


class AesKey(BlockKey):
    """AES (FIPS 197) with a key of 16, 24 or 32 octets."""

    __slots__ = ()
    block_octets = 16
    key_octets = (16, 24, 32)

    @staticmethod
    def _algorithm(octets: bytearray) -> BlockCipherAlgorithm:
        return _aes_algorithm(octets)


class Sm4Key(BlockKey):
    """SM4 (GB/T 32907-2016, ISO/IEC 18033-3:2010/Amd 1:2021) with a key of 16 octets."""

    __slots__ = ()
    block_octets = 16
    key_octets = (16,)

    @staticmethod
    def _algorithm(octets: bytearray) -> BlockCipherAlgorithm:
        return _sm4_algorithm(octets)


class OneTimeKeys:
    """Encipherments under keys that are each used for one call only, as key derivation does. Bound to one thread.

    Half the cost of a fresh key is Python building the two objects in front of OpenSSL. They read the key octets late,
    when a context is made, so one pair serves all keys: the octets are overwritten, then a context is made at once.
    That ``cryptography`` reads late is tried out once per process; if a release ever reads early, both objects are
    built for every key instead.
    """

    __slots__ = ("_algorithm", "_cipher", "_key")

    def __init__(self, algorithm: Callable[[Octets], BlockCipherAlgorithm], key_octets: int) -> None:
        """Use :func:`one_time_tdes` or :func:`one_time_aes`."""
        self._key = bytearray(key_octets)
        self._algorithm = algorithm
        self._cipher = Cipher(algorithm(self._key), _ECB) if _key_is_read_late() else None

    def encipher(self, key: Octets, data: Octets) -> bytes:
        """ECB encipherment of whole blocks under ``key``, of exactly the size this object was made for."""
        if len(key) != len(self._key):
            raise EncodeError(f"one-time key of {len(key)} octets, {len(self._key)} expected")
        self._key[:] = key
        cipher = self._cipher or Cipher(self._algorithm(self._key), _ECB)
        return cipher.encryptor().update(data)

    def wipe(self) -> None:
        """Overwrite the last key."""
        self._key[:] = bytes(len(self._key))


def one_time_tdes() -> OneTimeKeys:
    """One-time TDES keys, always 24 octets."""
    return OneTimeKeys(_tdes_algorithm, 24)


def one_time_aes(key_octets: int) -> OneTimeKeys:
    """One-time AES keys of 16, 24 or 32 octets."""
    return OneTimeKeys(_aes_algorithm, key_octets)


@cache
def _key_is_read_late() -> bool:
    for algorithm in (_tdes_algorithm, _aes_algorithm):
        key = bytearray(24)
        cipher = Cipher(algorithm(key), _ECB)
        key[:] = range(24)
        if cipher.encryptor().update(bytes(16)) != Cipher(algorithm(bytes(range(24))), _ECB).encryptor().update(
            bytes(16)
        ):
            return False
    return True


def cbc_encipher(key: BlockKey, iv: Octets, data: Octets) -> bytes:
    """CBC encipherment of whole blocks (ISO/IEC 10116:2017, 7)."""
    return key.cbc_encipher(iv, data)


def cbc_decipher(key: BlockKey, iv: Octets, data: Octets) -> bytes:
    """CBC decipherment of whole blocks (ISO/IEC 10116:2017, 7)."""
    return key.cbc_decipher(iv, data)


def cmac(key: BlockKey, data: Octets) -> bytes:
    """CMAC, one whole block; truncate at the place that knows the length wanted (NIST SP 800-38B)."""
    return key.cmac(data)


def check_value(key: BlockKey, octets: int = 3) -> bytes:
    """The left ``octets`` of a zero block enciphered (ANSI X9.24-1:2009; 3 octets, host commands also ask for 8)."""
    if not 1 <= octets <= key.block_octets:
        raise EncodeError(f"a check value has 1 to {key.block_octets} octets, {octets} asked for")
    return key.encipher(bytes(key.block_octets))[:octets]


def check_value_cmac(key: BlockKey, octets: int = 5) -> bytes:
    """The left ``octets`` of the CMAC of one zero block (ANSI X9.24-1:2017, Annex A: what AES keys use; 5 octets)."""
    if not 1 <= octets <= key.block_octets:
        raise EncodeError(f"a check value has 1 to {key.block_octets} octets, {octets} asked for")
    return key.cmac(bytes(key.block_octets))[:octets]


_ODD = bytes(octet if octet.bit_count() & 1 else octet ^ 1 for octet in range(256))


def has_odd_parity(octets: KeyOctets) -> bool:
    """Whether every octet has an odd number of one-bits, as DES keys do (NIST SP 800-67 rev. 2)."""
    given = bytearray(octets.reveal() if isinstance(octets, Secret) else octets)
    adjusted = given.translate(_ODD)
    verdict = given == adjusted
    given[:] = adjusted[:] = bytes(len(given))
    return verdict


def with_odd_parity(octets: KeyOctets) -> bytearray:
    """A copy whose last bit of each octet makes its parity odd; the caller wipes it (NIST SP 800-67 rev. 2)."""
    given = bytearray(octets.reveal() if isinstance(octets, Secret) else octets)
    adjusted = given.translate(_ODD)
    given[:] = bytes(len(given))
    return adjusted


def is_single_strength(octets: KeyOctets) -> bool:
    """Whether a TDES key of 16 or 24 octets is worth one DES key: K1 = K2 or K2 = K3, parity bits not counted.

    NIST SP 800-67 rev. 2 and ISO/IEC 18033-3 forbid such keys: refuse them where a key is made or imported.
    """
    adjusted = with_odd_parity(octets)
    with memoryview(adjusted) as view:
        verdict = any(view[start - 8 : start] == view[start : start + 8] for start in range(8, len(adjusted), 8))
    adjusted[:] = bytes(len(adjusted))
    return verdict
