# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What is said of two rules without a device holds for every device: covers, disjoint, never fits."""

from dataclasses import replace
from random import Random

from protocols.usb.compare import covers, disjoint, never_fits
from protocols.usb.matching import matcher
from protocols.usb.rule_text import parse_rule
from protocols.usb.rules import Dialect, Rule
from tests.protocols.usb import made


def rule(text: str) -> Rule:
    found = parse_rule(text)
    assert found is not None
    return found


def test_what_is_said_holds_for_every_device() -> None:
    rng = Random(12)
    devices = [
        replace(made.device(rng), role=rng.choice(("", "payment")), hash2=rng.choice(made.TEXTS)) for _ in range(150)
    ]
    said = {"covers": 0, "disjoint": 0, "never": 0}
    for _ in range(3_000):
        first, second = (rule(made.rule_line(rng, ("true",))) for _ in range(2))
        if rng.random() < 0.3:
            second = replace(second, attributes=first.attributes + tuple(
                one for one in second.attributes if first.attribute(one.name) is None))  # fmt: skip
        one, other = matcher(first, Dialect.TILLGUARD), matcher(second, Dialect.TILLGUARD)
        if never_fits(first):
            said["never"] += 1
            assert not any(one(device) for device in devices)
        if covers(first, second):
            said["covers"] += 1
            assert not any(other(device) and not one(device) for device in devices)
        if disjoint(first, second):
            said["disjoint"] += 1
            assert not any(one(device) and other(device) for device in devices)
    assert min(said.values()) > 200


def test_what_it_is_sure_of() -> None:
    for wide, narrow in (
        ("allow", "allow id 0781:5567"),
        ("allow id 0781:*", 'block id 0781:5567 via-port "1-1"'),
        ("allow id ABCD:*", "allow id abcd:0001"),
        ("allow with-interface one-of { 03:*:* }", "allow with-interface { 03:01:01 08:06:50 }"),
        ("allow with-interface match-all { 03:*:* 08:*:* }", "allow with-interface { 03:01:01 08:06:50 }"),
        ('allow serial one-of { "a" "b" }', 'allow serial "a"'),
        ('allow serial none-of { "a" }', 'allow serial "b"'),
    ):
        assert covers(rule(wide), rule(narrow)), (wide, narrow)
        assert not covers(rule(narrow), rule(wide)), (narrow, wide)
    for one, other in (
        ("allow id 0781:*", "allow id 1234:5678"),
        ('allow via-port "1-1"', 'allow via-port "1-2"'),
        ('allow serial none-of { "a" }', 'allow serial "a"'),
        ("allow with-interface 03:01:01", "allow with-interface { 03:01:01 08:06:50 }"),
        ("allow with-interface one-of { 03:*:* }", "allow with-interface { 08:06:50 09:00:00 }"),
    ):
        assert disjoint(rule(one), rule(other))
        assert disjoint(rule(other), rule(one))
