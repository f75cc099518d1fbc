# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A typed PIN becomes an enciphered PIN block, without text on the way. Originating side; keeps nothing.

The octets are those of :mod:`protocols.pin.iso9564` (tests compare them). They are made again here because a
:class:`~protocols.pan.Pan` holds its digits as text, which Python cannot wipe: in the vault PIN and PAN are read from
the arena and joined octet by octet in a field that lies there too.
"""

from enum import IntEnum
from typing import Final

from protocols.dukpt.aes import DERIVATION_TYPES, Usage
from protocols.dukpt.originator import AesTransaction, TdesTransaction
from protocols.dukpt.tdes import Purpose
from protocols.errors import EncodeError
from protocols.primitives import AesKey, TdesKey, Use
from protocols.secret import PIN_DIGITS

FIELD_OCTETS: Final = 16
RANDOM_OCTETS: Final = 8
PAN_DIGITS: Final = range(8, 20)
_ACCOUNT_DIGITS: Final = 12
_ZERO: Final = 0x30


class PinFormat(IntEnum):
    """The formats that a policy may choose (ISO 9564-1:2017, 9.3 and 9.4); 1 and 2 are bound to no account."""

    ISO_0 = 0
    ISO_3 = 3
    ISO_4 = 4


def enciphered(
    transaction: TdesTransaction | AesTransaction,
    form: PinFormat,
    pin: memoryview,
    pan: memoryview,
    random: bytes,
    field: memoryview,
) -> bytes:
    """The block under the PIN key of ``transaction``: 8 octets for formats 0 and 3, 16 for format 4.

    ``pin``: one digit per octet; ``pan``: ASCII digits; ``random``: eight fresh octets; ``field``: 16 octets of the
    arena to work in, zeros afterwards. :class:`EncodeError` where format and kind of key do not belong together.
    """
    if len(pin) not in PIN_DIGITS or not is_pan(pan) or len(random) != RANDOM_OCTETS:
        raise EncodeError("PIN block: 4 to 12 digits, a PAN of 8 to 19 digits and 8 random octets expected")
    try:
        if isinstance(transaction, TdesTransaction):
            if form is PinFormat.ISO_4:
                raise EncodeError("PIN block: format 4 is enciphered by AES, and this is a TDES key")
            with transaction.working_key(Purpose.PIN) as octets, TdesKey(octets, Use.ENCIPHER) as tdes:
                _clear_8(form, pin, pan, random, field)
                return tdes.encipher_unchecked(field[:8])
        if form is not PinFormat.ISO_4:
            raise EncodeError("PIN block: formats 0 and 3 are enciphered by TDES, and this is an AES key")
        kind = DERIVATION_TYPES[len(transaction.key)]
        with transaction.working_key(Usage.PIN_ENCRYPTION, kind) as octets, AesKey(octets, Use.ENCIPHER) as aes:
            pin_field(4, 0xA, pin, field[:8])
            field[8:] = random
            field[:] = aes.encipher_unchecked(field)
            _add_pan_field(pan, field)
            return aes.encipher_unchecked(field)
    finally:
        field[:] = bytes(FIELD_OCTETS)


def is_pan(octets: memoryview) -> bool:
    """Whether ``octets`` are 8 to 19 ASCII digits."""
    return len(octets) in PAN_DIGITS and all(_ZERO <= octet < _ZERO + 10 for octet in octets)


def _clear_8(form: PinFormat, pin: memoryview, pan: memoryview, random: bytes, field: memoryview) -> None:
    """Formats 0 and 3 (9.3.2, 9.3.5): PIN field and the rightmost 12 digits of the PAN without its check digit."""
    pin_field(form, 0xF, pin, field[:8])
    if form is PinFormat.ISO_3:
        _random_fill(len(pin), int.from_bytes(random, "big"), field)
    place = _ACCOUNT_DIGITS - 1
    for digit in range(len(pan) - 2, max(len(pan) - 2 - _ACCOUNT_DIGITS, -1), -1):
        field[2 + place // 2] ^= (pan[digit] - _ZERO) << (0 if place & 1 else 4)
        place -= 1


def pin_field(control: int, fill: int, pin: memoryview, field: memoryview) -> None:
    """Eight octets: the format's number, how many digits, the digits, ``fill`` (ISO 9564-1:2017, 9.3 and 9.4)."""
    field[:] = bytes((fill * 0x11,)) * 8
    field[0] = control << 4 | len(pin)
    for place, digit in enumerate(pin):
        at = 1 + place // 2
        field[at] = field[at] & 0xF0 | digit if place & 1 else digit << 4 | field[at] & 0x0F


def _random_fill(length: int, drawn: int, field: memoryview) -> None:
    """Fill nibbles A to F from 64 random bits, one base-6 digit each; ten are needed at most."""
    for place in range(length, 14):
        drawn, digit = divmod(drawn, 6)
        at = 1 + place // 2
        nibble = 0xA + digit
        field[at] = field[at] & 0xF0 | nibble if place & 1 else nibble << 4 | field[at] & 0x0F


def _add_pan_field(pan: memoryview, field: memoryview) -> None:
    """Format 4 (9.4.2): how many digits there are beyond 12, the digits, zeros."""
    start = max(_ACCOUNT_DIGITS - len(pan), 0)
    field[0] ^= max(len(pan) - _ACCOUNT_DIGITS, 0) << 4
    for place, digit in enumerate(pan, start=start + 1):
        field[place // 2] ^= (digit - _ZERO) << (0 if place & 1 else 4)
