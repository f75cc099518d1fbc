# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""APDUs and data objects as text that may be logged: masked by the type of each object, never by the caller's care.

What a type says is in :mod:`protocols.emv.tags`. An object that we do not know is shown, unless it looks like a track
or an account number. What does not parse is shown as its length. Nothing here can raise for any input.
"""

import re

from protocols.emv import apdu, status, tlv
from protocols.emv.tags import KNOWN, Format, Sensitivity
from protocols.errors import DecodeError
from protocols.pan import Pan, Track2

_DATA_SHOWN = {apdu.Ins.SELECT, apdu.Ins.GET_PROCESSING_OPTIONS}
_CLASSES = {0x00, 0x80, 0x04, 0x0C, 0x84, 0x8C, 0x90}


def redacted_command(octets: bytes) -> str:
    """A command APDU: its name, P1 P2, and its data only where no command of that kind carries a secret."""
    try:
        command = apdu.Command.decode(octets)
    except DecodeError:
        return f"[not a command, {len(octets)} octets]"
    try:
        name = apdu.Ins(command.ins).words
    except ValueError:
        name = f"INS {command.ins:02X}"
    header = f"{name} {command.cla:02X}{command.ins:02X}{command.p1:02X}{command.p2:02X}"
    if not command.data:
        return header
    if command.cla not in (0x00, 0x80) or command.ins not in _DATA_SHOWN:
        return f"{header} [{len(command.data)} octets]"
    if command.ins == apdu.Ins.SELECT:
        text = command.data.decode("ascii") if command.data in (apdu.PPSE, apdu.PSE) else _hex(command.data)
        return f"{header} {text}"
    # the values of a PDOL are the terminal's own: amounts and dates that could pass for an account number
    return f"{header} {_hex(command.data)}" if not _TRACK.search(command.data.hex()) else f"{header} [hidden]"


def redacted_response(octets: bytes) -> str:
    """A response APDU: the status in words and the data objects, each shown as its type allows."""
    if len(octets) < 2:
        return f"[not a response, {len(octets)} octets]"
    said = status.words(int.from_bytes(octets[-2:], "big"))
    data = bytes(octets[:-2])
    return f"{said} {redacted_objects(data)}" if data else said


def redacted_apdu(octets: bytes) -> str:
    """An APDU of unknown direction. Prefer the two functions above: this one guesses, and shows less when in doubt."""
    try:
        command = apdu.Command.decode(octets)
    except DecodeError:
        return redacted_response(octets)
    if command.cla in _CLASSES and command.ins in set(apdu.Ins):
        return redacted_command(octets)
    return redacted_response(octets)


def redacted_objects(data: bytes) -> str:
    """BER-TLV octets as ``tag=value`` pairs, templates in brackets; only the length where they do not parse."""
    try:
        objects = tlv.decode(data)
    except DecodeError:
        return f"[{len(data)} octets]"
    if not _reads_as_emv(objects):
        return f"[{len(data)} octets]"
    return _level(objects)


def _reads_as_emv(objects: tlv.Objects) -> bool:
    """Whether the outermost object is a template that cards answer with. Raw octets can parse by chance."""
    templates = (0x61, 0x6F, 0x70, 0x71, 0x72, 0x77, 0xA5, 0xBF0C)
    return bool(objects) and all(
        tag in templates or (tag == 0x80 and len(objects) == 1) or (tag in KNOWN and tag > 0xFF) for tag, _ in objects
    )


def _level(objects: tlv.Objects) -> str:
    said = []
    for tag, value in objects:
        shown = shown_value(tag, value) if isinstance(value, bytes) else f"({_level(value)})"
        said.append(f"{tag:X}={shown}")
    return " ".join(said)


def shown_value(tag: int, value: bytes) -> str:
    """One value as text by the type of its tag: text, digits or hexadecimal; account data masked or hidden."""
    known = KNOWN.get(tag)
    if known is None:
        return _unknown(value)
    if known.sensitivity is Sensitivity.HIDDEN:
        return f"[{len(value)} octets]"
    if known.sensitivity is Sensitivity.ACCOUNT:
        return _account(value.hex().upper().rstrip("F"))
    if known.sensitivity is Sensitivity.TRACK:
        try:
            return f"{Track2.from_text(value.hex()).pan.masked}[track]"
        except DecodeError:
            return f"[{len(value)} octets]"
    if known.format in (Format.A, Format.AN, Format.ANS) and value.isascii() and value.decode("ascii").isprintable():
        return f"'{value.decode('ascii')}'" if not _holds_account(value.decode("ascii")) else f"[{len(value)} octets]"
    if tag == 0x80 or not known.least <= len(value) <= known.most:
        return _unknown(value)
    return _hex(value)


def _account(digits: str) -> str:
    try:
        return Pan(digits).masked
    except DecodeError:
        return f"[{len(digits)} digits]"


def _unknown(value: bytes) -> str:
    """The octets in hexadecimal, or their length where they look like account data."""
    digits = value.hex()
    if _begins_account(digits.rstrip("f")) or _TRACK.search(digits) or _holds_account(value.decode("latin-1")):
        return f"[{len(value)} octets]"
    return _hex(value)


_ACCOUNT = re.compile(r"(?<![0-9])[0-9]{12,19}(?![0-9])", re.ASCII)  # ISO/IEC 7812-1:2017, 4; payment uses 12 and more
_TRACK = re.compile(r"[1-9][0-9]{11,18}[dD=^][0-9]{4}", re.ASCII)  # ISO/IEC 7813: number, separator, YYMM


def _holds_account(text: str) -> bool:
    """Whether ``text`` contains a track or, standing alone, a number of 12 to 19 digits with a right check digit."""
    return bool(_TRACK.search(text)) or any(_is_account(found) for found in _ACCOUNT.findall(text))


def _begins_account(digits: str) -> bool:
    """Whether all of ``digits`` are decimal and an account number is at their beginning."""
    return digits.isdecimal() and any(_is_account(digits[:size]) for size in range(12, min(19, len(digits)) + 1))


def _is_account(digits: str) -> bool:
    return _ACCOUNT.fullmatch(digits) is not None and digits[0] != "0" and Pan(digits).has_luhn_digit()


def _hex(value: bytes) -> str:
    return value.hex().upper()
