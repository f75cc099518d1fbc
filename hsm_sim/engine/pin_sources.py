# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Where PINs come from: blocks under keys, blocks under DUKPT keys, PINs under the LMK. Opens them for the engine.

Rule: whatever is wrong with an enciphered PIN, the refusal is one and the same (Reason.PIN_BLOCK): a host that could
tell a wrong length from a wrong fill digit could find a PIN by asking (Clulow, 2003).
"""

from collections.abc import Callable, Mapping
from typing import Any

from hsm_sim.engine import dukpt
from hsm_sim.engine.key_types import Use
from hsm_sim.engine.keyring import Keyring
from hsm_sim.engine.lmk_pins import open_lmk_pin
from hsm_sim.engine.pin_requests import PinSource, PinUnderDukpt, PinUnderKey, PinUnderLmk
from hsm_sim.engine.purpose import DECIPHERS, ENCIPHERS, Purpose
from hsm_sim.engine.refusal import Reason, Refused
from hsm_sim.engine.requests import EncipheredPin
from protocols.errors import DecodeError
from protocols.pin.iso9564 import Format, decipher_pin
from protocols.primitives import AesKey, BlockKey, TdesKey
from protocols.primitives import Use as CipherUse
from protocols.secret import ClearKey, Pin

RANDOM_OCTETS = 8


def _tdes(clear: ClearKey) -> BlockKey:
    return TdesKey(clear, CipherUse.ENCIPHER | CipherUse.DECIPHER)


def _aes(clear: ClearKey) -> BlockKey:
    return AesKey(clear, CipherUse.ENCIPHER | CipherUse.DECIPHER)


_ANY_PIN_KEY = Use.PIN_TERMINAL | Use.PIN_ZONE
OPENS_PIN_BLOCKS = Purpose(_ANY_PIN_KEY, DECIPHERS, _tdes, _aes)
CLOSES_PIN_BLOCKS = Purpose(_ANY_PIN_KEY, ENCIPHERS, _tdes, _aes)


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


def _under_key(keyring: Keyring, source: PinUnderKey) -> Pin:
    enabled(keyring, source.pin.format)
    return opened_block(keyring, keyring.use(source.key, OPENS_PIN_BLOCKS), source.pin)


def _under_dukpt(keyring: Keyring, source: PinUnderDukpt) -> Pin:
    enabled(keyring, source.pin.format)
    with dukpt.pin_key(keyring, source.bdk, source.ksn) as key:
        return opened_block(keyring, key, source.pin)


def _under_lmk(keyring: Keyring, source: PinUnderLmk) -> Pin:
    return open_lmk_pin(keyring, source.text, source.pan)


_OPENERS: Mapping[type, Callable[[Keyring, Any], Pin]] = {
    PinUnderKey: _under_key,
    PinUnderDukpt: _under_dukpt,
    PinUnderLmk: _under_lmk,
}
