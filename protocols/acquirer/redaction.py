# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A message in words for traces: what identifies a card is masked or counted. It never shows more on demand."""

from collections.abc import Callable

from protocols.acquirer.account import EncipheredAccount
from protocols.acquirer.dialects import Dialect
from protocols.acquirer.elements import ELEMENTS, Kind
from protocols.acquirer.fields import Fields
from protocols.errors import DecodeError
from protocols.pan import Pan, Track2


def _pan(text: str) -> str:
    return Pan(text).masked


def _track2(text: str) -> str:
    return f"track of {Track2.from_text(text).pan.masked}"


def _account(text: str) -> str:
    sent = EncipheredAccount.from_text(text)
    return f"account data of {sent.masked} under KSN {sent.ksn.hex().upper()}"


def _counted(text: str) -> str:
    return f"[{len(text)} characters]"


def _octets(text: str) -> str:
    return f"[{len(text) // 2} octets]"


_MASKS: dict[int, Callable[[str], str]] = {2: _pan, 35: _track2, 52: _octets, 55: _octets}


def redacted_fields(mti: str, fields: Fields, dialect: Dialect) -> str:
    """One line: the type, then each element; private text is shown only where it is a key serial number."""
    words = [mti]
    for number, text in sorted(fields.items()):
        words.append(f"DE{number}={_shown(number, text, mti, dialect)}")
    return " ".join(words)


def _shown(number: int, text: str, mti: str, dialect: Dialect) -> str:
    element = ELEMENTS[number]
    private = {} if mti.startswith("08") else {dialect.account_field: _account}
    mask = _MASKS.get(number) or private.get(number)
    if mask is not None:
        try:
            return mask(text)
        except DecodeError:
            return _counted(text)
    if mti.startswith("08") and number == dialect.key_field:
        return f"[key, check value {text[32:38]}]" if len(text) == 38 else _counted(text)
    if not mti.startswith("08") and number == dialect.ksn_field:
        return f"KSN {text}" if len(text) == 20 else _counted(text)
    if element.sensitive or (element.kind is Kind.ANS and element.form.value == 3):
        return _counted(text)
    return text.rstrip(" ")
