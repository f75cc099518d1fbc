# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""PIN blocks of ISO 9564-1:2017, formats 0 to 4, clear and enciphered. Draws no randomness; judges no translation.

Formats 0 to 3 are 8 octets, enciphered as one TDES block; format 4 is a 16-octet PIN field, enciphered, added to a PAN
field and enciphered again. Where a format has random fill the caller gives 8 fresh random octets for every block.

Decoding has one error for every content fault (control nibble, length, digit, fill): an attacker who can submit blocks
must not learn which. A block of the wrong size is told apart, since its sender sees that much anyway.
"""

from collections.abc import Callable
from enum import IntEnum

from protocols.errors import DecodeError, EncodeError
from protocols.pan import Pan
from protocols.pin.fields import (
    DES_BLOCK,
    RANDOM_OCTETS,
    ZERO_BLOCK,
    Shape,
    account_octets,
    add_account,
    check_key,
    check_random,
    deciphered,
    opened,
    read_pin,
    wipe,
)
from protocols.primitives import BlockKey, Octets
from protocols.secret import PIN_DIGITS, ClearPinBlock, Pin

AES_BLOCK = 16
FORMAT_4_PAN_DIGITS = range(8, 20)
"""ISO 9564-1:2017, 9.4.2: 12 to 19 digits; a shorter PAN is zero-filled to 12 and its length nibble is 0."""


class Format(IntEnum):
    """PIN block formats by their control nibble (ISO 9564-1:2017, 9.3 and 9.4), and forms that hosts know by number."""

    ISO_0 = 0
    ISO_1 = 1
    ISO_2 = 2
    ISO_3 = 3
    ISO_4 = 4
    MASTERCARD_PIN_CHANGE = 35
    VISA_PIN_CHANGE = 41
    VISA_PIN_CHANGE_WITH_CURRENT = 42


SHAPE_0 = Shape(0, lambda nibble: nibble == 0xF, fill=0xF)
_SHAPE_2 = Shape(2, lambda nibble: nibble == 0xF, fill=0xF)
_SHAPE_3 = Shape(3, lambda nibble: nibble >= 0xA, fill=0xA)
_SHAPE_4 = Shape(4, lambda nibble: nibble == 0xA, fill=0xA)
_SHAPE_1 = Shape(1, lambda nibble: nibble == 0xF, fill=0xF)  # its fill is free: see decode_format_1
_FILLS_3 = bytes((0xA + pair // 6) << 4 | (0xA + pair % 6) for pair in range(36))


def encode_format_0(pin: Pin, pan: Pan) -> ClearPinBlock:
    """Clear 8-octet block of format 0, PIN field added to account field (9.3.2). Originating side."""
    field = SHAPE_0.write(pin)
    add_account(field, account_octets(pan))
    return ClearPinBlock(field)


def decode_format_0(block: ClearPinBlock, pan: Pan) -> Pin:
    """The PIN of a clear format 0 block (9.3.2); any content fault is one :class:`DecodeError`. Receiving side."""
    return _judge(opened(block), SHAPE_0, pan)


def encode_format_1(pin: Pin, random: Octets) -> ClearPinBlock:
    """Clear 8-octet block of format 1: PIN field with random fill, no account number (9.3.3). Originating side."""
    check_random(random)
    field = _SHAPE_1.write(pin)
    length = len(pin)
    for place in range(1 + (length + 1) // 2, DES_BLOCK):
        field[place] = random[place]
    if length & 1:
        field[1 + length // 2] = field[1 + length // 2] & 0xF0 | random[1 + length // 2] & 0x0F
    return ClearPinBlock(field)


def decode_format_1(block: ClearPinBlock) -> Pin:
    """The PIN of a clear format 1 block (9.3.3); any content fault is one :class:`DecodeError`. Receiving side."""
    return _judge_1(opened(block))


def encode_format_2(pin: Pin) -> ClearPinBlock:
    """Clear 8-octet block of format 2, for an IC card on the same device only (9.3.4). Originating side."""
    return ClearPinBlock(_SHAPE_2.write(pin))


def decode_format_2(block: ClearPinBlock) -> Pin:
    """The PIN of a clear format 2 block (9.3.4); any content fault is one :class:`DecodeError`. The card's side."""
    return _judge(opened(block), _SHAPE_2, None)


def encode_format_3(pin: Pin, pan: Pan, random: Octets) -> ClearPinBlock:
    """Clear 8-octet block of format 3: format 0 with random fill A to F (9.3.5). Originating side.

    The 64 random bits are read as base-36 digits, one for each octet of fill: no fill is likelier than another by more
    than one part in 2³².
    """
    check_random(random)
    field = _SHAPE_3.write(pin)
    length = len(pin)
    drawn = int.from_bytes(random, "big")
    for place in range(1 + (length + 1) // 2, DES_BLOCK):
        drawn, pair = divmod(drawn, 36)
        field[place] = _FILLS_3[pair]
    if length & 1:
        field[1 + length // 2] = field[1 + length // 2] & 0xF0 | 0xA + drawn % 6
    add_account(field, account_octets(pan))
    return ClearPinBlock(field)


def decode_format_3(block: ClearPinBlock, pan: Pan) -> Pin:
    """The PIN of a clear format 3 block (9.3.5); any content fault is one :class:`DecodeError`. Receiving side."""
    return _judge(opened(block), _SHAPE_3, pan)


def encode_format_4(pin: Pin, random: Octets) -> ClearPinBlock:
    """Clear 16-octet PIN field of format 4, its right half random (9.4.2). Originating side.

    The PAN joins only on the way into the cipher: :func:`encipher_format_4`.
    """
    check_random(random)
    return ClearPinBlock(_SHAPE_4.write(pin, random))


def decode_format_4(field: ClearPinBlock) -> Pin:
    """The PIN of a clear format 4 PIN field (9.4.2); any content fault is one :class:`DecodeError`. Receiving side."""
    if len(field) != AES_BLOCK:
        raise DecodeError("PIN block", f"{len(field)} octets, {AES_BLOCK} expected")
    return _judge(bytearray(field.reveal()[:DES_BLOCK]), _SHAPE_4, None)


def pan_field_4(pan: Pan) -> bytes:
    """The 16-octet PAN field of format 4: digits beyond 12 as one nibble, the digits, zeros (9.4.2)."""
    return _pan_number_4(pan).to_bytes(AES_BLOCK, "big")


def encipher_format_4(key: BlockKey, pin: Pin, pan: Pan, random: Octets) -> bytes:
    """Enciphered 16-octet block of format 4 (9.4.2) under a key of 16-octet blocks. Originating side."""
    if len(random) != RANDOM_OCTETS or key.block_octets != AES_BLOCK:
        check_random(random)
        check_key(key, AES_BLOCK)
    digits = pan.digits
    size = len(digits)
    field = _SHAPE_4.write(pin, random)
    pan_number = int(_PAN_HEADS[size] + digits, 16) << _PAN_SHIFTS[size]
    inner = int.from_bytes(key.encipher_unchecked(field), "big") ^ pan_number
    field[:DES_BLOCK] = ZERO_BLOCK
    return key.encipher_unchecked(inner.to_bytes(AES_BLOCK, "big"))


def decipher_format_4(key: BlockKey, block: Octets, pan: Pan) -> Pin:
    """The PIN of a format 4 block (9.4.2); any content fault is one :class:`DecodeError`. Receiving side."""
    check_key(key, AES_BLOCK)
    if len(block) != AES_BLOCK:
        raise DecodeError("PIN block", f"{len(block)} octets, {AES_BLOCK} expected")
    inner = int.from_bytes(key.decipher(block), "big") ^ _pan_number_4(pan)
    clear = deciphered(key, inner.to_bytes(AES_BLOCK, "big"))
    field = bytearray(memoryview(clear)[:DES_BLOCK])  # the rest is random
    wipe(clear)
    return _judge(field, _SHAPE_4, None)


def encipher(key: BlockKey, block: ClearPinBlock) -> bytes:
    """A clear block of formats 0 to 3 as one TDES block. Originating side."""
    check_key(key, DES_BLOCK)
    if len(block) != DES_BLOCK:
        raise EncodeError(f"clear PIN block of {len(block)} octets, formats 0 to 3 have {DES_BLOCK}")
    return key.encipher(block.reveal())


def decipher(key: BlockKey, block: Octets) -> ClearPinBlock:
    """One TDES block as a clear block of formats 0 to 3, not yet judged. Receiving side."""
    check_key(key, DES_BLOCK)
    return ClearPinBlock(deciphered(key, block))


def encipher_pin(key: BlockKey, form: Format, pin: Pin, pan: Pan, random: Octets) -> bytes:
    """A PIN as an enciphered block of any format 0, 1, 3, 4; ``random`` (8 octets) is unused by format 0.

    Format 2 goes in clear to a card and never under a key between hosts, so it is refused here.
    """
    if form == Format.ISO_4:
        return encipher_format_4(key, pin, pan, random)
    encode = _ENCODERS.get(form)
    if encode is None:
        raise EncodeError(f"format {form:d} is not enciphered for interchange: 0, 1, 3 or 4 expected")
    with encode(pin, pan, random) as block:
        return encipher(key, block)


def decipher_pin(key: BlockKey, form: Format, block: Octets, pan: Pan) -> Pin:
    """The PIN of an enciphered block of any format 0, 1, 3, 4. Receiving side.

    Any content fault is one :class:`DecodeError`.
    """
    if form == Format.ISO_4:
        return decipher_format_4(key, block, pan)
    judge = _JUDGES.get(form)
    if judge is None:
        raise EncodeError(f"format {form:d} is not enciphered for interchange: 0, 1, 3 or 4 expected")
    check_key(key, DES_BLOCK)
    return judge(deciphered(key, block), pan)


def _judge(field: bytearray, shape: Shape, pan: Pan | None) -> Pin:
    """The PIN of a clear field, which is wiped."""
    try:
        if pan is not None:
            add_account(field, account_octets(pan))
        return read_pin(field, shape.check(field))
    finally:
        field[:] = ZERO_BLOCK


def _judge_1(field: bytearray) -> Pin:
    # Any nibble may fill: give the fill one value, then judge as the other formats are judged.
    length = min(field[0] & 0x0F, PIN_DIGITS.stop - 1)
    for place in range(1 + (length + 1) // 2, DES_BLOCK):
        field[place] = 0xFF
    if length & 1:
        field[1 + length // 2] |= 0x0F
    return _judge(field, _SHAPE_1, None)


# For each PAN length: the length nibble with its zero fill, and the zeros behind.
_PAN_HEADS = {size: f"{max(size - 12, 0):X}" + "0" * max(12 - size, 0) for size in FORMAT_4_PAN_DIGITS}
_PAN_SHIFTS = {size: 4 * (31 - max(size, 12)) for size in FORMAT_4_PAN_DIGITS}


def _pan_number_4(pan: Pan) -> int:
    digits = pan.digits
    size = len(digits)
    return int(_PAN_HEADS[size] + digits, 16) << _PAN_SHIFTS[size]


_ENCODERS: dict[Format, Callable[[Pin, Pan, Octets], ClearPinBlock]] = {
    Format.ISO_0: lambda pin, pan, random: encode_format_0(pin, pan),
    Format.ISO_1: lambda pin, pan, random: encode_format_1(pin, random),
    Format.ISO_3: encode_format_3,
}
_JUDGES: dict[Format, Callable[[bytearray, Pan], Pin]] = {
    Format.ISO_0: lambda field, pan: _judge(field, SHAPE_0, pan),
    Format.ISO_1: lambda field, pan: _judge_1(field),
    Format.ISO_3: lambda field, pan: _judge(field, _SHAPE_3, pan),
}
