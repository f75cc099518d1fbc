# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Invariant: a USB identity means one port or none, whatever number the kernel gave it, and is never guessed."""

import json

import pytest
from serial.tools import list_ports
from serial.tools.list_ports_common import ListPortInfo

from terminal_agent.cli import main
from terminal_agent.line.discovery import found, ports
from terminal_agent.line.port import LineAbsent, LineError


def plugged(path: str, vid: int | None, pid: int | None, serial: str | None, words: str = "") -> ListPortInfo:
    info = ListPortInfo(path)
    info.vid, info.pid, info.serial_number, info.description = vid, pid, serial, words
    return info


@pytest.fixture(autouse=True)
def _bus(monkeypatch: pytest.MonkeyPatch) -> None:
    there = [
        plugged("/dev/ttyUSB1", 0x0403, 0x6001, "A1", "FT232R\x1b[2J"),
        plugged("/dev/ttyUSB0", 0x0403, 0x6001, "B2", "x" * 100),
        plugged("/dev/ttyACM0", 0x1FC9, 0x0001, None),
        plugged("/dev/ttyS0", None, None, None, "ttyS0"),
    ]
    monkeypatch.setattr(list_ports, "comports", lambda: iter(there))


def test_a_port_is_found_by_what_is_plugged_in() -> None:
    assert found("usb:0403:6001:A1") == "/dev/ttyUSB1"
    assert found("usb:1FC9:0001") == "/dev/ttyACM0"


def test_none_and_several_are_told_apart() -> None:
    with pytest.raises(LineAbsent, match="no such device") as absent:
        found("usb:0403:6001:C3")
    assert "line list" in absent.value.hint
    with pytest.raises(LineError, match="/dev/ttyUSB0, /dev/ttyUSB1"):
        found("usb:0403:6001")


@pytest.mark.parametrize("spec", ["usb:", "usb:403:6001", "usb:0403", "usb:0403:6001:", "usb:xyzw:0001", "usb:\x1b[2J"])
def test_what_is_no_identity(spec: str) -> None:
    with pytest.raises(LineError, match="not a USB identity") as caught:
        found(spec)
    assert "\x1b" not in caught.value.what


def test_words_of_a_device_are_cut_and_escaped() -> None:
    words = {port.path: port.words for port in ports()}
    assert words["/dev/ttyUSB1"] == "FT232R?[2J"
    assert len(words["/dev/ttyUSB0"]) == 64


def test_the_command_names_ports_as_a_profile_does(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["line", "list", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["ports"]
    assert [row["line"] for row in rows] == ["usb:1fc9:0001", "/dev/ttyS0", "usb:0403:6001:B2", "usb:0403:6001:A1"]
    assert main(["line", "list"]) == 0
    assert 'line = "usb:0403:6001:A1"  /dev/ttyUSB1' in capsys.readouterr().out


def test_a_machine_without_ports(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(list_ports, "comports", lambda: iter(()))
    assert main(["line", "list"]) == 0
    assert capsys.readouterr().out == "no serial port is there\n"
