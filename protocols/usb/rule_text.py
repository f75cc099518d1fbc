# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Reads the USB policy language: text in, rules out, else line and column. Decides nothing.

The grammar, with ``blank`` a space or tab, ``[ ]`` optional, one rule a line::

    rule      = target [ blank+ id ] { blank+ name blank+ ( value | set ) } [ blank* "#" comment ]
    set       = [ operator blank+ ] "{" blank* value { blank+ value } blank* "}"
    text      = '"' … '"'        escapes: \\" \\\\ \\xhh; no line feed, no carriage return
    condition = [ "!" ] name [ "(" parameter ")" ]        a parameter ends at the first ")"

In USBGuard's dialect this is exactly what usbguard 1.1.2 takes (no blank before a rule or behind it; ``label`` may be
given twice). Ours takes blanks around a rule, refuses what cannot have been meant, and knows the extensions.
"""

import re
from collections.abc import Callable

from protocols.errors import DecodeError
from protocols.usb.conditions import MOST_CONDITIONS, meaning, moment
from protocols.usb.rules import (
    ATTRIBUTES,
    EXTENSIONS,
    PLACE,
    READ_ONLY,
    Attribute,
    Condition,
    Dialect,
    IdPattern,
    InterfacePattern,
    Kind,
    Operator,
    Rule,
    RuleSet,
    Target,
    Value,
)

LONGEST_LINE = 65_536  # a rule names one device: more is a mistake or an attack
MOST_RULES = 10_000  # two hundred times what a terminal needs; bounds memory and time

_TARGET = re.compile(r"[a-z][a-z-]*")
_ANY_TARGET = re.compile(r"allow|block|reject|match|device")
_NAME = re.compile(r"[ \t]+([a-z][a-z-]*)(?=[ \t])")
_BARE_ID = re.compile(r"[ \t]+(?=[0-9A-Fa-f*]+:)")
_BLANKS = re.compile(r"[ \t]+")
_OPEN = re.compile(r"(?:([a-z][a-z-]*)[ \t]+)?\{[ \t]*")
_NEXT = re.compile(r"[ \t]+(?![ \t}])")
_CLOSE = re.compile(r"[ \t]*\}")
_END = re.compile(r"[ \t]*(?:#(.*))?\Z", re.DOTALL)
_STRICT_END = re.compile(r"(?:[ \t]*#(.*))?\Z", re.DOTALL)
_TEXT = re.compile(r'"([^"\\\r\n]*)"')
_ESCAPED = re.compile(r'"((?:[^"\\\r\n]|\\(?:["\\]|x[0-9A-Fa-f]{2}))*)"')
_ESCAPE = re.compile(rb'\\(?:(["\\])|x([0-9A-Fa-f]{2}))')
_ID = re.compile(r"([0-9A-Fa-f]{4}|\*):([0-9A-Fa-f]{4}|\*)")
_INTERFACE = re.compile(r"([0-9A-Fa-f]{2}):([0-9A-Fa-f]{2}|\*):([0-9A-Fa-f]{2}|\*)")
_CONDITION = re.compile(r"(!?)([A-Za-z-][A-Za-z0-9-]*)(?:\(([^)]*)\))?")
_THEIR_CONDITION = re.compile(  # the parameter is kept as written, but its escapes must be those of C
    r"(!?)([A-Za-z-][A-Za-z0-9-]*)(?:\(((?:[^)\\\r\n]|\\(?:x[0-9A-Fa-f]{2}|[0-9]|['\\abfnrtv)]))*)\))?"
)
_WORD = re.compile(r"[A-Za-z0-9+:.-]+")
_PARAMETER = re.compile(r"[\x20-\x7e]*")
_TARGETS = {str(target): target for target in Target}
_OPERATORS = {str(operator): operator for operator in Operator}
_USBGUARD_NAMES = {name: kind for name, kind in ATTRIBUTES.items() if name not in EXTENSIONS}


def parse_rule(text: str, dialect: Dialect = Dialect.TILLGUARD, line: int = 1) -> Rule | None:
    """One line as a rule; None for a line that holds nothing but blanks or a comment.

    :class:`DecodeError` says line and column, what was found and what was expected. It never quotes the text.
    """
    if len(text) > LONGEST_LINE:
        raise DecodeError(_where(line, LONGEST_LINE), f"a rule of more than {LONGEST_LINE} characters")
    text = _clean(text, line)
    return _Reader(text, dialect, line).rule()


def parse_rules(text: str, dialect: Dialect = Dialect.TILLGUARD) -> RuleSet:
    """A rules file: one rule a line, empty lines and comments between them; :class:`DecodeError` as of a rule."""
    rules = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line:
            continue
        rule = parse_rule(line, dialect, number)
        if rule is not None:
            rules.append(rule)
        if len(rules) > MOST_RULES:
            raise DecodeError(_where(number, 0), f"more than {MOST_RULES} rules")
    return RuleSet(tuple(rules))


def parse_query(text: str, dialect: Dialect = Dialect.TILLGUARD) -> Rule:
    """Attributes without a target, as in ``allowed-matches(with-interface 09:00:00)``; as a rule that allows."""
    found = _Reader(f"allow {_clean(text, 1)}", dialect, 1).rule()
    if found is None:
        raise DecodeError("query", "attributes as in a rule expected")
    return found


def _where(line: int, place: int) -> str:
    return f"line {line}, column {place + 1}"


def _clean(text: str, line: int) -> str:
    """Text whose every octet survives: lone surrogates may only be those of PEP 383."""
    if text.isascii():
        return text
    try:
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as fault:
        raise DecodeError(_where(line, fault.start), "a lone surrogate; text or octets expected") from None
    return text


class _Reader:
    """One line being read; ``place`` is where."""

    __slots__ = ("dialect", "found", "line", "names", "ours", "place", "text")

    def __init__(self, text: str, dialect: Dialect, line: int) -> None:
        self.text = text
        self.dialect = dialect
        self.ours = dialect is Dialect.TILLGUARD
        self.names = ATTRIBUTES if self.ours else _USBGUARD_NAMES
        self.line = line
        self.place = 0
        self.found: dict[str, Attribute] = {}

    def fault(self, why: str, place: int | None = None) -> DecodeError:
        """What is wrong here."""
        return DecodeError(_where(self.line, self.place if place is None else place), why)

    def rule(self) -> Rule | None:
        text = self.text
        if blanks := _BLANKS.match(text):
            if self.ours:
                self.place = blanks.end()
            elif text[blanks.end() : blanks.end() + 1] != "#":
                raise self.fault("a blank before the rule")
        if (self.ours and self.place == len(text)) or text.lstrip(" \t").startswith("#"):
            return None
        target = self.target()
        self.attributes()
        while not self.ours and (word := _ANY_TARGET.match(text, self.place)):
            # usbguard reads on where a further target stands without a blank before it, and the last target holds.
            target, self.place = _TARGETS[word[0]], word.end()
            self.attributes()
        end = (_END if self.ours else _STRICT_END).match(text, self.place)
        if end is None:
            raise self._not_an_attribute()
        rule = Rule(target, tuple(sorted(self.found.values(), key=_place)), end[1], self.line)
        if target is Target.ALLOW_INTERFACE:
            self.allow_interface(rule)
        return rule

    def target(self) -> Target:
        """Read the word that begins a rule."""
        word = _TARGET.match(self.text, self.place)
        if word is not None and not self.ours:
            word = _ANY_TARGET.match(self.text, self.place)
        target = _TARGETS.get(word[0]) if word else None
        usual = "allow, block, reject or allow-interface" if self.ours else "allow, block or reject"
        if word is None or target is None:
            raise self.fault(f"{usual} expected")
        if self.ours and target in (Target.MATCH, Target.DEVICE):
            raise self.fault(f"{target} decides nothing; {usual} expected")
        self.place = word.end()
        return target

    def attributes(self) -> None:
        """Read what stands behind a target: perhaps bare ids, then attributes, until something else comes."""
        if bare := _BARE_ID.match(self.text, self.place):
            self.place = bare.end()
            if "id" in self.found:
                raise self.fault("id stands twice in one rule")
            self.found["id"] = Attribute("id", (self.value("id", Kind.ID),))
        while name := _NAME.match(self.text, self.place):
            if name[1] not in self.names:
                break
            self.attribute(name[1], self.names[name[1]], name.start(1), name.end())

    def _not_an_attribute(self) -> DecodeError:
        blanks = _BLANKS.match(self.text, self.place)
        if blanks is None:
            return self.fault("a blank, a comment or the end of the rule expected")
        if blanks.end() == len(self.text):
            return self.fault("a blank behind the rule")
        return self.fault(f"an attribute with its value expected: {', '.join(self.names)}", blanks.end())

    def attribute(self, name: str, kind: Kind, start: int, end: int) -> None:
        """Read what stands behind an attribute's name."""
        text = self.text
        before = self.found.get(name)
        if before is not None and (self.ours or name != "label"):
            raise self.fault(f"{name} stands twice in one rule", start)
        blanks = _BLANKS.match(text, end)
        self.place = blanks.end() if blanks else end
        operator, values = Operator.EQUALS, []
        opened = _OPEN.match(text, self.place)
        if opened and (opened[1] is None or opened[1] in _OPERATORS):
            if opened[1]:
                operator = _OPERATORS[opened[1]]
            self.place = opened.end()
            values.append(self.value(name, kind))
            while gap := _NEXT.match(text, self.place):
                self.place = gap.end()
                values.append(self.value(name, kind))
            close = _CLOSE.match(text, self.place)
            if close is None:
                raise self.fault("a blank and a further value, or }, expected")
            self.place = close.end()
        elif opened:
            raise self.fault(f"one of {', '.join(_OPERATORS)} expected")
        else:
            values.append(self.value(name, kind))
        if kind is Kind.CONDITION and len(values) > MOST_CONDITIONS:
            raise self.fault(f"more than {MOST_CONDITIONS} conditions", start)
        if kind in (Kind.WORD, Kind.MOMENT) and (len(values) > 1 or operator is not Operator.EQUALS):
            raise self.fault(f"{name} takes one value", start)
        if before is not None:  # usbguard's second label
            operator = operator if operator is not Operator.EQUALS else before.operator
            values = [*before.values, *values]
        self.found[name] = Attribute(name, tuple(values), operator)

    def value(self, name: str, kind: Kind) -> Value:
        """Read one value."""
        return _READ[kind](self, name)

    def text_value(self, name: str) -> str:
        if plain := _TEXT.match(self.text, self.place):
            self.place = plain.end()
            return plain[1]
        escaped = _ESCAPED.match(self.text, self.place)
        if escaped is None:
            raise self._not_text(name)
        self.place = escaped.end()
        octets = escaped[1].encode("utf-8", "surrogateescape")
        return _ESCAPE.sub(_unescaped, octets).decode("utf-8", "surrogateescape")

    def _not_text(self, name: str) -> DecodeError:
        if not self.text.startswith('"', self.place):
            return self.fault(f"{name}: {Kind.TEXT.value} expected")
        good = re.compile(r'"(?:[^"\\\r\n]|\\(?:["\\]|x[0-9A-Fa-f]{2}))*').match(self.text, self.place)
        place = good.end() if good else self.place
        if place == len(self.text):
            return self.fault(f"{name}: no closing double quote", place)
        if self.text[place] == "\\":
            return self.fault(f'{name}: of escapes only \\", \\\\ and \\xhh are known', place)
        return self.fault(f"{name}: a line break within text", place)

    def id_value(self, name: str) -> IdPattern:
        found = _ID.match(self.text, self.place)
        if found is None:
            raise self.fault(f"id: {Kind.ID.value} expected")
        if found[1] == "*" and found[2] != "*":
            raise self.fault("id: a product without its vendor; *:* or vendor:product expected")
        self.place = found.end()
        return IdPattern(found[1], found[2])

    def interface_value(self, name: str) -> InterfacePattern:
        found = _INTERFACE.match(self.text, self.place)
        if found is None:
            raise self.fault(f"{name}: {Kind.INTERFACE.value} expected")
        base, sub, protocol = found.groups()
        if sub == "*" and protocol != "*":
            raise self.fault(f"{name}: a protocol without its subclass; * for both expected")
        self.place = found.end()
        return InterfacePattern(
            int(base, 16), None if sub == "*" else int(sub, 16), None if protocol == "*" else int(protocol, 16)
        )

    def condition_value(self, name: str) -> Condition:
        found = (_CONDITION if self.ours else _THEIR_CONDITION).match(self.text, self.place)
        if found is None:
            raise self.fault("a condition such as localtime(08:00-18:00) expected")
        condition = Condition(found[2], found[3], bool(found[1]))
        if self.ours and condition.parameter is not None and not _PARAMETER.fullmatch(condition.parameter):
            raise self.fault("a parameter has printable ASCII characters only", found.start(3))
        try:
            meaning(condition, self.dialect)
        except DecodeError as fault:
            whose = "query" if fault.where.startswith("line ") else fault.where
            raise self.fault(f"{whose}: {fault.why}") from None
        self.place = found.end()
        return condition

    def word_value(self, name: str) -> str:
        found = _WORD.match(self.text, self.place)
        if found is None or found[0] != READ_ONLY:
            raise self.fault(f"{name}: {READ_ONLY} expected")
        self.place = found.end()
        return found[0]

    def moment_value(self, name: str) -> str:
        found = _WORD.match(self.text, self.place)
        try:
            moment(found[0] if found else "")
        except DecodeError as fault:
            raise self.fault(f"{name}: {fault.why}") from None
        assert found is not None  # the moment of nothing was refused
        self.place = found.end()
        return found[0]

    def allow_interface(self, rule: Rule) -> None:
        """What the rule needs for its target to mean anything."""
        wanted = rule.attribute("with-interface")
        if wanted is None or wanted.operator not in (Operator.EQUALS, Operator.ONE_OF, Operator.ALL_OF):
            raise self.fault("allow-interface needs with-interface: one value, one-of or all-of", 0)
        if wanted.operator is Operator.EQUALS and len(wanted.values) > 1:
            raise self.fault("allow-interface with several interfaces needs one-of or all-of", 0)


def _place(attribute: Attribute) -> int:
    return PLACE[attribute.name]


def _unescaped(found: "re.Match[bytes]") -> bytes:
    return found[1] or bytes.fromhex(found[2].decode("ascii"))


_READ: dict[Kind, Callable[[_Reader, str], Value]] = {
    Kind.TEXT: _Reader.text_value,
    Kind.ID: _Reader.id_value,
    Kind.INTERFACE: _Reader.interface_value,
    Kind.CONDITION: _Reader.condition_value,
    Kind.WORD: _Reader.word_value,
    Kind.MOMENT: _Reader.moment_value,
}
