# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Operations of a PIN issuer: random and derived PINs, PVVs and offsets, PIN change, clear PINs. Knows no wire."""

from collections.abc import Callable, Mapping
from typing import Any

from hsm_sim.engine.keyring import Keyring
from hsm_sim.engine.lmk_pins import close_lmk_pin, open_lmk_pin
from hsm_sim.engine.pin_requests import (
    ChangePin,
    DerivePin,
    IbmScheme,
    KeepClearPin,
    MakeOffset,
    MakePvv,
    PinSource,
    PinUnderLmk,
    RandomPin,
    RevealPin,
)
from hsm_sim.engine.pin_sources import OPENS_PIN_BLOCKS, opened, opened_block
from hsm_sim.engine.pins import MAKES_IBM_PIN, MAKES_PVV, ibm_key, matches
from hsm_sim.engine.refusal import Reason, Refused
from hsm_sim.engine.requests import EncipheredPin, Pvv
from hsm_sim.engine.tables import opened_table
from protocols.errors import DecodeError
from protocols.pan import Pan
from protocols.pin.reference import offset, pin_from_offset, pvv
from protocols.secret import PIN_DIGITS, Pin

_DIGITS_FROM_OCTET = 250  # octets below it give each digit equally often
_TRIES = 100  # random PINs drawn before giving up on a list that excludes nearly all


def random_pin(keyring: Keyring, request: RandomPin) -> str:
    """A PIN whose digits are all equally likely, none of the excluded ones."""
    if request.digits not in PIN_DIGITS or request.digits > keyring.policy.pin_length:
        raise Refused(Reason.PIN_LENGTH)
    for _ in range(_TRIES):
        with _drawn(keyring, request.digits) as pin:
            if not _is_excluded(keyring, pin, request.excluded):
                return close_lmk_pin(keyring, pin, request.pan)
    raise Refused(Reason.EXCLUDED_PIN)


def _drawn(keyring: Keyring, count: int) -> Pin:
    digits = bytearray()
    while len(digits) < count:
        digits += bytes(octet % 10 for octet in keyring.random(count) if octet < _DIGITS_FROM_OCTET)
    del digits[count:]
    return Pin(digits)


def keep_clear_pin(keyring: Keyring, request: KeepClearPin) -> str:
    """A clear PIN under the LMK, where the unit's owner lets clear PINs in."""
    if not keyring.policy.clear_pins:
        raise Refused(Reason.NOT_AUTHORISED)
    with request.pin as pin:
        return close_lmk_pin(keyring, pin, request.pan)


def reveal_pin(keyring: Keyring, request: RevealPin) -> Pin:
    """A clear PIN, where the unit's owner lets clear PINs out."""
    if not keyring.policy.clear_pins:
        raise Refused(Reason.NOT_AUTHORISED)
    return open_lmk_pin(keyring, request.source.text, request.source.pan)


def make_pvv(keyring: Keyring, request: MakePvv) -> str:
    """The PVV of a PIN."""
    with opened(keyring, request.source) as pin:
        _refuse_excluded(keyring, pin, request.excluded)
        first = isinstance(request.source, PinUnderLmk)
        return _pvv(keyring, pin, request.reference, _account(request.source), first=first)


def make_offset(keyring: Keyring, request: MakeOffset) -> str:
    """The offset of a PIN."""
    with opened(keyring, request.source) as pin:
        _refuse_excluded(keyring, pin, request.excluded)
        return _offset(keyring, pin, request.scheme, first=isinstance(request.source, PinUnderLmk))


def derive_pin(keyring: Keyring, request: DerivePin) -> str:
    """The PIN that an offset stands for, as many digits as are checked."""
    scheme, value = request.offset.scheme, request.offset.value
    key, table = ibm_key(keyring, scheme, MAKES_IBM_PIN, first=True), opened_table(keyring, scheme.table)
    if len(value) < scheme.check_length:
        raise Refused(Reason.PIN_LENGTH_MISMATCH)
    try:
        pin = pin_from_offset(key, table, scheme.validation_data, value[: scheme.check_length])
    except DecodeError:
        raise Refused(Reason.PIN_LENGTH) from None
    with pin:
        _refuse_excluded(keyring, pin, request.excluded)
        return close_lmk_pin(keyring, pin, request.pan)


def change_pin(keyring: Keyring, request: ChangePin) -> str | None:
    """The reference of the new PIN once the current one is proved; both blocks are under one key and account."""
    current = request.current
    account = current.pin.pan
    with opened(keyring, current) as pin:
        if not matches(keyring, pin, request.reference, account):
            return None
    new_block = EncipheredPin(request.new_block, current.pin.format, account)
    with opened_block(keyring, keyring.use(current.key, OPENS_PIN_BLOCKS), new_block) as pin:
        _refuse_excluded(keyring, pin, request.excluded)
        if isinstance(request.reference, Pvv):
            return _pvv(keyring, pin, request.reference, account)
        return _offset(keyring, pin, request.reference.scheme)


def _pvv(keyring: Keyring, pin: Pin, reference: Pvv, account: Pan, *, first: bool = False) -> str:
    key = keyring.use(reference.key, MAKES_PVV, destination=not first)
    return pvv(key, reference.pan or account, reference.index, pin)


def _offset(keyring: Keyring, pin: Pin, scheme: IbmScheme, *, first: bool = False) -> str:
    key, table = ibm_key(keyring, scheme, MAKES_IBM_PIN, first=first), opened_table(keyring, scheme.table)
    if not PIN_DIGITS.start <= scheme.check_length <= len(pin):
        raise Refused(Reason.PIN_LENGTH_MISMATCH)
    return offset(key, table, scheme.validation_data, pin, scheme.check_length)


def _account(source: PinSource) -> Pan:
    return source.pan if isinstance(source, PinUnderLmk) else source.pin.pan


def _refuse_excluded(keyring: Keyring, pin: Pin, more: tuple[str, ...]) -> None:
    if _is_excluded(keyring, pin, more):
        raise Refused(Reason.EXCLUDED_PIN)


def _is_excluded(keyring: Keyring, pin: Pin, more: tuple[str, ...]) -> bool:
    """Whether a PIN is in the unit's list or the request's; lists are public, so nothing is hidden by their order."""
    text = "".join(map(str, pin))
    return text in keyring.policy.excluded_pins or text in more


OPERATIONS: Mapping[type, Callable[[Keyring, Any], Any]] = {
    RandomPin: random_pin,
    KeepClearPin: keep_clear_pin,
    RevealPin: reveal_pin,
    MakePvv: make_pvv,
    MakeOffset: make_offset,
    DerivePin: derive_pin,
    ChangePin: change_pin,
}
GUESSES = frozenset({ChangePin})
