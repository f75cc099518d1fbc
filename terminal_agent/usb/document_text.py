# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A USB policy as a person writes it, one TOML file; and an exception. Decides nothing.

What a person signs is this text, octet for octet, so nothing is lost or added between the eye and the signature.
Errors name the file, the key, and within the rules the line and column.
"""

import tomllib
from pathlib import Path

from protocols.errors import DecodeError
from protocols.usb.rule_text import parse_query, parse_rules
from protocols.usb.rules import Dialect, RuleSet
from terminal_agent.usb.document import ExceptionFile, ExceptionText, PolicyFile, PolicyText
from tillguard import settings
from tillguard.exits import Exit
from tillguard.voice import Fault

LARGEST = 1 << 20  # a policy of more than 1 MiB is a mistake


def parse_policy(text: str, path: Path) -> PolicyText:
    """A policy's TOML; :class:`Fault` names what is wrong and where. ``path`` is for the errors only."""
    file = settings.parse(_toml(text, path), PolicyFile, path)
    rules = _rules(file.rules, path)
    needs = []
    for place, need in enumerate(file.needs):
        try:
            needs.append(parse_query(need.match))
        except DecodeError as fault:
            raise Fault(f"{path}: needs[{place}].match: {fault.why}", "attributes as in a rule", Exit.USAGE) from None
    return PolicyText(file, rules, tuple(needs), text)


def parse_exception(text: str, path: Path) -> ExceptionText:
    """An exception's TOML; :class:`Fault` as of a policy."""
    file = settings.parse(_toml(text, path), ExceptionFile, path)
    return ExceptionText(file, _rules(file.rules, path))


def bare_rules(text: str, path: Path, dialect: Dialect) -> RuleSet:
    """A file of nothing but rules, as usbguard has them."""
    return _rules(text, path, dialect, "")


def _toml(text: str, path: Path) -> dict[str, object]:
    if len(text) > LARGEST:
        raise Fault(f"{path}: larger than 1 MiB", "is this the right file?", Exit.USAGE)
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as fault:
        _, _, place = str(fault).rpartition("(at ")
        raise Fault(f"{path}: not valid TOML at {place.rstrip(')')}", "mend that line", Exit.USAGE) from None


def _rules(text: str, path: Path, dialect: Dialect = Dialect.TILLGUARD, key: str = "rules, ") -> RuleSet:
    try:
        return parse_rules(text, dialect)
    except DecodeError as fault:
        raise Fault(f"{path}: {key}{fault.where}: {fault.why}", "mend that rule; see docs/usb.md", Exit.USAGE) from None
