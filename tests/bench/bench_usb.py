# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The USB policy: a verdict under 200 rules, 770 rules parsed, against usbguard 1.1.2 in the same run.

usbguard's verdict is timed through tests/protocols/usb/oracle.cpp: twice as many questions less once as many, with the
rules and without, so that starting the program and reading rules and devices are out of it. Its parser is timed as a
program over a file, less an empty file. Both are C++; ours is Python.
"""

import subprocess
import tempfile
import time
from pathlib import Path
from random import Random

from device_profiles.twins.usb_descriptors import Model
from protocols.usb.compiled import CompiledEvaluator
from protocols.usb.conditions import Situation
from protocols.usb.device import Device
from protocols.usb.evaluate import PlainEvaluator
from protocols.usb.identity import device_hash, device_hash_v2
from protocols.usb.rule_text import parse_rules
from terminal_agent.usb.document import policy_of
from terminal_agent.usb.policy import Now, Policy
from tests.bench.row import Row, side_by_side
from tests.protocols.usb import made, usbguard

RULES, PARSED, ASKED = 200, 770, 4_000
NOW = Situation(utc_s=43_200)


def rows() -> list[Row]:
    """All rows of the area."""
    lines = [_line(place) for place in range(PARSED)]
    rules = parse_rules("\n".join(lines[:RULES]))
    compiled, plain = CompiledEvaluator(rules), PlainEvaluator(rules)
    last, stranger = _device(RULES - 1), _device(PARSED - 1)
    rng = Random(1)
    mixed = CompiledEvaluator(parse_rules("\n".join(made.rule_line(rng, ("true", "!false")) for _ in range(RULES))))
    shown = [made.device(rng) for _ in range(50)]
    last_us, stranger_us, mixed_us, plain_us = side_by_side(
        lambda: compiled.judge(last, NOW),
        lambda: compiled.judge(stranger, NOW),
        lambda: [mixed.judge(one, NOW) for one in shown],
        lambda: plain.judge(last, NOW),
    )
    till = Policy(policy_of(rules, "bench"))
    whole_us, _ = side_by_side(lambda: till.decide(last, Now(43_200)), lambda: compiled.judge(last, NOW))
    theirs = _usbguard_us(lines[:RULES], last)
    text = "\n".join(lines)
    parse_us, compile_us, reason_us = side_by_side(
        lambda: parse_rules(text), lambda: CompiledEvaluator(rules), lambda: compiled.judge(last, NOW).reason
    )
    octets = Model("0781", "5567", (((8, 6, 0x50),), ((3, 1, 1),)), "Cruzer", "4C53").descriptors
    hash_us, hash2_us = side_by_side(
        lambda: device_hash("Cruzer", "0781", "5567", "4C53", octets),
        lambda: device_hash_v2("Cruzer", "0781", "5567", "4C53", octets),
    )
    return [
        Row("verdict, 200 rules, the last one fits", last_us, "µs", "libusbguard", theirs, 10.0),
        Row("verdict, 200 rules, none fits", stranger_us, "µs", "libusbguard", theirs, 10.0),
        Row("verdict, 200 mixed rules", mixed_us / len(shown), "µs", "libusbguard", theirs, 10.0),
        Row("the agent's whole decision, remembered", whole_us, "µs", "verdict alone", last_us, 10.0),
        Row("the same rule by rule (plain evaluator)", plain_us, "µs", "compiled", last_us),
        Row("verdict and its reason in words", reason_us, "µs", "verdict alone", last_us),
        Row("parse of 770 rules", parse_us / 1000, "ms", "usbguard-rule-parser", _their_parser_ms(lines), 30.0),
        Row("200 rules made into tables, once a policy", compile_us / 1000, "ms"),
        Row("device hash, ours", hash2_us, "µs", "usbguard's hash", hash_us),
    ]


def _line(place: int) -> str:
    """A rule as `usb learn --ports --hashes` writes them, its ids its own."""
    return (
        f'allow id {place % 977:04x}:{place:04x} serial "{place:08d}" name "Device {place}" hash "{place:043d}=" '
        f'parent-hash "{place % 5:043d}=" via-port "1-{place % 9}" with-interface {{ 08:06:50 03:01:01 }} '
        f'with-connect-type "hotplug" label "r{place}"'
    )


def _device(place: int) -> Device:
    return Device(
        port=f"1-{place % 9}",
        vendor=f"{place % 977:04x}",
        product=f"{place:04x}",
        interfaces=(made.interface("08:06:50"), made.interface("03:01:01")),
        name=f"Device {place}",
        serial=f"{place:08d}",
        hash=f"{place:043d}=",
        hash2="v2:",
        parent_hash=f"{place % 5:043d}=",
        connect_type="hotplug",
    )


def _usbguard_us(rules: list[str], device: Device) -> float:
    """µs of one question to libusbguard; what starting it and reading rules and devices takes is taken off."""

    def run(rules: list[str], count: int) -> float:
        asked = ["X", *(f"R {rule}" for rule in rules), *[f"D {usbguard.device_rule(device)}"] * count]
        octets = "".join(f"{line}\n" for line in asked).encode()
        started = time.perf_counter()
        subprocess.run([str(usbguard.built())], input=octets, capture_output=True, check=True)
        return time.perf_counter() - started

    run(rules, 1)
    with_rules = min(run(rules, 2 * ASKED) - run(rules, ASKED) for _ in range(3))
    without = min(run([], 2 * ASKED) - run([], ASKED) for _ in range(3))
    return (with_rules - without) / ASKED * 1e6


def _their_parser_ms(lines: list[str]) -> float:
    with tempfile.TemporaryDirectory(prefix="tillguard-bench-") as folder:
        full, empty = Path(folder) / "full", Path(folder) / "empty"
        full.write_text("".join(f"{line}\n" for line in lines))
        empty.write_text("# nothing\n")

        def run(path: Path) -> float:
            started = time.perf_counter()
            subprocess.run([usbguard.PARSER, "-f", str(path)], capture_output=True, check=True)
            return time.perf_counter() - started

        return min(run(full) - run(empty) for _ in range(7)) * 1e3
