# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Messages of any layout, well-formed and of no meaning, drawn from a seed. No test.

Each kind of field says here what may stand in it; conditions are the layout's own. Binary fields are full of the octets
that frames, delimiters and tails give a meaning to.
"""

import random
from collections.abc import Callable
from typing import Any

from protocols.hsm import data_fields, fields, optional_fields, pin_fields
from protocols.hsm.codes import SCHEME_OCTETS, KeyScheme
from protocols.hsm.fields import KeyField
from protocols.hsm.key_block import BlockHeader
from protocols.hsm.kinds import Kind, Source
from protocols.hsm.layout import Fields, Part, Slot, layout_of
from protocols.pan import Pan
from protocols.secret import Pin

Draw = random.Random
_ODD = b"\x19%00;#~\x00\xff"
_HEX = "0123456789ABCDEF"


def message(shape: type[Fields], draw: Draw) -> Any:
    """One message of a layout."""
    made = object.__new__(shape)
    for slot in layout_of(shape).slots:
        setattr(made, slot.name, _value(slot, made, draw))
    return made


def _value(slot: Slot, made: Any, draw: Draw) -> Any:
    if slot.when is not None and getattr(made, slot.when.field) not in slot.when.values:
        return None
    if slot.when is None and (slot.introduced is not None or slot.if_longer is not None) and draw.random() < 0.5:
        return None
    return _of_kind(slot.kind, draw)


def _of_kind(kind: Kind[Any], draw: Draw) -> Any:
    if isinstance(kind, Part):
        return message(kind._layout.shape, draw)
    return _MAKERS[type(kind)](kind, draw)


def digits(count: int, draw: Draw) -> str:
    return "".join(draw.choices("0123456789", k=count))


def _hex(count: int, draw: Draw) -> str:
    return "".join(draw.choices(_HEX, k=count))


def _octets(count: int, draw: Draw) -> bytes:
    return bytes(draw.choices(_ODD, k=count))


def _key(kind: fields.Key, draw: Draw) -> KeyField:
    scheme = draw.choice(tuple(KeyScheme))
    if scheme is KeyScheme.STORED:
        return KeyField(scheme, _hex(3, draw).encode())
    if scheme in SCHEME_OCTETS:
        bare = kind.pair and scheme is KeyScheme.DOUBLE_X917
        return KeyField(scheme, draw.randbytes(SCHEME_OCTETS[scheme]), bare and draw.random() < 0.5)
    header = BlockHeader(
        draw.choice(("P0", "B0", "D0", "41")), draw.choice("TA"), "N", exportability="N", lmk="01"
    ).text("0" if scheme is KeyScheme.KEY_BLOCK else "B", 72)
    return KeyField(scheme, (header + _hex(56, draw)).encode())


def _hex_one_of(kind: fields.HexOneOf, draw: Draw) -> bytes:
    return draw.randbytes(max(kind.counts) // 2)


def _validation(kind: pin_fields.ValidationData, draw: Draw) -> str:
    if draw.random() < 0.3:
        return "P" + _hex(16, draw)
    text = digits(11, draw)
    place = draw.randrange(12)
    return text[:place] + "N" + text[place:]


def _pins(kind: pin_fields.PinList, draw: Draw) -> tuple[str, ...]:
    length = draw.randrange(4, 13)
    return tuple(digits(length, draw) for _ in range(draw.randrange(1, 4)))


def _clear_pin(kind: pin_fields.ClearPin, draw: Draw) -> pin_fields.PaddedPin:
    return pin_fields.PaddedPin(Pin.from_text(digits(draw.randrange(4, 13), draw)), Source.lmk_pin_digits)


def _sequence(kind: data_fields.DerSequence, draw: Draw) -> bytes:
    inner = _octets(draw.randrange(1, 300), draw)
    size = len(inner)
    return bytes((0x30, size) if size < 0x80 else (0x30, 0x82, size >> 8, size & 0xFF)) + inner


_MAKERS: dict[type, Callable[[Any, Draw], Any]] = {
    fields.Digits: lambda kind, draw: digits(kind.count, draw),
    fields.HexText: lambda kind, draw: _hex(kind.count, draw),
    fields.Characters: lambda kind, draw: _hex(kind.count, draw),
    fields.Alphanumeric: lambda kind, draw: _hex(kind.count, draw),
    fields.Choice: lambda kind, draw: draw.choice(kind.options),
    fields.Hex: lambda kind, draw: draw.randbytes(kind.count // 2),
    fields.HexOneOf: _hex_one_of,
    fields.Octets: lambda kind, draw: _octets(kind.count, draw),
    fields.Counted: lambda kind, draw: _octets(draw.randrange(1, 40), draw),
    fields.Rest: lambda kind, draw: _octets(draw.randrange(0, 40), draw),
    fields.PanUntil: lambda kind, draw: Pan(digits(draw.randrange(8, 20), draw)),
    fields.Key: _key,
    optional_fields.AtallaVariant: lambda kind, draw: draw.choice((None, None, f"{draw.randrange(32):02}")),
    optional_fields.Flag: lambda kind, draw: draw.choice((None, *kind.options)),
    optional_fields.TransportFlag: lambda kind, draw: draw.choice((None, "0", "1")),
    optional_fields.OptionalDigits: lambda kind, draw: draw.choice((None, digits(kind.count, draw))),
    pin_fields.LmkPin: lambda kind, draw: draw.choice((digits(Source.lmk_pin_digits, draw), "J" + _hex(32, draw))),
    pin_fields.ClearPin: _clear_pin,
    pin_fields.Table: lambda kind, draw: draw.choice((_hex(16, draw), "L" + _hex(32, draw), "K" + _hex(3, draw))),
    pin_fields.ValidationData: _validation,
    pin_fields.Offset: lambda kind, draw: digits(draw.randrange(4, 13), draw),
    pin_fields.PinList: _pins,
    data_fields.CountedOctets: lambda kind, draw: _octets(draw.randrange(0, min(40, kind.largest)), draw),
    data_fields.CountedHex: lambda kind, draw: draw.randbytes(draw.randrange(0, 40)),
    data_fields.NextValue: lambda kind, draw: draw.choice((None, draw.randbytes(8), draw.randbytes(16))),
    data_fields.DerSequence: _sequence,
    data_fields.Pieces: lambda kind, draw: tuple(
        _octets(draw.randrange(0, 20), draw) for _ in range(draw.randrange(1, 4))
    ),
    data_fields.After: lambda kind, draw: _of_kind(kind.inner, draw),
    data_fields.EndedBy: lambda kind, draw: _of_kind(kind.inner, draw),
}
