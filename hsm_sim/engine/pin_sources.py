# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Where PINs come from: blocks under keys, blocks under DUKPT keys, PINs under the LMK. Opens them for the engine.

Rule: whatever is wrong with an enciphered PIN, the refusal is one and the same (Reason.PIN_BLOCK): a host that could
tell a wrong length from a wrong fill digit could find a PIN by asking (Clulow, 2003).
"""

from collections.abc import Callable, Mapping
from typing import Any

from hsm_sim.engine.key_types import Use
from hsm_sim.engine.keyring import Keyring
from hsm_sim.engine.lmk_pins import open_lmk_pin
from hsm_sim.engine.pin_requests import PinSource, PinUnderDukpt, PinUnderKey, PinUnderLmk
from hsm_sim.engine.refusal import Reason, Refused
from hsm_sim.engine.requests import EncipheredPin, KeyUnderLmk
from protocols.dukpt import aes, tdes
from protocols.dukpt.ksn import AesKsn, Ksn, TdesKsn
from protocols.errors import DecodeError
from protocols.pin.iso9564 import Format, decipher_pin
from protocols.primitives import AesKey, BlockKey, TdesKey
from protocols.primitives import Use as CipherUse
from protocols.secret import ClearKey, Pin

RANDOM_OCTETS = 8
ANY_PIN_KEY = Use.PIN_TERMINAL | Use.PIN_ZONE
_BOTH_WAYS = CipherUse.ENCIPHER | CipherUse.DECIPHER
_DOUBLE = 16


def enabled(keyring: Keyring, form: Format) -> None:
    """Refuse a format that the unit does not take."""
    if form not in keyring.policy.pin_formats:
        raise Refused(Reason.PIN_BLOCK_FORMAT_DISABLED)


def opened(keyring: Keyring, source: PinSource) -> Pin:
    """The clear PIN; the caller wipes it."""
    return _OPENERS[type(source)](keyring, source)


def opened_block(keyring: Keyring, key: BlockKey, pin: EncipheredPin) -> Pin:
    """The clear PIN of a block under a live key."""
    enabled(keyring, pin.format)
    fits_cipher(key, pin.format)
    try:
        return decipher_pin(key, pin.format, pin.block, pin.pan)
    except DecodeError:
        raise Refused(Reason.PIN_BLOCK) from None


def fits_cipher(key: BlockKey, form: Format) -> None:
    """Format 4 is for AES, the others are for TDES (ISO 9564-1:2017, 9.3, 9.4)."""
    if (form is Format.ISO_4) != isinstance(key, AesKey):
        raise Refused(Reason.PIN_BLOCK_FORMAT_DISABLED)


def pin_key(keyring: Keyring, key: KeyUnderLmk, *, destination: bool = False) -> BlockKey:
    """A TPK or ZPK as a live key."""
    return keyring.use(key, ANY_PIN_KEY, cipher, destination=destination)


def cipher(clear: ClearKey) -> BlockKey:
    """A key that enciphers and deciphers PIN blocks."""
    return TdesKey(clear, _BOTH_WAYS)


def dukpt_key(keyring: Keyring, bdk: KeyUnderLmk, ksn: Ksn) -> BlockKey:
    """The PIN key of a serial number as a live key, made for this call: the caller wipes it."""
    try:
        if isinstance(ksn, AesKsn):
            receiver = keyring.use(bdk, Use.DUKPT, aes_receiver)
            with receiver.working_key(ksn, aes.Usage.PIN_ENCRYPTION, aes.AES_128) as clear:
                return AesKey(clear, _BOTH_WAYS)
        if not isinstance(ksn, TdesKsn):
            raise Refused(Reason.INPUT)
        with keyring.use(bdk, Use.DUKPT, tdes_receiver).working_key(ksn, tdes.Purpose.PIN) as clear:
            return TdesKey(clear, _BOTH_WAYS)
    except DecodeError:
        raise Refused(Reason.INPUT) from None


def tdes_receiver(clear: ClearKey) -> tdes.Receiver:
    """A BDK on the receiving side of X9.24-1."""
    if len(clear) != _DOUBLE:
        raise Refused(Reason.KEY_LENGTH)
    return tdes.Receiver(clear)


def aes_receiver(clear: ClearKey) -> aes.Receiver:
    """A BDK on the receiving side of X9.24-3."""
    return aes.Receiver(clear)


def _under_key(keyring: Keyring, source: PinUnderKey) -> Pin:
    enabled(keyring, source.pin.format)
    return opened_block(keyring, pin_key(keyring, source.key), source.pin)


def _under_dukpt(keyring: Keyring, source: PinUnderDukpt) -> Pin:
    enabled(keyring, source.pin.format)
    with dukpt_key(keyring, source.bdk, source.ksn) as key:
        return opened_block(keyring, key, source.pin)


def _under_lmk(keyring: Keyring, source: PinUnderLmk) -> Pin:
    return open_lmk_pin(keyring, source.text, source.pan)


_OPENERS: Mapping[type, Callable[[Keyring, Any], Pin]] = {
    PinUnderKey: _under_key,
    PinUnderDukpt: _under_dukpt,
    PinUnderLmk: _under_lmk,
}
