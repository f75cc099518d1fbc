# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""How two policies differ: which rules went, came or moved, and which devices would fare otherwise."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from protocols.usb.device import Device
from protocols.usb.rules import Dialect, RuleSet, print_rule
from protocols.usb.verdict import Verdict
from terminal_agent.usb.describe import Unreadable
from terminal_agent.usb.policy import Now, Policy


@dataclass(frozen=True, slots=True)
class Change:
    """A rule that is only in the old (``-``) or only in the new (``+``) policy, or elsewhere in it (``~``)."""

    sign: str
    rule_id: str
    text: str


@dataclass(frozen=True, slots=True)
class Otherwise:
    """A device that would fare otherwise."""

    old: Verdict
    new: Verdict


def rule_changes(old: RuleSet, new: RuleSet) -> list[Change]:
    """The changes from one set to the other, in the order of the new."""
    before = [print_rule(rule, Dialect.TILLGUARD) for rule in old.rules]
    after = [print_rule(rule, Dialect.TILLGUARD) for rule in new.rules]
    found = []
    for tag, a, b, c, d in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if tag == "equal":
            continue
        found += [Change("-", old.ids[place], before[place]) for place in range(a, b) if before[place] not in after]
        found += [Change("~" if after[place] in before else "+", new.ids[place], after[place]) for place in range(c, d)]
    return found


def fares(old: Policy, new: Policy, devices: Sequence[Device | Unreadable], now: Now) -> list[Otherwise]:
    """The devices on which the two decide otherwise: another target, another rule, or other things with it."""
    found = []
    for device in devices:
        one, other = old.judge(device, now), new.judge(device, now)
        if _said(one) != _said(other):
            found.append(Otherwise(one, other))
    return found


def _said(verdict: Verdict) -> tuple[object, ...]:
    return (verdict.target, verdict.live, verdict.read_only, verdict.keystrokes, verdict.until_s)
