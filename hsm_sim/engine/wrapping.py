# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Keys under other keys: the variant method and ANSI X9.17, and the variant LMK with its public TEST set. No wire.

A wrapping key of 16 octets gets variants by exclusive or on single octets:

* scheme U and T: octet 8 (the first of the right half) with A6, 5A for the halves, 6A, DE, 2B for the thirds of the
  wrapped key; each part of 8 octets is then enciphered on its own (TDES, ECB);
* schemes X, Y and Z use the wrapping key as it is;
* under the LMK the key type's variant comes on top, on octet 0 of the LMK pair.

Verified bit for bit against what two independent simulators publish for the TEST set.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from hsm_sim.engine.key_types import KeyType
from hsm_sim.engine.purpose import TDES, Purpose
from hsm_sim.engine.refusal import Reason, Refused
from protocols.hsm.codes import KeyScheme
from protocols.hsm.key_block import BlockHeader
from protocols.mac import hmac_sha2
from protocols.octets import unhex
from protocols.primitives import TdesKey
from protocols.primitives import Use as CipherUse
from protocols.secret import ClearKey

TYPE_VARIANTS = bytes.fromhex("00A65A6ADE2B50749CFA")
"""On octet 0 of the LMK pair, by the variant digit of the key type."""
SCHEME_VARIANTS = {
    KeyScheme.SINGLE: b"\x00",
    KeyScheme.DOUBLE: b"\xa6\x5a",
    KeyScheme.TRIPLE: b"\x6a\xde\x2b",
    KeyScheme.DOUBLE_X917: b"\x00\x00",
    KeyScheme.TRIPLE_X917: b"\x00\x00\x00",
}
"""On octet 8 of the wrapping key, one for each 8 octets of the wrapped key."""

TABLE_OCTETS = 8

TEST_LMK_PAIRS = (
    "40404040404040405151515151515151",
    "61616161616161617070707070707070",
    "E0E0010101010101F1F1010101010101",
    "1C587F1C13924FEF0101010101010101",
    "01010101010101010101010101010101",
    "02020202020202020404040404040404",
    "07070707070707071010101010101010",
    "13131313131313131515151515151515",
    "16161616161616161919191919191919",
    "1A1A1A1A1A1A1A1A1C1C1C1C1C1C1C1C",
    "23232323232323232525252525252525",
    "26262626262626262929292929292929",
    "2A2A2A2A2A2A2A2A2C2C2C2C2C2C2C2C",
    "2F2F2F2F2F2F2F2F3131313131313131",
    "01010101010101010101010101010101",
)
"""The TEST LMK set that open simulators share, pairs 04-05 to 32-33 and on. Public, so it protects nothing."""

OLD_TEST_LMK_PAIRS = (
    "404040404040404F5151515151515151",
    "616161616161616E7070707070707070",
    "E0E001010101010EF1F1010101010101",
    "1C587F1C13924FFE0101010101010101",
    "010101010101010E0101010101010101",
    "020202020202020E0404040404040404",
    "070707070707070E1010101010101010",
    "131313131313131F1515151515151515",
    "161616161616161F1919191919191919",
    "1A1A1A1A1A1A1A1F1C1C1C1C1C1C1C1C",
    "232323232323232F2525252525252525",
    "262626262626262F2929292929292929",
    "2A2A2A2A2A2A2A2F2C2C2C2C2C2C2C2C",
    "2F2F2F2F2F2F2FFE3131313131313131",
    "010101010101010E0101010101010101",
)
"""The set that one of these simulators has for keys from before a change of LMK."""


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A key under another key: how, and its cryptogram."""

    scheme: KeyScheme
    cryptogram: bytes


class WrappingKey:
    """A key that wraps others: one context for each variant of octet 8, made at need. Bound to one thread."""

    __slots__ = ("_contexts", "_octets")

    def __init__(self, octets: ClearKey) -> None:
        """Take over a key of 16 or 24 octets; 8 octets are used as both halves, as old zone keys are."""
        if len(octets) not in (8, 16, 24):
            raise Refused(Reason.KEY_LENGTH)
        self._octets = octets if len(octets) > 8 else ClearKey(bytearray(bytes(octets.reveal()) * 2))
        self._contexts: dict[int, TdesKey] = {}

    def wrap(self, key: ClearKey, scheme: KeyScheme) -> WrappedKey:
        """``key`` under this one; refuses a scheme of another length."""
        if scheme not in SCHEME_VARIANTS:
            raise Refused(Reason.KEY_SCHEME)
        clear = key.reveal()
        if len(clear) != scheme.octets:
            raise Refused(Reason.KEY_LENGTH)
        pieces = [
            self._variant(variant).encipher(clear[8 * part : 8 * part + 8])
            for part, variant in enumerate(SCHEME_VARIANTS[scheme])
        ]
        return WrappedKey(scheme, b"".join(pieces))

    def unwrap(self, wrapped: WrappedKey) -> ClearKey:
        """The clear key; its parity is the caller's to check."""
        if wrapped.scheme not in SCHEME_VARIANTS:
            raise Refused(Reason.KEY_SCHEME)
        octets = bytearray()
        for part, variant in enumerate(SCHEME_VARIANTS[wrapped.scheme]):
            octets += self._variant(variant).decipher(wrapped.cryptogram[8 * part : 8 * part + 8])
        return ClearKey(octets)

    def with_variant(self, variant: int) -> "WrappingKey":
        """The same key with ``variant`` on the first octet of each half, as Atalla HSMs put it on theirs."""
        octets = bytearray(self._octets.reveal())
        for start in range(0, len(octets), 8):
            octets[start] ^= variant
        return WrappingKey(ClearKey(octets))

    def _variant(self, variant: int) -> TdesKey:
        context = self._contexts.get(variant)
        if context is None:
            octets = bytearray(self._octets.reveal())
            octets[8] ^= variant
            context = self._contexts[variant] = TdesKey(octets, CipherUse.ENCIPHER | CipherUse.DECIPHER)
            octets[:] = bytes(len(octets))
        return context


class VariantLmk:
    """A variant LMK: wraps each key under the pair and variant of its type."""

    __slots__ = ("_check_value", "_keys", "_pairs", "authenticates", "test")

    def __init__(self, pairs: Sequence[ClearKey], *, test: bool) -> None:
        """``pairs`` from 04-05 on, 16 octets each; ``test`` says that they are publicly known."""
        self._pairs = tuple(pairs)
        self._keys: dict[str, WrappingKey] = {}
        octets = self.octets()
        self._check_value = hashlib.sha256(octets).digest()[:8]
        octets[:] = bytes(len(octets))
        self.test = test
        self.authenticates = False

    @classmethod
    def of_test_keys(cls) -> "VariantLmk":
        """The LMK of the public TEST set."""
        return cls([ClearKey.from_hex(pair) for pair in TEST_LMK_PAIRS], test=True)

    @classmethod
    def of_old_test_keys(cls) -> "VariantLmk":
        """The public TEST set that plays the LMK before a change of LMK."""
        return cls([ClearKey.from_hex(pair) for pair in OLD_TEST_LMK_PAIRS], test=True)

    def permits(self, wrapped: WrappedKey, kind: KeyType, purpose: Purpose[Any]) -> str:
        """The type that the key is said to have decides: unwrapping it as another type gives noise."""
        kind.permits(purpose.use)
        return TDES

    def header(self, wrapped: WrappedKey) -> BlockHeader | None:
        """None: no key block under this LMK."""
        return None

    def wrap(
        self,
        key: ClearKey,
        kind: KeyType,
        scheme: KeyScheme,
        header: BlockHeader | None = None,
        random: Callable[[int], bytes] = bytes,
    ) -> WrappedKey:
        """``key`` as one of type ``kind``; nothing here takes randomness."""
        if header is not None:
            raise Refused(Reason.LMK_SCHEME)
        return self._key(kind).wrap(key, scheme)

    def unwrap(self, wrapped: WrappedKey, kind: KeyType) -> ClearKey:
        """The clear key if ``wrapped`` is one of type ``kind``; otherwise noise, which parity betrays."""
        if wrapped.scheme not in SCHEME_VARIANTS:
            raise Refused(Reason.NOT_STORED if wrapped.scheme is KeyScheme.STORED else Reason.LMK_SCHEME)
        return self._key(kind).unwrap(wrapped)

    def derived(self, purpose: str) -> ClearKey:
        """HMAC-SHA-256 of the purpose under all pairs in a row: own, no unit does this."""
        octets = self.octets()
        made = ClearKey(bytearray(hmac_sha2(octets, purpose.encode("ascii"))))
        octets[:] = bytes(len(octets))
        return made

    def check_value(self) -> bytes:
        """The left 8 octets of SHA-256 over all pairs; how a unit does it is not public."""
        return self._check_value

    def close_table(self, digits: str) -> str:
        """One block under a key of this LMK's own: own, no public source says what units do under a variant LMK."""
        with self._table_key() as key:
            return key.encipher(bytes.fromhex(digits)).hex().upper()

    def open_table(self, text: str) -> str:
        """The way back; a text of another length is no table."""
        with self._table_key() as key:
            return key.decipher(table_of(text)).hex()

    def _table_key(self) -> TdesKey:
        with self.derived("decimalisation tables") as clear:
            return TdesKey(clear.reveal()[:24], CipherUse.ENCIPHER | CipherUse.DECIPHER)

    def octets(self) -> bytearray:
        """All pairs in a row, for the check value; the caller wipes them."""
        joined = bytearray()
        for pair in self._pairs:
            joined += pair.reveal()
        return joined

    def _key(self, kind: KeyType) -> WrappingKey:
        wrapping = self._keys.get(kind.code)
        if wrapping is None:
            if kind.in_block:
                raise Refused(Reason.KEY_TYPE)
            octets = bytearray(self._pairs[kind.pair].reveal())
            octets[0] ^= TYPE_VARIANTS[kind.variant]
            wrapping = self._keys[kind.code] = WrappingKey(ClearKey(octets))
        return wrapping


def table_of(text: str) -> bytes:
    """An enciphered decimalisation table as a block; a text of another length is none."""
    block = unhex(text, "decimalisation table")
    if len(block) != TABLE_OCTETS:
        raise Refused(Reason.DECIMALISATION_TABLE)
    return block
