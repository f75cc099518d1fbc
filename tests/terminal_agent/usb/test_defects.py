# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The defects of usbguard 1.1.2, one test each: the compatible evaluator has it, as libusbguard; the strict has not.

Where a defect lies outside the rules (events, waiting) the test shows our behaviour alone.
"""

from dataclasses import replace
from pathlib import Path

import pytest

from device_profiles.serve.sysfs import Tree
from device_profiles.twins.usb_descriptors import Model
from device_profiles.twins.usbbus import UsbBus
from protocols.errors import DecodeError
from protocols.usb.conditions import Situation
from protocols.usb.device import Device
from protocols.usb.evaluate import PlainEvaluator
from protocols.usb.identity import device_hash, device_hash_v2
from protocols.usb.rule_text import parse_rule, parse_rules
from protocols.usb.rules import Dialect, print_rule
from protocols.usb.uevent import Uevent, decode
from terminal_agent.usb.document import PolicyFile, PolicyText
from terminal_agent.usb.guard import Guard
from terminal_agent.usb.policy import Now, Policy
from terminal_agent.usb.sysfs import Sysfs
from tests.protocols.usb import usbguard
from tests.protocols.usb.made import interface

OURS, THEIRS = Dialect.TILLGUARD, Dialect.USBGUARD
STICK = Device("1-1", "0781", "5567", (interface("08:06:50"),), name="Cruzer", serial="4C53", connect_type="hotplug")
BAD = replace(STICK, interfaces=(interface("08:06:50"), interface("03:01:01")))
NOON = Situation(utc_s=12 * 3600)


def decide(rule: str, dialect: Dialect, device: Device = STICK, now: Situation = NOON) -> str:
    return str(PlainEvaluator(parse_rules(rule, dialect), dialect).judge(device, now).target)


def libusbguard(rule: str, device: Device = STICK) -> str:
    return usbguard.verdicts([([rule], [device])])[0][0]


@pytest.mark.parametrize("attribute", ["serial", "name", "hash", "parent-hash", "via-port", "with-connect-type"])
def test_defect_01_match_all_on_a_text_is_always_true(attribute: str) -> None:
    rule = f'allow {attribute} match-all {{ "OTHER" }}'
    assert libusbguard(rule) == decide(rule, THEIRS) == "allow"
    assert decide(rule, OURS) == "block"


@pytest.mark.parametrize("values", ["08:06:50 08:06:50", "08:*:* 08:06:50"])
def test_defect_02_equals_is_no_multiset(values: str) -> None:
    rule = f"allow with-interface equals {{ {values} }}"
    assert libusbguard(rule, BAD) == decide(rule, THEIRS, BAD) == "allow"
    assert decide(rule, OURS, BAD) == "block"
    assert decide(rule, OURS, replace(STICK, interfaces=STICK.interfaces * 2)) == "allow"


def test_defect_03_id_match_all_is_the_wrong_way_round() -> None:
    rule = "allow id match-all { 0781:* }"
    assert libusbguard(rule) == decide(rule, THEIRS) == "block"
    assert decide(rule, OURS) == "allow"


def test_defect_04_rule_applied_is_never_true_and_counts_nanoseconds() -> None:
    rule = 'allow if rule-applied(60) label "r"'
    after = replace(NOON, steady_s=100.0, applied={"r": 90.0}, evaluated={"r": 90.0})
    assert libusbguard(rule) == decide(rule, THEIRS, now=after) == "block"
    assert decide(rule, OURS, now=after) == "allow"
    assert decide(rule, OURS, now=replace(after, steady_s=151.0)) == "block"
    asked = 'allow if rule-evaluated label "r"'
    assert decide(asked, THEIRS, now=after) == "block"
    assert decide(asked, OURS, now=after) == "allow"


def test_defect_05_rule_evaluated_is_written_as_rule_applied() -> None:
    line = "allow if rule-evaluated(5)"
    rule = parse_rule(line, THEIRS)
    assert rule is not None
    assert usbguard.parsed([line]) == [print_rule(rule, THEIRS)] == ["allow if rule-applied(5)"]
    assert print_rule(rule, OURS) == line


def test_defect_06_seconds_of_localtime_are_seconds_since_1970() -> None:
    rule = "allow if localtime(00:00:00-23:59:00)"  # to usbguard: at the very first second of the day
    assert libusbguard(rule) == decide(rule, THEIRS) == "block"
    assert decide(rule, OURS) == "allow"


def test_defect_07_localtime_is_utc() -> None:
    rule = "allow if localtime(08:00-09:00)"
    in_berlin = Situation(utc_s=7 * 3600 + 1800, offset_s=3600)
    assert decide(rule, THEIRS, now=in_berlin) == "block"
    assert decide(rule, OURS, now=in_berlin) == "allow"


def test_defect_08_ranges_over_midnight_are_refused() -> None:
    line = "allow if localtime(22:00-06:00)"
    assert usbguard.parsed([line]) == [None]
    with pytest.raises(DecodeError):
        parse_rule(line, THEIRS)
    assert decide(line, OURS, now=Situation(utc_s=23 * 3600)) == "allow"
    assert decide(line, OURS) == "block"


def guard_on(tmp_path: Path, rules: str) -> tuple[Guard, UsbBus, Tree]:
    bus = UsbBus()
    tree = Tree(tmp_path / "sys", bus)
    text = PolicyText(PolicyFile("x", rules), parse_rules(rules), (), "")
    return Guard(Sysfs(tmp_path / "sys"), Policy(text)), bus, tree


def test_defect_09_a_time_window_ends_for_what_is_plugged_in_too(tmp_path: Path) -> None:
    guard, bus, tree = guard_on(tmp_path, 'allow id 0781:5567 if localtime(14:00-14:35) label "window"')
    tree.show()
    now = Now(14 * 3600 + 34 * 60)
    guard.start(now)
    event = bus.plug("1-1", Model("0781", "5567", (((8, 6, 0x50),),)))
    tree.show()
    assert str(guard.event(decode(event), now)[0].verdict.target) == "allow"
    tree.settle()
    assert bus.disks() == 1
    change = now
    while (at := guard.policy.next_change(change)) is not None and at <= 14 * 3600 + 36 * 60:
        change = Now(at)
        guard.rescan(change)
        tree.settle()
    assert bus.disks() == 0


def test_defect_10_random_takes_any_number() -> None:
    assert usbguard.parsed(["allow if random(7)"]) == ["allow if random(7)"]
    assert decide("allow if random(7)", THEIRS) == "allow"
    with pytest.raises(DecodeError, match="0 to 1"):
        parse_rule("allow if random(7)")


@pytest.mark.parametrize("target", ["match", "device"])
def test_defect_11_internal_targets_stop_the_scan(target: str) -> None:
    rule = f"{target} id 0781:5567\nblock"
    assert decide(rule, THEIRS) == target
    assert usbguard.verdicts([(rule.split("\n"), [STICK])])[0][0] == target
    with pytest.raises(DecodeError, match="decides nothing"):
        parse_rules(rule)


def test_defect_12_after_lost_events_everything_is_looked_at(tmp_path: Path) -> None:
    guard, bus, tree = guard_on(tmp_path, 'allow id 1234:5678 label "ours"')
    tree.show()
    guard.start(Now(0))

    def event(number: int) -> Uevent:
        return Uevent("change", "/devices/virtual/x", {"SEQNUM": str(number)})

    guard.event(event(1), Now(0))
    bus.plug("1-1", Model("1234", "5678", (((8, 6, 0x50),),)))  # its event is never delivered
    tree.show()
    assert guard.event(event(2), Now(0)) == []
    found = guard.event(event(4), Now(0))
    assert [one.verdict.device.port for one in found] == ["usb1", "1-1"]
    tree.settle()
    assert bus.disks() == 1


def test_defect_13_two_devices_share_a_hash() -> None:
    """The end of one part and the beginning of the next may change places."""
    one = ("AB", "1234", "5678", "9", b"")
    other = ("AB1", "2345", "678", "9", b"")
    assert device_hash(*one) == device_hash(*other)
    assert device_hash_v2(*one) != device_hash_v2(*other)


def test_defect_14_nobody_waits_for_an_attribute_that_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, bus, tree = guard_on(tmp_path, "")
    bus.plug("1-1", Model("1234", "5678", (((8, 6, 0x50),),)))
    tree.show()
    for path in (tmp_path / "sys").rglob("connect_type"):
        path.unlink()

    def slept(_: float) -> None:
        raise AssertionError("waited")

    monkeypatch.setattr("time.sleep", slept)
    raw = Sysfs(tmp_path / "sys").read("1-1")
    assert raw is not None
    assert raw.connect_type == ""


def test_further_a_second_target_without_a_blank_replaces_the_first() -> None:
    """Not among the known fourteen: a slip of the hand turns a block into an allow."""
    line = 'block hash "x"allow'
    rule = parse_rule(line, THEIRS)
    assert rule is not None
    assert usbguard.parsed([line]) == [print_rule(rule, THEIRS)] == ['allow hash "x"']
    with pytest.raises(DecodeError):
        parse_rule(line)


def test_further_ids_compare_as_text() -> None:
    rule = "allow id ABCD:*"
    device = replace(STICK, vendor="abcd", product="0001")
    assert libusbguard(rule, device) == decide(rule, THEIRS, device) == "block"
    assert decide(rule, OURS, device) == "allow"
