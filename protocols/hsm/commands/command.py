# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What a row of the command tables is, and the kinds of fields that many commands share. Holds no command."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Annotated, Generic, TypeVar

from protocols.hsm.codes import LEGACY_SINGLE, ErrorCode, KeyScheme, error_words
from protocols.hsm.evidence import Evidence
from protocols.hsm.fields import (
    Characters,
    Choice,
    Digits,
    Hex,
    HexText,
    Key,
    KeyField,
)
from protocols.hsm.layout import Fields

AnyKey = Annotated[KeyField, Key()]
AnyKeyOrPair = Annotated[KeyField, Key(pair=True)]
Scheme = Annotated[
    str, Choice((LEGACY_SINGLE, *(scheme.value for scheme in KeyScheme)), refusal=ErrorCode.INVALID_KEY_SCHEME)
]
KeyTypeCode = Annotated[str, HexText(3)]
Account = Annotated[str, Digits(12, hidden=True)]
"""The rightmost 12 digits of the PAN without its check digit."""
PinBlock = Annotated[bytes, Hex(16)]
PinFormat = Annotated[str, Digits(2)]
PinLength = Annotated[str, Digits(2)]
Ksn = Annotated[bytes, Hex(20, plain=True)]
Pvki = Annotated[str, Digits(1)]
Pvv = Annotated[str, Digits(4, hidden=True)]
CheckValue6 = Annotated[bytes, Hex(6, plain=True)]
Reserved = Annotated[str, Characters(1)]

Q = TypeVar("Q", bound=Fields)
R = TypeVar("R", bound=Fields)


@dataclass(frozen=True, slots=True)
class Command(Generic[Q, R]):
    """One command: what it does, its two layouts, how well they are attested, and what codes mean in it alone."""

    title: str
    request: type[Q]
    response: type[R]
    evidence: Evidence
    errors: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    note: str = ""

    @property
    def code(self) -> str:
        """The command code."""
        return self.request.__name__

    def error_words(self, error: str) -> str:
        """What an error code says in answer to this command."""
        return self.errors.get(error) or error_words(error)
