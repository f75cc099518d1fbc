# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What can be said of two rules without any device: that one covers the other, that none can fit both. Strict meaning.

Careful on one side: where it is not sure it says no. What it says is tested against random devices.
"""

from dataclasses import dataclass

from protocols.usb.matching import TEXTS, as_matched, single_value
from protocols.usb.rules import Attribute, IdPattern, InterfacePattern, Operator, Rule

_SINGLE = ("id", "hash", *TEXTS)


@dataclass(frozen=True, slots=True)
class Allowed:
    """The values that an attribute may have: those listed, or all but those listed."""

    values: frozenset[str]
    all_but: bool

    def holds(self, other: "Allowed") -> bool:
        """Whether every value that ``other`` admits is admitted here."""
        if self.all_but:
            return not (self.values & other.values) if not other.all_but else self.values <= other.values
        return not other.all_but and other.values <= self.values

    def meets(self, other: "Allowed") -> bool:
        """Whether some value is admitted by both."""
        if self.all_but and other.all_but:
            return True
        if self.all_but or other.all_but:
            listed, barred = (other, self) if self.all_but else (self, other)
            return bool(listed.values - barred.values)
        return bool(self.values & other.values)


def never_fits(rule: Rule) -> str:
    """Why no device at all can fit a rule; nothing where one might."""
    for attribute in as_matched(rule):
        if attribute.name in _SINGLE and not single_value(attribute)[0]:
            return f"{attribute.name} {attribute.operator} {len(attribute.values)} values: a device has one"
    return ""


def covers(first: Rule, second: Rule) -> bool:
    """Whether every device that fits ``second`` fits ``first``. Conditions and ``until`` are not looked at."""
    for wide in as_matched(first):
        if wide.name in ("if", "label", "until", "with-storage"):
            continue
        narrow = next((one for one in as_matched(second) if one.name == wide.name), None)
        if wide.name == "with-interface":
            if not _interfaces_cover(wide, narrow):
                return False
        elif wide.name == "id":
            if not _ids_cover(wide, narrow):
                return False
        elif narrow is None or wide.name == "hash" or not _allowed(wide).holds(_allowed(narrow)):
            if wide.name == "hash" and wide == narrow:
                continue
            return False
    return True


def disjoint(first: Rule, second: Rule) -> bool:
    """Whether surely no device fits both."""
    for one in as_matched(first):
        other = next((found for found in as_matched(second) if found.name == one.name), None)
        if other is None:
            continue
        if one.name in TEXTS and not _allowed(one).meets(_allowed(other)):
            return True
        if one.name == "id" and _ids_disjoint(one, other):
            return True
        if one.name == "with-interface" and _interfaces_disjoint(one, other):
            return True
    return False


def _allowed(attribute: Attribute) -> Allowed:
    can, all_but = single_value(attribute)
    return Allowed(frozenset(map(str, attribute.values)) if can else frozenset(), all_but)


def _ids(attribute: Attribute) -> list[IdPattern]:
    return [one for one in attribute.values if isinstance(one, IdPattern)]


def _id_covers(wide: IdPattern, narrow: IdPattern) -> bool:
    if wide.vendor == "*":
        return True
    return wide.vendor.lower() == narrow.vendor.lower() and (
        wide.product == "*" or wide.product.lower() == narrow.product.lower()
    )


def _ids_cover(wide: Attribute, narrow: Attribute | None) -> bool:
    if wide == narrow or (wide.operator is not Operator.NONE_OF and any(one.vendor == "*" for one in _ids(wide))):
        return single_value(wide)[0]
    if narrow is None or wide.operator is Operator.NONE_OF or narrow.operator is Operator.NONE_OF:
        return False
    return single_value(wide)[0] and all(any(_id_covers(w, n) for w in _ids(wide)) for n in _ids(narrow))


def _ids_disjoint(one: Attribute, other: Attribute) -> bool:
    if Operator.NONE_OF in (one.operator, other.operator):
        return False
    return not any(_id_covers(a, b) or _id_covers(b, a) for a in _ids(one) for b in _ids(other))


def _patterns(attribute: Attribute) -> list[InterfacePattern]:
    return [one for one in attribute.values if isinstance(one, InterfacePattern)]


def _interfaces_cover(wide: Attribute, narrow: Attribute | None) -> bool:
    if narrow is None:
        return False
    if wide.operator is narrow.operator and wide.values == narrow.values:
        return True
    sure = narrow.operator in (Operator.EQUALS, Operator.EQUALS_ORDERED, Operator.ALL_OF)
    if wide.operator is Operator.ONE_OF:  # some pattern of the narrow rule is surely shown, and it is one of ours
        inside = [any(w.covers(n) for w in _patterns(wide)) for n in _patterns(narrow)]
        return any(inside) if sure else narrow.operator in (Operator.ONE_OF, Operator.MATCH_ALL) and all(inside)
    if wide.operator is Operator.MATCH_ALL:
        every = narrow.operator in (Operator.EQUALS, Operator.EQUALS_ORDERED, Operator.MATCH_ALL)
        return every and all(any(w.covers(n) for w in _patterns(wide)) for n in _patterns(narrow))
    if wide.operator is Operator.NONE_OF and narrow.operator is Operator.NONE_OF:
        return all(any(n.covers(w) for n in _patterns(narrow)) for w in _patterns(wide))
    return False


def _interfaces_disjoint(one: Attribute, other: Attribute) -> bool:
    exact = (Operator.EQUALS, Operator.EQUALS_ORDERED)
    if one.operator in exact and other.operator in exact:
        return len(one.values) != len(other.values) or not any(
            a.covers(b) or b.covers(a) for a in _patterns(one) for b in _patterns(other)
        )
    closed, some = (one, other) if one.operator in (*exact, Operator.MATCH_ALL) else (other, one)
    if closed.operator in (*exact, Operator.MATCH_ALL) and some.operator in (Operator.ONE_OF, Operator.ALL_OF):
        meets = [any(c.covers(s) or s.covers(c) for c in _patterns(closed)) for s in _patterns(some)]
        return not (all(meets) if some.operator is Operator.ALL_OF else any(meets))
    return False
