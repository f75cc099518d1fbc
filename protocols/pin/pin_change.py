# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Clear PIN blocks inside issuer scripts that change a card's offline PIN. Enciphers nothing and builds no script.

Hosts know them by the numbers of HSM manuals: 41 and 42 (Visa, without and with the current PIN), 35 (Mastercard).
"""

from protocols.errors import EncodeError
from protocols.pan import Pan
from protocols.pin.fields import DES_BLOCK, Shape, account_octets, add_account, opened, read_pin, wipe
from protocols.pin.iso9564 import SHAPE_0
from protocols.primitives import KeyOctets
from protocols.secret import ClearKey, ClearPinBlock, Pin, Secret

_SHAPE_2 = Shape(2, lambda nibble: nibble == 0xF, fill=0xF)


def encode_visa(new_pin: Pin, card_key: KeyOctets, current_pin: Pin | None = None) -> ClearPinBlock:
    """Clear 8-octet block 41, or 42 if the current PIN is given (Visa VIS, C.11). Issuer's side.

    ``card_key`` is the card's own 16-octet key for application cryptograms (UDK A and B): the right 4 octets of A join
    the new PIN's format 0 field, and the current PIN's digits join from the left.
    """
    field = SHAPE_0.write(new_pin)
    _add_visa(field, card_key, current_pin)
    return ClearPinBlock(field)


def decode_visa(block: ClearPinBlock, card_key: KeyOctets, current_pin: Pin | None = None) -> Pin:
    """The new PIN of a block 41 or 42; any content fault is one :class:`DecodeError`. The card's side."""
    field = opened(block)
    try:
        _add_visa(field, card_key, current_pin)
        return read_pin(field, SHAPE_0.check(field))
    finally:
        wipe(field)


def encode_mastercard(new_pin: Pin, pan: Pan) -> ClearPinBlock:
    """Clear 8-octet block 35: a format 2 field added to the account field. Issuer's side."""
    field = _SHAPE_2.write(new_pin)
    add_account(field, account_octets(pan))
    return ClearPinBlock(field)


def decode_mastercard(block: ClearPinBlock, pan: Pan) -> Pin:
    """The new PIN of a block 35; any content fault is one :class:`DecodeError`. The card's side."""
    field = opened(block)
    try:
        add_account(field, account_octets(pan))
        return read_pin(field, _SHAPE_2.check(field))
    finally:
        wipe(field)


def _add_visa(field: bytearray, card_key: KeyOctets, current_pin: Pin | None) -> None:
    with ClearKey(card_key.reveal() if isinstance(card_key, Secret) else memoryview(card_key)) as key:
        if len(key) != 2 * DES_BLOCK:
            raise EncodeError(f"card key of {len(key)} octets, {2 * DES_BLOCK} expected")
        for place, octet in enumerate(key.reveal()[4:DES_BLOCK], 4):
            field[place] ^= octet
    if current_pin is not None:
        for place, digit in enumerate(current_pin):
            field[place // 2] ^= digit if place & 1 else digit << 4
