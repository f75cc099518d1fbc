# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Devices that come and go too fast, ports that are switched, controllers and interfaces that come late."""

from dataclasses import replace
from pathlib import Path

import pytest

from device_profiles.twins.usb_descriptors import Model
from protocols.usb.uevent import Uevent, decode
from terminal_agent.usb.guard import Guard
from terminal_agent.usb.storms import MOST_APPEARANCES, OFF_S
from terminal_agent.usb.sysfs import Sysfs, SysfsError
from tests.terminal_agent.usb.test_guard import NOW, STICK, Machine, policy

ALLOW = 'allow id 0781:5567 label "stick"\n'


def switch(root: Path, name: str) -> Path:
    """A port's own switch, where the kernel has it."""
    path = root / "bus/usb/devices" / name / "disable"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("0")
    return path


def come(machine: Machine, number: int, after_s: float) -> list[str]:
    keys = {"SUBSYSTEM": "usb", "DEVTYPE": "usb_device", "SEQNUM": str(number)}
    event = Uevent("add", f"{machine.bus.path('1-1')}", keys)
    outcomes = machine.guard.event(event, replace(NOW, steady_s=after_s))
    return [f"{one.verdict.target} {one.verdict.rule_id} {one.carried_out}" for one in outcomes]


def test_a_storm_ends_in_a_port_that_is_off_and_on_again_after_its_time(tmp_path: Path) -> None:
    machine = Machine(tmp_path, policy(ALLOW))
    machine.guard.start(NOW)
    port = switch(tmp_path, "usb1/1-0:1.0/usb1-port1")
    machine.bus.plug("1-1", STICK)
    machine.tree.show()
    told = [come(machine, number, number * 0.1) for number in range(1, MOST_APPEARANCES + 3)]
    assert told[: MOST_APPEARANCES - 1] == [["allow stick True"]] * (MOST_APPEARANCES - 1)
    assert told[MOST_APPEARANCES - 1 :] == [["reject storm True"], [], []]
    assert port.read_text() == "1"
    over = MOST_APPEARANCES * 0.1 + OFF_S
    assert machine.guard.storms_over(replace(NOW, steady_s=over - 1)) == []
    assert machine.guard.storms_over(replace(NOW, steady_s=over)) == ["1-1"]
    assert port.read_text() == "0"


def test_a_port_without_a_switch_stays_barred_and_that_is_told(tmp_path: Path) -> None:
    machine = Machine(tmp_path, policy(ALLOW))
    machine.guard.start(NOW)
    machine.bus.plug("1-1", STICK)
    machine.tree.show()
    told = [come(machine, number, number * 0.1) for number in range(1, MOST_APPEARANCES + 1)]
    assert told[-1] == ["reject storm False"]
    assert machine.guard.policy.memory.allowed.keys() == {"usb1"}


@pytest.mark.parametrize(
    ("port", "place"),
    [
        ("1-4", "usb1/1-0:1.0/usb1-port4"),
        ("1-4.2", "1-4/1-4:1.0/1-4-port2"),
        ("2-1.3.5", "2-1.3/2-1.3:1.0/2-1.3-port5"),
    ],
)
def test_where_the_switch_of_a_port_is(port: str, place: str, tmp_path: Path) -> None:
    path = switch(tmp_path, place)
    Sysfs(tmp_path).disable_port(port, True)
    assert path.read_text() == "1"
    Sysfs(tmp_path).disable_port(port, False)
    assert path.read_text() == "0"


@pytest.mark.parametrize("port", ["usb1", "1-0:1.0", "../1-1", ""])
def test_what_is_no_port_has_no_switch(port: str, tmp_path: Path) -> None:
    with pytest.raises(SysfsError):
        Sysfs(tmp_path).disable_port(port, True)


def test_a_late_host_controller_is_locked_before_it_is_judged(tmp_path: Path) -> None:
    machine = Machine(tmp_path, policy(ALLOW))
    machine.guard.start(NOW)
    hub = tmp_path / "bus/usb/devices/usb1"
    for name in ("authorized_default", "interface_authorized_default"):
        (hub / name).write_text("1")
    keys = {"SUBSYSTEM": "usb", "DEVTYPE": "usb_device", "SEQNUM": "1"}
    machine.guard.event(Uevent("add", machine.bus.path("usb1"), keys), NOW)
    assert [(hub / name).read_text() for name in ("authorized_default", "interface_authorized_default")] == ["0", "0"]
    (hub / "authorized_default").unlink()
    machine.guard.event(Uevent("add", machine.bus.path("usb1"), {**keys, "SEQNUM": "2"}), NOW)
    assert any("authorized_default" in one for one in machine.guard.open_roots)


def interface_came(machine: Machine, port: str, name: str) -> list[str]:
    outcomes = machine.guard.event(decode(machine.bus.interface_event(port, name)), NOW)
    return [f"{one.verdict.target} {one.carried_out}" for one in outcomes]


@pytest.mark.parametrize(("port", "name"), [("1-1", "1-1:1.0"), ("usb1", "1-0:1.0")])
def test_a_device_that_is_configured_after_its_verdict_lives_all_the_same(port: str, name: str, tmp_path: Path) -> None:
    machine = Machine(tmp_path, policy(ALLOW))
    machine.guard.start(NOW)
    machine.plug("1-1", STICK)
    authorized = tmp_path / machine.bus.path(port).lstrip("/") / name / "authorized"
    assert authorized.read_text().strip() == "1"
    assert interface_came(machine, port, name) == []  # as it was left: the event of the interface that was authorised
    authorized.write_text("0")  # a new one of the same name
    assert interface_came(machine, port, name) == ["allow True"]
    assert authorized.read_text().strip() == "1"


def test_an_interface_that_was_left_dead_stays_dead_whenever_it_comes(tmp_path: Path) -> None:
    disk_and_keyboard = Model("0781", "5567", (((8, 6, 0x50),), ((3, 1, 1),)), "Cruzer", "4C53")
    machine = Machine(tmp_path, policy('allow-interface id 0781:5567 with-interface 08:06:50 label "disk"\n'))
    machine.guard.start(NOW)
    machine.plug("1-1", disk_and_keyboard)
    folder = tmp_path / machine.bus.path("1-1").lstrip("/")
    assert interface_came(machine, "1-1", "1-1:1.1") == []
    (folder / "1-1:1.0/authorized").write_text("0")
    assert interface_came(machine, "1-1", "1-1:1.0") == ["allow-interface True"]
    assert [(folder / f"1-1:1.{number}/authorized").read_text().strip() for number in (0, 1)] == ["1", "0"]


@pytest.mark.parametrize("name", ["1-1:1.0", "1-1", "1-1:1", "1-1:x.y", "1-1:1.0.0", "0-0:1.0", ""])
def test_interfaces_of_what_may_not_live_change_nothing(name: str, tmp_path: Path) -> None:
    machine = Machine(tmp_path, policy(""))
    machine.guard.start(NOW)
    machine.plug("1-1", STICK)
    assert interface_came(machine, "1-1", name) == []


def test_all_interfaces_live_before_a_driver_is_looked_for(tmp_path: Path) -> None:
    modem = Model("11ca", "0220", (((2, 2, 1),), ((10, 0, 0),)), "Pad", "P1")
    machine = Machine(tmp_path, policy('allow id 11ca:0220 with-interface { 02:02:01 0a:00:00 } label "pad"\n'))
    machine.guard.start(NOW)
    done: list[str] = []

    class Told(Sysfs):
        def authorise_interface(self, port: str, place: tuple[int, int], allowed: bool) -> None:
            done.append(f"authorised {place[1]}")

        def find_driver(self, port: str, place: tuple[int, int]) -> None:
            done.append(f"probed {place[1]}")

    machine.guard = Guard(Told(tmp_path), machine.guard.policy)
    machine.guard.start(NOW)
    done.clear()
    machine.plug("1-1", modem)
    assert done == ["authorised 0", "authorised 1", "probed 0", "probed 1"]  # cdc_acm takes both at once, or none
