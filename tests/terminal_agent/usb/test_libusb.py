# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""libusb, by pyusb, reads the same devices through umockdev: the human view, and a second reading of descriptors."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from protocols.usb.descriptors import decode
from terminal_agent.errors import AgentError
from terminal_agent.usb import libusb
from terminal_agent.usb.recorded import read_tree, write_tree
from tests.terminal_agent.usb.test_hash_against_usbguard import TREES, random_tree

READ = """
import json, usb.core
print(json.dumps({f"{one.idVendor:04x}:{one.idProduct:04x}": [
    [i.bInterfaceClass, i.bInterfaceSubClass, i.bInterfaceProtocol, i.bInterfaceNumber, i.bAlternateSetting,
     i.bNumEndpoints] for configuration in one for i in configuration] for one in usb.core.find(find_all=True)}))
"""


def with_nodes(text: str) -> str:
    """A recorded tree with what libusb asks for besides: bus, number, speed, and a device node."""
    blocks = []
    for number, block in enumerate(text.split("\n\n"), 1):
        if "DEVTYPE=usb_device" in block:
            path, *rest = block.strip("\n").split("\n")
            node = [f"N: bus/usb/001/{number:03d}", "E: BUSNUM=001", f"E: DEVNUM={number:03d}",
                    f"E: DEVNAME=/dev/bus/usb/001/{number:03d}", "A: busnum=1\\n", f"A: devnum={number}\\n",
                    "A: speed=480\\n", "A: bConfigurationValue=1\\n"]  # fmt: skip
            block = "\n".join([path, *node, *rest])
        blocks.append(block.strip("\n") + "\n")
    return "\n".join(blocks)


def under_umockdev(tree: Path, *command: str) -> str:
    done = subprocess.run(
        ["umockdev-run", "-d", str(tree), "--", *command], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("seed", range(3))
def test_libusb_reads_the_same_descriptors(seed: int, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.write_bytes(with_nodes(write_tree(random_tree(seed))).encode())
    theirs = json.loads(under_umockdev(tree, sys.executable, "-c", READ))
    assert len(theirs) == 7
    for raw in random_tree(seed):
        ours = [[*one.shows, one.number, one.setting, one.endpoints] for one in decode(raw.descriptors).interfaces]
        assert sorted(theirs[f"{raw.vendor}:{raw.product}"]) == sorted(ours)


def test_the_view_of_a_person(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.write_text(with_nodes((TREES / "counter-till.umockdev").read_text()))
    assert len(read_tree(tree.read_text())) == 6
    agent = str(Path(sys.executable).with_name("terminal-agent"))
    said = under_umockdev(tree, agent, "usb", "list", "--descriptors")
    assert "      DEVICE ID 11ca:0220 on Bus 001" in said
    assert "          INTERFACE 0: CDC Communication" in said
    assert "ENDPOINT 0x81: Interrupt IN" in said
    found = json.loads(under_umockdev(tree, agent, "usb", "list", "--descriptors", "--json"))
    assert all("DEVICE ID" in one["descriptors"] for one in found["devices"])


def test_without_libusb_a_fault_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "usb.core", None)
    with pytest.raises(AgentError, match="pyusb is not installed") as fault:
        libusb.views()
    assert "tillguard[usb]" in fault.value.hint
