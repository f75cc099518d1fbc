# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The guard, the policy's clockwork, sysfs and the lock-out check: each way in which something can go wrong."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from device_profiles.serve.sysfs import Tree
from device_profiles.twins.usb_descriptors import Model
from device_profiles.twins.usbbus import CONTROLLER, ROOT, UsbBus
from protocols.usb.conditions import Cadence
from protocols.usb.device import Device
from protocols.usb.uevent import Uevent, decode
from terminal_agent.usb.describe import Raw, Unreadable, describe_all, parent_port, role_of
from terminal_agent.usb.document import PortRole
from terminal_agent.usb.document_text import parse_policy
from terminal_agent.usb.guard import Duty, Guard
from terminal_agent.usb.lockout import lockouts
from terminal_agent.usb.policy import Now, Policy, deny_all, is_open
from terminal_agent.usb.sysfs import LONGEST_TEXT, Sysfs, SysfsError

STICK = Model("0781", "5567", (((8, 6, 0x50),),), "Cruzer", "4C53")
KEYBOARD = Model("046d", "c31c", (((3, 1, 1),),), "Keyboard")
HUB = Model("05e3", "0608", (((9, 0, 0),),), "Hub")
NOW = Now(utc_s=1_764_000_000)
ROOTS = 'allow id 1d6b:* with-interface 09:00:00 label "roots"\n'


def policy(rules: str, more: str = "") -> Policy:
    return Policy(parse_policy(f"title = 'x'\nrules = '''{ROOTS}{rules}'''\n{more}", Path("x.toml")))


class Machine:
    """A bus, its tree of files, and a guard on it."""

    def __init__(self, root: Path, force: Policy, duties: frozenset[Duty] = frozenset(Duty)) -> None:
        self.bus = UsbBus()
        self.root = root
        self.tree = Tree(root, self.bus)
        self.tree.show()
        self.guard = Guard(Sysfs(root), force, duties)

    def plug(self, port: str, model: Model) -> list[str]:
        datagram = self.bus.plug(port, model)
        self.tree.show()
        outcomes = self.guard.event(decode(datagram), NOW)
        self.tree.settle()
        return [f"{one.verdict.target}{'' if one.carried_out else ' failed: ' + one.why_not}" for one in outcomes]


def test_the_root_hubs_are_locked_before_anything_is_judged(tmp_path: Path) -> None:
    machine = Machine(tmp_path, deny_all("test"))
    machine.bus.plug("1-1", STICK)
    machine.tree.show()
    machine.tree.settle()
    assert machine.bus.disks() == 1  # nobody guards yet, and the kernel lets everything in
    machine.guard.start(NOW)
    machine.tree.settle()
    assert not machine.bus.authorized_default
    assert not machine.bus.interface_authorized_default
    assert machine.bus.disks() == 0
    assert machine.bus.devices["usb1"].authorized  # the machine's own hub stays, so that a way back stays


def test_a_duty_that_nobody_sees_to_blocks(tmp_path: Path) -> None:
    rules = 'allow id 0781:5567 with-storage read-only label "s"\nallow id 046d:c31c if keystroke-rate(30) label "k"'
    machine = Machine(tmp_path, policy(rules), frozenset())
    machine.guard.start(NOW)
    assert machine.plug("1-1", STICK) == [
        f"allow failed: blocked instead: nobody here sees to it that {Duty.READ_ONLY}"
    ]
    assert machine.plug("1-2", KEYBOARD) == [
        f"allow failed: blocked instead: nobody here sees to it that {Duty.PROBATION}"
    ]
    assert (machine.bus.disks(), machine.bus.inputs()) == (0, 0)
    assert machine.guard.policy.memory.allowed.keys() == {"usb1"}


def test_what_the_kernel_does_not_keep_is_no_success(tmp_path: Path) -> None:
    machine = Machine(tmp_path, policy('allow id 0781:5567 label "s"'))
    machine.guard.start(NOW)
    datagram = machine.bus.plug("1-1", STICK)
    machine.tree.show()
    attribute = tmp_path / machine.bus.path("1-1").lstrip("/") / "authorized"
    attribute.unlink()
    attribute.symlink_to("/dev/null")
    (outcome,) = machine.guard.event(decode(datagram), NOW)
    assert not outcome.carried_out
    assert "does not keep what was written" in outcome.why_not
    assert "1-1" not in machine.guard.policy.memory.allowed


def test_half_a_verdict_is_none(tmp_path: Path) -> None:
    machine = Machine(tmp_path, policy('allow id 0781:5567 label "s"'))
    machine.guard.start(NOW)
    datagram = machine.bus.plug("1-1", STICK)
    machine.tree.show()
    folder = tmp_path / machine.bus.path("1-1").lstrip("/")
    (folder / "1-1:1.0/authorized").unlink()
    (outcome,) = machine.guard.event(decode(datagram), NOW)
    assert not outcome.carried_out
    assert (folder / "authorized").read_text().strip() == "0"


def test_a_root_hub_that_cannot_be_locked_is_told_and_the_rest_is_done(tmp_path: Path) -> None:
    machine = Machine(tmp_path, deny_all("test"))
    (tmp_path / machine.bus.path("usb1").lstrip("/") / "interface_authorized_default").unlink()
    machine.bus.plug("1-1", STICK)
    machine.tree.show()
    assert len(machine.guard.start(NOW)) == 2
    machine.tree.settle()
    assert not machine.bus.authorized_default
    assert ["interface_authorized_default: No such file" in words for words in machine.guard.open_roots] == [True]


def test_no_device_stands_for_itself(tmp_path: Path) -> None:
    only_one = 'allow with-interface 03:01:01 if !allowed-matches(with-interface 03:01:01) label "only one"'
    machine = Machine(tmp_path, policy(only_one))
    machine.guard.start(NOW)
    assert machine.plug("1-1", KEYBOARD) == ["allow"]
    assert machine.plug("1-2", KEYBOARD) == ["block"]
    for _ in range(3):
        machine.guard.rescan(NOW)
        machine.tree.settle()
        assert [machine.bus.devices[port].authorized for port in ("1-1", "1-2")] == [True, False]


def test_another_device_does_not_inherit_how_the_one_before_typed(tmp_path: Path) -> None:
    machine = Machine(tmp_path, policy('allow with-interface one-of { 03:*:* } if keystroke-rate(30) label "k"'))
    machine.guard.start(NOW)
    machine.plug("1-1", KEYBOARD)
    machine.guard.policy.memory.cadences["1-1"] = Cadence(8.0, 40.0)
    machine.guard.rescan(NOW)
    assert "1-1" in machine.guard.policy.memory.cadences
    (datagram,) = machine.bus.change("1-1", replace(KEYBOARD, interfaces=(((3, 1, 1),), ((3, 0, 0),))))
    machine.tree.show()
    machine.guard.event(decode(datagram), NOW)
    assert "1-1" not in machine.guard.policy.memory.cadences


def test_a_device_that_is_gone_when_its_event_comes(tmp_path: Path) -> None:
    machine = Machine(tmp_path, policy('allow id 0781:5567 label "s"'))
    machine.guard.start(NOW)
    datagram = machine.bus.plug("1-1", STICK)
    assert machine.guard.event(decode(datagram), NOW) == []


def test_events_of_others_change_nothing(tmp_path: Path) -> None:
    machine = Machine(tmp_path, policy('allow id 0781:5567 label "s"'))
    machine.guard.start(NOW)
    for number, keys in enumerate(({"SUBSYSTEM": "net"}, {"SUBSYSTEM": "usb", "DEVTYPE": "usb_interface"}), 1):
        assert machine.guard.event(Uevent("add", "/devices/x", keys | {"SEQNUM": str(number)}), NOW) == []


def test_a_child_before_its_hub_brings_a_rescan(tmp_path: Path) -> None:
    machine = Machine(tmp_path, policy('allow id 05e3:0608 label "h"\nallow id 0781:5567 label "s"'))
    machine.guard.start(NOW)
    machine.bus.plug("1-1", HUB)
    machine.bus._sequence = 0  # so that only the missing hub can be the reason
    assert len(machine.plug("1-1.1", STICK)) == 3


def test_an_unreadable_device_is_cut_off(tmp_path: Path) -> None:
    machine = Machine(tmp_path, policy('allow label "all"'))
    machine.guard.start(NOW)
    assert machine.plug("1-1", replace(STICK, raw=b"\x12\x01")) == ["reject"]
    assert "1-1" not in machine.bus.devices


def raw(port: str, model: Model, connect_type: str = "hotplug") -> Raw:
    return Raw(port, model.vendor, model.product, model.descriptors, model.name, model.serial, connect_type, CONTROLLER)


def test_what_is_described() -> None:
    other = Model("0781", "5568", (((8, 6, 0x50),),))
    found = describe_all([raw("1-1.2", STICK), raw("1-1", HUB), raw("usb1", ROOT, ""),
                          replace(raw("1-3", STICK), descriptors=other.descriptors)], ())  # fmt: skip
    assert [one.port for one in found] == ["usb1", "1-1", "1-3", "1-1.2"]
    root, hub, liar, stick = found
    assert isinstance(root, Device)
    assert isinstance(hub, Device)
    assert isinstance(stick, Device)
    assert (hub.parent_hash, stick.parent_hash) == (root.hash, hub.hash)
    assert liar == Unreadable("1-3", "descriptors: other ids than the kernel says")
    assert [parent_port(port) for port in ("usb1", "1-1", "1-1.2", "2-1.2.3")] == ["", "usb1", "1-1", "2-1.2"]


def test_roles_of_ports() -> None:
    roles = (
        PortRole("pad", ("1-2.1",)),
        PortRole("payment", ("1-2.*", "0000:00:14.0/3.*")),
        PortRole("back", ("1-6",)),
    )
    for port, role in (("1-2.1", "pad"), ("1-2.2", "payment"), ("1-2.2.1", "payment"), ("1-2", ""), ("1-22.1", ""),
                       ("1-6", "back"), ("9-3.4", "payment"), ("9-3", ""), ("usb1", "")):  # fmt: skip
        assert role_of(port, "0000:00:14.0", roles) == role, port


def test_windows_of_the_week() -> None:
    text = policy("", "[windows.night]\nopens = '22:00'\ncloses = '02:00'\ndays = ['fri']\n").text
    window = text.file.windows["night"]
    friday = 1_764_288_000  # 2025-11-28T00:00:00Z
    for hour, opened in ((1, False), (22, True), (24 + 1, True), (24 + 2, False), (24 + 22, False)):
        assert is_open(window, Now(friday + hour * 3600)) is opened, hour
        assert is_open(window, Now(friday + hour * 3600 - 3600, offset_s=3600)) is opened
    assert Policy(text).next_change(Now(friday)) == friday + 2 * 3600


def test_the_next_change_is_known() -> None:
    assert policy("block").next_change(NOW) is None
    ends = policy("block until 2025-11-24T16:00:10Z").next_change(NOW)
    assert ends == NOW.utc_s + 10
    assert policy("block if localtime(08:00)").next_change(Now(NOW.utc_s + 7)) == NOW.utc_s + 60


def test_a_denying_policy_denies() -> None:
    found = deny_all("why").judge(Device("1-1", "0781", "5567", ()), NOW)
    assert (str(found.target), found.rule_id) == ("block", "implicit")


NEEDS = """
[[needs]]
what = "pad"
match = 'id 11ca:0220'
[[needs]]
what = "keyboard"
match = 'id 046d:c31c'
operator-input = true
"""
PAD = Model("11ca", "0220", (((2, 2, 1),),))
PLUGGED = [raw("usb1", ROOT, ""), raw("1-1", HUB), raw("1-1.1", PAD), raw("1-2", KEYBOARD)]
GOOD = 'allow id 05e3:0608 label "hub"\nallow id 11ca:0220 label "pad"\nallow id 046d:c31c label "keyboard"\n'


@pytest.mark.parametrize(
    ("rules", "needs", "lost"),
    [
        (GOOD, NEEDS, []),
        ('block id 05e3:0608 label "x"\n' + GOOD, NEEDS, ["pad: its hub at port 1-1 would be blocked (rule x)"]),
        ('reject id 11ca:* label "x"\n' + GOOD, NEEDS, ["pad: at port 1-1.1 it would be rejected (rule x)"]),
        (
            'block with-interface one-of { 03:*:* } label "x"\n' + GOOD, NEEDS,
            ["keyboard: at port 1-2 it would be blocked (rule x)", "no input device that an operator needs would live"],
        ),
        ('block id 046d:* label "x"\n' + GOOD, "", ["not one of the input devices that are plugged in would live"]),
        (GOOD, "", []),
    ],
)  # fmt: skip
def test_what_would_be_locked_out(rules: str, needs: str, lost: list[str]) -> None:
    force = policy(rules, needs)
    assert [one.what for one in lockouts(force, describe_all(PLUGGED, ()), NOW)] == lost


def test_a_policy_that_takes_the_root_hubs_locks_out() -> None:
    force = Policy(parse_policy(f"title = 'x'\nrules = '''block id 1d6b:* label \"no\"\n{GOOD}'''", Path("x")))
    found = [one.what for one in lockouts(force, describe_all(PLUGGED, ()), NOW)]
    assert found[0] == "the machine's own root hub usb1 would be blocked (rule no)"


def test_sysfs_reads_only_what_is_a_port_and_bounded(tmp_path: Path) -> None:
    machine = Machine(tmp_path, deny_all("test"))
    machine.bus.plug("1-1", STICK)
    machine.tree.show()
    sysfs = Sysfs(tmp_path)
    for name in ("1-1:1.0", "..", "1-1.1.1.1.1.1.1.1", "ep_00", "usbx"):
        (tmp_path / "bus/usb/devices" / name).mkdir(exist_ok=True)
    assert sysfs.ports() == ["usb1", "1-1"]
    for name in ("..", "../../etc", "1-1:1.0", ""):
        with pytest.raises(SysfsError, match="a port that is none"):
            sysfs.read(name)
    folder = tmp_path / machine.bus.path("1-1").lstrip("/")
    (folder / "product").write_bytes(b"x" * 10 * LONGEST_TEXT)
    found = sysfs.read("1-1")
    assert found is not None
    assert len(found.name) == LONGEST_TEXT
    (folder / "idVendor").unlink()
    assert sysfs.read("1-1") is None


def test_a_link_in_circles_and_a_pipe_do_no_harm(tmp_path: Path) -> None:
    devices = tmp_path / "bus/usb/devices"
    devices.mkdir(parents=True)
    (devices / "1-1").symlink_to("1-1")
    (devices / "1-2").mkdir()
    os.mkfifo(devices / "1-2/idVendor")
    os.mkfifo(devices / "1-2/idProduct")
    os.mkfifo(devices / "1-2/descriptors")
    found = Sysfs(tmp_path).read_all()
    assert [(one.port, one.descriptors) for one in found] in ([], [("1-2", b"")])
    assert [isinstance(one, Unreadable) for one in describe_all(found, ())] in ([], [True])


def test_a_machine_without_usb_says_so(tmp_path: Path) -> None:
    with pytest.raises(SysfsError, match="No such file"):
        Sysfs(tmp_path).ports()
