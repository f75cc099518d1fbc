# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""PIN block formats as the calculator sees them: what each needs, how its field looks. Reads and prints nothing."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from protocols.errors import EncodeError
from protocols.pan import Pan
from protocols.pin import iso9564, pin_change, sm4_block
from protocols.pin.iso9564 import Format
from protocols.pin.sm4_block import Variant
from protocols.primitives import BlockKey
from protocols.secret import ClearKey, ClearPinBlock, Pin

NO_ACCOUNT: Final = Pan("0" * 13)
"""Stands for an account number in calls that do not use it: its account field is all zeros."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What goes into a block besides the PIN."""

    pan: Pan = NO_ACCOUNT
    random: bytes = b""
    card_key: ClearKey | None = None
    current_pin: Pin | None = None


@dataclass(frozen=True, slots=True)
class Form:
    """One format. ``cipher`` is that of its keys: empty where it goes in clear to a card, or inside a script."""

    words: str
    control: int
    octets: int
    cipher: str
    account: bool
    random: bool
    encode: Callable[[Pin, Parts], ClearPinBlock]
    decode: Callable[[ClearPinBlock, Parts], Pin]
    fill: str = "F"
    account_may_lack: bool = False
    card_key: bool = False
    current_pin: bool = False
    zeros_behind: bool = False
    number: Format | None = None
    """The format in the translation table, if it is there."""

    def field(self, pin: Pin, *, reveal: bool) -> str:
        """The PIN field as text: its digits as stars unless they may be seen; R is a random nibble."""
        digits = "".join(map(str, pin)) if reveal else "*" * len(pin)
        head = f"{self.control:X}{len(pin):X}{digits}"
        if self.control == Format.ISO_4:
            return head.ljust(16, "A") + "R" * 16
        width = 16 if self.zeros_behind else 2 * self.octets
        return head.ljust(width, self.fill).ljust(2 * self.octets, "0")

    def account_field(self, pan: Pan) -> str:
        """The field added to the PIN field, its 12 digits as a masked PAN shows them."""
        digits = ("0000" + pan.masked[-13:-1].rjust(12, "0")).rjust(16 if self.zeros_behind else 2 * self.octets, "0")
        return digits.ljust(2 * self.octets, "0")


def _card_key(parts: Parts) -> ClearKey:
    if parts.card_key is None:
        raise EncodeError("this form needs the card's key")
    return parts.card_key


def _sm4(variant: Variant, words: str) -> Form:
    return Form(
        words,
        0,
        16,
        "sm4",
        True,
        False,
        lambda pin, parts: sm4_block.encode(pin, parts.pan, variant),
        lambda block, parts: sm4_block.decode(block, parts.pan, variant),
        account_may_lack=True,
        zeros_behind=variant is Variant.ZERO_FILLED,
    )


def _visa(words: str, *, current: bool) -> Form:
    return Form(
        words,
        0,
        8,
        "",
        False,
        False,
        lambda pin, parts: pin_change.encode_visa(pin, _card_key(parts), parts.current_pin),
        lambda block, parts: pin_change.decode_visa(block, _card_key(parts), parts.current_pin),
        card_key=True,
        current_pin=current,
    )


FORMS: Final[dict[str, Form]] = {
    "0": Form(
        "ISO 9564-1 format 0: PIN field and account field",
        0,
        8,
        "tdes",
        True,
        False,
        lambda pin, parts: iso9564.encode_format_0(pin, parts.pan),
        lambda block, parts: iso9564.decode_format_0(block, parts.pan),
        number=Format.ISO_0,
    ),
    "1": Form(
        "ISO 9564-1 format 1: PIN field with random fill, no account number",
        1,
        8,
        "tdes",
        False,
        True,
        lambda pin, parts: iso9564.encode_format_1(pin, parts.random),
        lambda block, parts: iso9564.decode_format_1(block),
        fill="R",
        number=Format.ISO_1,
    ),
    "2": Form(
        "ISO 9564-1 format 2: in clear to a card",
        2,
        8,
        "",
        False,
        False,
        lambda pin, parts: iso9564.encode_format_2(pin),
        lambda block, parts: iso9564.decode_format_2(block),
        number=Format.ISO_2,
    ),
    "3": Form(
        "ISO 9564-1 format 3: format 0 with random fill A to F",
        3,
        8,
        "tdes",
        True,
        True,
        lambda pin, parts: iso9564.encode_format_3(pin, parts.pan, parts.random),
        lambda block, parts: iso9564.decode_format_3(block, parts.pan),
        fill="R",
        number=Format.ISO_3,
    ),
    "4": Form(
        "ISO 9564-1 format 4: 16 octets under AES, the PAN added between two encipherments",
        4,
        16,
        "aes",
        True,
        True,
        lambda pin, parts: iso9564.encode_format_4(pin, parts.random),
        lambda block, parts: iso9564.decode_format_4(block),
        fill="A",
        number=Format.ISO_4,
    ),
    "35": Form(
        "Mastercard PIN change: format 2 field and account field",
        2,
        8,
        "",
        True,
        False,
        lambda pin, parts: pin_change.encode_mastercard(pin, parts.pan),
        lambda block, parts: pin_change.decode_mastercard(block, parts.pan),
        number=Format.MASTERCARD_PIN_CHANGE,
    ),
    "41": _visa("Visa PIN change without the current PIN", current=False),
    "42": _visa("Visa PIN change with the current PIN", current=True),
    "sm4-whole-field": _sm4(Variant.WHOLE_FIELD, f"UnionPay under SM4: {Variant.WHOLE_FIELD.value}"),
    "sm4-zero-filled": _sm4(Variant.ZERO_FILLED, f"UnionPay under SM4: {Variant.ZERO_FILLED.value}"),
}
"""Formats by the names that options use."""

CLEAR: Final = tuple(FORMS)
ENCIPHERED: Final = tuple(name for name, form in FORMS.items() if form.cipher)
TRANSLATED: Final = ("0", "1", "3", "4")
RULED: Final = ("0", "1", "2", "3", "4", "35", "41", "42")


def encipher(form: Form, key: BlockKey, pin: Pin, parts: Parts) -> bytes:
    """The enciphered block of a form that has a cipher."""
    if form.number == Format.ISO_4:
        return iso9564.encipher_format_4(key, pin, parts.pan, parts.random)
    with form.encode(pin, parts) as clear:
        return key.encipher(clear.reveal())


def decipher(form: Form, key: BlockKey, block: bytes, parts: Parts) -> Pin:
    """The PIN of an enciphered block; any content fault is one :class:`DecodeError`."""
    if form.number == Format.ISO_4:
        return iso9564.decipher_format_4(key, block, parts.pan)
    with ClearPinBlock(bytearray(key.decipher(block))) as clear:
        return form.decode(clear, parts)
