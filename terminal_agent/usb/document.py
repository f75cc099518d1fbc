# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What a USB policy says: rules, roles of ports, service windows, needs; and an exception. Reads no text.

document_text.py makes these of what a person wrote. They stand alone so that whoever only decides by a policy need not
hold what reads one.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from protocols.usb.conditions import day_time, window_name
from protocols.usb.rules import Rule, RuleSet, Target

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


def policy_of(rules: RuleSet, title: str) -> PolicyText:
    """A policy of nothing but rules."""
    return PolicyText(PolicyFile(title, rules.print()), rules, (), "")
