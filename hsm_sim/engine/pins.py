# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Operations on PINs: translation and verification. Clear PINs live inside these functions only. Knows no wire."""

from collections.abc import Callable, Mapping
from typing import Any

from hsm_sim.engine.key_types import Use
from hsm_sim.engine.keyring import Keyring
from hsm_sim.engine.refusal import Reason, Refused
from hsm_sim.engine.requests import (
    EncipheredPin,
    KeyUnderLmk,
    Pvv,
    TranslatedPin,
    TranslatePin,
    VerifyDukptPinByPvv,
    VerifyPinByPvv,
)
from protocols.dukpt.tdes import Purpose, Receiver
from protocols.errors import DecodeError
from protocols.pin.iso9564 import Format, decipher_pin, encipher_pin
from protocols.pin.reference import verify_pvv
from protocols.primitives import TdesKey
from protocols.primitives import Use as CipherUse
from protocols.secret import ClearKey, Pin

ENABLED_FORMATS = frozenset({Format.ISO_0, Format.ISO_1, Format.ISO_3})
"""What may be enciphered for interchange under a TDES key (ISO 9564-1:2017, 9.3)."""
TRANSLATIONS = frozenset(
    {
        (Format.ISO_0, Format.ISO_0),
        (Format.ISO_0, Format.ISO_3),
        (Format.ISO_3, Format.ISO_3),
        (Format.ISO_3, Format.ISO_0),
        (Format.ISO_1, Format.ISO_0),
        (Format.ISO_1, Format.ISO_1),
        (Format.ISO_1, Format.ISO_3),
    }
)
"""ISO 9564-1:2017, 9.5: a block bound to an account must not lose that binding, so nothing turns into format 1."""
_RANDOM_OCTETS = 8
_ANY_PIN_KEY = Use.PIN_TERMINAL | Use.PIN_ZONE


def translate_pin(keyring: Keyring, request: TranslatePin) -> TranslatedPin:
    """A PIN block under another key; the PIN is judged before it goes on, so no garbage is passed along."""
    if request.format not in ENABLED_FORMATS or (request.pin.format, request.format) not in TRANSLATIONS:
        raise Refused(Reason.PIN_BLOCK_FORMAT_DISABLED)
    source = _pin_key(keyring, request.source)
    destination = _pin_key(keyring, request.destination, destination=True)
    with _opened(source, request.pin) as pin:
        random = b"" if request.format == Format.ISO_0 else keyring.random(_RANDOM_OCTETS)
        return TranslatedPin(encipher_pin(destination, request.format, pin, request.pin.pan, random), len(pin))


def verify_pin_by_pvv(keyring: Keyring, request: VerifyPinByPvv) -> bool:
    """Whether a PIN under a TPK or ZPK has the given PVV."""
    _enabled(request.pin)
    key = _pin_key(keyring, request.key)
    pvk = _pvk(keyring, request.reference)
    with _opened(key, request.pin) as pin:
        return verify_pvv(pvk, request.pin.pan, request.reference.index, pin, request.reference.value)


def verify_dukpt_pin_by_pvv(keyring: Keyring, request: VerifyDukptPinByPvv) -> bool:
    """Whether a PIN under the DUKPT key of a KSN has the given PVV. Receiving side of X9.24-1."""
    _enabled(request.pin)
    receiver = keyring.use(request.bdk, Use.DUKPT, _receiver)
    pvk = _pvk(keyring, request.reference)
    try:
        clear = receiver.working_key(request.ksn, Purpose.PIN)
    except DecodeError:
        raise Refused(Reason.INPUT) from None
    with clear, TdesKey(clear, CipherUse.DECIPHER) as key, _opened(key, request.pin) as pin:
        return verify_pvv(pvk, request.pin.pan, request.reference.index, pin, request.reference.value)


def _enabled(pin: EncipheredPin) -> None:
    if pin.format not in ENABLED_FORMATS:
        raise Refused(Reason.PIN_BLOCK_FORMAT_DISABLED)


def _opened(key: TdesKey, pin: EncipheredPin) -> Pin:
    try:
        return decipher_pin(key, pin.format, pin.block, pin.pan)
    except DecodeError:
        raise Refused(Reason.PIN_BLOCK) from None


def _pin_key(keyring: Keyring, key: KeyUnderLmk, *, destination: bool = False) -> TdesKey:
    return keyring.use(key, _ANY_PIN_KEY, _cipher, destination=destination)


def _pvk(keyring: Keyring, reference: Pvv) -> TdesKey:
    return keyring.use(reference.key, Use.PIN_VERIFICATION, _double_cipher, destination=True)


def _cipher(clear: ClearKey) -> TdesKey:
    return TdesKey(clear, CipherUse.ENCIPHER | CipherUse.DECIPHER)


def _double_cipher(clear: ClearKey) -> TdesKey:
    if len(clear) != 16:
        raise Refused(Reason.KEY_LENGTH)
    return TdesKey(clear, CipherUse.ENCIPHER)


def _receiver(clear: ClearKey) -> Receiver:
    if len(clear) != 16:
        raise Refused(Reason.KEY_LENGTH)
    return Receiver(clear)


OPERATIONS: Mapping[type, Callable[[Keyring, Any], Any]] = {
    TranslatePin: translate_pin,
    VerifyPinByPvv: verify_pin_by_pvv,
    VerifyDukptPinByPvv: verify_dukpt_pin_by_pvv,
}
