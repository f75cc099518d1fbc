# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The strict meaning of the operators, against their definition written out, and of the conditions."""

from dataclasses import replace
from itertools import permutations
from random import Random

import pytest

from protocols.usb.conditions import Cadence, Situation
from protocols.usb.device import Device
from protocols.usb.evaluate import PlainEvaluator
from protocols.usb.matching import interfaces_fit
from protocols.usb.rule_text import parse_rules
from protocols.usb.rules import InterfacePattern, Operator
from tests.protocols.usb import made

STICK = Device(
    "1-4", "0781", "5567", (made.interface("08:06:50"),), name="Cruzer", serial="4C53", hash="h", hash2="v2:H"
)
NOON = Situation(utc_s=12 * 3600)


def verdict(rule: str, device: Device = STICK, situation: Situation = NOON) -> str:
    return str(PlainEvaluator(parse_rules(rule)).judge(device, situation).target)


def by_definition(operator: Operator, wanted: list[InterfacePattern], shown: list[InterfacePattern]) -> bool:
    """The table at the top of matching.py, by trying all pairings."""
    same = len(wanted) == len(shown)
    pairing = any(
        all(r.covers(d) for r, d in zip(wanted, chosen, strict=True)) for chosen in permutations(shown, len(wanted))
    )
    some = any(r.covers(d) for r in wanted for d in shown)
    return {
        Operator.EQUALS: same and pairing,
        Operator.EQUALS_ORDERED: same and all(r.covers(d) for r, d in zip(wanted, shown, strict=False)),
        Operator.ALL_OF: pairing,
        Operator.ONE_OF: some,
        Operator.NONE_OF: not some,
        Operator.MATCH_ALL: bool(shown) and all(any(r.covers(d) for r in wanted) for d in shown),
    }[operator]


def test_interfaces_are_multisets() -> None:
    rng = Random(11)
    patterns = [InterfacePattern(base, sub, protocol) for base in (8, 3) for sub, protocol in
                ((None, None), (6, None), (6, 0x50), (6, 0x62), (1, 1))]  # fmt: skip
    full = [one for one in patterns if one.protocol is not None]
    met = 0
    for _ in range(20_000):
        wanted = [rng.choice(patterns) for _ in range(rng.randint(1, 4))]
        shown = [rng.choice(full) for _ in range(rng.randint(0, 4))]
        operator = rng.choice(list(Operator))
        met += interfaces_fit(operator, wanted, shown)
        assert interfaces_fit(operator, wanted, shown) is by_definition(operator, wanted, shown)
    assert 4_000 < met < 16_000


@pytest.mark.parametrize(
    ("rule", "target"),
    [
        ("allow id 0781:5567", "allow"),
        ("allow id 0781:*", "allow"),
        ("allow id *:*", "allow"),
        ("allow id 0781:5568", "block"),
        ("allow id one-of { 1234:* 0781:* }", "allow"),
        ("allow id none-of { 1234:* 0781:* }", "block"),
        ("allow id all-of { 0781:* 0781:5567 }", "block"),
        ('allow serial "4C53" name "Cruzer" via-port "1-4"', "allow"),
        ('allow serial "4C53" name "cruzer"', "block"),
        ('allow serial match-all { "4C53" "x" }', "allow"),
        ('allow serial none-of { "4C53" }', "block"),
        ('allow hash "h"', "allow"),
        ('allow hash "v2:H"', "allow"),
        ('allow hash none-of { "v2:H" }', "block"),
        ('allow hash "H"', "block"),
        ('allow with-connect-type ""', "allow"),
        ('allow via-role "payment"', "block"),
        ("allow with-interface 08:*:*", "allow"),
        ("reject if false\nallow", "allow"),
        ("reject\nallow", "reject"),
        ('allow label "of no meaning"', "allow"),
        ("block with-interface one-of { 03:*:* }\nallow-interface with-interface 08:06:50", "allow-interface"),
    ],
)
def test_a_rule_on_a_stick(rule: str, target: str) -> None:
    assert verdict(rule) == target


def test_a_device_without_interfaces_is_covered_by_nothing() -> None:
    assert verdict("allow with-interface match-all { 08:*:* }", replace(STICK, interfaces=())) == "block"


def at(clock: str, offset_s: int = 0) -> Situation:
    hours, minutes, seconds = (int(part) for part in clock.split(":"))
    return Situation(utc_s=10 * 86_400 + hours * 3600 + minutes * 60 + seconds, offset_s=offset_s)


@pytest.mark.parametrize(
    ("condition", "clock", "offset_s", "holds"),
    [
        ("localtime(08:00-18:00)", "07:59:59", 0, False),
        ("localtime(08:00-18:00)", "08:00:00", 0, True),
        ("localtime(08:00-18:00)", "18:00:59", 0, True),
        ("localtime(08:00-18:00)", "18:01:00", 0, False),
        ("localtime(08:00-18:00)", "17:30:00", 3600, False),
        ("localtime(22:00-06:00)", "23:00:00", 0, True),
        ("localtime(22:00-06:00)", "05:00:00", 0, True),
        ("localtime(22:00-06:00)", "12:00:00", 0, False),
        ("localtime(22:00-06:00)", "01:00:00", -7200, True),
        ("localtime(08:00:30-08:00:40)", "08:00:41", 0, False),
        ("localtime(08:00)", "08:00:30", 0, True),
        ("!localtime(08:00)", "08:00:30", 0, False),
    ],
)
def test_local_time(condition: str, clock: str, offset_s: int, holds: bool) -> None:
    assert (verdict(f"allow if {condition}", STICK, at(clock, offset_s)) == "allow") is holds


def test_until_ends_a_rule() -> None:
    rule = "allow until 1970-01-01T13:00:00+01:00"
    assert verdict(rule, STICK, Situation(utc_s=12 * 3600 - 1)) == "allow"
    assert verdict(rule, STICK, Situation(utc_s=12 * 3600)) == "block"


def test_conditions_on_what_was_and_what_is() -> None:
    rule = 'allow if rule-applied(60) label "r"\nallow if rule-evaluated label "s"'
    assert verdict(rule) == "block"
    was = replace(NOON, steady_s=100.0)
    assert verdict(rule, STICK, replace(was, applied={"r": 40.0})) == "allow"
    assert verdict(rule, STICK, replace(was, applied={"r": 39.0})) == "block"
    assert verdict(rule, STICK, replace(was, evaluated={"s": 0.0})) == "allow"
    hub = Device("1-1", "1d6b", "0002", (made.interface("09:00:00"),))
    assert verdict("allow if allowed-matches(with-interface 09:*:*)", STICK, replace(NOON, allowed=(hub,))) == "allow"
    assert verdict("allow if allowed-matches(with-interface 09:*:*)") == "block"
    assert verdict("allow if service-window(night)", STICK, replace(NOON, windows=frozenset({"night"}))) == "allow"
    assert verdict("allow if service-window(night)") == "block"
    assert verdict("allow if random(0.25)", STICK, replace(NOON, chance=0.24)) == "allow"
    assert verdict("allow if random(0.25)", STICK, replace(NOON, chance=0.25)) == "block"


def test_a_keyboard_is_on_probation_until_it_types_like_a_machine() -> None:
    keyboard = replace(STICK, interfaces=(made.interface("03:01:01"),))
    evaluator = PlainEvaluator(parse_rules("allow with-interface 03:01:01 if keystroke-rate(30,15)"))
    found = evaluator.judge(keyboard, NOON)
    assert (str(found.target), found.keystrokes) == ("allow", (30, 15))
    assert "on probation: at most 30 keys a second" in found.reason
    for cadence, target in (
        (Cadence(9.0, 40.0), "allow"),
        (Cadence(31.0, 40.0), "block"),
        (Cadence(16.0, 3.0), "block"),
    ):
        assert str(evaluator.judge(keyboard, replace(NOON, cadence=cadence)).target) == target


def test_only_the_named_interfaces_live_and_an_alternate_setting_cannot_smuggle() -> None:
    evaluator = PlainEvaluator(parse_rules("allow-interface with-interface 08:*:* with-storage read-only"))
    composite = replace(STICK, interfaces=(made.interface("08:06:50"), made.interface("03:01:01")))
    found = evaluator.judge(composite, NOON)
    assert found.live == (True, False)
    assert found.read_only
    assert "without a driver: 03:01:01 (keyboard)" in found.reason
    same_number = replace(composite, places=((1, 0), (1, 0)))
    assert evaluator.judge(same_number, NOON).live == (False, False)


def test_operators_over_conditions() -> None:
    for rule, target in (
        ("allow if { true true }", "allow"),
        ("allow if { true false }", "block"),
        ("allow if one-of { true false }", "allow"),
        ("allow if one-of { false false }", "block"),
        ("allow if none-of { false false }", "allow"),
        ("allow if none-of { true }", "block"),
        ("allow if match-all { true false }", "block"),
    ):
        assert verdict(rule) == target


def test_a_verdict_says_why_and_escapes_what_the_device_claims() -> None:
    rules = parse_rules('allow id 0781:5567 via-port "1-4" serial "x\\x1b[2J" label "service stick"')
    found = PlainEvaluator(rules).judge(replace(STICK, serial="x\x1b[2J"), NOON)
    assert found.rule_id == "service stick"
    assert found.reason == (
        'allowed by rule service stick: its id is 0781:5567, its serial is "x\\x1b[2J", it is at port 1-4'
    )
    assert PlainEvaluator(rules).judge(STICK, NOON).reason == (
        "blocked: no rule fits it, and what no rule names is blocked"
    )
