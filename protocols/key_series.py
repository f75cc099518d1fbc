# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Keys of one cipher that come one after another, as contexts: the cipher seam's part for derived keys. Derives none.

A key block protection key gives two or three keys that each make one context. Half of what such a context costs is
Python building the two objects in front of OpenSSL, and these read the key octets late, when the context is made. So
one pair of them serves a whole series: the octets are overwritten, then a context is made at once. That
``cryptography`` reads late is tried out once per process; if a release ever reads early, both are built for every key.

What comes back are the contexts' own entries. They check nothing: a broken block would stay in the context and spoil
whatever comes next, so the caller sees to whole blocks. Dropping a context is what wipes its key.
"""

from collections.abc import Callable
from functools import cache

from cryptography.hazmat.primitives.ciphers import BlockCipherAlgorithm, Cipher, modes
from cryptography.hazmat.primitives.cmac import CMAC

from protocols.errors import EncodeError
from protocols.primitives import AesKey, BlockKey, Octets, TdesKey

_ECB = modes.ECB()  # noqa: S305 - the block function itself, for counter mode and MACs
_SHORTEST = 16  # octets: two DES keys, or the shortest of AES
_CBC = {size: modes.CBC(bytes(size)) for size in (8, 16)}


class KeySeries:
    """Contexts under keys of one cipher and one length. Bound to one thread."""

    __slots__ = ("_algorithm", "_chained", "_key", "_maker", "_octets", "_single")

    def __init__(self, maker: type[BlockKey], key_octets: int) -> None:
        """For keys of ``maker``'s cipher that all have ``key_octets``."""
        if key_octets not in maker.key_octets or key_octets < _SHORTEST:
            raise EncodeError(f"keys of {key_octets} octets, no single DES and what {maker.__name__} takes expected")
        self._maker = maker
        self._octets = key_octets
        self._key = maker._expand(bytearray(key_octets))
        self._algorithm = maker._algorithm(self._key) if _key_is_read_late() else None
        self._single: Cipher[modes.ECB] | None = None
        self._chained: Cipher[modes.CBC] | None = None

    def encipher(self, key: Octets) -> Callable[[Octets], bytes]:
        """ECB encipherment of whole blocks under ``key`` (ISO/IEC 10116:2017, 6)."""
        algorithm = self._load(key)
        single = self._single
        if single is None:
            single = Cipher(algorithm, _ECB)
            if self._algorithm is not None:
                self._single = single
        return single.encryptor().update

    def chain(self, key: Octets) -> Callable[[Octets], bytes]:
        """CBC encipherment of whole blocks under ``key``: first from zeros, then on from the last block given out."""
        return self._chaining(key).encryptor().update

    def unchain(self, key: Octets) -> Callable[[Octets], bytes]:
        """CBC decipherment of whole blocks under ``key``: first from zeros, then on from the last block taken in."""
        return self._chaining(key).decryptor().update

    def cmac(self, key: Octets) -> Callable[[bytes], bytes]:
        """CMAC under ``key``, one whole block (NIST SP 800-38B)."""
        keyed = CMAC(self._load(key))

        def whole_cmac(data: bytes) -> bytes:
            running = keyed.copy()
            running.update(data)
            return running.finalize()

        return whole_cmac

    def wipe(self) -> None:
        """Overwrite the last key. Contexts made so far stay as they are."""
        self._key[:] = bytes(len(self._key))

    def __repr__(self) -> str:
        return "KeySeries(redacted)"

    def _load(self, key: Octets) -> BlockCipherAlgorithm:
        held, size = self._key, self._octets
        if len(key) != size:
            raise EncodeError(f"a key of {len(key)} octets, {size} expected")
        held[:size] = key
        if size < len(held):  # TDES is held as 24 octets: K1 K2 K1
            held[size:] = key[:8]
        return self._algorithm or self._maker._algorithm(held)

    def _chaining(self, key: Octets) -> "Cipher[modes.CBC]":
        algorithm = self._load(key)
        chained = self._chained
        if chained is None:
            chained = Cipher(algorithm, _CBC[self._maker.block_octets])
            if self._algorithm is not None:
                self._chained = chained
        return chained


@cache
def _key_is_read_late() -> bool:
    for maker, size in ((TdesKey, 24), (AesKey, 16)):
        key, zeros = bytearray(size), bytes(16)
        algorithm = maker._algorithm(key)
        chained = Cipher(algorithm, _CBC[maker.block_octets])
        key[:] = range(size)
        fresh = maker._algorithm(bytearray(range(size)))
        fresh_chained = Cipher(fresh, _CBC[maker.block_octets])
        if (
            chained.encryptor().update(zeros) != fresh_chained.encryptor().update(zeros)
            or chained.decryptor().update(zeros) != fresh_chained.decryptor().update(zeros)
            or _cmac_of(CMAC(algorithm), zeros) != _cmac_of(CMAC(fresh), zeros)
        ):
            return False
    return True


def _cmac_of(running: CMAC, data: bytes) -> bytes:
    running.update(data)
    return running.finalize()
