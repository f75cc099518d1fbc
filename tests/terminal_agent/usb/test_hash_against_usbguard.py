# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Recorded trees and device hashes against usbguard itself, which reads the same tree through umockdev."""

import re
import subprocess
from pathlib import Path
from random import Random

import pytest

from device_profiles.twins.usb_descriptors import Model
from device_profiles.twins.usbbus import CONTROLLER, ROOT
from protocols.errors import DecodeError
from protocols.usb.device import Device
from protocols.usb.rule_text import parse_rule
from protocols.usb.rules import Dialect
from terminal_agent.usb.describe import Raw, Unreadable, describe_all
from terminal_agent.usb.recorded import read_tree, write_tree

TREES = Path(__file__).resolve().parents[3] / "device_profiles/data/usb/trees"
NAMES = ("", "Cruzer Blade", 'quo"te', "back\\slash", "Kassendrucker é", "a" * 120)


def raw(port: str, model: Model, connect_type: str = "hotplug") -> Raw:
    return Raw(
        port, model.vendor, model.product, model.descriptors, model.name, model.serial, connect_type, CONTROLLER, True
    )


def random_tree(seed: int) -> list[Raw]:
    """A root hub, a hub, and devices below both."""
    rng = Random(seed)
    hub = Model("05e3", "0608", (((9, 0, 0),),), "USB2.0 Hub", usb=rng.choice((0x0200, 0x0210)))
    found = [raw("usb1", ROOT, ""), raw("1-1", hub)]
    for port in ("1-1.1", "1-1.2", "1-1.4", "1-2", "1-3"):
        interfaces = tuple(
            tuple(
                (rng.choice((3, 7, 8, 0xFF)), rng.randrange(256), rng.randrange(256))
                for _ in range(rng.choice((1, 1, 2)))
            )
            for _ in range(rng.randint(1, 4))
        )
        model = Model(f"{rng.randrange(1, 0x1D6B):04x}", f"{rng.randrange(65536):04x}", interfaces, rng.choice(NAMES),
                      rng.choice(("", "0001", "é")), release=rng.randrange(0x1000))  # fmt: skip
        found.append(raw(port, model, rng.choice(("hotplug", "hardwired", "unknown"))))
    return found


def usbguards(tree: Path) -> dict[str, str]:
    """usbguard's own rules for a tree, by port."""
    command = ["umockdev-run", "-d", str(tree), "--", "usbguard", "generate-policy", "-p"]
    done = subprocess.run(command, capture_output=True, check=True)
    rules = done.stdout.decode("utf-8", "surrogateescape").splitlines()
    return {re.search(r'via-port "([^"]+)"', rule)[1]: rule for rule in rules}  # type: ignore[index]


def of_rule(text: str) -> dict[str, list[str]]:
    rule = parse_rule(text, Dialect.USBGUARD)
    assert rule is not None
    return {one.name: [str(value) for value in one.values] for one in rule.attributes}


@pytest.mark.parametrize("seed", range(4))
def test_usbguard_reads_the_same_of_every_device(seed: int, tmp_path: Path) -> None:
    path = tmp_path / "tree.umockdev"
    path.write_bytes(write_tree(random_tree(seed)).encode())
    theirs = usbguards(path)
    ours = [one for one in describe_all(read_tree(path.read_text()), ()) if isinstance(one, Device)]
    assert {one.port for one in ours} == set(theirs)
    for one in ours:
        said = of_rule(theirs[one.port])
        assert said["id"] == [f"{one.vendor}:{one.product}"]
        assert (said["name"], said["serial"]) == ([one.name], [one.serial])
        assert said["hash"] == [one.hash]
        assert said["with-interface"] == list(map(str, one.interfaces))
        assert said["with-connect-type"] == [one.connect_type]
        if "parent-hash" in said:
            assert said["parent-hash"] == [one.parent_hash]
    assert sum("parent-hash" in of_rule(rule) for rule in theirs.values()) >= 1


def test_a_tree_is_written_as_it_was_read() -> None:
    tree = random_tree(9)
    text = write_tree(tree)
    assert {one.port: one for one in read_tree(text)} == {one.port: one for one in tree}
    assert write_tree(read_tree(text)) == text


@pytest.mark.parametrize("path", sorted(TREES.glob("*.umockdev")), ids=lambda path: path.stem)
def test_the_trees_that_are_shipped(path: Path) -> None:
    found = describe_all(read_tree(path.read_text()), ())
    assert len(found) >= 6
    assert not any(isinstance(one, Unreadable) for one in found)
    assert len(usbguards(path)) == len(found)


@pytest.mark.parametrize(
    "text",
    [
        "X: y\n",
        "P /devices\n",
        "P: /devices/usb1\nE: DEVTYPE=usb_device\n",
        "P: /devices/usb1\nE: DEVTYPE=usb_device\nA: idVendor=1\nA: idProduct=2\nH: descriptors=0\n",
        "P: /devices/../etc\nE: DEVTYPE=usb_device\nA: idVendor=1\nA: idProduct=2\nH: descriptors=00\n",
        "P: /devices/1-1/../x\nE: DEVTYPE=usb_device\nA: idVendor=1\nA: idProduct=2\nH: descriptors=00\n",
        "E: x\n",
    ],
)
def test_what_is_no_recorded_tree(text: str) -> None:
    with pytest.raises(DecodeError, match="recorded tree"):
        read_tree(text)


def test_a_port_stands_once() -> None:
    text = write_tree(random_tree(1))
    with pytest.raises(DecodeError, match="stood there before"):
        read_tree(text + "\n" + text)
