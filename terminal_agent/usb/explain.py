# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Why a policy decides as it does on one device: every rule that was tried, and what kept it from deciding."""

from dataclasses import dataclass, replace

from protocols.usb.conditions import Situation, meaning, until
from protocols.usb.device import Device
from protocols.usb.matching import as_matched, matcher
from protocols.usb.rules import Attribute, Dialect, Operator, Rule, printable, quoted
from protocols.usb.verdict import Verdict
from terminal_agent.usb.policy import Now, Policy


@dataclass(frozen=True, slots=True)
class Tried:
    """One rule: whether it decided, and what of it did not fit."""

    rule_id: str
    line: int
    decided: bool
    lacks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """A verdict and the way to it."""

    verdict: Verdict
    tried: tuple[Tried, ...]


def explain(policy: Policy, device: Device, now: Now) -> Explanation:
    """The verdict on a device, and each rule before it."""
    verdict = policy.judge(device, now)
    situation = policy.situation(now, device.port)
    held = {f"exception {one.name}, " for one in policy.granted if one.holds(now.utc_s)}
    tried = []
    for rule_id, rule in policy.rules():
        decided = rule_id == verdict.rule_id and verdict.rule is not None
        lacks = () if decided else _lacks(rule_id, rule, device, situation)
        if rule_id.startswith("exception ") and not any(rule_id.startswith(name) for name in held):
            lacks = ("the exception's time has not come, or is over",)
        tried.append(Tried(rule_id, rule.line, decided, lacks))
        if decided:
            break
    return Explanation(verdict, tuple(tried))


def _lacks(rule_id: str, rule: Rule, device: Device, situation: Situation) -> tuple[str, ...]:
    found = []
    for attribute in as_matched(rule):
        if not matcher(replace(rule, attributes=(attribute,)), Dialect.TILLGUARD)(device):
            found.append(_unlike(attribute, device))
    for condition in rule.conditions:
        if not meaning(condition, Dialect.TILLGUARD)(situation, device, rule_id):
            found.append(f"{printable(str(condition))} does not hold")
    ends = until(rule)
    if ends is not None and situation.utc_s >= ends:
        found.append("its time is over")
    return tuple(found)


def _unlike(attribute: Attribute, device: Device) -> str:
    shown = {
        "id": f"{device.vendor}:{device.product}",
        "serial": quoted(device.serial),
        "name": quoted(device.name),
        "hash": device.hash or '""',
        "parent-hash": device.parent_hash or '""',
        "via-port": quoted(device.port),
        "with-connect-type": quoted(device.connect_type),
        "via-role": quoted(device.role),
        "with-interface": "{ " + " ".join(map(str, device.interfaces)) + " }",
    }[attribute.name]
    listed = [quoted(one) if isinstance(one, str) else str(one) for one in attribute.values]
    if len(listed) == 1 and attribute.operator is Operator.EQUALS:
        return f"{attribute.name} is {shown}, not {listed[0]}"
    return f"{attribute.name} is {shown}, not {attribute.operator} {{ {' '.join(listed)} }}"
