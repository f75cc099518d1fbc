# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""BDKs in use: the keys of key serial numbers on the receiving side, as live keys. Holds no counter of a device."""

from hsm_sim.engine.key_types import Use
from hsm_sim.engine.keyring import Keyring
from hsm_sim.engine.purpose import DERIVES, Purpose
from hsm_sim.engine.refusal import Reason, Refused
from hsm_sim.engine.requests import KeyUnderLmk
from protocols.dukpt import aes, tdes
from protocols.dukpt.ksn import AesKsn, Ksn, TdesKsn
from protocols.errors import DecodeError
from protocols.primitives import AesKey, BlockKey, TdesKey
from protocols.primitives import Use as CipherUse
from protocols.secret import ClearKey

_DOUBLE = 16
_BOTH_WAYS = CipherUse.ENCIPHER | CipherUse.DECIPHER
_DATA = _BOTH_WAYS | CipherUse.CHAIN


def _tdes_receiver(clear: ClearKey) -> tdes.Receiver | aes.Receiver:
    if len(clear) != _DOUBLE:
        raise Refused(Reason.KEY_LENGTH)
    return tdes.Receiver(clear)


def _aes_receiver(clear: ClearKey) -> tdes.Receiver | aes.Receiver:
    return aes.Receiver(clear)


_RECEIVER = Purpose(Use.DUKPT, DERIVES, _tdes_receiver, _aes_receiver)


def _receiver(keyring: Keyring, bdk: KeyUnderLmk) -> tdes.Receiver | aes.Receiver:
    return keyring.use(bdk, _RECEIVER)


def initial_key(keyring: Keyring, bdk: KeyUnderLmk, ksn: Ksn) -> ClearKey:
    """A device's initial key (X9.24-1; X9.24-3 for an AES serial number), to be loaded into it; the caller wipes it."""
    receiver = _receiver(keyring, bdk)
    try:
        if isinstance(receiver, tdes.Receiver) and isinstance(ksn, TdesKsn):
            return receiver.initial_key(ksn)
        if isinstance(receiver, aes.Receiver) and isinstance(ksn, AesKsn):
            return receiver.initial_key(ksn)
    except DecodeError:
        raise Refused(Reason.INPUT) from None
    raise Refused(Reason.KEY_BLOCK_ALGORITHM)


def pin_key(keyring: Keyring, bdk: KeyUnderLmk, ksn: Ksn) -> BlockKey:
    """The PIN key of a serial number as a live key, made for this call: the caller wipes it."""
    receiver = _receiver(keyring, bdk)
    try:
        if isinstance(receiver, tdes.Receiver) and isinstance(ksn, TdesKsn):
            with receiver.working_key(ksn, tdes.Purpose.PIN) as clear:
                return TdesKey(clear, _BOTH_WAYS)
        if isinstance(receiver, aes.Receiver) and isinstance(ksn, AesKsn):
            with receiver.working_key(ksn, aes.Usage.PIN_ENCRYPTION, aes.AES_128) as clear:
                return AesKey(clear, _BOTH_WAYS)
    except DecodeError:
        raise Refused(Reason.INPUT) from None
    raise Refused(Reason.KEY_BLOCK_ALGORITHM)


def mac_key(keyring: Keyring, bdk: KeyUnderLmk, ksn: TdesKsn) -> ClearKey:
    """The key for MACs of requests of a serial number; the caller wipes it."""
    return _tdes_working_key(keyring, bdk, ksn, tdes.Purpose.MAC_REQUEST)


def data_key(keyring: Keyring, bdk: KeyUnderLmk, ksn: TdesKsn) -> BlockKey:
    """The key for data of requests of a serial number as a live key: the caller wipes it."""
    with _tdes_working_key(keyring, bdk, ksn, tdes.Purpose.DATA_REQUEST) as clear:
        return TdesKey(clear, _DATA)


def _tdes_working_key(keyring: Keyring, bdk: KeyUnderLmk, ksn: TdesKsn, purpose: tdes.Purpose) -> ClearKey:
    receiver = _receiver(keyring, bdk)
    if not isinstance(receiver, tdes.Receiver):
        raise Refused(Reason.KEY_BLOCK_ALGORITHM)
    try:
        return receiver.working_key(ksn, purpose)
    except DecodeError:
        raise Refused(Reason.INPUT) from None
