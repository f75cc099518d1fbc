# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The clear PIN field shared by all PIN block formats, in place in one bytearray. Knows no cipher and no account rule.

A clear PIN must not end in an immutable object, so nothing here turns the field into ``bytes``, ``str`` or a large
``int``; single octets are the interpreter's cached small integers and leave no copy. Nor is a bytearray that holds one
made longer or shorter: it might move and leave its old place unwiped. A field is judged by replacing
every octet with its class (two digits; digit and fill; two fills; anything else) and comparing all classes at once with
the pattern that its first octet promises: one comparison, one error, whichever octet is at fault.
"""

from collections.abc import Callable
from typing import Final

from protocols.errors import DecodeError, EncodeError
from protocols.pan import Pan
from protocols.primitives import BlockKey, Octets
from protocols.secret import PIN_DIGITS, ClearPinBlock, Pin

DES_BLOCK: Final = 8
RANDOM_OCTETS: Final = 8  # drawn by the caller for each block of formats 1, 3 and 4

ZERO_BLOCK: Final = bytes(DES_BLOCK)
_OTHER, _PAIR, _MIXED, _FILL = range(4)


def content_fault() -> DecodeError:
    """The one error of every content fault: which octet, key, format or account number is wrong must not show."""
    return DecodeError("PIN block", "not a PIN of 4 to 12 digits under this key, format and account number")


class Shape:
    """What a PIN field with a given control nibble and fill looks like, for every PIN length."""

    __slots__ = ("_classes", "_promises", "_templates")

    def __init__(self, control: int, is_fill: Callable[[int], bool], fill: int, octets: int = DES_BLOCK) -> None:
        """``is_fill`` says which nibbles may fill, ``fill`` is the one written; ``octets`` is the size of the field."""
        self._classes = bytes(_class_of(octet, is_fill) for octet in range(256))
        self._promises: dict[int, bytes] = {}
        self._templates: dict[int, bytes] = {}
        for length in PIN_DIGITS:
            first = control << 4 | length
            pairs, odd = divmod(length, 2)
            classes = [self._classes[first]] + [_PAIR] * pairs + [_MIXED] * odd
            self._promises[first] = bytes(classes + [_FILL] * (octets - len(classes)))
            self._templates[length] = bytes([first] + [fill * 0x11] * (octets - 1))

    def holds(self, field: bytearray) -> bool:
        """Whether ``field`` has this shape: one comparison, whatever is at fault."""
        return self._promises.get(field[0], b"") == field.translate(self._classes)

    def check(self, field: bytearray) -> int:
        """The PIN length of a valid field; :func:`content_fault` for anything else."""
        if not self.holds(field):
            raise content_fault()
        return field[0] & 0x0F

    def write(self, pin: Pin, behind: Octets = b"") -> bytearray:
        """A new field holding ``pin`` and fill, with ``behind`` after it."""
        digits = pin._octets  # the hottest loop here: the Pin's own methods would cost a third of it
        field = bytearray(self._templates[len(digits)] + behind)
        place = 1
        each = iter(digits)
        for high in each:
            low = next(each, None)
            field[place] = high << 4 | (field[place] & 0x0F if low is None else low)
            place += 1
        return field


def _class_of(octet: int, is_fill: Callable[[int], bool]) -> int:
    high, low = octet >> 4, octet & 0x0F
    if high < 10 and low < 10:
        return _PAIR
    if high < 10 and is_fill(low):
        return _MIXED
    return _FILL if is_fill(high) and is_fill(low) else _OTHER


def read_pin(field: bytearray, length: int) -> Pin:
    """The first ``length`` PIN digits, which have been checked to be digits."""
    digits = bytearray(length)
    for place in range(length):
        octet = field[1 + (place >> 1)]
        digits[place] = octet & 0x0F if place & 1 else octet >> 4
    return Pin(digits)


def wipe(field: bytearray) -> None:
    """Overwrite with zeros."""
    field[:] = bytes(len(field))


def account_octets(pan: Pan) -> bytes:
    """The rightmost 12 digits of the PAN without its check digit, packed in 6 octets (ISO 9564-1:2017, 9.3.2.2)."""
    digits = pan.digits
    return bytes.fromhex(digits[-13:-1] if len(digits) > 12 else pan.account_field)


def add_account(field: bytearray, account: bytes) -> None:
    """Add (exclusive or) the 6 account octets to the right end of ``field``, in place."""
    a, b, c, d, e, f = account
    field[-6] ^= a
    field[-5] ^= b
    field[-4] ^= c
    field[-3] ^= d
    field[-2] ^= e
    field[-1] ^= f


def opened(block: ClearPinBlock) -> bytearray:
    """A clear 8-octet block in a bytearray for the caller to wipe; :class:`DecodeError` for another length."""
    if len(block) != DES_BLOCK:
        raise DecodeError("PIN block", f"{len(block)} octets, {DES_BLOCK} expected")
    return bytearray(block.reveal())


def check_random(random: Octets) -> None:
    """Fresh random octets are the caller's; only their number can be checked here."""
    if len(random) != RANDOM_OCTETS:
        raise EncodeError(f"{len(random)} random octets given, a PIN block takes {RANDOM_OCTETS}")


def check_key(key: BlockKey, block_octets: int) -> None:
    """A format belongs to a block size: :class:`EncodeError` for a key of another."""
    if key.block_octets != block_octets:
        raise EncodeError(f"key of {key.block_octets}-octet blocks, this PIN block format takes {block_octets}")


def deciphered(key: BlockKey, block: Octets) -> bytearray:
    """One enciphered block in clear, in a bytearray for the caller to wipe; :class:`DecodeError` for another length."""
    size = key.block_octets
    if len(block) != size:
        raise DecodeError("PIN block", f"{len(block)} octets, {size} expected")
    clear = bytearray(2 * size - 1)
    key.decipher_into(block, clear)
    del clear[size:]
    return clear
