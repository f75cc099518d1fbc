# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A USB policy as a person writes it: rules, roles of ports, service windows, needs; and an exception. Decides nothing.

One TOML file. What a person signs is this text, octet for octet, so nothing is lost or added between the eye and the
signature. Errors name the file, the key, and within the rules the line and column.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType

from protocols.errors import DecodeError
from protocols.usb.conditions import day_time, window_name
from protocols.usb.rule_text import parse_query, parse_rules
from protocols.usb.rules import Dialect, Rule, RuleSet, Target
from tillguard import settings
from tillguard.exits import Exit
from tillguard.voice import Fault

LARGEST = 1 << 20  # a policy of more than 1 MiB is a mistake
_ROLE = re.compile(r"[a-z0-9][a-z0-9-]{0,31}", re.ASCII)
PORT = re.compile(r"(?:usb\d{1,3}|\d{1,3}-\d{1,3}(?:\.\d{1,3}){0,5})", re.ASCII)
"""A device's name in sysfs: a root hub, or bus, port and the ports of up to five hubs (USB 2.0, 4.1.1: seven tiers)."""
_PATTERN = re.compile(r"(?:[0-9A-Za-z:._-]{1,64}/\d{1,3}(?:\.\d{1,3}){0,5}|\d{1,3}-\d{1,3}(?:\.\d{1,3}){0,5})(\.\*)?")


def _readable(name: str, text: str) -> None:
    """Words that are printed for people hold nothing that moves a cursor."""
    if not text or len(text) > 200 or not text.isprintable():
        raise ValueError(f"{name}: 1 to 200 printable characters expected")


class Day(StrEnum):
    """Days of the week."""

    MON = "mon"
    TUE = "tue"
    WED = "wed"
    THU = "thu"
    FRI = "fri"
    SAT = "sat"
    SUN = "sun"


class Implicit(StrEnum):
    """What happens to a device that no rule names. To allow it is no choice."""

    BLOCK = "block"
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class PortRole:
    """[[ports]]: what the ports of this terminal are for; the first entry that holds a port names its role."""

    role: str
    ports: tuple[str, ...]
    """``1-2`` one port; ``1-2.*`` everything behind the hub there; ``0000:00:14.0/2.*`` the same by the host
    controller's name, which stays when buses are numbered anew."""

    def __post_init__(self) -> None:
        if not _ROLE.fullmatch(self.role):
            raise ValueError("role: 1 to 32 small letters, digits and hyphens expected")
        if not all(_PATTERN.fullmatch(one) for one in self.ports):
            raise ValueError("ports: such as 1-2, 1-2.* or 0000:00:14.0/2.* expected")


@dataclass(frozen=True, slots=True)
class Window:
    """[windows.NAME]: when a service window is open, in local time; over midnight where it closes before it opens."""

    opens: str
    closes: str
    days: tuple[Day, ...] = tuple(Day)
    """The days on which it opens."""

    def __post_init__(self) -> None:
        if day_time(self.opens) is None or day_time(self.closes) is None or self.opens == self.closes:
            raise ValueError("opens, closes: two times such as 02:00 and 04:30 expected")


@dataclass(frozen=True, slots=True)
class Need:
    """[[needs]]: a device without which the terminal is none. A policy that would lock it out is not taken."""

    what: str
    match: str
    """Which device, in the words of a rule: ``id 11ca:0220 via-role "payment"``."""
    operator_input: bool = False
    """Whether an operator types or touches on it: one such must stay."""

    def __post_init__(self) -> None:
        _readable("what", self.what)


@dataclass(frozen=True, slots=True)
class PolicyFile:
    """The whole of it."""

    title: str
    rules: str
    implicit: Implicit = Implicit.BLOCK
    ports: tuple[PortRole, ...] = ()
    windows: Mapping[str, Window] = field(default_factory=lambda: MappingProxyType({}))
    needs: tuple[Need, ...] = ()

    def __post_init__(self) -> None:
        _readable("title", self.title)
        if not all(window_name(name) for name in self.windows):
            raise ValueError("windows: names of small letters, digits and hyphens expected")


@dataclass(frozen=True, slots=True)
class ExceptionFile:
    """An exception: rules that come before the policy's, and windows that are open, while its signature holds."""

    reason: str
    rules: str = ""
    windows: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _readable("reason", self.reason)
        if not self.rules and not self.windows:
            raise ValueError("rules or windows: at least one of them expected")
        if not all(window_name(name) for name in self.windows):
            raise ValueError("windows: names of small letters, digits and hyphens expected")


@dataclass(frozen=True, slots=True)
class PolicyText:
    """A policy that was read: what it says, and the text that was signed or is to be."""

    file: PolicyFile
    rules: RuleSet
    needs: tuple[Rule, ...]
    text: str

    @property
    def implicit(self) -> Target:
        """The target of what no rule names."""
        return Target(str(self.file.implicit))


@dataclass(frozen=True, slots=True)
class ExceptionText:
    """An exception that was read."""

    file: ExceptionFile
    rules: RuleSet


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


def policy_of(rules: RuleSet, title: str) -> PolicyText:
    """A policy of nothing but rules."""
    return PolicyText(PolicyFile(title, rules.print()), rules, (), "")


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
