# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Message authentication codes of payment messages. Knows the arithmetic; not which fields a message covers.

ISO/IEC 9797-1 algorithms 1 and 3 are one walk: CBC over all blocks but the last, then a final step on the last block
added to the chaining value. Algorithm 1 enciphers it; algorithm 3 enciphers, deciphers under the second key and
enciphers again, which for two DES keys is one TDES encipherment under K1 K2 K1. Algorithm 5 is CMAC.

A message may come in pieces (host commands M6, M8, MS): ``first`` and ``middle`` give the chaining value that the next
piece starts from, ``last`` gives the MAC. Results are whole blocks; whoever knows the field truncates on the right.
"""

import hmac
from collections.abc import Callable
from enum import Enum, IntEnum

from protocols.errors import EncodeError, IntegrityError
from protocols.primitives import BlockKey, KeyOctets, Octets, TdesKey, Use
from protocols.secret import Secret

SHORTEST_MAC = 4  # octets: the left half of a DES block, the least that X9.19 and ISO 8583 fields carry


class Padding(IntEnum):
    """Padding methods of ISO/IEC 9797-1:2011, 6.3; the numbers are the standard's, 0 is ours."""

    NONE = 0
    """Whole blocks expected, nothing added."""
    ZEROS = 1
    """Method 1: zero bits up to a whole block; an empty message becomes one zero block."""
    ONE_AND_ZEROS = 2
    """Method 2: a one bit, then zero bits up to a whole block."""
    LENGTH = 3
    """Method 3: a block with the length in bits in front, zero bits behind."""


def pad(data: Octets, padding: Padding, block_octets: int) -> bytes:
    """``data`` padded to whole blocks (ISO/IEC 9797-1:2011, 6.3); :class:`EncodeError` if NONE meets a broken block."""
    size = len(data)
    if padding == Padding.ZEROS or padding == Padding.LENGTH:
        tail = bytes(-size % block_octets if size else block_octets)
    elif padding == Padding.ONE_AND_ZEROS:
        tail = b"\x80" + bytes((-size - 1) % block_octets)
    elif size % block_octets or not size:
        raise EncodeError(f"{size} octets are not whole blocks of {block_octets} and no padding was asked for")
    else:
        tail = b""
    if padding == Padding.LENGTH:
        return b"".join(((size * 8).to_bytes(block_octets, "big"), data, tail))
    return b"".join((data, tail)) if tail else bytes(data)


class ChainedMac:
    """Algorithms 1 and 3 of ISO/IEC 9797-1:2011 (7.2, 7.4) over one CBC walk. Bound to one thread, as its keys are."""

    __slots__ = ("_chain", "_final", "block_octets")

    def __init__(self, chain: BlockKey, final: Callable[[bytes], bytes]) -> None:
        """``chain`` needs :attr:`Use.CHAIN`; ``final`` is the last encipherment with the output transformation."""
        self._chain = chain
        self._final = final
        self.block_octets = chain.block_octets

    def mac(self, data: Octets, padding: Padding = Padding.ZEROS) -> bytes:
        """The MAC of a whole message, one block."""
        return self._finish(bytes(self.block_octets), pad(data, padding, self.block_octets))

    def first(self, data: Octets, padding: Padding = Padding.ZEROS, total_octets: int | None = None) -> bytes:
        """The chaining value after the first piece, whole blocks. Padding method 3 needs the message's total length."""
        if padding == Padding.LENGTH:
            if total_octets is None:
                raise EncodeError("padding method 3 puts the message's length in front: total octets expected")
            data = b"".join(((total_octets * 8).to_bytes(self.block_octets, "big"), data))
        return self.middle(bytes(self.block_octets), data)

    def middle(self, chaining: Octets, data: Octets) -> bytes:
        """The chaining value after one more piece, whole blocks, from that of the piece before."""
        self._check(chaining)
        if not data:
            return bytes(chaining)
        return self._chain.cbc_encipher(chaining, data)[-self.block_octets :]

    def last(self, chaining: Octets, data: Octets, padding: Padding = Padding.ZEROS) -> bytes:
        """The MAC after the last piece, one block."""
        self._check(chaining)
        behind = Padding.ZEROS if padding == Padding.LENGTH else padding
        return self._finish(chaining, pad(data, behind, self.block_octets))

    def verify(self, data: Octets, received: Octets, padding: Padding = Padding.ZEROS) -> None:
        """:class:`IntegrityError` unless ``received`` (4 octets or more) is the left part of the MAC. Constant time."""
        verify(self.mac(data, padding), received)

    def _finish(self, chaining: Octets, padded: bytes) -> bytes:
        size = self.block_octets
        if len(padded) > size:
            chaining = self._chain.cbc_encipher(chaining, padded[:-size])[-size:]
        mixed = int.from_bytes(chaining, "big") ^ int.from_bytes(padded[-size:], "big")
        return self._final(mixed.to_bytes(size, "big"))

    def _check(self, chaining: Octets) -> None:
        if len(chaining) != self.block_octets:
            raise EncodeError(f"chaining value of {len(chaining)} octets, {self.block_octets} expected")

    def __repr__(self) -> str:
        return f"{type(self).__name__}(redacted)"


class CbcMacKey(ChainedMac):
    """ISO/IEC 9797-1:2011 MAC algorithm 1 (CBC-MAC) under one key: X9.9 with DES, and what hosts call TDES MAC."""

    __slots__ = ()

    def __init__(self, key: BlockKey) -> None:
        super().__init__(key, key.encipher)


class RetailMacKey(ChainedMac):
    """ISO/IEC 9797-1:2011 MAC algorithm 3 with DES (ANSI X9.19 retail MAC) under a key of 16 octets, K1 and K2.

    A key of 24 octets ends with K3 instead of K1; one of 8 octets is algorithm 1, since K1 = K2.
    """

    __slots__ = ()

    def __init__(self, key: KeyOctets) -> None:
        octets = bytearray(key.reveal() if isinstance(key, Secret) else key)
        left = octets[:8]
        try:
            super().__init__(TdesKey(left, Use.CHAIN), TdesKey(octets, Use.ENCIPHER).encipher)
        finally:
            octets[:] = bytes(len(octets))
            left[:] = bytes(len(left))


class TwoKeyMac(ChainedMac):
    """ISO/IEC 9797-1:2011 MAC algorithm 3 under any block cipher: ``first`` chains, ``second`` deciphers in between."""

    __slots__ = ()

    def __init__(self, first: BlockKey, second: BlockKey) -> None:
        if first.block_octets != second.block_octets:
            raise EncodeError("both keys of MAC algorithm 3 belong to one block cipher")
        super().__init__(first, lambda block: first.encipher(second.decipher(first.encipher(block))))


class CmacKey(ChainedMac):
    """ISO/IEC 9797-1:2011 MAC algorithm 5 (CMAC, NIST SP 800-38B) that can also take a message in pieces.

    It pads by itself: ``padding`` must stay NONE or be left out. The last piece may be empty only if the message is.
    """

    __slots__ = ("_key",)

    def __init__(self, key: BlockKey) -> None:
        super().__init__(key, key.encipher)
        self._key = key

    def mac(self, data: Octets, padding: Padding = Padding.NONE) -> bytes:
        """The CMAC of a whole message, one block."""
        self._own_padding(padding)
        return self._key.cmac(data)

    def first(self, data: Octets, padding: Padding = Padding.NONE, total_octets: int | None = None) -> bytes:
        """The chaining value after the first piece, whole blocks."""
        self._own_padding(padding)
        return self.middle(bytes(self.block_octets), data)

    def last(self, chaining: Octets, data: Octets, padding: Padding = Padding.NONE) -> bytes:
        """The CMAC after the last piece, one block (NIST SP 800-38B, 6.2, steps 4 to 7)."""
        self._own_padding(padding)
        self._check(chaining)
        if not data and any(chaining):
            raise EncodeError("the last piece of a CMAC cannot be empty: keep the last block for it")
        size = self.block_octets
        whole = len(data) > 0 and len(data) % size == 0
        padded = bytes(data) if whole else pad(data, Padding.ONE_AND_ZEROS, size)
        subkey = self._subkey(1 if whole else 2)
        masked = (int.from_bytes(padded[-size:], "big") ^ subkey).to_bytes(size, "big")
        return self._finish(chaining, padded[:-size] + masked)

    def verify(self, data: Octets, received: Octets, padding: Padding = Padding.NONE) -> None:
        """:class:`IntegrityError` unless ``received`` (4 octets or more) is the left part of the MAC. Constant time."""
        verify(self.mac(data, padding), received)

    def _subkey(self, number: int) -> int:
        bits = 8 * self.block_octets
        constant = {64: 0x1B, 128: 0x87}[bits]  # NIST SP 800-38B, 5.3
        value = int.from_bytes(self._key.encipher(bytes(self.block_octets)), "big")
        for _ in range(number):
            value = (value << 1) ^ (constant | 1 << bits if value >> (bits - 1) else 0)
        return value

    @staticmethod
    def _own_padding(padding: Padding) -> None:
        if padding != Padding.NONE:
            raise EncodeError("CMAC pads by itself: padding NONE expected")


class Sha2(Enum):
    """Hash functions of FIPS 180-4 for HMAC; the value is the name the Python library uses."""

    SHA_224 = "sha224"
    SHA_256 = "sha256"
    SHA_384 = "sha384"
    SHA_512 = "sha512"


def hmac_sha2(key: KeyOctets, data: Octets, function: Sha2 = Sha2.SHA_256) -> bytes:
    """HMAC (FIPS 198-1) with a hash of the SHA-2 family, the whole hash value. Either side."""
    octets = bytearray(key.reveal() if isinstance(key, Secret) else key)
    try:
        return hmac.digest(octets, bytes(data), function.value)
    finally:
        octets[:] = bytes(len(octets))


def unionpay_ecb_mac(key: BlockKey, data: Octets) -> bytes:
    """The 8 ASCII hexadecimal characters of UnionPay's ECB MAC, field 64 (Q/CUP 006.4 as terminals implement it).

    ``data`` (MTI to field 63) is zero-padded, its blocks are added together, the sum is written as hexadecimal text of
    two blocks; the first is enciphered, added to the second and enciphered again. Block size follows the cipher: with
    SM4 the text has 32 characters, as some acquirers do it; no public value confirms that variant.
    """
    size = key.block_octets
    padded = pad(data, Padding.ZEROS, size)
    folded = 0
    for start in range(0, len(padded), size):
        folded ^= int.from_bytes(padded[start : start + size], "big")
    text = folded.to_bytes(size, "big").hex().upper().encode("ascii")
    once = int.from_bytes(key.encipher(text[:size]), "big")
    twice = key.encipher((once ^ int.from_bytes(text[size:], "big")).to_bytes(size, "big"))
    return twice.hex().upper().encode("ascii")[:8]


def verify(calculated: Octets, received: Octets) -> None:
    """:class:`IntegrityError` unless ``received`` is the left part of ``calculated``. Time tells nothing of where."""
    size = len(received)
    if not SHORTEST_MAC <= size <= len(calculated):
        raise IntegrityError(f"MAC of {size} octets, {SHORTEST_MAC} to {len(calculated)} expected")
    if not hmac.compare_digest(bytes(calculated[:size]), bytes(received)):
        raise IntegrityError("the MAC does not match the message")
