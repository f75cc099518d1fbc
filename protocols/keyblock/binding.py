# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""How a key block ties key and header together: the three bindings of versions A to E. Reads no header field.

From the protection key (KBPK) come two others, one for encipherment (KBEK) and one for authentication (KBMK); ANSI
X9.143:2021, 7 (TR-31:2018, 5.3), and ISO 20038:2017, A.3, for counter mode.

* Variant (A, C): the two are the protection key with 45 ("E") or 4D ("M") added to every octet. The key is enciphered
  first, the header's first 8 octets being the initialisation vector; 4 octets of a CBC-MAC over header and cipher text
  follow.
* Derivation (B, D): the two are CMACs of counted inputs under the protection key. The CMAC over header and clear key is
  the authenticator and the initialisation vector at once.
* Counter mode (E): as D, with CTR instead of CBC, so that nothing has to be filled up.

The last two must decipher before they can check. Nothing of the result is looked at until the authenticator is found
right, and every failure is one error with one text, so that nobody learns from refusals.
"""

import hmac
from abc import ABC, abstractmethod

from protocols.errors import IntegrityError
from protocols.keyblock.codes import Binding, Cipher
from protocols.primitives import AesKey, BlockKey, TdesKey, Use
from protocols.secret import ClearKey

NOT_AUTHENTIC = "the key block is not authentic: it was made under another protection key, or changed"
KEY_LENGTHS = {Cipher.TDES: (16, 24), Cipher.AES: (16, 24, 32)}
_MAKERS: dict[Cipher, type[BlockKey]] = {Cipher.TDES: TdesKey, Cipher.AES: AesKey}
_ENCIPHER, _DECIPHER, _CHAIN, _CMAC = Use.ENCIPHER, Use.DECIPHER, Use.CHAIN, Use.CMAC
_ENCIPHERMENT_VARIANT = bytes(octet ^ 0x45 for octet in range(256))  # X9.143:2021, 7.2.1, as translation tables
_MAC_VARIANT = bytes(octet ^ 0x4D for octet in range(256))
_ENCIPHERMENT, _AUTHENTICATION, _COUNTER_MODE = 0, 1, 2  # key usage in the derivation input, 7.3.2; ISO 20038, A.3
_KINDS = (("TDES", 16, 8), ("TDES", 24, 8), ("AES", 16, 16), ("AES", 24, 16), ("AES", 32, 16))  # by algorithm number
_INPUTS: dict[tuple[int, str, int], tuple[bytes, ...]] = {
    (purpose, cipher, size): tuple(
        bytes((counter, 0, purpose, 0, 0, number, size >> 5, size << 3 & 0xFF))
        for counter in range(1, -(-size // block) + 1)
    )
    for purpose in (_ENCIPHERMENT, _AUTHENTICATION, _COUNTER_MODE)
    for number, (cipher, size, block) in enumerate(_KINDS)
}
"""What is authenticated to derive a key: counter, purpose, 00, algorithm, length in bits (7.3.2, tables 27 and 28)."""


class Bound(ABC):
    """One binding under one protection key: its two keys as contexts, each made when first needed and then kept."""

    __slots__ = ("_cipher", "_mac", "_opener", "_protection", "_sealer")

    def __init__(self, cipher: Cipher, protection: ClearKey) -> None:
        """``protection`` stays its owner's and is read whenever another context is needed."""
        self._cipher = cipher
        self._protection = protection
        self._mac: BlockKey | None = None
        self._opener: BlockKey | None = None
        self._sealer: BlockKey | None = None

    @abstractmethod
    def open(self, front: bytes, payload: bytes, received: bytes) -> bytes:
        """The clear text of ``payload`` behind the header ``front``; :class:`IntegrityError` unless authentic."""

    @abstractmethod
    def seal(self, front: bytes, clear: bytearray) -> bytes:
        """``clear`` enciphered, with its authenticator behind."""

    def wipe(self) -> None:
        """Drop the contexts."""
        for key in (self._mac, self._opener, self._sealer):
            if key is not None:
                key.wipe()


class _MacKey(TdesKey):
    """A KBMK. Its one use is CBC from zeros over whole blocks, so it skips what :meth:`cbc_encipher` has to ask."""

    __slots__ = ()

    def tail(self, data: bytes) -> bytes:
        """The last block of ``data``, whole blocks, enciphered in CBC from zeros."""
        first = int.from_bytes(data[:8], "big") ^ self._chain_state
        last = self._chain(first.to_bytes(8, "big") + data[8:])[-8:]
        self._chain_state = int.from_bytes(last, "big")
        return last


class _Variant(Bound):
    __slots__ = ("_kbmk",)

    def __init__(self, cipher: Cipher, protection: ClearKey) -> None:
        super().__init__(cipher, protection)
        self._kbmk: _MacKey | None = None

    def open(self, front: bytes, payload: bytes, received: bytes) -> bytes:
        if not hmac.compare_digest(self._authenticator(front + payload), received):
            raise IntegrityError(NOT_AUTHENTIC)
        opener = self._opener
        if opener is None:
            opener = self._opener = self._key(_DECIPHER)
        return opener.cbc_decipher(front[:8], payload)

    def seal(self, front: bytes, clear: bytearray) -> bytes:
        sealer = self._sealer
        if sealer is None:
            sealer = self._sealer = self._key(_CHAIN)
        payload = sealer.cbc_encipher(front[:8], clear)
        return payload + self._authenticator(front + payload)

    def _authenticator(self, data: bytes) -> bytes:
        mac = self._kbmk
        if mac is None:
            octets = self._octets(_MAC_VARIANT)
            mac = self._mac = self._kbmk = _MacKey(octets, _CHAIN)
            octets[:] = bytes(len(octets))
        return mac.tail(data)[:4]

    def _key(self, use: Use) -> BlockKey:
        octets = self._octets(_ENCIPHERMENT_VARIANT)
        key = TdesKey(octets, use)
        octets[:] = bytes(len(octets))
        return key

    def _octets(self, variant: bytes) -> bytearray:
        return bytearray(self._protection.reveal()).translate(variant)


class _Derivation(Bound):
    __slots__ = ()
    _purpose = _ENCIPHERMENT
    _sealing = _CHAIN

    def open(self, front: bytes, payload: bytes, received: bytes) -> bytes:
        opener, mac = self._opener, self._mac
        if opener is None or mac is None:
            opener, mac = self._derived(_DECIPHER)
            self._opener = opener
        clear = opener.cbc_decipher(received, payload)
        if not hmac.compare_digest(mac.cmac(front + clear), received):
            raise IntegrityError(NOT_AUTHENTIC)
        return clear

    def seal(self, front: bytes, clear: bytearray) -> bytes:
        sealer, mac = self._sealer, self._mac
        if sealer is None or mac is None:
            sealer, mac = self._derived(self._sealing)
            self._sealer = sealer
        tag = mac.cmac(front + clear)
        return self._encipher(sealer, tag, clear) + tag

    def _encipher(self, key: BlockKey, tag: bytes, clear: bytearray) -> bytes:
        return key.cbc_encipher(tag, clear)

    def _derived(self, use: Use) -> tuple[BlockKey, BlockKey]:
        """KBEK for ``use``, and KBMK."""
        maker, name, size = _MAKERS[self._cipher], self._cipher.value, len(self._protection)
        source = maker(self._protection, _CMAC)
        octets = _derive(source, size, _INPUTS[self._purpose, name, size])
        key = maker(octets, use)
        if self._mac is None:
            octets[:] = _derive(source, size, _INPUTS[_AUTHENTICATION, name, size])
            self._mac = maker(octets, _CMAC)
        octets[:] = bytes(size)
        return key, self._mac


class _CounterMode(_Derivation):
    __slots__ = ()
    _purpose = _COUNTER_MODE
    _sealing = _ENCIPHER

    def open(self, front: bytes, payload: bytes, received: bytes) -> bytes:
        sealer, mac = self._sealer, self._mac
        if sealer is None or mac is None:
            sealer, mac = self._derived(_ENCIPHER)
            self._sealer = sealer
        clear = _count(sealer, received, payload)
        if not hmac.compare_digest(mac.cmac(front + clear), received):
            raise IntegrityError(NOT_AUTHENTIC)
        return clear

    def _encipher(self, key: BlockKey, tag: bytes, clear: bytearray) -> bytes:
        return _count(key, tag, clear)


_BINDINGS: dict[Binding, type[Bound]] = {
    Binding.VARIANT: _Variant,
    Binding.DERIVATION_CBC: _Derivation,
    Binding.DERIVATION_CTR: _CounterMode,
}


def bind(cipher: Cipher, binding: Binding, protection: ClearKey) -> Bound:
    """``binding`` under a protection key whose length :data:`KEY_LENGTHS` allows."""
    return _BINDINGS[binding](cipher, protection)


def derived_keys(cipher: Cipher, binding: Binding, protection: ClearKey) -> tuple[ClearKey, ClearKey]:
    """KBEK and KBMK themselves, for whoever wants to look at a derivation. Blocks are made with contexts instead."""
    if binding is Binding.VARIANT:
        octets = bytearray(protection.reveal())
        both = (ClearKey(octets.translate(_ENCIPHERMENT_VARIANT)), ClearKey(octets.translate(_MAC_VARIANT)))
        octets[:] = bytes(len(octets))
        return both
    name, size = cipher.value, len(protection)
    purpose = _COUNTER_MODE if binding is Binding.DERIVATION_CTR else _ENCIPHERMENT
    with _MAKERS[cipher](protection, _CMAC) as source:
        return (
            ClearKey(_derive(source, size, _INPUTS[purpose, name, size])),
            ClearKey(_derive(source, size, _INPUTS[_AUTHENTICATION, name, size])),
        )


def _derive(source: BlockKey, size: int, inputs: tuple[bytes, ...]) -> bytearray:
    derived = bytearray().join(map(source.cmac, inputs))
    del derived[size:]  # of AES-192 the second block gives only half
    return derived


def _count(cipher: BlockKey, counter: bytes, data: bytes | bytearray) -> bytes:
    """CTR mode from ``counter``, a whole block counted up (ISO/IEC 10116:2017, 10)."""
    size = cipher.block_octets
    start, top = int.from_bytes(counter, "big"), 1 << 8 * size
    blocks = -(-len(data) // size)
    stream = cipher.encipher(b"".join(((start + step) % top).to_bytes(size, "big") for step in range(blocks)))
    mixed = int.from_bytes(stream[: len(data)], "big") ^ int.from_bytes(data, "big")
    return mixed.to_bytes(len(data), "big")
