# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Data objects of a card in words: the name of the tag, the value as it may be shown, and what its bits mean.

Shows no more than :mod:`protocols.emv.redaction` does. Raises nothing for any value.
"""

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

from protocols.emv import dol, tlv
from protocols.emv.bits import Aip, Auc, Ctq, Tsi, Ttq, Tvr, cid_words, cvm_results_words, cvm_rule_words
from protocols.emv.redaction import shown_value
from protocols.emv.tags import KNOWN, Format
from protocols.errors import DecodeError

Words = tuple[str, ...]


def name_of(tag: int) -> str:
    """The tag's name, or that we know none."""
    known = KNOWN.get(tag)
    return known.words if known is not None else "unknown to us"


def words_of(tag: int, value: bytes) -> Words:
    """What the value says, a line each; nothing where its digits or octets are all there is to say."""
    known = KNOWN.get(tag)
    telling = _TELLING.get(tag)
    try:
        if telling is not None:
            return telling(value)
        if known is not None and known.format is Format.DOL:
            return tuple(f"{wanted.tag:X} {name_of(wanted.tag)}, {wanted.length}" for wanted in dol.decode(value))
    except DecodeError as fault:
        return (f"cannot be read: {fault.why}",)
    return ()


def lines(objects: tlv.Objects, indent: str = "") -> Iterator[str]:
    """Every object with its words, templates before what is in them."""
    for tag, value in objects:
        if not isinstance(value, bytes):
            yield f"{indent}{tag:X}  {name_of(tag)}"
            yield from lines(value, indent + "  ")
            continue
        yield f"{indent}{tag:X}  {name_of(tag)}: {shown_value(tag, value)}"
        for word in words_of(tag, value):
            yield f"{indent}    {word}"


def _bits(kind: type[Aip] | type[Tvr] | type[Tsi] | type[Auc] | type[Ttq] | type[Ctq]) -> Callable[[bytes], Words]:
    return lambda value: kind.decode(value).words()


def _cvm_list(value: bytes) -> Words:
    if len(value) < 8 or len(value) % 2:
        raise DecodeError("CVM list", "two amounts of four octets and rules of two expected")
    x, y = int.from_bytes(value[:4], "big"), int.from_bytes(value[4:8], "big")
    said = [f"amount X {x}, amount Y {y}"] if x or y else []
    for place in range(8, len(value), 2):
        said.append(", ".join(cvm_rule_words(value[place], value[place + 1])))
    return tuple(said)


def _locator(value: bytes) -> Words:
    if len(value) % 4:
        raise DecodeError("file locator", "groups of four octets expected")
    said = []
    for place in range(0, len(value), 4):
        sfi, first, last, signed = value[place] >> 3, *value[place + 1 : place + 4]
        said.append(f"file {sfi}, records {first} to {last}, the first {signed} of them signed")
    return tuple(said)


_TELLING: Mapping[int, Callable[[bytes], Words]] = MappingProxyType(
    {
        0x82: _bits(Aip),
        0x95: _bits(Tvr),
        0x9B: _bits(Tsi),
        0x9F07: _bits(Auc),
        0x9F66: _bits(Ttq),
        0x9F6C: _bits(Ctq),
        0x9F0D: _bits(Tvr),
        0x9F0E: _bits(Tvr),
        0x9F0F: _bits(Tvr),
        0x8E: _cvm_list,
        0x94: _locator,
        0x9F27: lambda value: cid_words(value[0]) if len(value) == 1 else (),
        0x9F34: lambda value: (cvm_results_words(value),),
    }
)
