# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What a row of the command tables is, and the kinds of fields that many commands share. Holds no command."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Any, Generic, TypeVar

from protocols.hsm.codes import LEGACY_SINGLE, ErrorCode, KeyScheme, error_words
from protocols.hsm.evidence import Evidence
from protocols.hsm.fields import Alphanumeric, Characters, Choice, Digits, Hex, HexText, Key, KeyField, Rest
from protocols.hsm.layout import Fields, layout, layout_of
from protocols.hsm.optional_fields import AtallaVariant

AnyKey = Annotated[KeyField, Key()]
AnyKeyOrPair = Annotated[KeyField, Key(pair=True)]
SCHEMES = (LEGACY_SINGLE, *(scheme.value for scheme in KeyScheme if scheme is not KeyScheme.STORED))
Scheme = Annotated[str, Choice(SCHEMES, refusal=ErrorCode.INVALID_KEY_SCHEME)]
KeyTypeCode = Annotated[str, HexText(3)]
TypeCode = Annotated[str, HexText(2, refusal=ErrorCode.INVALID_TYPE_CODE)]
LengthFlag = Annotated[str, Choice(("0", "1", "2", "F"), refusal=ErrorCode.INVALID_LENGTH_FLAG)]
"""0 single, 1 double, 2 triple length; F a key block (own: no source says what hosts write there)."""
Atalla = Annotated[str | None, AtallaVariant()]
Account = Annotated[str, Digits(12, hidden=True)]
"""The rightmost 12 digits of the PAN without its check digit."""
PinBlock = Annotated[bytes, Hex(16)]
PinFormat = Annotated[str, Digits(2)]
PinLength = Annotated[str, Digits(2)]
CheckLength = Annotated[str, Digits(2)]
MaximumPinLength = Annotated[str, Choice(("12",))]
Descriptor = Annotated[str, HexText(3)]
Ksn = Annotated[bytes, Hex(20, plain=True)]
Pvki = Annotated[str, Digits(1)]
Pvv = Annotated[str, Digits(4, hidden=True)]
CheckValue6 = Annotated[bytes, Hex(6, plain=True)]
Reserved = Annotated[str, Characters(1)]
CheckValueKind = Annotated[str, Choice(("0", "1"))]
"""0 asks for 16 hexadecimal digits of the check value, 1 for 6."""

DUKPT_USAGES = frozenset({"B0", "41", "42", "43"})
"""What key blocks with base derivation keys say in their usage."""


def derives(key: KeyField) -> bool:
    """Whether a key is a BDK by what its key block says, so that a serial number follows it."""
    return key.in_block and key.usage in DUKPT_USAGES


LmkId = Annotated[str, Digits(2, refusal=ErrorCode.INVALID_LMK_ID)]
"""An LMK identifier in front of key block attributes, where a command has these; else it is part of the tail."""
KeyVersion = Annotated[str, Alphanumeric(2, refusal=ErrorCode.KEY_BLOCK_VERSION)]
Exportability = Annotated[str, Choice(("E", "N", "S"), refusal=ErrorCode.KEY_BLOCK_EXPORT)]
NoOptionalBlocks = Annotated[str, Choice(("00",), refusal=ErrorCode.KEY_BLOCK_MISCELLANEOUS)]

Q = TypeVar("Q", bound=Fields)
R = TypeVar("R", bound=Fields)


@layout
class CheckValueOptions(Fields):
    """Which check value to give."""

    reserved_1: Reserved = "0"
    reserved_2: Reserved = "0"
    kind: CheckValueKind


class Activity(StrEnum):
    """What a person must have authorised before a command is carried out; which commands is what one simulator does."""

    NONE = ""
    CLEAR_PIN = "clear-pin"
    COMPONENTS = "components"
    KEY_SCHEME = "key-scheme"
    KEY_EXPORT = "key-export"
    TABLES = "decimalisation-tables"


@dataclass(frozen=True, slots=True)
class Command(Generic[Q, R]):
    """One command: what it does, its two layouts, how well they are attested, and what codes mean in it alone."""

    title: str
    request: type[Q]
    response: type[R]
    evidence: Evidence
    errors: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    note: str = ""
    activity: Activity = Activity.NONE

    @property
    def code(self) -> str:
        """The command code."""
        return self.request.__name__

    @property
    def open_ended(self) -> bool:
        """Whether the last field takes everything up to the end, so that no tail can follow."""
        slots = layout_of(self.request).slots
        return bool(slots) and isinstance(slots[-1].kind, Rest)

    def error_words(self, error: str) -> str:
        """What an error code says in answer to this command."""
        return self.errors.get(error) or error_words(error)


Row = Command[Any, Any]
