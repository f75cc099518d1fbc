# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What is wrong with a policy before any device is plugged in: dead rules, broad ones, ways to lock oneself out.

An error is something that cannot have been meant; a warning is something that is seldom meant; a note is worth knowing.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from protocols.usb.classes import COMMUNICATION, HID, HUB, STORAGE, WIRELESS
from protocols.usb.compare import covers, disjoint, never_fits
from protocols.usb.conditions import until
from protocols.usb.matching import as_matched, single_value
from protocols.usb.rule_text import parse_query
from protocols.usb.rules import Attribute, InterfacePattern, Operator, Rule, RuleSet, Target, quoted
from terminal_agent.usb.document import PolicyText
from terminal_agent.usb.policy import Now

_IDENTIFIES = ("id", "serial", "hash", "name")
_PLACES = ("via-port", "via-role", "parent-hash")
_GRANTS = (Target.ALLOW, Target.ALLOW_INTERFACE)
_RISKY = (HID, STORAGE, COMMUNICATION, WIRELESS)


class Weight(StrEnum):
    """How bad a finding is."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found: which kind, how bad, in which rule, and in words what and how to mend it."""

    kind: str
    weight: Weight
    rule_id: str
    line: int
    words: str


def lint(text: PolicyText, now: Now) -> list[Finding]:
    """Everything found in a policy, in the order of its rules."""
    rules = text.rules
    found = [
        *_dead(rules, now),
        *_broad(rules),
        *_words(text),
        *_locks_out(text),
    ]
    return sorted(found, key=lambda one: (one.line, list(Weight).index(one.weight)))


def _finding(rules: RuleSet, place: int, kind: str, weight: Weight, words: str) -> Finding:
    return Finding(kind, weight, rules.ids[place], rules.rules[place].line or place + 1, words)


def _exact_id(rule: Rule) -> str:
    """The one vendor and product that a rule is about, in small letters; nothing where it is about more, or any."""
    found = rule.attribute("id")
    if found is None or len(found.values) != 1 or found.operator is Operator.NONE_OF or "*" in str(found.values[0]):
        return ""
    return str(found.values[0]).lower()


def _unconditional(rule: Rule) -> bool:
    """Whether a rule decides always, as far as time and conditions go."""
    return not rule.conditions and until(rule) is None


def _dead(rules: RuleSet, now: Now) -> Iterator[Finding]:
    """Rules that never decide, for whatever reason."""
    deciding = {place for place, rule in enumerate(rules.rules) if _unconditional(rule) and not never_fits(rule)}
    shadows: dict[str, list[int]] = defaultdict(list)
    """Rules by the one id that they name, the others under nothing: of two that name different ids none covers."""
    for place, rule in enumerate(rules.rules):
        shadows[_exact_id(rule)].append(place)
    for place, rule in enumerate(rules.rules):
        if why := never_fits(rule):
            yield _finding(rules, place, "unreachable", Weight.ERROR, f"no device can fit it: {why}")
            continue
        ends = until(rule)
        if ends is not None and ends <= now.utc_s:
            yield _finding(rules, place, "over", Weight.WARNING, "its time is over: remove it, or set a new end")
        if any(one.name in ("true", "false") for one in rule.conditions):
            yield _finding(
                rules, place, "constant", Weight.WARNING, "its condition is always the same: remove it, or the rule"
            )
        same_id = _exact_id(rule)
        before_it = sorted(shadows[same_id] + shadows[""]) if same_id else range(place)
        for before in before_it:
            other = rules.rules[before]
            if before < place and before in deciding and covers(other, rule):
                same = other.target is rule.target
                yield _finding(
                    rules,
                    place,
                    "shadowed",
                    Weight.WARNING if same else Weight.ERROR,
                    f"rule {rules.ids[before]} decides on every device that fits it: "
                    + ("it changes nothing" if same else "it never does what it says; move it up"),
                )
                break


def _broad(rules: RuleSet) -> Iterator[Finding]:
    """Rules that let more in than anybody can know."""
    for place, rule in enumerate(rules.rules):
        names = {one.name: one for one in as_matched(rule)}
        if rule.target not in _GRANTS:
            continue
        interfaces = names.get("with-interface")
        identified = any(_says_which(names[name]) for name in _IDENTIFIES if name in names)
        placed = any(_says_which(names[name]) for name in _PLACES if name in names)
        if _only_hubs(interfaces):
            continue
        if interfaces is None or interfaces.operator is Operator.NONE_OF:
            yield _finding(
                rules, place, "any-interface", Weight.WARNING if identified and placed else Weight.ERROR,
                "it says nothing of interfaces: whatever the device claims to be besides is let in; add with-interface",
            )  # fmt: skip
        elif rule.target is Target.ALLOW and interfaces.operator in (Operator.ONE_OF, Operator.ALL_OF):
            yield _finding(
                rules, place, "open-interfaces", Weight.ERROR,
                f"{interfaces.operator} lets any further interface in, a keyboard too; "
                "use allow-interface, or list all interfaces",
            )  # fmt: skip
        if not identified and not placed:
            yield _finding(
                rules, place, "anybody", Weight.ERROR,
                "it names neither a device nor a port: add id, serial or hash, or via-port or via-role",
            )  # fmt: skip
        elif not placed and "serial" not in names and "hash" not in names and _risky(interfaces):
            yield _finding(
                rules, place, "any-port", Weight.WARNING,
                "ids can be borrowed, and any port will do: add via-port, via-role, serial or hash",
            )  # fmt: skip


def _says_which(attribute: Attribute) -> bool:
    """Whether an attribute narrows anything down to known things."""
    if attribute.operator is Operator.NONE_OF or not single_value(attribute)[0]:
        return False
    return not any(str(value).startswith("*:") for value in attribute.values)


def _patterns(attribute: Attribute | None) -> list[InterfacePattern]:
    return [one for one in attribute.values if isinstance(one, InterfacePattern)] if attribute else []


def _only_hubs(attribute: Attribute | None) -> bool:
    """Whether what fits is a hub and nothing besides: what hangs from it is judged by itself."""
    closed = (Operator.EQUALS, Operator.EQUALS_ORDERED, Operator.MATCH_ALL)
    return (
        attribute is not None and attribute.operator in closed and all(one.base == HUB for one in _patterns(attribute))
    )


def _risky(attribute: Attribute | None) -> bool:
    return attribute is None or any(one.base in _RISKY for one in _patterns(attribute))


def _words(text: PolicyText) -> Iterator[Finding]:
    """Names that lead nowhere, and values that can hardly be right."""
    rules = text.rules
    roles = {entry.role for entry in text.file.ports}
    labels = Counter(rule.label for rule in rules.rules if rule.label)
    for place, rule in enumerate(rules.rules):
        for role in _values(rule, "via-role") - roles - {""}:
            known = ", ".join(sorted(roles)) or "none"
            yield _finding(
                rules, place, "role", Weight.ERROR, f"no port has the role {quoted(role)}; there are: {known}"
            )
        if rule.label and labels[rule.label] > 1:
            yield _finding(
                rules, place, "label", Weight.WARNING, "its label stands more than once; verdicts name the line"
            )
        if not rule.label:
            yield _finding(rules, place, "unlabelled", Weight.NOTE, "without a label, verdicts can only name its line")
        for condition in rule.conditions:
            if condition.name == "random":
                yield _finding(rules, place, "random", Weight.WARNING, "a terminal that plays dice cannot be explained")


def _values(rule: Rule, name: str) -> set[str]:
    found = rule.attribute(name)
    return set(map(str, found.values)) if found else set()


def _locks_out(text: PolicyText) -> Iterator[Finding]:
    """Needs that no rule could meet, and root hubs that a rule takes."""
    rules = text.rules
    for need, query in zip(text.file.needs, text.needs, strict=True):
        if not any(rule.target in _GRANTS and not disjoint(rule, query) for rule in rules.rules):
            yield Finding(
                "need", Weight.ERROR, "", 0, f"nothing allows what is needed as {need.what}: its rule is missing"
            )
    hubs = _root_hubs()
    for place, rule in enumerate(rules.rules):
        if rule.target in _GRANTS or _certain(rule) or all(disjoint(rule, hub) for hub in hubs):
            continue
        before = [other for other in rules.rules[:place] if other.target is Target.ALLOW and _for_hubs(other)]
        if not all(any(not disjoint(other, hub) for other in before) for hub in hubs):
            yield _finding(
                rules, place, "root-hubs", Weight.ERROR,
                "it also takes the machine's own root hubs, and every device with them: "
                "allow id 1d6b:* with-interface 09:00:00 before it",
            )  # fmt: skip
        break


def _certain(rule: Rule) -> bool:
    """Whether a rule names single devices by what root hubs do not share."""
    return any(
        one.name in ("serial", "name", "hash", "parent-hash") and one.operator is not Operator.NONE_OF
        for one in rule.attributes
    )


def _for_hubs(rule: Rule) -> bool:
    return _only_hubs(rule.attribute("with-interface")) or any(
        value.startswith("1d6b:") for value in _values(rule, "id")
    )


@cache
def _root_hubs() -> tuple[Rule, ...]:
    """The kernel's own hubs of USB 1, 2 and 3, as a policy meets them."""
    where = " ".join(f'"usb{bus}"' for bus in range(1, 100))
    where = f'with-connect-type "" via-role "" via-port one-of {{ {where} }}'
    return tuple(parse_query(f"id 1d6b:000{version} with-interface 09:00:00 {where}") for version in (1, 2, 3))
