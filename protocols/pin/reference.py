# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What an issuer stores instead of a PIN: Visa PVV, IBM 3624 natural PIN and offset. Counts no tries, holds no key.

Both decimalise a cipher block. A reference is not secret by itself, but it tells a PIN to whoever can ask often enough:
comparison is in constant time, and a decimalisation table is refused unless it spreads (see :func:`check_table`).
"""

import hmac

from protocols.errors import DecodeError, EncodeError
from protocols.octets import unhex
from protocols.pan import Pan
from protocols.primitives import TdesKey
from protocols.secret import PIN_DIGITS, Pin

PVV_DIGITS = 4
TABLE_DIGITS = 16
LEAST_DIFFERENT = 8
"""A decimalisation table with fewer different digits, or one digit more than 4 times, eases PIN guessing by table."""
MOST_REPEATED = 4

_LETTERS = b"abcdef"
_LETTERS_AS_DIGITS = bytes.maketrans(b"abcdef", b"012345")
_HEX_DIGITS = b"0123456789abcdef"


def pvv(pvk: TdesKey, pan: Pan, pvki: int, pin: Pin) -> str:
    """Visa PIN verification value, 4 digits (Visa PVV service; also ANSI X9.8 Annex). Either side.

    ``pvk`` is the double-length verification key (PVK A and B); ``pvki`` its index 0 to 9; of the PAN the 11 rightmost
    digits without the check digit count, of the PIN the 4 leftmost digits.
    """
    if not 0 <= pvki <= 9:
        raise EncodeError("the PIN verification key index is one digit")
    block = bytearray.fromhex(f"{pan.account_field[1:]}{pvki}0000")
    digits = pin.reveal()
    block[6] = digits[0] << 4 | digits[1]
    block[7] = digits[2] << 4 | digits[3]
    enciphered = pvk.encipher(block)
    block[6] = block[7] = 0
    return decimalise(enciphered, PVV_DIGITS)


def verify_pvv(pvk: TdesKey, pan: Pan, pvki: int, pin: Pin, reference: str) -> bool:
    """Whether ``reference`` is the PVV of this PIN. Constant time; a mismatch is an outcome. Issuer's side."""
    return hmac.compare_digest(pvv(pvk, pan, pvki, pin).encode(), reference.encode())


def decimalise(block: bytes, count: int) -> str:
    """The first ``count`` decimal digits of a block in hex: its digits left to right, then its letters less ten."""
    text = block.hex().encode()
    digits = text.translate(None, _LETTERS)
    if len(digits) < count:
        digits += text.translate(_LETTERS_AS_DIGITS, b"0123456789")
    return digits[:count].decode()


class DecimalisationTable:
    """A checked table of 16 decimal digits for hex digits 0 to F."""

    __slots__ = ("_table",)

    def __init__(self, digits: str, *, strict: bool = True) -> None:
        """``strict`` also applies :func:`check_table`; :class:`DecodeError` for what is not a table."""
        if len(digits) != TABLE_DIGITS or not (digits.isascii() and digits.isdigit()):
            raise DecodeError("decimalisation table", f"{TABLE_DIGITS} decimal digits expected")
        if strict:
            check_table(digits)
        self._table = bytes.maketrans(_HEX_DIGITS, bytes(int(digit) for digit in digits))

    def decimalise(self, block: bytes) -> bytearray:
        """The 16 digits (0 to 9, one per octet) of an enciphered block; the caller wipes them."""
        return bytearray(block.hex().encode()).translate(self._table)


def check_table(digits: str) -> None:
    """:class:`DecodeError` for a table that spreads badly: under 8 different digits, or one more than 4 times.

    A skewed table turns a PIN oracle into a digit oracle (Bond and Zieliński, "Decimalisation table attacks for PIN
    cracking", 2003). The limits are those that HSM vendors publish for their table check.
    """
    counts = [digits.count(digit) for digit in set(digits)]
    if len(counts) < LEAST_DIFFERENT or max(counts) > MOST_REPEATED:
        raise DecodeError(
            "decimalisation table",
            f"at least {LEAST_DIFFERENT} different digits, none more than {MOST_REPEATED} times, expected",
        )


def natural_pin(pvk: TdesKey, table: DecimalisationTable, validation_data: str, length: int = 4) -> Pin:
    """IBM 3624 natural (generated) PIN: leftmost digits of the decimalised, enciphered validation data. Issuer's side.

    ``validation_data`` is 16 hexadecimal characters, usually PAN digits with a pad character.
    """
    if length not in PIN_DIGITS:
        raise EncodeError(f"PIN length {length}, 4 to 12 expected")
    natural = _natural(pvk, table, validation_data)
    pin = Pin(memoryview(natural)[:length])
    natural[:] = bytes(TABLE_DIGITS)
    return pin


def offset(
    pvk: TdesKey, table: DecimalisationTable, validation_data: str, pin: Pin, check_length: int | None = None
) -> str:
    """IBM 3624 offset: PIN minus natural PIN, digit by digit modulo 10. Issuer's side.

    ``check_length`` digits count (default: all of the PIN), the leftmost ones of both.
    """
    count = len(pin) if check_length is None else check_length
    if not PIN_DIGITS.start <= count <= len(pin):
        raise EncodeError(f"check length {count} for a PIN of {len(pin)} digits")
    natural = _natural(pvk, table, validation_data)
    digits = pin.reveal()
    text = "".join([_TENS[digit - base] for digit, base in zip(digits[:count], natural, strict=False)])
    natural[:] = bytes(TABLE_DIGITS)
    return text


def pin_from_offset(pvk: TdesKey, table: DecimalisationTable, validation_data: str, pin_offset: str) -> Pin:
    """The PIN that an IBM 3624 offset stands for: natural PIN plus offset, digit by digit modulo 10. Issuer's side."""
    if len(pin_offset) not in PIN_DIGITS or not (pin_offset.isascii() and pin_offset.isdigit()):
        raise DecodeError("PIN offset", "4 to 12 decimal digits expected")
    natural = _natural(pvk, table, validation_data)
    digits = bytearray((base + int(step)) % 10 for base, step in zip(natural, pin_offset, strict=False))
    natural[:] = bytes(TABLE_DIGITS)
    return Pin(digits)


def verify_offset(
    pvk: TdesKey, table: DecimalisationTable, validation_data: str, pin: Pin, reference: str, check_length: int
) -> bool:
    """Whether the first ``check_length`` digits of ``reference`` are the PIN's offset. Constant time. Issuer's side."""
    calculated = offset(pvk, table, validation_data, pin, check_length)
    return hmac.compare_digest(calculated.encode(), reference[:check_length].encode())


_TENS = {difference: str(difference % 10) for difference in range(-9, 10)}


def _natural(pvk: TdesKey, table: DecimalisationTable, validation_data: str) -> bytearray:
    if len(validation_data) != 16:
        raise DecodeError("validation data", f"{len(validation_data)} characters, 16 expected")
    block = unhex(validation_data, "validation data")
    if len(block) != 8:  # spaces between the digits
        raise DecodeError("validation data", "16 hexadecimal digits expected")
    return table.decimalise(pvk.encipher(block))
