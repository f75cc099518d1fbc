# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Which PIN block may become which, and the translation itself. Finds no key and counts no attempt.

The rule (ISO 9564-1:2017, 9; ANSI X9.8-1:2015; PCI PIN Security v3.1, requirement 3) is a table of pairs and purposes.
Its point is the account number: formats 0, 3 and 4 bind the PIN to one account, format 1 does not. Whoever may move a
bound block to format 1, or to another account number, can try the PIN of one card on another (Clulow, 2003).
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from protocols.errors import DecodeError, EncodeError
from protocols.pan import Pan
from protocols.pin.fields import DES_BLOCK, ZERO_BLOCK, account_octets, add_account, check_key, content_fault
from protocols.pin.iso9564 import SHAPE_0, Format, decipher_pin, encipher_pin
from protocols.primitives import BlockKey, Octets


class Purpose(Enum):
    """What a translated block is for; each purpose permits what the one before it does not."""

    INTERCHANGE = "between hosts, for verification"
    TO_CARD = "submission to the IC card"
    ISSUER_SCRIPT = "PIN change by issuer script"
    ISSUANCE = "card issuance in the sensitive state"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a translation is permitted, and why not."""

    permitted: bool
    reason: str


_BOUND: Final = (Format.ISO_0, Format.ISO_3, Format.ISO_4)
_SCRIPT_FORMS: Final = (Format.MASTERCARD_PIN_CHANGE, Format.VISA_PIN_CHANGE, Format.VISA_PIN_CHANGE_WITH_CURRENT)

_LOSES_ACCOUNT = "format 1 carries no account number: a bound PIN would become usable with any account"
_CARD_ONLY = "format 2 exists only between a reader and the card in it"
_STAYS_AT_CARD = "format 2 has no random part and no account number: it is never an origin between hosts"
_SCRIPT_ONLY = "PIN change forms exist only inside an issuer's script"
_NO_WAY_BACK = "a PIN change form is opened by the card alone"
_PAN_CHANGES = "the account number may change only at card issuance in the sensitive state"
_FREE = "permitted"

_RULES: Final[dict[tuple[Format, Format], tuple[tuple[Purpose, ...], str]]] = {}
"""(from, to) → (purposes that permit it, the reason where it is not one of them)."""

for _source in Format:
    for _destination in Format:
        if _source in _SCRIPT_FORMS:
            _rule: tuple[tuple[Purpose, ...], str] = ((), _NO_WAY_BACK)
        elif _source == Format.ISO_2:
            _rule = ((Purpose.TO_CARD,) if _destination == Format.ISO_2 else (), _STAYS_AT_CARD)
        elif _destination in _SCRIPT_FORMS:
            _rule = ((Purpose.ISSUER_SCRIPT,), _SCRIPT_ONLY)
        elif _destination == Format.ISO_2:
            _rule = ((Purpose.TO_CARD,), _CARD_ONLY)
        elif _destination == Format.ISO_1 and _source in _BOUND:
            _rule = ((), _LOSES_ACCOUNT)
        else:
            _rule = ((Purpose.INTERCHANGE, Purpose.ISSUANCE), _FREE)
        _RULES[_source, _destination] = _rule


def verdict(
    source: Format, destination: Format, purpose: Purpose = Purpose.INTERCHANGE, *, pan_changes: bool = False
) -> Verdict:
    """Whether a block of format ``source`` may become one of ``destination`` for ``purpose``."""
    refusal = _refusal(source, destination, purpose, pan_changes)
    return Verdict(refusal is None, refusal or _FREE)


def _refusal(source: Format, destination: Format, purpose: Purpose, pan_changes: bool) -> str | None:
    purposes, reason = _RULES[source, destination]
    if purpose not in purposes:
        return reason if reason is not _FREE else f"not for {purpose.value}"
    if pan_changes and source in _BOUND and purpose is not Purpose.ISSUANCE:
        return _PAN_CHANGES
    return None


def translate(
    source_key: BlockKey,
    source: Format,
    destination_key: BlockKey,
    destination: Format,
    block: Octets,
    pan: Pan,
    random: Octets = b"",
    *,
    destination_pan: Pan | None = None,
    purpose: Purpose = Purpose.INTERCHANGE,
) -> bytes:
    """A block enciphered under one key as a block under another, after judging its content. Formats 0, 1, 3, 4.

    ``random`` is 8 fresh octets where the destination has random fill. :class:`EncodeError` for a translation that the
    table refuses, one :class:`DecodeError` for every content fault. Translating node.
    """
    if source == 0 and destination == 0 and destination_pan is None:
        return _translate_0_to_0(source_key, destination_key, block, pan)[0]
    return translate_counted(
        source_key,
        source,
        destination_key,
        destination,
        block,
        pan,
        random,
        destination_pan=destination_pan,
        purpose=purpose,
    )[0]


def translate_counted(
    source_key: BlockKey,
    source: Format,
    destination_key: BlockKey,
    destination: Format,
    block: Octets,
    pan: Pan,
    random: Octets = b"",
    *,
    destination_pan: Pan | None = None,
    purpose: Purpose = Purpose.INTERCHANGE,
) -> tuple[bytes, int]:
    """As :func:`translate`, with the number of digits of the PIN, which host commands tell. Translating node."""
    if source == 0 and destination == 0 and destination_pan is None:
        return _translate_0_to_0(source_key, destination_key, block, pan)
    onward = pan if destination_pan is None else destination_pan
    refusal = _refusal(source, destination, purpose, onward is not pan and onward != pan)
    if refusal is not None:
        raise EncodeError(f"translation from format {source:d} to format {destination:d} refused: {refusal}")
    with decipher_pin(source_key, source, block, pan) as pin:
        return encipher_pin(destination_key, destination, pin, onward, random), len(pin)


def _translate_0_to_0(source_key: BlockKey, destination_key: BlockKey, block: Octets, pan: Pan) -> tuple[bytes, int]:
    # The commonest host command: the clear block is judged in a copy and enciphered as it is.
    if source_key.block_octets != DES_BLOCK or destination_key.block_octets != DES_BLOCK:
        check_key(source_key, DES_BLOCK)
        check_key(destination_key, DES_BLOCK)
    if len(block) != DES_BLOCK:
        raise DecodeError("PIN block", f"{len(block)} octets, {DES_BLOCK} expected")
    clear = bytearray(2 * DES_BLOCK - 1)
    source_key.decipher_into(block, clear)
    del clear[DES_BLOCK:]
    field = bytearray(clear)
    try:
        add_account(field, account_octets(pan))
        if not SHAPE_0.holds(field):
            raise content_fault()
        return destination_key.encipher_unchecked(clear), field[0] & 0x0F
    finally:
        field[:] = clear[:] = ZERO_BLOCK
