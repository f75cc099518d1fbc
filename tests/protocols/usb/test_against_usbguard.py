# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The language against usbguard 1.1.2 from Debian: the same lines are rules, printed alike, and decide alike."""

from random import Random

import pytest

from protocols.errors import DecodeError
from protocols.usb.conditions import Situation
from protocols.usb.evaluate import PlainEvaluator
from protocols.usb.rule_text import parse_rule, parse_rules
from protocols.usb.rules import Dialect, print_rule
from tests.protocols.usb import made, usbguard
from tests.protocols.usb_evidence import CASES, recorded

LINES = 10_000
POLICIES, DEVICES = 1_000, 12
NOON = Situation(utc_s=12 * 3600)


def ours(line: str) -> str | None:
    """What we print of a line in USBGuard's dialect; None where we refuse."""
    try:
        rule = parse_rule(line, Dialect.USBGUARD)
    except DecodeError:
        return None
    return "" if rule is None else print_rule(rule, Dialect.USBGUARD)


def lines_agree(count: int, seed: int) -> None:
    rng = Random(seed)
    lines = [made.any_line(rng) for _ in range(count)]
    theirs = usbguard.parsed(lines)
    assert [(line, ours(line)) for line in lines] == list(zip(lines, theirs, strict=True))
    assert count * 0.7 < sum(one is not None for one in theirs) < count * 0.95  # neither all good nor all bad


def test_the_same_lines_are_rules_and_print_alike() -> None:
    lines_agree(LINES, 20260707)


@pytest.mark.long
def test_the_same_lines_long() -> None:
    with recorded("rule lines against usbguard-rule-parser", 77):
        lines_agree(CASES, 77)


def test_the_printed_rule_is_the_rule() -> None:
    rng = Random(3)
    for _ in range(2_000):
        line = made.rule_line(rng, neat=False)
        rule = parse_rule(line, Dialect.USBGUARD)
        assert rule is not None
        printed = print_rule(rule, Dialect.USBGUARD)
        again = parse_rule(printed, Dialect.USBGUARD)
        assert again is not None
        assert print_rule(again, Dialect.USBGUARD) == printed


def verdicts_agree(policies: int, seed: int) -> None:
    rng = Random(seed)
    questions = []
    for _ in range(policies):
        rules = [made.rule_line(rng, label=f"r{place}") for place in range(rng.choice((1, 3, 8)))]
        questions.append((rules, [made.device(rng) for _ in range(DEVICES)]))
    theirs = usbguard.verdicts(questions)
    found = []
    for rules, devices in questions:
        evaluator = PlainEvaluator(parse_rules("\n".join(rules), Dialect.USBGUARD), Dialect.USBGUARD)
        for device in devices:
            verdict = evaluator.judge(device, NOON)
            found.append((str(verdict.target), verdict.rule_id if verdict.rule else ""))
    assert len(theirs) == policies * DEVICES
    assert found == theirs
    assert {target for target, _ in theirs} == {"allow", "block", "reject"}
    assert sum(label != "" for _, label in theirs) > len(theirs) / 3


def test_the_compatible_evaluator_decides_as_libusbguard() -> None:
    assert POLICIES * DEVICES >= 10_000
    verdicts_agree(POLICIES, 20260708)


@pytest.mark.long
def test_the_compatible_evaluator_long() -> None:
    with recorded("the compatible evaluator against libusbguard", 78):
        verdicts_agree(CASES // DEVICES + 1, 78)
