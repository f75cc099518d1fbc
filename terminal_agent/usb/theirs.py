# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Where one and the same rule means something else to usbguard 1.1.2 than to us, in words. Converts nothing.

Each entry is a defect of that program that its tests show; ``docs/usb.md`` lists them all.
"""

import re
from collections.abc import Iterator

from protocols.usb.matching import TEXTS
from protocols.usb.rules import IdPattern, Operator, Rule, Target

_SECONDS = re.compile(r"\d\d:\d\d:\d\d")


def meanings(rule: Rule) -> Iterator[str]:
    """What the rule means there and not here."""
    if rule.target in (Target.MATCH, Target.DEVICE):
        yield f"{rule.target}: usbguard stops at it and then fails, leaving the device as it is"
    for attribute in rule.attributes:
        name, operator = attribute.name, attribute.operator
        if operator is Operator.MATCH_ALL and (name in TEXTS or name == "hash"):
            yield f"{name} match-all: usbguard takes it for true, whatever the device says"
        if operator is Operator.MATCH_ALL and name == "id":
            yield "id match-all: to usbguard an asterisk in it matches nothing"
        if name == "with-interface" and len(attribute.values) > 1 and operator in (Operator.EQUALS, Operator.ALL_OF):
            yield f"with-interface {operator}: usbguard lets one interface of the device stand for several of the rule"
        if name in (*TEXTS, "hash", "id") and len(attribute.values) > 1 and operator is Operator.ALL_OF:
            yield f"{name} all-of: a device has one value; usbguard compares it with each, we let none fit"
        if name == "id" and any(
            isinstance(one, IdPattern) and str(one) != str(one).lower() for one in attribute.values
        ):
            yield "id: usbguard compares letters as written, and the kernel writes small ones"
    yield from _conditions(rule)


def _conditions(rule: Rule) -> Iterator[str]:
    for condition in rule.conditions:
        parameter = condition.parameter or ""
        if condition.name == "localtime":
            yield "localtime: usbguard takes the times for UTC, and looks only when the device is plugged in"
            if _SECONDS.search(parameter):
                yield "localtime: usbguard takes the seconds for seconds since 1970"
        if condition.name in ("rule-applied", "rule-evaluated"):
            yield f"{condition.name}: never true in usbguard"
        if condition.name == "rule-evaluated":
            yield "rule-evaluated: usbguard writes it back as rule-applied"
