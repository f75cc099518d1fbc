# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""First rule that fits decides: the plain evaluator, rule by rule, in either dialect. Keeps no state, asks no clock.

This is the definition; compiled.py gives the same verdicts faster and is tested against it. The compatible dialect
gives what usbguard 1.1.2 gives, so that a policy can be compared before it moves.
"""

from protocols.usb.conditions import Situation, combined, keystroke_limits, until
from protocols.usb.device import Device
from protocols.usb.matching import matcher
from protocols.usb.rules import READ_ONLY, Dialect, InterfacePattern, Rule, RuleSet, Target
from protocols.usb.verdict import Verdict, implicit


class PlainEvaluator:
    """The rules of one set, tried one after the other."""

    def __init__(
        self, rules: RuleSet, dialect: Dialect = Dialect.TILLGUARD, implicit_target: Target = Target.BLOCK
    ) -> None:
        self.rules = rules
        self.dialect = dialect
        self.implicit_target = implicit_target
        strict = dialect is Dialect.TILLGUARD
        self._tries = [
            (
                matcher(rule, dialect),
                combined(rule, dialect),
                until(rule) if strict else None,
            )
            for rule in rules.rules
        ]

    def judge(self, device: Device, situation: Situation) -> Verdict:
        """The verdict on a device in a situation."""
        for place, (fits, holds, ends) in enumerate(self._tries):
            if ends is not None and situation.utc_s >= ends:
                continue
            if fits(device) and holds(situation, device, self.rules.ids[place]):
                return decided(self.rules, place, device)
        return implicit(device, self.implicit_target)


def decided(rules: RuleSet, place: int, device: Device) -> Verdict:
    """The verdict of the rule at ``place``, with all that comes with it."""
    rule = rules.rules[place]
    if not rule.extensions:
        return Verdict(rule.target, rules.ids[place], device, rule, place)
    live = _live(rule, device) if rule.target is Target.ALLOW_INTERFACE else None
    storage = rule.attribute("with-storage")
    limits = [one for one in rule.conditions if one.name == "keystroke-rate" and not one.negated]
    rates = [keystroke_limits(one.parameter) for one in limits]
    return Verdict(
        rule.target,
        rules.ids[place],
        device,
        rule,
        place,
        live,
        storage is not None and storage.values[0] == READ_ONLY,
        min(rates) if rates else None,
        until(rule),
    )


def _live(rule: Rule, device: Device) -> tuple[bool, ...]:
    """Which interfaces may get a driver: those whose every alternate setting the rule names."""
    wanted = rule.attribute("with-interface")
    patterns = [one for one in wanted.values if isinstance(one, InterfacePattern)] if wanted else []
    named = [any(pattern.covers(one) for pattern in patterns) for one in device.interfaces]
    if not device.places:
        return tuple(named)
    barred = {place for place, good in zip(device.places, named, strict=True) if not good}
    return tuple(place not in barred for place in device.places)
