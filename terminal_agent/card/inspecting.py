# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What can be learnt of the PC/SC readers that are plugged in, without touching a card. For the bench; pays nothing.

Blocks: call it in a thread. Each reader is asked in direct mode, which leaves a card in it alone; one that another
program holds for itself tells nothing of its features.
"""

from dataclasses import dataclass

from protocols.errors import DecodeError
from protocols.pcsc.features import GET_FEATURES, Feature, PinProperties, decode_features, decode_properties
from protocols.pcsc.wire import Attribute
from terminal_agent.card.pcsc_codes import PcscFault
from terminal_agent.card.scard import Card, Context


@dataclass(frozen=True, slots=True)
class ReaderFacts:
    """What a reader says of itself."""

    name: str
    serial: str = ""
    vendor: str = ""
    version: str = ""
    features: tuple[str, ...] = ()
    properties: tuple[tuple[str, str], ...] = ()
    keypad: bool = False
    problem: str = ""
    """Why it could not be asked."""


def inspect(context: Context, name: str) -> ReaderFacts:
    """Ask one reader."""
    try:
        reader = context.direct(name)
    except PcscFault as fault:
        return ReaderFacts(name, problem=str(fault))
    try:
        return _asked(reader, name)
    except PcscFault as fault:
        return ReaderFacts(name, problem=str(fault))
    finally:
        reader.let_go()


def _asked(reader: Card, name: str) -> ReaderFacts:
    codes: dict[int, int] = {}
    properties: list[tuple[str, str]] = []
    try:
        codes = decode_features(reader.control(GET_FEATURES))
        if Feature.TLV_PROPERTIES in codes:
            found = decode_properties(reader.control(codes[Feature.TLV_PROPERTIES]))
            properties += [(f"property {tag:02X}", value.hex().upper()) for tag, value in found.items()]
        if Feature.IFD_PIN_PROPERTIES in codes:
            pin = PinProperties.decode(reader.control(codes[Feature.IFD_PIN_PROPERTIES]))
            properties.append(("display", f"{pin.lcd_layout & 0xFF} lines of {pin.lcd_layout >> 8}"))
    except (PcscFault, DecodeError) as fault:
        properties.append(("features", str(fault)))
    known = {int(feature): feature.name for feature in Feature}
    features = tuple(known.get(tag, f"FEATURE_{tag:02X}") for tag in codes)
    return ReaderFacts(
        name,
        _text(reader.attribute(Attribute.VENDOR_IFD_SERIAL_NO)),
        _text(reader.attribute(Attribute.VENDOR_NAME)),
        _version(reader.attribute(Attribute.VENDOR_IFD_VERSION)),
        features,
        tuple(properties),
        Feature.VERIFY_PIN_DIRECT in codes,
    )


def _text(value: bytes | None) -> str:
    return (value or b"").rstrip(b"\0").decode("ascii", "replace")


def _version(value: bytes | None) -> str:
    """Major, minor and build (PC/SC part 3, 3.1.3): 0xMMmmbbbb in the machine's order."""
    if value is None or len(value) != 4:
        return ""
    number = int.from_bytes(value, "little")
    return f"{number >> 24}.{number >> 16 & 0xFF}.{number & 0xFFFF}"
