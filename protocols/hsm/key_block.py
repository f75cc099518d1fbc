# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Thales key blocks: header, enciphered key, authenticator, as text behind the tag S. Knows no policy and no LMK.

====== ================================================================
0      version: 0 under a TDES key, 1 under an AES key
1-4    length of the whole block, decimal
5-6    usage of the key      7  its algorithm      8  its mode of use
9-10   version of the key   11  exportability
12-13  number of optional blocks, decimal
14-15  identifier of the LMK above it; FF under any other key
====== ================================================================

The key is enciphered with its length in bits in front and random fill behind, the header being the initialisation
vector; the authenticator covers header and ciphertext. Version 0 is the key variant binding of TR-31 version A: TDES
CBC under the key with 45 added to every octet, 4 octets of CBC-MAC under it with 4D added. Version 1 derives two keys
as X9.143 version D does and takes 8 octets of CMAC.

Inferred from published blocks of both versions under published keys, which the tests open and make again; the fill
behind the key and what optional blocks do to the header are not public.
"""

import hmac
from collections.abc import Callable
from dataclasses import dataclass

from protocols.errors import DecodeError, EncodeError, IntegrityError
from protocols.keyblock.binding import bind
from protocols.keyblock.codes import Binding, Cipher
from protocols.primitives import AesKey, Use
from protocols.secret import ClearKey

HEADER = 16
TDES_VERSION, AES_VERSION = "0", "1"
NO_LMK = "FF"
"""In the place of the LMK identifier, where the block lies under another key than an LMK."""
LONGEST = 9999
_LENGTH_OCTETS = 2
_KEY_OCTETS = {"T": (8, 16, 24), "D": (8,), "A": (16, 24, 32)}
_LARGEST_KEY = 256  # octets: keys for HMAC
_NOT_AUTHENTIC = "the key block is not authentic: it was made under another key, or changed"


@dataclass(frozen=True, slots=True)
class BlockHeader:
    """What a key block says of its key; codes as they stand in it."""

    usage: str
    algorithm: str
    mode: str
    key_version: str = "00"
    exportability: str = "N"
    lmk: str = NO_LMK

    def text(self, version: str, size: int) -> str:
        """The sixteen characters of a block of ``size``; :class:`EncodeError` for fields of other lengths."""
        if size > LONGEST:
            raise EncodeError(f"a key block of {size} characters, {LONGEST} at most")
        text = (
            f"{version}{size:04}{self.usage}{self.algorithm}{self.mode}{self.key_version}{self.exportability}"
            f"00{self.lmk}"
        )
        if len(text) != HEADER or not (text.isascii() and text.isalnum()):
            raise EncodeError("a header's fields are letters and digits in their fixed lengths")
        return text


def header_of(block: bytes) -> tuple[str, BlockHeader]:
    """Version and header of a block, which nothing authenticates yet; :class:`DecodeError`."""
    text = block[:HEADER].decode("latin-1")
    if len(text) != HEADER or not (text.isascii() and text.isalnum()):
        raise DecodeError("key block header", "sixteen letters and digits expected")
    if not text[1:5].isdigit() or int(text[1:5]) != len(block):
        raise DecodeError("key block header", "the block's own length expected in it")
    if text[12:14] != "00":
        raise DecodeError("key block header", "no optional blocks expected")
    return text[0], BlockHeader(text[5:7], text[7], text[8], text[9:11], text[11], text[14:16])


class BlockKey:
    """A key that wraps others in key blocks. Bound to one thread, as its cipher contexts are."""

    __slots__ = ("_block_octets", "_mac_octets", "_open", "_seal", "version")

    def __init__(self, version: str, block_octets: int, mac_octets: int, seal: "Seal", opened: "Open") -> None:
        """Use :meth:`tdes` or :meth:`aes`."""
        self.version = version
        self._block_octets = block_octets
        self._mac_octets = mac_octets
        self._seal = seal
        self._open = opened

    @classmethod
    def tdes(cls, key: ClearKey) -> "BlockKey":
        """Takes over a TDES key of 16 or 24 octets."""
        bound = bind(Cipher.TDES, Binding.VARIANT, key)
        return cls(TDES_VERSION, 8, 4, bound.seal, bound.open)

    @classmethod
    def aes(cls, key: ClearKey) -> "BlockKey":
        """Copies from an AES key of 16, 24 or 32 octets."""
        bound = _Aes(key)
        return cls(AES_VERSION, 16, 8, bound.seal, bound.open)

    def wrap(self, header: BlockHeader, key: ClearKey, random: Callable[[int], bytes]) -> bytes:
        """The block; ``random`` gives so many fresh octets. Sending side."""
        clear = bytearray((8 * len(key)).to_bytes(_LENGTH_OCTETS, "big"))
        clear += key.reveal()
        clear += random(-len(clear) % self._block_octets)
        size = HEADER + 2 * (len(clear) + self._mac_octets)
        front = header.text(self.version, size).encode("ascii")
        sealed = self._seal(front, clear)
        clear[:] = bytes(len(clear))
        return front + sealed.hex().upper().encode("ascii")

    def unwrap(self, block: bytes) -> tuple[BlockHeader, ClearKey]:
        """What a block holds. Receiving side.

        :class:`DecodeError` for what is no block of this key's version, :class:`IntegrityError` with one constant text
        for whatever does not authenticate.
        """
        version, header = header_of(block)
        if version != self.version:
            raise DecodeError("key block version", f"{self.version} expected")
        try:
            sealed = bytes.fromhex(block[HEADER:].decode("ascii"))
        except ValueError:
            raise DecodeError("key block", "hexadecimal digits expected behind the header") from None
        payload = sealed[: -self._mac_octets]
        if not payload or len(payload) % self._block_octets:
            raise DecodeError("key block", "whole blocks and an authenticator expected behind the header")
        clear = self._open(block[:HEADER], payload, sealed[-self._mac_octets :])
        bits = int.from_bytes(clear[:_LENGTH_OCTETS], "big")
        octets = bits // 8
        allowed = _KEY_OCTETS.get(header.algorithm, range(1, _LARGEST_KEY + 1))
        if bits % 8 or octets not in allowed or octets > len(clear) - _LENGTH_OCTETS:
            raise DecodeError("key block", "a key of a length that its algorithm has expected")
        return header, ClearKey(clear[_LENGTH_OCTETS : _LENGTH_OCTETS + octets])


Seal = Callable[[bytes, bytearray], bytes]
Open = Callable[[bytes, bytes, bytes], bytes]


class _Aes:
    """Version 1: two keys derived once, then encipher and authenticate."""

    __slots__ = ("_cipher", "_mac")

    def __init__(self, key: ClearKey) -> None:
        source = AesKey(key, Use.CMAC)
        try:
            self._cipher = _derived(source, len(key), 0, Use.CHAIN | Use.DECIPHER)
            self._mac = _derived(source, len(key), 1, Use.CMAC)
        finally:
            source.wipe()

    def seal(self, front: bytes, clear: bytearray) -> bytes:
        payload = self._cipher.cbc_encipher(front, clear)
        return payload + self._mac.cmac(front + payload)[:8]

    def open(self, front: bytes, payload: bytes, received: bytes) -> bytes:
        if not hmac.compare_digest(self._mac.cmac(front + payload)[:8], received):
            raise IntegrityError(_NOT_AUTHENTIC)
        return self._cipher.cbc_decipher(front, payload)


def _derived(source: AesKey, size: int, purpose: int, use: Use) -> AesKey:
    """CMACs of counter, purpose, algorithm and length in bits (X9.143:2021, 7.3.2, tables 27 and 28)."""
    algorithm = size // 8  # AES-128, AES-192 and AES-256 are 2, 3 and 4
    octets = bytearray()
    for counter in range(1, -(-size // 16) + 1):
        octets += source.cmac(bytes((counter, 0, purpose, 0, 0, algorithm)) + (8 * size).to_bytes(2, "big"))
    del octets[size:]
    key = AesKey(octets, use)
    octets[:] = bytes(size)
    return key
