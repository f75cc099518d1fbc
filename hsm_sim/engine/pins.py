# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Operations on PINs between keys: translation, verification, keeping them under the LMK. Knows no wire.

Clear PINs live inside these functions only. Which block may become which is the table of
:mod:`protocols.pin.translation`: an account must not be lost or changed on the way (ISO 9564-1:2017, 9).
"""

import hmac
from collections.abc import Callable, Mapping
from typing import Any

from hsm_sim.engine import dukpt
from hsm_sim.engine.key_types import Use
from hsm_sim.engine.keyring import Keyring
from hsm_sim.engine.lmk_pins import close_lmk_pin, open_lmk_pin
from hsm_sim.engine.pin_requests import (
    IbmOffset,
    IbmScheme,
    KeepPin,
    MovePin,
    PinFromOldLmk,
    PinUnderLmk,
    Reference,
    SendPin,
    TranslateDukptPin,
    TranslatePinToDukpt,
    VerifyPin,
)
from hsm_sim.engine.pin_sources import (
    CLOSES_PIN_BLOCKS,
    OPENS_PIN_BLOCKS,
    RANDOM_OCTETS,
    enabled,
    fits_cipher,
    opened,
)
from hsm_sim.engine.purpose import GENERATES, VERIFIES, Purpose
from hsm_sim.engine.refusal import Reason, Refused
from hsm_sim.engine.requests import EncipheredPin, KeyUnderLmk, Pvv, TranslatedPin, TranslatePin
from hsm_sim.engine.tables import opened_table
from protocols.dukpt.ksn import Ksn
from protocols.errors import DecodeError
from protocols.pan import Pan
from protocols.pin.iso9564 import Format, encipher_pin
from protocols.pin.reference import verify_offset, verify_pvv
from protocols.pin.translation import translate_counted
from protocols.primitives import BlockKey, TdesKey
from protocols.primitives import Use as CipherUse
from protocols.secret import ClearKey, Pin

_VALIDATION_DIGITS = 16
_ISO_0 = Format.ISO_0  # on the hottest path: asking the enumeration each time would take as long as a comparison


def translate_pin(keyring: Keyring, request: TranslatePin) -> TranslatedPin:
    """A PIN block under another key; the PIN is judged before it goes on, so no garbage is passed along."""
    pin = request.pin
    _may_become(keyring, pin.format, request.format)
    source = keyring.use(request.source, OPENS_PIN_BLOCKS)
    destination = keyring.use(request.destination, CLOSES_PIN_BLOCKS, destination=True)
    return _translated(keyring, source, pin, destination, request.format)


def _translated(
    keyring: Keyring, source: BlockKey, pin: EncipheredPin, destination: BlockKey, form: Format
) -> TranslatedPin:
    if form is _ISO_0 and pin.format is _ISO_0:
        random = b""
    else:
        fits_cipher(source, pin.format)
        fits_cipher(destination, form)
        random = keyring.random(RANDOM_OCTETS)
    try:
        block, digits = translate_counted(source, pin.format, destination, form, pin.block, pin.pan, random)
    except DecodeError:
        raise Refused(Reason.PIN_BLOCK) from None
    return TranslatedPin(block, digits)


def translate_dukpt_pin(keyring: Keyring, request: TranslateDukptPin) -> TranslatedPin:
    """From a DUKPT key, to a ZPK or a DUKPT key."""
    pin = request.source.pin
    _may_become(keyring, pin.format, request.format)
    with dukpt.pin_key(keyring, request.source.bdk, request.source.ksn) as source:
        return _to(keyring, source, pin, request.destination, request.destination_ksn, request.format)


def translate_pin_to_dukpt(keyring: Keyring, request: TranslatePinToDukpt) -> TranslatedPin:
    """From a TPK to a DUKPT key."""
    pin = request.source.pin
    _may_become(keyring, pin.format, request.format)
    source = keyring.use(request.source.key, OPENS_PIN_BLOCKS)
    return _to(keyring, source, pin, request.destination, request.destination_ksn, request.format)


def _to(
    keyring: Keyring, source: BlockKey, pin: EncipheredPin, key: KeyUnderLmk, ksn: Ksn | None, form: Format
) -> TranslatedPin:
    if ksn is None:
        return _translated(keyring, source, pin, keyring.use(key, CLOSES_PIN_BLOCKS, destination=True), form)
    with dukpt.pin_key(keyring, key, ksn) as destination:
        return _translated(keyring, source, pin, destination, form)


def _may_become(keyring: Keyring, source: Format, destination: Format) -> None:
    if (source, destination) not in keyring.translations:
        raise Refused(Reason.PIN_BLOCK_FORMAT_DISABLED)


def verify_pin(keyring: Keyring, request: VerifyPin) -> bool:
    """Whether the PIN is the one; every comparison takes constant time."""
    reference = request.reference
    with opened(keyring, request.source) as pin:
        pan = request.source.pan if isinstance(request.source, PinUnderLmk) else request.source.pin.pan
        return matches(keyring, pin, reference, pan)


def matches(keyring: Keyring, pin: Pin, reference: Reference, pan: Pan) -> bool:
    """Whether a clear PIN of an account is the one that a reference stands for."""
    if isinstance(reference, Pvv):
        key = keyring.use(reference.key, CHECKS_PVV, destination=True)
        return verify_pvv(key, reference.pan or pan, reference.index, pin, reference.value)
    if isinstance(reference, IbmOffset):
        scheme = reference.scheme
        key, table = ibm_key(keyring, scheme, CHECKS_IBM_PIN), opened_table(keyring, scheme.table)
        if scheme.check_length > len(pin):
            return False
        if scheme.check_length > len(reference.value):
            raise Refused(Reason.INPUT)
        return verify_offset(key, table, scheme.validation_data, pin, reference.value, scheme.check_length)
    with open_lmk_pin(keyring, reference.text, reference.pan) as expected:
        return hmac.compare_digest(pin.reveal(), expected.reveal())


def keep_pin(keyring: Keyring, request: KeepPin) -> str:
    """From a key to the LMK."""
    with opened(keyring, request.source) as pin:
        return close_lmk_pin(keyring, pin, request.source.pin.pan)


def send_pin(keyring: Keyring, request: SendPin) -> bytes:
    """From the LMK to a ZPK; the account is bound in both, so only formats that bind it too are given."""
    enabled(keyring, request.format)
    if request.format is Format.ISO_1:
        raise Refused(Reason.PIN_BLOCK_FORMAT_DISABLED)
    key = keyring.use(request.key, CLOSES_PIN_BLOCKS, destination=True)
    fits_cipher(key, request.format)
    with open_lmk_pin(keyring, request.source.text, request.source.pan) as pin:
        random = b"" if request.format is Format.ISO_0 else keyring.random(RANDOM_OCTETS)
        return encipher_pin(key, request.format, pin, request.source.pan, random)


def move_pin(keyring: Keyring, request: MovePin) -> str:
    """To another account, where the unit's owner permits that."""
    if not keyring.policy.account_change:
        raise Refused(Reason.NOT_PERMITTED)
    with open_lmk_pin(keyring, request.source.text, request.source.pan) as pin:
        return close_lmk_pin(keyring, pin, request.pan)


def pin_from_old_lmk(keyring: Keyring, request: PinFromOldLmk) -> str:
    """From the LMK before to the one in force."""
    with open_lmk_pin(keyring, request.source.text, request.source.pan, old=True) as pin:
        return close_lmk_pin(keyring, pin, request.source.pan)


def ibm_key(keyring: Keyring, scheme: IbmScheme, purpose: Purpose[TdesKey], *, first: bool = False) -> TdesKey:
    """A PVK of any length, for 16 digits of validation data; ``first`` where no PIN key comes before it."""
    if len(scheme.validation_data) != _VALIDATION_DIGITS:
        raise Refused(Reason.INPUT)
    return keyring.use(scheme.key, purpose, destination=not first)


def _double(clear: ClearKey) -> TdesKey:
    if len(clear) != 16:
        raise Refused(Reason.KEY_LENGTH)
    return _any_length(clear)


def _any_length(clear: ClearKey) -> TdesKey:
    return TdesKey(clear, CipherUse.ENCIPHER)


CHECKS_PVV = Purpose(Use.PVV, VERIFIES, _double)
MAKES_PVV = Purpose(Use.PVV, GENERATES, _double)
CHECKS_IBM_PIN = Purpose(Use.IBM_PIN, VERIFIES, _any_length)
MAKES_IBM_PIN = Purpose(Use.IBM_PIN, GENERATES, _any_length)

OPERATIONS: Mapping[type, Callable[[Keyring, Any], Any]] = {
    TranslatePin: translate_pin,
    TranslateDukptPin: translate_dukpt_pin,
    TranslatePinToDukpt: translate_pin_to_dukpt,
    VerifyPin: verify_pin,
    KeepPin: keep_pin,
    SendPin: send_pin,
    MovePin: move_pin,
    PinFromOldLmk: pin_from_old_lmk,
}
GUESSES = frozenset({VerifyPin})
