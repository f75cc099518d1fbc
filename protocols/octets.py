# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Octet work shared by the codecs: a cursor that refuses short input, BCD, LRC, CRC, XOR. Knows no format."""

from binascii import crc_hqx
from functools import reduce
from operator import xor as _xor_int

from protocols.errors import DecodeError, EncodeError


class Cursor:
    """Reads octets from the left; a read past the end is a :class:`DecodeError` that names what was wanted."""

    __slots__ = ("_data", "_place", "_where")

    def __init__(self, data: bytes | bytearray | memoryview, where: str) -> None:
        self._data = bytes(data)
        self._place = 0
        self._where = where

    @property
    def place(self) -> int:
        """Octets read so far."""
        return self._place

    @property
    def left(self) -> int:
        """Octets not yet read."""
        return len(self._data) - self._place

    def take(self, count: int, what: str) -> bytes:
        """The next ``count`` octets, called ``what`` in the error."""
        end = self._place + count
        if count < 0 or end > len(self._data):
            raise DecodeError(
                f"{self._where}, octet {self._place}", f"{what} takes {count} octets, {self.left} are left"
            )
        piece = self._data[self._place : end]
        self._place = end
        return piece

    def u8(self, what: str) -> int:
        """The next octet as a number."""
        return self.take(1, what)[0]

    def u16(self, what: str) -> int:
        """The next two octets, big-endian."""
        return int.from_bytes(self.take(2, what), "big")

    def rest(self) -> bytes:
        """Everything that is left."""
        return self.take(self.left, "rest")

    def end(self) -> None:
        """Refuse octets that nobody asked for."""
        if self.left:
            raise DecodeError(f"{self._where}, octet {self._place}", f"{self.left} octets behind the last field")


def unhex(text: str | bytes, where: str) -> bytes:
    """Hexadecimal text to octets; the error names ``where`` and never quotes the text."""
    try:
        return bytes.fromhex(text if isinstance(text, str) else text.decode("ascii"))
    except ValueError:
        raise DecodeError(where, "not an even number of hexadecimal digits") from None


def bcd_encode(digits: str, octets: int) -> bytes:
    """Decimal digits as packed BCD, zero-filled on the left to ``octets``."""
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 2 * octets:
        raise EncodeError(f"BCD of {octets} octets takes at most {2 * octets} decimal digits")
    return bytes.fromhex(digits.rjust(2 * octets, "0"))


def bcd_decode(data: bytes, where: str) -> str:
    """Packed BCD as decimal digits, left zeros kept."""
    digits = data.hex()
    if not digits.isdigit():
        raise DecodeError(where, "a nibble above 9 in packed BCD")
    return digits


def xor(left: bytes | bytearray | memoryview, right: bytes | bytearray | memoryview) -> bytes:
    """Octet-wise exclusive or of two strings of one length."""
    if len(left) != len(right):
        raise EncodeError(f"exclusive or of {len(left)} and {len(right)} octets")
    return (int.from_bytes(left, "big") ^ int.from_bytes(right, "big")).to_bytes(len(left), "big")


def lrc(data: bytes) -> int:
    """Longitudinal redundancy check: exclusive or of all octets (ISO 1155)."""
    return reduce(_xor_int, data, 0)


def crc16(data: bytes, start: int) -> int:
    """CRC-16 with polynomial 1021, not reflected: start 0 (ABECS, XMODEM) or FFFF (ViVOtech2, EMVCo QR)."""
    return crc_hqx(data, start)
