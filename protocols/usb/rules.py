# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The USB policy language: what a rule is, and how it is printed. Parses nothing (rule_text.py), decides nothing.

The language is USBGuard's, so that its rules files can be read and written. A rule is a target and what a device must
show for it; the first rule that fits decides. Ours adds words, listed in :data:`EXTENSIONS`, which USBGuard does not
know: a rule says by :attr:`Rule.extensions` which of them it uses, and its own printing in USBGuard's dialect refuses.

A rule's text may hold any octet a device shows. In Python it is text decoded as UTF-8 with lone octets escaped
(PEP 383), the same as names read from sysfs, so that values compare; in print everything beyond plain ASCII is
``\\xhh``, so that no terminal and no log is at the mercy of a device's product name.
"""

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from functools import cached_property
from hashlib import sha256
from typing import NamedTuple

from protocols.errors import EncodeError


class Dialect(Enum):
    """Whose language a text is in."""

    TILLGUARD = "tillguard"
    """Ours: the strict meaning, and the extensions."""
    USBGUARD = "usbguard"
    """That of usbguard 1.1.2, octet by octet, its defects included."""


class Target(StrEnum):
    """What happens to a device. The last two are USBGuard's own tools: its parser takes them in a policy, ours not."""

    ALLOW = "allow"
    BLOCK = "block"
    REJECT = "reject"
    ALLOW_INTERFACE = "allow-interface"
    """Extension: the device is authorised, but only the interfaces that the rule names get a driver."""
    MATCH = "match"
    DEVICE = "device"


class Operator(StrEnum):
    """How the values of a rule and those of a device must stand to one another."""

    EQUALS = "equals"
    EQUALS_ORDERED = "equals-ordered"
    ALL_OF = "all-of"
    ONE_OF = "one-of"
    NONE_OF = "none-of"
    MATCH_ALL = "match-all"


class Kind(Enum):
    """What the values of an attribute are."""

    TEXT = "text in double quotes"
    ID = "vendor:product, four hexadecimal digits each or *"
    INTERFACE = "class:subclass:protocol, two hexadecimal digits each; the last two may be *"
    CONDITION = "a condition"
    WORD = "a word"
    MOMENT = "a moment such as 2026-12-24T18:00:00Z"


ATTRIBUTES: dict[str, Kind] = {
    "id": Kind.ID,
    "serial": Kind.TEXT,
    "name": Kind.TEXT,
    "hash": Kind.TEXT,
    "parent-hash": Kind.TEXT,
    "via-port": Kind.TEXT,
    "with-interface": Kind.INTERFACE,
    "if": Kind.CONDITION,
    "with-connect-type": Kind.TEXT,
    "label": Kind.TEXT,
    "via-role": Kind.TEXT,
    "with-storage": Kind.WORD,
    "until": Kind.MOMENT,
}
"""Every attribute in the order in which rules are printed (the order of ``usbguard-rule-parser``, ours behind it)."""
PLACE = {name: place for place, name in enumerate(ATTRIBUTES)}
EXTENSIONS = frozenset({"allow-interface", "via-role", "with-storage", "until", "keystroke-rate", "service-window"})
"""Targets, attributes and conditions that only Tillguard knows."""
READ_ONLY = "read-only"  # the one word that with-storage takes


@dataclass(frozen=True, slots=True)
class IdPattern:
    """Vendor and product: four hexadecimal digits as written, or ``*``. A vendor ``*`` goes with a product ``*``."""

    vendor: str
    product: str

    def __str__(self) -> str:
        return f"{self.vendor}:{self.product}"


class InterfacePattern(NamedTuple):
    """Interface class, subclass, protocol (USB 2.0, 9.6.5); None is ``*``. A device's own have no None.

    A tuple, because the evaluator looks every interface of every device up in tables.
    """

    base: int
    sub: int | None = None
    protocol: int | None = None

    def __str__(self) -> str:
        sub = "*" if self.sub is None else f"{self.sub:02x}"
        protocol = "*" if self.protocol is None else f"{self.protocol:02x}"
        return f"{self.base:02x}:{sub}:{protocol}"

    def covers(self, other: "InterfacePattern") -> bool:
        """Whether a device's interface, or a narrower pattern, is one of those meant here."""
        return (
            self.base == other.base
            and (self.sub is None or self.sub == other.sub)
            and (self.protocol is None or self.protocol == other.protocol)
        )


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition as written: ``localtime(08:00-18:00)`` has a parameter, ``!true`` is negated."""

    name: str
    parameter: str | None = None
    negated: bool = False

    def __str__(self) -> str:
        parameter = "" if self.parameter is None else f"({self.parameter})"
        return f"{'!' if self.negated else ''}{self.name}{parameter}"


Value = str | IdPattern | InterfacePattern | Condition


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute of a rule: its values are what its :class:`Kind` says."""

    name: str
    values: tuple[Value, ...]
    operator: Operator = Operator.EQUALS


@dataclass(frozen=True)
class Rule:
    """One rule. ``attributes`` are in the order of :data:`ATTRIBUTES`, each name at most once."""

    target: Target
    attributes: tuple[Attribute, ...] = ()
    comment: str | None = field(default=None, compare=False)
    line: int = field(default=0, compare=False)
    """Where it stands in its file, from 1; 0 where it was never in one."""

    def attribute(self, name: str) -> Attribute | None:
        """The attribute of that name, if the rule has it."""
        for one in self.attributes:
            if one.name == name:
                return one
        return None

    @cached_property
    def conditions(self) -> tuple[Condition, ...]:
        """The conditions behind ``if``."""
        found = self.attribute("if")
        return tuple(one for one in found.values if isinstance(one, Condition)) if found else ()

    @cached_property
    def extensions(self) -> tuple[str, ...]:
        """Which words of ours, unknown to USBGuard, the rule uses."""
        words = [str(self.target), *(one.name for one in self.attributes), *(one.name for one in self.conditions)]
        return tuple(dict.fromkeys(word for word in words if word in EXTENSIONS))

    @cached_property
    def label(self) -> str | None:
        """Its label, where it has exactly one."""
        found = self.attribute("label")
        return str(found.values[0]) if found and len(found.values) == 1 else None

    def __str__(self) -> str:
        return print_rule(self)


@dataclass(frozen=True)
class RuleSet:
    """The rules of one file or policy, in order."""

    rules: tuple[Rule, ...]
    prefix: str = ""
    """What stands before each rule's id, such as the name of the exception that the rules are of."""

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """The name of each rule in verdicts and audit records: its label where that is its alone, else ``line N``."""
        labels = [rule.label for rule in self.rules]
        counted = Counter(labels)
        found = []
        for place, (label, rule) in enumerate(zip(labels, self.rules, strict=True), 1):
            alone = label and counted[label] == 1 and label != IMPLICIT
            found.append(self.prefix + (printable(label) if label and alone else f"line {rule.line or place}"))
        return tuple(found)

    def print(self, dialect: Dialect = Dialect.TILLGUARD) -> str:
        """The rules as a file, one a line."""
        return "".join(f"{print_rule(rule, dialect)}\n" for rule in self.rules)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the printed rules, hexadecimal: which policy a verdict was given under."""
        return sha256(self.print().encode()).hexdigest()


IMPLICIT = "implicit"  # the rule id of what no rule decided

_PLAIN = {octet: chr(octet) for octet in range(0x20, 0x7F)} | {0x22: '\\"', 0x5C: "\\\\"}
_PRINTED = [_PLAIN.get(octet, f"\\x{octet:02x}") for octet in range(256)]
_PASSED_AS_TRUE = ("true", "false")


def printable(text: str) -> str:
    """Device or rule text made safe for terminals and logs: as in a rule, but without the quotes around it."""
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return text
    return "".join([_PRINTED[octet] for octet in text.encode("utf-8", "surrogateescape")])


def quoted(text: str) -> str:
    """Text as a rule has it: in double quotes, every octet beyond printable ASCII as ``\\xhh``."""
    return f'"{printable(text)}"'


def print_rule(rule: Rule, dialect: Dialect = Dialect.TILLGUARD) -> str:
    """A rule in its normal form, without its comment.

    In USBGuard's dialect octet for octet what ``usbguard-rule-parser`` prints, also where that is wrong: it prints
    ``rule-evaluated`` as ``rule-applied``. :class:`EncodeError` for a rule with words that USBGuard does not know.
    """
    if dialect is Dialect.USBGUARD and rule.extensions:
        raise EncodeError(f"{rule.extensions[0]} is not a word of usbguard")
    words = [str(rule.target)]
    for attribute in rule.attributes:
        printed = [_print_value(attribute, value, dialect) for value in attribute.values]
        words.append(attribute.name)
        if len(printed) == 1 and attribute.operator is Operator.EQUALS:
            words.append(printed[0])
        else:
            words += [] if attribute.operator is Operator.EQUALS else [str(attribute.operator)]
            words += ["{", *printed, "}"]
    return " ".join(words)


def _print_value(attribute: Attribute, value: Value, dialect: Dialect) -> str:
    if isinstance(value, str):
        return quoted(value) if ATTRIBUTES[attribute.name] is Kind.TEXT else value
    if isinstance(value, Condition):
        if value.name in _PASSED_AS_TRUE:
            value = Condition(value.name, None, value.negated)
        elif dialect is Dialect.USBGUARD and value.name == "rule-evaluated":
            value = Condition("rule-applied", value.parameter, value.negated)
    return str(value)
