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
from collections.abc import Callable

from protocols.errors import DecodeError, EncodeError, IntegrityError
from protocols.key_series import KeySeries
from protocols.keyblock.codes import Binding, Cipher
from protocols.primitives import AesKey, BlockKey, Octets, TdesKey, Use
from protocols.secret import ClearKey

NOT_AUTHENTIC = "the key block is not authentic: it was made under another protection key, or changed"
KEY_LENGTHS = {Cipher.TDES: (16, 24), Cipher.AES: (16, 24, 32)}
_MAKERS: dict[Cipher, type[BlockKey]] = {Cipher.TDES: TdesKey, Cipher.AES: AesKey}
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


_same, _number = hmac.compare_digest, int.from_bytes  # without looking them up several times per block

Context = Callable[[Octets], bytes]
"""An entry of a live context: whole blocks in, as many out."""

# A broken block would stay in a live context and spoil whatever comes next under the same protection key.
_WHOLE_BLOCKS = "header and key are not whole cipher blocks"
_BROKEN = ("enciphered key", _WHOLE_BLOCKS)


class Bound(ABC):
    """One binding under one protection key: its keys as contexts, each made when first needed and then kept."""

    __slots__ = ("_cipher", "_opener", "_protection", "_sealer", "_series")

    def __init__(self, cipher: Cipher, protection: ClearKey) -> None:
        """``protection`` stays its owner's and is read whenever another context is needed."""
        self._cipher = cipher
        self._protection = protection
        self._series = KeySeries(_MAKERS[cipher], len(protection))
        self._opener: Context | None = None
        self._sealer: Context | None = None

    @abstractmethod
    def open(self, front: bytes, payload: bytes, received: bytes) -> bytes:
        """The clear text of ``payload`` behind the header ``front``; :class:`IntegrityError` unless authentic."""

    @abstractmethod
    def seal(self, front: bytes, clear: bytearray) -> bytes:
        """``clear`` enciphered, with its authenticator behind."""

    def wipe(self) -> None:
        """Drop the contexts."""
        self._opener = self._sealer = None
        self._protection = ClearKey(b"")
        self._series.wipe()


class _Variant(Bound):
    """A live CBC context goes on from its last block; what it would add is added once more beforehand."""

    __slots__ = ("_mac", "_mac_state", "_open_state", "_seal_state")

    def __init__(self, cipher: Cipher, protection: ClearKey) -> None:
        super().__init__(cipher, protection)
        self._mac: Context | None = None
        self._mac_state = self._open_state = self._seal_state = 0

    def open(self, front: bytes, payload: bytes, received: bytes) -> bytes:
        opener, mac = self._opener, self._mac
        if opener is None or mac is None:
            opener, mac = self._made(self._series.unchain)
            self._opener = opener
        if (len(front) | len(payload)) & 7 or not payload:
            raise DecodeError(*_BROKEN)
        first = _number(front[:8], "big")
        last = mac(b"".join(((first ^ self._mac_state).to_bytes(8, "big"), front[8:], payload)))[-8:]
        self._mac_state = _number(last, "big")
        if not _same(last[:4], received):
            raise IntegrityError(NOT_AUTHENTIC)
        clear = opener(payload)
        first ^= _number(clear[:8], "big") ^ self._open_state
        self._open_state = _number(payload[-8:], "big")
        return first.to_bytes(8, "big") + clear[8:]

    def seal(self, front: bytes, clear: bytearray) -> bytes:
        sealer, mac = self._sealer, self._mac
        if sealer is None or mac is None:
            sealer, mac = self._made(self._series.chain)
            self._sealer = sealer
        if (len(front) | len(clear)) & 7 or not clear:
            raise EncodeError(_WHOLE_BLOCKS)
        first = _number(front[:8], "big")
        start = first ^ _number(clear[:8], "big") ^ self._seal_state
        payload = sealer(b"".join((start.to_bytes(8, "big"), clear[8:])))
        self._seal_state = _number(payload[-8:], "big")
        last = mac(b"".join(((first ^ self._mac_state).to_bytes(8, "big"), front[8:], payload)))[-8:]
        self._mac_state = _number(last, "big")
        return payload + last[:4]

    def wipe(self) -> None:
        self._mac = None
        super().wipe()

    def _made(self, make: Callable[[Octets], Context]) -> tuple[Context, Context]:
        """KBEK as ``make`` makes it, and KBMK."""
        protection = bytearray(self._protection.reveal())
        octets = protection.translate(_ENCIPHERMENT_VARIANT)
        context, mac = make(octets), self._mac
        if mac is None:
            octets[:] = protection.translate(_MAC_VARIANT)
            mac = self._mac = self._series.chain(octets)
        protection[:] = octets[:] = bytes(len(octets))
        self._series.wipe()
        return context, mac


class _Derivation(Bound):
    """The authenticator is the initialisation vector; live contexts go on as in the variant binding."""

    __slots__ = ("_authenticate", "_open_state", "_seal_state")
    _purpose = _ENCIPHERMENT

    def __init__(self, cipher: Cipher, protection: ClearKey) -> None:
        super().__init__(cipher, protection)
        self._authenticate: Callable[[bytes], bytes] | None = None
        self._open_state = self._seal_state = 0

    def open(self, front: bytes, payload: bytes, received: bytes) -> bytes:
        opener, authenticate = self._opener, self._authenticate
        if opener is None or authenticate is None:
            opener, authenticate = self._made(self._series.unchain)
            self._opener = opener
        size = len(received)
        if len(payload) % size or not payload:
            raise DecodeError(*_BROKEN)
        clear = opener(payload)
        first = _number(clear[:size], "big") ^ _number(received, "big") ^ self._open_state
        self._open_state = _number(payload[-size:], "big")
        clear = first.to_bytes(size, "big") + clear[size:]
        if not _same(authenticate(front + clear), received):
            raise IntegrityError(NOT_AUTHENTIC)
        return clear

    def seal(self, front: bytes, clear: bytearray) -> bytes:
        sealer, authenticate = self._sealer, self._authenticate
        if sealer is None or authenticate is None:
            sealer, authenticate = self._made(self._series.chain)
            self._sealer = sealer
        tag = authenticate(front + clear)
        size = len(tag)
        if len(clear) % size or not clear:
            raise EncodeError(_WHOLE_BLOCKS)
        first = _number(clear[:size], "big") ^ _number(tag, "big") ^ self._seal_state
        payload = sealer(b"".join((first.to_bytes(size, "big"), clear[size:])))
        self._seal_state = _number(payload[-size:], "big")
        return payload + tag

    def wipe(self) -> None:
        self._authenticate = None
        super().wipe()

    def _made(self, make: Callable[[Octets], Context]) -> tuple[Context, Callable[[bytes], bytes]]:
        """KBEK as ``make`` makes it, and KBMK."""
        series, name, size = self._series, self._cipher.value, len(self._protection)
        source = series.cmac(self._protection.reveal())
        octets = _derive(source, size, _INPUTS[self._purpose, name, size])
        context, authenticate = make(octets), self._authenticate
        if authenticate is None:
            octets[:] = _derive(source, size, _INPUTS[_AUTHENTICATION, name, size])
            authenticate = self._authenticate = series.cmac(octets)
        octets[:] = bytes(size)
        series.wipe()
        return context, authenticate


class _CounterMode(_Derivation):
    __slots__ = ()
    _purpose = _COUNTER_MODE

    def open(self, front: bytes, payload: bytes, received: bytes) -> bytes:
        count, authenticate = self._sealer, self._authenticate
        if count is None or authenticate is None:
            count, authenticate = self._made(self._series.encipher)
            self._sealer = count
        clear = _count(count, received, payload)
        if not _same(authenticate(front + clear), received):
            raise IntegrityError(NOT_AUTHENTIC)
        return clear

    def seal(self, front: bytes, clear: bytearray) -> bytes:
        count, authenticate = self._sealer, self._authenticate
        if count is None or authenticate is None:
            count, authenticate = self._made(self._series.encipher)
            self._sealer = count
        tag = authenticate(front + clear)
        return _count(count, tag, clear) + tag


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
    with _MAKERS[cipher](protection, Use.CMAC) as source:
        return (
            ClearKey(_derive(source.cmac, size, _INPUTS[purpose, name, size])),
            ClearKey(_derive(source.cmac, size, _INPUTS[_AUTHENTICATION, name, size])),
        )


def _derive(cmac: Callable[[bytes], bytes], size: int, inputs: tuple[bytes, ...]) -> bytearray:
    derived = bytearray().join(map(cmac, inputs))
    del derived[size:]  # of AES-192 the second block gives only half
    return derived


def _count(encipher: Context, counter: bytes, data: bytes | bytearray) -> bytes:
    """CTR mode from ``counter``, a whole block counted up (ISO/IEC 10116:2017, 10)."""
    size = len(counter)
    start, top = _number(counter, "big"), 1 << 8 * size
    blocks = -(-len(data) // size)
    stream = encipher(b"".join(((start + step) % top).to_bytes(size, "big") for step in range(blocks)))
    mixed = _number(stream[: len(data)], "big") ^ _number(data, "big")
    return mixed.to_bytes(len(data), "big")
