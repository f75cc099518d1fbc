# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The compiled evaluator gives the plain one's verdicts, whatever the policy and the device."""

from dataclasses import replace
from random import Random

import pytest

from protocols.usb.compiled import CompiledEvaluator
from protocols.usb.conditions import Situation
from protocols.usb.device import Device
from protocols.usb.evaluate import PlainEvaluator
from protocols.usb.rule_text import parse_rules
from protocols.usb.rules import Target
from tests.protocols.usb import made
from tests.protocols.usb_evidence import CASES, recorded

CONDITIONS = ("true", "false", "!true", "localtime(08:00-18:00)", "localtime(22:00-06:00)", "service-window(night)",
              "rule-applied", "rule-evaluated(10)", "random(0.5)", "keystroke-rate(30)",
              "allowed-matches(id 1234:*)")  # fmt: skip
DEVICES = 30
ROLES = ("payment", "service", "")


def line(rng: Random) -> str:
    """A rule in our own words."""
    said = made.rule_line(rng, CONDITIONS)
    if rng.random() < 0.2:
        said += f' via-role {rng.choice(("", "one-of ", "none-of "))}{{ "{rng.choice(ROLES)}" "{rng.choice(ROLES)}" }}'
    if rng.random() < 0.1:
        said += f" until 2026-01-{rng.choice(('01', '20'))}T00:00:00Z"
    if rng.random() < 0.1:
        said = "allow-interface with-interface one-of { 08:*:* 03:01:02 } with-storage read-only"
    return said


def situation(rng: Random) -> Situation:
    """A moment of that January."""
    return Situation(
        utc_s=1_767_225_600 + rng.randrange(31 * 86_400),
        steady_s=100.0,
        windows=frozenset({"night"} if rng.random() < 0.5 else ()),
        applied={"line 1": 5.0},
        evaluated={"line 2": 95.0},
        chance=rng.random(),
        allowed=(made.device(rng),),
    )


def device(rng: Random) -> Device:
    """A device with a role and, at times, no interface at all."""
    one = replace(made.device(rng), role=rng.choice(ROLES), hash2=rng.choice(made.TEXTS))
    return replace(one, interfaces=()) if rng.random() < 0.05 else one


def verdicts_agree(policies: int, seed: int) -> None:
    rng = Random(seed)
    targets: set[Target] = set()
    for _ in range(policies):
        rules = parse_rules("\n".join(line(rng) for _ in range(rng.choice((0, 1, 5, 20, 70)))))
        implicit = rng.choice((Target.BLOCK, Target.REJECT))
        plain, compiled = PlainEvaluator(rules, implicit_target=implicit), CompiledEvaluator(rules, implicit)
        for _ in range(DEVICES):
            shown, now = device(rng), situation(rng)
            assert compiled.judge(shown, now) == plain.judge(shown, now)
            targets.add(plain.judge(shown, now).target)
    assert targets == {Target.ALLOW, Target.BLOCK, Target.REJECT, Target.ALLOW_INTERFACE}


def test_the_same_verdicts() -> None:
    verdicts_agree(400, 5)


@pytest.mark.long
def test_the_same_verdicts_long() -> None:
    with recorded("the compiled evaluator against the plain one", 79):
        verdicts_agree(CASES // DEVICES + 1, 79)
