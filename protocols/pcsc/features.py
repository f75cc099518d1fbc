# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Control codes of PC/SC part 10 (2.02.09): readers with a PIN pad say what they can do and take a PIN. Holds no PIN.

The program asks for the list of features, then sends VERIFY_PIN_DIRECT with a description of the command: where in it
the PIN belongs and in which form. The reader has the cardholder type, fills the PIN in and sends the command to the
card; the program sees only the status word. So no digit enters the computer.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from protocols.errors import DecodeError, EncodeError

CONTROL_BASE = 0x42000000  # pcsc-lite, reader.h: SCARD_CTL_CODE(n) = this + n
GET_FEATURES = CONTROL_BASE + 3400  # part 10, 2.2: CM_IOCTL_GET_FEATURE_REQUEST
ESCAPE = CONTROL_BASE + 1  # pcsc-lite: IOCTL_SMARTCARD_VENDOR_IFD_EXCHANGE

TIMED_OUT, CANCELLED, PINS_DIFFER, WRONG_SIZE = 0x6400, 0x6401, 0x6402, 0x6403
"""Status words that the reader itself gives in place of the card's (part 10, 2.5.4)."""


class Feature(IntEnum):
    """Features in the list (part 10, 2.3)."""

    VERIFY_PIN_START = 0x01
    VERIFY_PIN_FINISH = 0x02
    MODIFY_PIN_START = 0x03
    MODIFY_PIN_FINISH = 0x04
    GET_KEY_PRESSED = 0x05
    VERIFY_PIN_DIRECT = 0x06
    MODIFY_PIN_DIRECT = 0x07
    IFD_PIN_PROPERTIES = 0x0A
    ABORT = 0x0B
    TLV_PROPERTIES = 0x12
    CCID_ESC_COMMAND = 0x13


class Property(IntEnum):
    """Tags of GET_TLV_PROPERTIES (part 10, 2.6.14); numbers in them are little-endian."""

    LCD_LAYOUT = 0x01
    ENTRY_VALIDATION = 0x02
    TIMEOUT_2 = 0x03
    LCD_MAX_CHARACTERS = 0x04
    LCD_MAX_LINES = 0x05
    MIN_PIN_SIZE = 0x06
    MAX_PIN_SIZE = 0x07
    FIRMWARE_ID = 0x08
    PPDU_SUPPORT = 0x09
    MAX_APDU_SIZE = 0x0A
    VENDOR_ID = 0x0B
    PRODUCT_ID = 0x0C


def encode_features(codes: Mapping[int, int]) -> bytes:
    """The list of features: tag, 04, control code big-endian (2.2). Reader's side."""
    return b"".join(struct.pack(">BBI", tag, 4, code) for tag, code in codes.items())


def decode_features(octets: bytes) -> dict[int, int]:
    """Control codes by feature; features that are unknown here are kept. Program's side."""
    codes = {}
    place = 0
    while place < len(octets):
        if len(octets) - place < 6 or octets[place + 1] != 4:
            raise DecodeError(f"list of features, octet {place}", "tag, 04 and four octets of a control code expected")
        codes[octets[place]] = int.from_bytes(octets[place + 2 : place + 6], "big")
        place += 6
    return codes


def encode_properties(values: Mapping[int, bytes]) -> bytes:
    """The reader's properties as TLV (2.6.14). Reader's side."""
    return b"".join(bytes((tag, len(value))) + value for tag, value in values.items())


def decode_properties(octets: bytes) -> dict[int, bytes]:
    """Properties by tag. Program's side."""
    values = {}
    place = 0
    while place < len(octets):
        end = place + 2 + (octets[place + 1] if place + 1 < len(octets) else 0)
        if place + 2 > len(octets) or end > len(octets):
            raise DecodeError(f"TLV properties, octet {place}", "a value longer than what is left")
        values[octets[place]] = octets[place + 2 : end]
        place = end
    return values


@dataclass(frozen=True, slots=True)
class PinProperties:
    """PIN_PROPERTIES_STRUCTURE (2.5.5). ``entry_validation`` bits: 1 maximum size, 2 key pressed, 4 time-out."""

    lcd_layout: int
    entry_validation: int
    timeout_2: int = 0

    def encode(self) -> bytes:
        """Four octets."""
        return struct.pack("<HBB", self.lcd_layout, self.entry_validation, self.timeout_2)

    @classmethod
    def decode(cls, octets: bytes) -> "PinProperties":
        """From the reader's answer."""
        if len(octets) != 4:
            raise DecodeError("PIN properties", f"{len(octets)} octets, 4 expected")
        return cls(*struct.unpack("<HBB", octets))


@dataclass(frozen=True, slots=True)
class PinForm:
    """How the digits are written into the command (2.5.2: bmFormatString, bmPINBlockString, bmPINLengthFormat)."""

    bcd: bool
    """Two digits an octet, else one ASCII character each."""
    left_aligned: bool
    position: int
    """Where the PIN begins behind the command's header of five octets, in octets."""
    block_size: int
    """Octets of the PIN block in the command; 0 for as many as the PIN takes."""
    length_bits: int = 0
    """Size of the field that says the PIN's length, 0 for none."""
    length_position: int = 0
    """Where that field begins behind the header, in bits."""


EMV_PLAINTEXT = PinForm(bcd=True, left_aligned=True, position=1, block_size=7, length_bits=4, length_position=4)
"""ISO 9564-1 format 2 in VERIFY 00 20 00 80 08: 2n, digits, filler F (EMV 4.4 Book 3, 6.5.12)."""

EMV_VERIFY = bytes.fromhex("00200080" + "08" + "20FFFFFFFFFFFFFF")
"""The command that goes with it: control 2, length to be filled in, filler."""

_VERIFY = struct.Struct("<BBBBBHBBHB3sI")
_MODIFY = struct.Struct("<BBBBBBBHBBBHBBB3sI")
_UNITS_ARE_OCTETS = 0x80
VALID_BY_MAXIMUM, VALID_BY_KEY, VALID_BY_TIMEOUT = 0x01, 0x02, 0x04
FORMAT_BCD, FORMAT_ASCII = 0x01, 0x02


@dataclass(frozen=True, slots=True)
class PinVerify:
    """PIN_VERIFY_STRUCTURE (2.5.2): the command to be completed, and how."""

    template: bytes
    """The command APDU with room for the PIN."""
    form: PinForm
    least: int = 4
    most: int = 12
    timeout_s: int = 30
    validation: int = VALID_BY_KEY
    messages: int = 1
    language: int = 0x0409
    message: int = 0

    def encode(self) -> bytes:
        """The structure's octets. Program's side."""
        _check(self)
        head = _VERIFY.pack(
            self.timeout_s, 0, _format(self.form), _block(self.form), _length(self.form),
            self.least << 8 | self.most, self.validation, self.messages, self.language, self.message,
            bytes(3), len(self.template),
        )  # fmt: skip
        return head + self.template

    @classmethod
    def decode(cls, octets: bytes) -> "PinVerify":
        """Read the structure, its template with or without PC/SC's length field; CCID has none. Reader's side."""
        if len(octets) < _VERIFY.size:
            raise DecodeError("PIN_VERIFY_STRUCTURE", f"{len(octets)} octets, at least {_VERIFY.size} expected")
        timeout, _, form, block, length, size, valid, count, language, message, _, data = _VERIFY.unpack_from(octets)
        template = octets[_VERIFY.size :]
        if data != len(template):
            raise DecodeError("PIN_VERIFY_STRUCTURE, ulDataLength", f"{data}, {len(template)} octets follow")
        found = cls(
            template, decode_form(form, block, length), size >> 8, size & 0xFF, timeout, valid, count, language, message
        )
        _check(found)
        return found


@dataclass(frozen=True, slots=True)
class PinModify:
    """PIN_MODIFY_STRUCTURE (2.5.3): a PIN is changed; the offsets say where old and new one go, in octets."""

    template: bytes
    form: PinForm
    old_offset: int = 0
    new_offset: int = 8
    least: int = 4
    most: int = 12
    timeout_s: int = 30
    confirm: int = 0x03
    """Bit 1: the new PIN is typed twice; bit 2: the old one is asked for."""
    validation: int = VALID_BY_KEY

    def encode(self) -> bytes:
        """The structure's octets. Program's side."""
        _check(self)
        head = _MODIFY.pack(
            self.timeout_s, 0, _format(self.form), _block(self.form), _length(self.form), self.old_offset,
            self.new_offset, self.least << 8 | self.most, self.confirm, self.validation, 3, 0x0409, 0, 1, 2,
            bytes(3), len(self.template),
        )  # fmt: skip
        return head + self.template

    @classmethod
    def decode(cls, octets: bytes) -> "PinModify":
        """Read the structure. Reader's side."""
        if len(octets) < _MODIFY.size:
            raise DecodeError("PIN_MODIFY_STRUCTURE", f"{len(octets)} octets, at least {_MODIFY.size} expected")
        (timeout, _, form, block, length, old, new, size, confirm, valid, *_, data) = _MODIFY.unpack_from(octets)
        template = octets[_MODIFY.size :]
        if data != len(template):
            raise DecodeError("PIN_MODIFY_STRUCTURE, ulDataLength", f"{data}, {len(template)} octets follow")
        form = decode_form(form, block, length)
        found = cls(template, form, old, new, size >> 8, size & 0xFF, timeout, confirm, valid)
        _check(found)
        return found


def decode_form(form: int, block: int, length: int) -> PinForm:
    """bmFormatString, bmPINBlockString and bmPINLengthFormat, which CCID has too (CCID 1.1, 6.1.11)."""
    if form & 0x03 not in (FORMAT_BCD, FORMAT_ASCII):
        raise DecodeError("bmFormatString", "BCD or ASCII expected")
    place = form >> 3 & 0x0F
    if not form & _UNITS_ARE_OCTETS:
        if place % 8:
            raise DecodeError("bmFormatString", f"the PIN begins at bit {place}, whole octets expected")
        place //= 8
    bits = length & 0x0F
    found = PinForm(
        bcd=form & 0x03 == FORMAT_BCD,
        left_aligned=not form & 0x04,
        position=place,
        block_size=block & 0x0F,
        length_bits=block >> 4,
        length_position=bits * 8 if length & 0x10 else bits,
    )
    if found.length_bits not in (0, 4, 8):
        raise DecodeError("bmPINBlockString", f"a length field of {found.length_bits} bits, 0, 4 or 8 expected")
    return found


def _format(form: PinForm) -> int:
    if not 0 <= form.position <= 15:
        raise EncodeError(f"a PIN at octet {form.position}: 0 to 15 can be said")
    kind = FORMAT_BCD if form.bcd else FORMAT_ASCII
    return _UNITS_ARE_OCTETS | form.position << 3 | (0 if form.left_aligned else 0x04) | kind


def _block(form: PinForm) -> int:
    if not 0 <= form.block_size <= 15 or form.length_bits not in (0, 4, 8):
        raise EncodeError("a PIN block has 0 to 15 octets and a length field of 0, 4 or 8 bits")
    return form.length_bits << 4 | form.block_size


def _length(form: PinForm) -> int:
    if form.length_position <= 15:
        return form.length_position
    if form.length_position % 8 or form.length_position > 15 * 8:
        raise EncodeError("the length field begins within the first 15 bits or at one of 15 octets")
    return 0x10 | form.length_position // 8


def _check(asked: "PinVerify | PinModify") -> None:
    if not 0 <= asked.least <= asked.most <= 15:
        raise DecodeError("wPINMaxExtraDigit", "0 to 15 digits, the least not above the most, expected")
    if not 5 <= len(asked.template) <= 261:
        raise DecodeError("abPINApdu", f"{len(asked.template)} octets, a short command of 5 to 261 expected")


def as_ccid_verify(octets: bytes) -> "PinVerify":
    """The PIN verification data structure of CCID (1.1, 6.1.11), which has neither bTimeOut2 nor ulDataLength."""
    fixed = 15 - 1  # from bTimeOut to bTeoPrologue
    if len(octets) < fixed:
        raise DecodeError("PIN verification of CCID", f"{len(octets)} octets, at least {fixed} expected")
    whole = octets[:1] + b"\0" + octets[1:fixed] + (len(octets) - fixed).to_bytes(4, "little") + octets[fixed:]
    return PinVerify.decode(whole)


def as_ccid_modify(octets: bytes) -> "PinModify":
    """The PIN modification data structure of CCID (1.1, 6.1.12), which has neither bTimeOut2 nor ulDataLength."""
    fixed = 20 - 1  # from bTimeOut to bTeoPrologue
    if len(octets) < fixed:
        raise DecodeError("PIN modification of CCID", f"{len(octets)} octets, at least {fixed} expected")
    whole = octets[:1] + b"\0" + octets[1:fixed] + (len(octets) - fixed).to_bytes(4, "little") + octets[fixed:]
    return PinModify.decode(whole)
