# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Keyboards on probation, over a port that stands for usbfs: who is held when, and that nothing is left open."""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from device_profiles.serve.sysfs import Tree
from device_profiles.twins.usb_descriptors import Model
from device_profiles.twins.usbbus import UsbBus
from protocols.usb.uevent import decode
from terminal_agent.usb.cadence import JUDGED_AFTER
from terminal_agent.usb.guard import Duty, Guard
from terminal_agent.usb.keyboards import EVENT, CannotHold, Keyboards
from terminal_agent.usb.policy import Now, Policy
from terminal_agent.usb.sysfs import Sysfs
from terminal_agent.usb.usbfs import Usbfs, UsbfsError
from tests.terminal_agent.usb.test_guard import policy

KEYBOARD = Model("046d", "c31c", (((3, 1, 1),),), "Keyboard")
DISK = Model("0781", "5567", (((8, 6, 0x50),),), "Cruzer", "4C53")
NOW = Now(utc_s=1_764_000_000)
ON_PROBATION = 'allow id 046d:c31c if keystroke-rate(30,8) label "keyboard"\n'


class FakeUsbfs:
    """A device in usbfs, and what it has to say."""

    def __init__(self, path: str, refuses: bool = False) -> None:
        self.path = path
        self.descriptor = os.open("/dev/null", os.O_RDONLY)
        self.claimed: list[int] = []
        self.asked: list[tuple[int, int]] = []
        self.reports: list[bytes] = []
        self.closed = False
        self._refuses = refuses

    def claim(self, interface: int) -> None:
        if self._refuses:
            raise UsbfsError("another has it")
        self.claimed.append(interface)

    def ask(self, endpoint: int, size: int) -> None:
        self.asked.append((endpoint, size))

    def take(self) -> tuple[int, bytes] | None:
        return (0x81, self.reports.pop(0)) if self.reports else None

    def close(self) -> None:
        assert not self.closed
        self.closed = True
        os.close(self.descriptor)


class Bench:
    """A tree with a keyboard at 1-4, a guard, and the keyboards that it holds."""

    def __init__(self, root: Path, force: Policy, model: Model = KEYBOARD) -> None:
        self.made: list[FakeUsbfs] = []
        self.refuses = False
        self.clock = 0.0
        self.bus = UsbBus()
        self.tree = Tree(root / "sys", self.bus)
        self.bus.authorized_default = self.bus.interface_authorized_default = False
        self.bus.plug("1-4", model)
        self.tree.show()
        (root / "input").mkdir()
        self.inputs = root / "input"
        sysfs = Sysfs(root / "sys")
        self.keyboards = Keyboards(sysfs, self._claimed, lambda: self.clock, str(self.inputs))
        self.guard = Guard(sysfs, force, frozenset(Duty), self.keyboards)
        self.probe = root / "sys/bus/usb/drivers_probe"
        self.probe.write_text("")

    def _claimed(self, path: str) -> FakeUsbfs:
        self.made.append(FakeUsbfs(path, self.refuses))
        return self.made[-1]

    def judged(self) -> list[str]:
        return [f"{one.verdict.target} {one.carried_out} {one.why_not}".strip() for one in self.guard.look("1-4", NOW)]

    def types(self, gaps: Sequence[float]) -> None:
        held = self.keyboards.held["1-4"]
        for gap in gaps:
            self.clock += gap
            self.made[-1].reports = [bytes((0, 0, 4, 0, 0, 0, 0, 0)), bytes(8)]
            assert self.keyboards.read(self.made[-1].descriptor, held)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    found = Bench(tmp_path, policy(ON_PROBATION))
    found.guard.start(NOW)
    assert found.probe.read_text() == "1-0:1.0"  # the root hub's own, and nothing of the keyboard
    found.probe.write_text("")
    return found


def test_it_is_claimed_and_no_driver_is_looked_for(bench: Bench) -> None:
    (claimed,) = bench.made
    assert (claimed.path.rpartition("/")[0], claimed.claimed, claimed.asked) == ("/dev/bus/usb/001", [0], [(0x81, 8)])
    assert bench.probe.read_text() == ""
    assert not bench.keyboards.over("1-4")
    assert bench.judged() == ["allow True"]
    assert len(bench.made) == 1  # judged again, it is held already


def test_after_probation_a_driver_may_have_it(bench: Bench) -> None:
    bench.types([0.1, 0.3] * JUDGED_AFTER)
    held = bench.keyboards.held["1-4"]
    assert held.watch.cadence is not None
    bench.keyboards.end("1-4")
    assert bench.made[0].closed
    assert bench.keyboards.over("1-4")
    assert bench.judged() == ["allow True"]
    assert bench.probe.read_text() == "1-4:1.0"
    (bench.inputs / "event7").write_bytes(EVENT.pack(0, 0, 1, 30, 1) + EVENT.pack(0, 0, 1, 30, 0) + b"half")
    before = held.watch.presses
    bench.keyboards.watch("1-4", "event7")
    bench.keyboards.watch("1-4", "event7")
    (descriptor,) = bench.keyboards.descriptors()
    assert bench.keyboards.read(descriptor, held)
    assert held.watch.presses == before + 1
    bench.keyboards.release("1-4")
    assert bench.keyboards.descriptors() == {}


def test_a_policy_without_limits_lets_go_of_it(bench: Bench) -> None:
    bench.guard.policy = policy('allow id 046d:c31c label "keyboard"\n')
    assert bench.judged() == ["allow True"]
    assert bench.made[0].closed
    assert bench.probe.read_text() == "1-4:1.0"


def test_what_cannot_be_held_does_not_live(tmp_path: Path) -> None:
    bench = Bench(tmp_path, policy(ON_PROBATION))
    bench.refuses = True
    (_, outcome) = bench.guard.start(NOW)
    assert (outcome.carried_out, outcome.why_not) == (False, "another has it")
    assert (tmp_path / "sys/bus/usb/devices/1-4/authorized").read_text().strip() == "0"
    assert bench.made[0].closed
    assert bench.keyboards.held == {}


def test_a_thing_without_a_pipe_to_type_by_is_no_keyboard(tmp_path: Path) -> None:
    bench = Bench(tmp_path, policy('allow id 0781:5567 if keystroke-rate(30) label "odd"\n'), DISK)
    (_, outcome) = bench.guard.start(NOW)
    assert not outcome.carried_out
    assert "no interrupt pipe" in outcome.why_not
    assert bench.made == []


def test_one_that_is_plugged_in_anew_begins_anew(bench: Bench, tmp_path: Path) -> None:
    bench.types([0.2] * 3)
    bench.keyboards.end("1-4")
    (tmp_path / "sys/bus/usb/devices/1-4/devnum").write_text("9\n")
    assert not bench.keyboards.over("1-4")
    assert bench.judged() == ["allow True"]
    assert len(bench.made) == 2
    assert bench.keyboards.held["1-4"].watch.presses == 0


def test_one_that_is_configured_after_it_was_claimed_is_claimed_again(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "sys/bus/usb/devices/1-4/1-4:1.0/authorized").write_text("0")  # the kernel made its interface anew
    (outcome,) = bench.guard.event(decode(bench.bus.interface_event("1-4", "1-4:1.0")), NOW)
    assert outcome.carried_out
    assert [one.closed for one in bench.made] == [True, False]
    assert bench.made[1].claimed == [0]
    assert bench.probe.read_text() == ""  # still no driver


def test_one_that_is_gone_is_let_go_of(bench: Bench) -> None:
    def gone() -> tuple[int, bytes] | None:
        raise UsbfsError("no such device")

    bench.made[0].take = gone  # type: ignore[method-assign]  # it was pulled
    assert not bench.keyboards.read(bench.made[0].descriptor, bench.keyboards.held["1-4"])
    assert bench.keyboards.held == {}
    assert bench.made[0].closed


def test_usbfs_says_what_it_cannot_open(tmp_path: Path) -> None:
    with pytest.raises(UsbfsError, match="No such file"):
        Usbfs(str(tmp_path / "001"))
    (tmp_path / "002").write_bytes(b"")
    no_device = Usbfs(str(tmp_path / "002"))
    for work in (lambda: no_device.claim(0), lambda: no_device.ask(0x81, 8), no_device.take):
        with pytest.raises(UsbfsError, match="Inappropriate ioctl"):
            work()
    no_device.close()
    assert issubclass(CannotHold, Exception)
