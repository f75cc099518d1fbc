# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Every story on the upper rung: umockdev's /sys and kernel socket, with libudev as a witness of what was done."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.flows.usb_stage import FILES

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def told() -> dict[str, dict[str, Any]]:
    """What the program says of each story."""
    done = subprocess.run(
        ["umockdev-wrapper", sys.executable, "-m", "tests.flows.usb_mockdev"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return {line["story"]: line for line in map(json.loads, done.stdout.splitlines())}


def test_all_stories_were_played(told: dict[str, dict[str, Any]]) -> None:
    assert list(told) == list(FILES)


@pytest.mark.parametrize("name", FILES)
def test_ends_as_it_says(told: dict[str, dict[str, Any]], name: str) -> None:
    assert told[name]["missed"] == []


@pytest.mark.parametrize("name", FILES)
def test_libudev_saw_the_same(told: dict[str, dict[str, Any]], name: str) -> None:
    one = told[name]
    assert one["authorized"] == one["expected"]
    heard = [tuple(event) for event in one["heard"]]
    udev = [tuple(event) for event in one["udev"]]
    if name == "lost-event":
        udev.remove(("change", "usb1"))  # what the guard was made to miss
    assert heard == udev
    assert any(action == "add" for action, _ in heard)


def test_who_was_unplugged_was_heard_to_go(told: dict[str, dict[str, Any]]) -> None:
    assert ["remove", "1-4"] in told["spare-keyboard"]["heard"]
    assert [event[1] for event in told["dock"]["heard"] if event[0] == "remove"] == ["1-1.4.1", "1-1.1", "1-1.4", "1-1"]


@pytest.mark.parametrize("name", FILES)
def test_a_stranger_is_not_believed(told: dict[str, dict[str, Any]], name: str) -> None:
    assert told[name]["strangers"] >= len(told[name]["heard"])
