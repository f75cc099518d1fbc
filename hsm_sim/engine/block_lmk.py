# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""LMKs that wrap keys in Thales key blocks, TDES or AES, with their public TEST keys. Knows no wire.

A key block says what its key may do and authenticates that, so nothing rests on the type that a host claims: unwrapping
checks the block, permission the usage, algorithm and mode in it.
"""

import hashlib
from collections.abc import Callable
from typing import Any

from hsm_sim.engine.key_types import KeyType
from hsm_sim.engine.key_usages import USAGES, fits, judge
from hsm_sim.engine.purpose import Purpose
from hsm_sim.engine.refusal import Reason, Refused
from hsm_sim.engine.wrapping import WrappedKey, table_of
from protocols.errors import DecodeError, IntegrityError
from protocols.hsm.codes import KeyScheme
from protocols.hsm.key_block import BlockHeader, BlockKey, header_of
from protocols.mac import hmac_sha2
from protocols.primitives import TdesKey
from protocols.primitives import Use as CipherUse
from protocols.secret import ClearKey

TEST_TDES_LMK = "0123456789ABCDEF8080808080808080FEDCBA9876543210"
TEST_AES_LMK = "9B71333A13F9FAE72F9D0E2DAB4AD6784718012F9244033F3F26A2DE0C8AA11A"
TABLE_VARIANT = 0x54
"""On every octet of a TDES LMK that enciphers a decimalisation table; a unit's published tables show it."""


class BlockLmk:
    """A key block LMK of one identifier."""

    __slots__ = ("_block", "_check_value", "_octets", "_table", "authenticates", "lmk_id", "test")

    def __init__(self, lmk_id: str, octets: ClearKey, *, aes: bool, test: bool) -> None:
        """Takes ``octets`` over: 24 (or 16) of a TDES LMK, 32 (or 16, 24) of an AES LMK."""
        self.lmk_id = lmk_id
        self.test = test
        self.authenticates = True
        self._octets = octets
        self._block = BlockKey.aes(octets) if aes else BlockKey.tdes(octets)
        self._check_value = hashlib.sha256(octets.reveal()).digest()[:8]
        self._table = self._own_table_key if aes else self._published_table_key

    @classmethod
    def of_tdes_test_key(cls, lmk_id: str) -> "BlockLmk":
        """The public TDES TEST LMK."""
        return cls(lmk_id, ClearKey.from_hex(TEST_TDES_LMK), aes=False, test=True)

    @classmethod
    def of_aes_test_key(cls, lmk_id: str) -> "BlockLmk":
        """The public AES TEST LMK."""
        return cls(lmk_id, ClearKey.from_hex(TEST_AES_LMK), aes=True, test=True)

    def permits(self, wrapped: WrappedKey, kind: KeyType, purpose: Purpose[Any]) -> str:
        """The algorithm in the block; refuses a purpose that the block's usage or mode does not allow."""
        header = self.header(wrapped)
        if not USAGES.get(header.usage, purpose.use & ~purpose.use) & purpose.use:
            raise Refused(Reason.KEY_BLOCK_USAGE)
        if header.mode not in purpose.modes:
            raise Refused(Reason.KEY_BLOCK_MODE)
        return header.algorithm

    def header(self, wrapped: WrappedKey) -> BlockHeader:
        """What the block says, which :meth:`unwrap` authenticates; refuses keys of other schemes and other LMKs."""
        if wrapped.scheme is not KeyScheme.KEY_BLOCK:
            raise Refused(Reason.LMK_SCHEME)
        try:
            version, header = header_of(wrapped.cryptogram)
        except DecodeError:
            raise Refused(Reason.KEY_BLOCK_FORMAT) from None
        if version != self._block.version:
            raise Refused(Reason.LMK_SCHEME)
        if header.lmk != self.lmk_id:
            raise Refused(Reason.LMK_IDS)
        return header

    def unwrap(self, wrapped: WrappedKey, kind: KeyType) -> ClearKey:
        """The clear key of an authentic block that says of its key what the request does."""
        fits(self.header(wrapped), kind)
        return opened(self._block, wrapped.cryptogram)[1]

    def wrap(
        self,
        key: ClearKey,
        kind: KeyType,
        scheme: KeyScheme,
        header: BlockHeader | None,
        random: Callable[[int], bytes],
    ) -> WrappedKey:
        """A clear key with what its block shall say; there is no other form under this LMK."""
        if header is None or not kind.in_block:
            raise Refused(Reason.LMK_SCHEME)
        if scheme is not KeyScheme.KEY_BLOCK:
            raise Refused(Reason.KEY_SCHEME)
        judge(header, len(key))
        own = BlockHeader(
            header.usage, header.algorithm, header.mode, header.key_version, header.exportability, self.lmk_id
        )
        return WrappedKey(scheme, self._block.wrap(own, key, random))

    def derived(self, purpose: str) -> ClearKey:
        """HMAC-SHA-256 of the purpose under the LMK: own, no unit does this."""
        return ClearKey(bytearray(hmac_sha2(self._octets, purpose.encode("ascii"))))

    def check_value(self) -> bytes:
        """The left 8 octets of SHA-256 over the LMK; how a unit does it is not public."""
        return self._check_value

    def close_table(self, digits: str) -> str:
        """A decimalisation table as one enciphered block."""
        with self._table() as key:
            return key.encipher(bytes.fromhex(digits)).hex().upper()

    def open_table(self, text: str) -> str:
        """The way back; a text of another length is no table."""
        with self._table() as key:
            return key.decipher(table_of(text)).hex()

    def _published_table_key(self) -> TdesKey:
        octets = bytearray(octet ^ TABLE_VARIANT for octet in self._octets.reveal())
        key = TdesKey(octets, CipherUse.ENCIPHER | CipherUse.DECIPHER)
        octets[:] = bytes(len(octets))
        return key

    def _own_table_key(self) -> TdesKey:
        with self.derived("decimalisation tables") as clear:
            return TdesKey(clear.reveal()[:24], CipherUse.ENCIPHER | CipherUse.DECIPHER)


def opened(key: BlockKey, block: bytes) -> tuple[BlockHeader, ClearKey]:
    """Header and clear key of a block under any key; refuses what is none or does not authenticate."""
    try:
        return key.unwrap(block)
    except IntegrityError:
        raise Refused(Reason.KEY_BLOCK_AUTHENTICATION) from None
    except DecodeError:
        raise Refused(Reason.KEY_BLOCK_FORMAT) from None
