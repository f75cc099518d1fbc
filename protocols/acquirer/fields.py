# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Messages as bare elements: octets to and from ``{number: text}`` by pyiso8583. Knows no meaning; see message.py.

pyiso8583 does the walking; here stands what it leaves open and a hostile sender would use: which elements exist,
which characters each may hold, lengths written as digits and not as " 5" or "+5", and errors that carry no data (the
library's own exceptions hold the whole message, so they never leave this file).
"""

import iso8583

from protocols.acquirer.dialects import Dialect
from protocols.acquirer.elements import ELEMENTS, LARGEST_MESSAGE, Form, Kind
from protocols.errors import DecodeError, EncodeError

Fields = dict[int, str]
"""Element number to text; elements of octets are hexadecimal, upper case."""

_ALPHABETS = {
    Kind.N: frozenset("0123456789"),
    Kind.AN: frozenset("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz "),
    Kind.ANS: frozenset(map(chr, range(0x20, 0x7F))),
    Kind.Z: frozenset("0123456789=D"),
    Kind.B: frozenset("0123456789ABCDEF"),
}
_HEX = frozenset(b"0123456789ABCDEFabcdef")
_SPECIAL = {"t": "message type", "p": "primary bitmap", "1": "secondary bitmap"}


def unpack(octets: bytes, dialect: Dialect) -> tuple[str, Fields]:
    """The message type's four digits and the elements of a message, without its frame (ISO 8583:1987, 4.1 to 4.4).

    Raises :class:`DecodeError` that names the element; nothing in it quotes the message.
    """
    if len(octets) > LARGEST_MESSAGE:
        raise DecodeError("message", f"{len(octets)} octets, at most {LARGEST_MESSAGE} can be meant")
    _check_bitmap(octets, dialect)
    fault: DecodeError | None = None
    try:
        texts, encoded = iso8583.decode(octets, dialect.specification)
    except iso8583.DecodeError as refused:
        where = _SPECIAL.get(refused.field, f"DE{refused.field}")
        fault = DecodeError(f"{where}, octet {refused.pos}", refused.msg)
    if (
        fault is not None
    ):  # raised out here so that the library's exception, which holds the message, is not its context
        raise fault
    mti = texts["t"]
    if len(mti) != 4 or not set(mti) <= _ALPHABETS[Kind.N]:
        raise DecodeError("message type", "four digits expected")
    fields: Fields = {}
    for key, text in texts.items():
        if not key.isdigit() or key == "1":
            continue
        number = int(key)
        length = encoded[key]["len"]
        if dialect.digits == "ascii" and not (length.isdigit() or not length):
            raise DecodeError(f"DE{number}", "its length is not written in digits")
        _check_text(number, text, DecodeError)
        fields[number] = text
    return mti, fields


def pack(mti: str, fields: Fields, dialect: Dialect) -> bytes:
    """A message without its frame; raises :class:`EncodeError` that names the element."""
    texts = {"t": mti}
    for number, text in sorted(fields.items()):
        if number not in ELEMENTS:
            raise EncodeError(f"DE{number}: not an element of this message set")
        _check_text(number, text, EncodeError)
        texts[str(number)] = text
    refusal = ""
    try:
        octets, _ = iso8583.encode(texts, dialect.specification)
        return bytes(octets)
    except iso8583.EncodeError as refused:
        refusal = f"{_SPECIAL.get(refused.field, f'DE{refused.field}')}: {refused.msg}"
    raise EncodeError(refusal)


def bits(bitmap: bytes, first: int = 1) -> list[int]:
    """The element numbers that a bitmap of 8 octets announces; its first bit means ``first`` (ISO 8583:1987, 4.2)."""
    return [first + place for place in range(64) if bitmap[place >> 3] >> (7 - (place & 7)) & 1]


def _check_bitmap(octets: bytes, dialect: Dialect) -> None:
    start = 2 if dialect.mti == "bcd" else 4
    size = 8 if dialect.bitmap == "binary" else 16
    for first, where in ((1, "primary bitmap"), (65, "secondary bitmap")):
        piece = octets[start : start + size]
        if len(piece) < size:
            raise DecodeError(f"{where}, octet {start}", f"{size} octets expected, {len(piece)} are left")
        if dialect.bitmap == "hex":
            if not _HEX.issuperset(piece):
                raise DecodeError(f"{where}, octet {start}", "16 hexadecimal digits expected")
            piece = bytes.fromhex(piece.decode("ascii"))
        numbers = bits(piece, first)
        for number in numbers:
            if number != 1 and number not in ELEMENTS:
                raise DecodeError(f"DE{number}", "announced by the bitmap, not an element of this message set")
        if first == 1 and 1 not in numbers:
            return
        start += size


def _check_text(number: int, text: str, fault: type[DecodeError] | type[EncodeError]) -> None:
    element = ELEMENTS[number]
    found = len(text) // 2 if element.kind is Kind.B else len(text)
    wrong = ""
    if not _ALPHABETS[element.kind].issuperset(text):
        wrong = f"{element.kind.value} expected"
    elif element.form is Form.FIXED and found != element.length:
        wrong = f"{found} characters, {element.length} expected"
    elif not 1 <= found <= element.length:
        wrong = f"{found} characters, 1 to {element.length} expected"
    if wrong:
        raise fault(f"DE{number}", wrong) if fault is DecodeError else EncodeError(f"DE{number}: {wrong}")
