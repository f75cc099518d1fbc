# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Whether a device fits the attributes of a rule. Conditions are elsewhere (conditions.py); decides nothing.

``R`` are a rule's values, ``D`` a device's. Every attribute but the interfaces has one value in ``D``. Strictly:

============== ===========================================================================================
equals         R and D can be paired off, each r with a d that it covers and none left: true multisets
equals-ordered the same, in order
all-of         every r can be paired with a d of its own
one-of         some r covers some d
none-of        no r covers any d
match-all      there is a D, and every d is covered by some r
============== ===========================================================================================

usbguard 1.1.2 differs: equals and all-of do not pair off, so that two r may share one d and a keyboard can hide behind
a disk; match-all is true for every text and never for an id with ``*``; ids compare as text, capitals apart.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

from protocols.errors import DecodeError
from protocols.usb.device import Device
from protocols.usb.rules import Attribute, Dialect, IdPattern, InterfacePattern, Operator, Rule, Target

Fits = Callable[[Device], bool]
V = TypeVar("V")

TEXTS: dict[str, Callable[[Device], str]] = {
    "serial": lambda device: device.serial,
    "name": lambda device: device.name,
    "parent-hash": lambda device: device.parent_hash,
    "via-port": lambda device: device.port,
    "with-connect-type": lambda device: device.connect_type,
    "via-role": lambda device: device.role,
}
HASH_V2 = "v2:"


def matcher(rule: Rule, dialect: Dialect) -> Fits:
    """Whether a device fits all attributes of a rule; conditions, ``until`` and what to do are no part of it."""
    of = _strict if dialect is Dialect.TILLGUARD else _compatible
    parts = [part for part in map(of, as_matched(rule)) if part is not None]
    return lambda device: all(part(device) for part in parts)


def paired(wanted: Sequence[InterfacePattern], shown: Sequence[InterfacePattern]) -> bool:
    """Whether every wanted pattern can have a shown interface of its own.

    Patterns either exclude or contain one another, so the narrowest may choose first and any choice is as good.
    """
    left = list(shown)
    for pattern in sorted(wanted, key=lambda one: (one.sub is None) + (one.protocol is None)):
        for place, interface in enumerate(left):
            if pattern.covers(interface):
                del left[place]
                break
        else:
            return False
    return True


def interfaces_fit(operator: Operator, wanted: Sequence[InterfacePattern], shown: Sequence[InterfacePattern]) -> bool:
    """The strict meaning of ``with-interface`` (the table above)."""
    if operator is Operator.EQUALS:
        return len(wanted) == len(shown) and paired(wanted, shown)
    if operator is Operator.ALL_OF:
        return paired(wanted, shown)
    if operator is Operator.EQUALS_ORDERED:
        return len(wanted) == len(shown) and all(r.covers(d) for r, d in zip(wanted, shown, strict=True))
    if operator is Operator.MATCH_ALL:
        return bool(shown) and all(any(r.covers(d) for r in wanted) for d in shown)
    found = any(r.covers(d) for r in wanted for d in shown)
    return found if operator is Operator.ONE_OF else not found


def as_matched(rule: Rule) -> tuple[Attribute, ...]:
    """A rule's attributes as they are matched: a rule that allows interfaces asks for at least one that it names."""
    if rule.target is not Target.ALLOW_INTERFACE:
        return rule.attributes
    return tuple(
        Attribute(one.name, one.values, Operator.ONE_OF)
        if one.name == "with-interface" and one.operator is Operator.EQUALS
        else one
        for one in rule.attributes
    )


def single_value(attribute: Attribute) -> tuple[bool, bool]:
    """Of an attribute with one value in the device: (whether any device can fit, whether values are forbidden ones)."""
    alone = len(attribute.values) == 1
    can = alone or attribute.operator in (Operator.ONE_OF, Operator.MATCH_ALL, Operator.NONE_OF)
    return can, attribute.operator is Operator.NONE_OF


def same_id(pattern: IdPattern, device: Device) -> bool:
    """Whether a device's ids are those meant, whatever the case of the letters."""
    return pattern.vendor == "*" or (
        pattern.vendor.lower() == device.vendor and pattern.product.lower() in ("*", device.product)
    )


def _strict(attribute: Attribute) -> Fits | None:
    name = attribute.name
    if name in ("if", "label", "until", "with-storage"):
        return None
    if name == "with-interface":
        patterns = tuple(one for one in attribute.values if isinstance(one, InterfacePattern))
        return lambda device: interfaces_fit(attribute.operator, patterns, device.interfaces)
    can, forbidden = single_value(attribute)
    if not can:
        return lambda device: False
    if name == "id":
        ids = [one for one in attribute.values if isinstance(one, IdPattern)]
        return lambda device: any(same_id(one, device) for one in ids) is not forbidden
    values = frozenset(map(str, attribute.values))
    if name == "hash":
        return lambda device: (device.hash in values or device.hash2 in values) is not forbidden
    of = TEXTS[name]
    return lambda device: (of(device) in values) is not forbidden


def _compatible(attribute: Attribute) -> Fits | None:
    name, operator = attribute.name, attribute.operator
    if name in ("if", "label"):
        return None
    if name == "with-interface":
        patterns = [one for one in attribute.values if isinstance(one, InterfacePattern)]
        return lambda device: _solve(operator, patterns, device.interfaces, InterfacePattern.covers)
    if name == "id":
        ids = [one for one in attribute.values if isinstance(one, IdPattern)]
        compare = _id_is_below if operator is Operator.MATCH_ALL else _id_covers
        return lambda device: _solve(operator, ids, [IdPattern(device.vendor, device.product)], compare)
    values = [str(one) for one in attribute.values]
    if name == "hash":
        return lambda device: _solve(operator, values, [device.hash], _same_or_match_all(operator))
    if name not in TEXTS:
        raise DecodeError(name, "not a word of usbguard")
    of = TEXTS[name]
    return lambda device: _solve(operator, values, [of(device)], _same_or_match_all(operator))


def _same_or_match_all(operator: Operator) -> Callable[[str, str], bool]:
    """usbguard's test of two texts: what ``match-all`` needs was not written there, and answers true."""
    return (lambda r, d: True) if operator is Operator.MATCH_ALL else (lambda r, d: r == d)


def _id_covers(r: IdPattern, d: IdPattern) -> bool:
    return r.vendor == "*" or (r.vendor == d.vendor and r.product in ("*", d.product))


def _id_is_below(r: IdPattern, d: IdPattern) -> bool:
    """usbguard's test for ``match-all``, the wrong way round: the device's ids are taken for the pattern."""
    return _id_covers(d, r)


def _solve(operator: Operator, wanted: Sequence[V], shown: Sequence[V], covers: Callable[[V, V], bool]) -> bool:
    """usbguard 1.1.2's meaning of the operators."""
    if operator is Operator.EQUALS_ORDERED:
        return len(wanted) == len(shown) and all(covers(r, d) for r, d in zip(wanted, shown, strict=True))
    if operator is Operator.MATCH_ALL:
        return all(any(covers(r, d) for r in wanted) for d in shown)
    if operator in (Operator.ONE_OF, Operator.NONE_OF):
        return any(covers(r, d) for r in wanted for d in shown) is (operator is Operator.ONE_OF)
    if operator is Operator.EQUALS and len(wanted) != len(shown):
        return False
    return all(any(covers(r, d) for d in shown) for r in wanted)
