# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""UnionPay PIN blocks under SM4, in both variants that acquirers use. Not ISO 9564 format 4; judges no translation.

UnionPay's 8-octet block (Q/CUP 006.4: a format 0 field, with or without the account number, as field 53 says) had to
grow to SM4's 16 octets. Some banks make the field itself 16 octets, others put zeros behind the old block. The octets
do not say which, so the acquirer's profile must.
"""

from enum import Enum
from hmac import compare_digest

from protocols.errors import DecodeError
from protocols.pan import Pan
from protocols.pin.fields import (
    DES_BLOCK,
    ZERO_BLOCK,
    Shape,
    account_octets,
    add_account,
    check_key,
    content_fault,
    deciphered,
    read_pin,
    wipe,
)
from protocols.pin.iso9564 import SHAPE_0
from protocols.primitives import BlockKey, Octets
from protocols.secret import ClearPinBlock, Pin

SM4_BLOCK = 16


class Variant(Enum):
    """How 8 octets became 16."""

    WHOLE_FIELD = "the field has 16 octets, fill F to the end, account number at its right end"
    ZERO_FILLED = "the 8-octet block with 8 zero octets behind"


_WHOLE = Shape(0, lambda nibble: nibble == 0xF, fill=0xF, octets=SM4_BLOCK)


def encode(pin: Pin, pan: Pan | None, variant: Variant) -> ClearPinBlock:
    """Clear 16-octet block; ``pan`` None makes the form without account number. Originating side."""
    field = (_WHOLE if variant is Variant.WHOLE_FIELD else SHAPE_0).write(pin)
    if pan is not None:
        add_account(field, account_octets(pan))
    if variant is Variant.WHOLE_FIELD:
        return ClearPinBlock(field)
    whole = bytearray(SM4_BLOCK)
    whole[:DES_BLOCK] = field
    wipe(field)
    return ClearPinBlock(whole)


def decode(block: ClearPinBlock, pan: Pan | None, variant: Variant) -> Pin:
    """The PIN of a clear block; any content fault is one :class:`DecodeError`. Receiving side."""
    if len(block) != SM4_BLOCK:
        raise DecodeError("PIN block", f"{len(block)} octets, {SM4_BLOCK} expected")
    shape, view = _WHOLE, block.reveal()
    zeros = True
    if variant is Variant.ZERO_FILLED:
        zeros = compare_digest(view[DES_BLOCK:], ZERO_BLOCK)
        shape, view = SHAPE_0, view[:DES_BLOCK]
    field = bytearray(view)
    try:
        if pan is not None:
            add_account(field, account_octets(pan))
        if not (shape.holds(field) and zeros):
            raise content_fault()
        return read_pin(field, field[0] & 0x0F)
    finally:
        wipe(field)


def encipher(key: BlockKey, pin: Pin, pan: Pan | None, variant: Variant) -> bytes:
    """The PIN as one enciphered SM4 block. Originating side."""
    check_key(key, SM4_BLOCK)
    with encode(pin, pan, variant) as block:
        return key.encipher(block.reveal())


def decipher(key: BlockKey, block: Octets, pan: Pan | None, variant: Variant) -> Pin:
    """The PIN of one enciphered SM4 block; any content fault is one :class:`DecodeError`. Receiving side."""
    check_key(key, SM4_BLOCK)
    with ClearPinBlock(deciphered(key, block)) as clear:
        return decode(clear, pan, variant)
