# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Operations on data that is not a PIN: modes of ISO/IEC 10116 over TDES and AES keys. Knows no wire."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from hsm_sim.engine import dukpt
from hsm_sim.engine.data_requests import (
    Chained,
    DataKey,
    DecipherBlock,
    DecipherData,
    EncipherBlock,
    EncipherData,
    Mode,
    MoveData,
    Processed,
)
from hsm_sim.engine.key_types import Use
from hsm_sim.engine.keyring import Keyring
from hsm_sim.engine.purpose import DECIPHERS, ENCIPHERS, Purpose
from hsm_sim.engine.refusal import Reason, Refused
from protocols.octets import xor
from protocols.primitives import AesKey, BlockKey, TdesKey
from protocols.primitives import Use as CipherUse
from protocols.secret import ClearKey

LARGEST_DATA = 32_000
"""Octets in one request: what hosts are told to keep to, and some 50 ms of CFB with 8 bits."""
_BOTH_WAYS = CipherUse.ENCIPHER | CipherUse.DECIPHER | CipherUse.CHAIN


def _tdes(clear: ClearKey) -> BlockKey:
    return TdesKey(clear, _BOTH_WAYS)


def _aes(clear: ClearKey) -> BlockKey:
    return AesKey(clear, _BOTH_WAYS)


_ENCIPHERS_DATA = Purpose(Use.DATA, ENCIPHERS, _tdes, _aes)
_DECIPHERS_DATA = Purpose(Use.DATA, DECIPHERS, _tdes, _aes)
_ENCIPHERS_BLOCKS = Purpose(Use.BLOCK, ENCIPHERS, _tdes)
_DECIPHERS_BLOCKS = Purpose(Use.BLOCK, DECIPHERS, _tdes)


def encipher_data(keyring: Keyring, request: EncipherData) -> Processed:
    """Clear data under a key."""
    with _live(keyring, request.key, _ENCIPHERS_DATA) as key:
        return _encipher(key, request.how, request.data)


def decipher_data(keyring: Keyring, request: DecipherData) -> Processed:
    """The clear data again."""
    with _live(keyring, request.key, _DECIPHERS_DATA) as key:
        return _decipher(key, request.how, request.data)


def move_data(keyring: Keyring, request: MoveData) -> bytes:
    """From one key to another."""
    with _live(keyring, request.source, _DECIPHERS_DATA) as key:
        clear = _decipher(key, request.source_how, request.data).data
    with _live(keyring, request.destination, _ENCIPHERS_DATA, destination=True) as key:
        return _encipher(key, request.how, clear).data


def encipher_block(keyring: Keyring, request: EncipherBlock) -> bytes:
    """One block."""
    return keyring.use(request.key, _ENCIPHERS_BLOCKS).encipher(request.block)


def decipher_block(keyring: Keyring, request: DecipherBlock) -> bytes:
    """One block."""
    return keyring.use(request.key, _DECIPHERS_BLOCKS).decipher(request.block)


@contextmanager
def _live(
    keyring: Keyring, key: DataKey, purpose: Purpose[BlockKey], *, destination: bool = False
) -> Iterator[BlockKey]:
    if key.ksn is None:
        yield keyring.use(key.key, purpose, destination=destination)
    else:
        with dukpt.data_key(keyring, key.key, key.ksn) as made:
            yield made


def _encipher(key: BlockKey, how: Chained, data: bytes) -> Processed:
    iv = _checked(key, how, data)
    if how.mode is Mode.ECB:
        return Processed(key.encipher(data), None)
    if how.mode is Mode.CBC:
        made = key.cbc_encipher(iv, data)
        return Processed(made, made[-key.block_octets :])
    return _feed_back(key, how.mode, iv, data, enciphering=True)


def _decipher(key: BlockKey, how: Chained, data: bytes) -> Processed:
    iv = _checked(key, how, data)
    if how.mode is Mode.ECB:
        return Processed(key.decipher(data), None)
    if how.mode is Mode.CBC:
        return Processed(key.cbc_decipher(iv, data), data[-key.block_octets :])
    return _feed_back(key, how.mode, iv, data, enciphering=False)


def _checked(key: BlockKey, how: Chained, data: bytes) -> bytes:
    """The initial value, empty with ECB; refuses data and values of wrong lengths."""
    whole_blocks = how.mode in (Mode.ECB, Mode.CBC)
    if not data or len(data) > LARGEST_DATA or (whole_blocks and len(data) % key.block_octets):
        raise Refused(Reason.DATA_LENGTH)
    if (how.iv is None) != (how.mode is Mode.ECB) or (how.iv is not None and len(how.iv) != key.block_octets):
        raise Refused(Reason.INPUT)
    return how.iv or b""


def _feed_back(key: BlockKey, mode: Mode, iv: bytes, data: bytes, *, enciphering: bool) -> Processed:
    """CFB (ISO/IEC 10116:2017, 8): what was enciphered is fed back as the next input, octet by octet or in blocks."""
    step = 1 if mode is Mode.CFB_8 else key.block_octets
    register = iv
    made = bytearray()
    for start in range(0, len(data), step):
        piece = data[start : start + step]
        mixed = xor(piece, key.encipher(register)[: len(piece)])
        made += mixed
        register = (register + (mixed if enciphering else piece))[-key.block_octets :]
    return Processed(bytes(made), register)


OPERATIONS: Mapping[type, Callable[[Keyring, Any], Any]] = {
    EncipherData: encipher_data,
    DecipherData: decipher_data,
    MoveData: move_data,
    EncipherBlock: encipher_block,
    DecipherBlock: decipher_block,
}
