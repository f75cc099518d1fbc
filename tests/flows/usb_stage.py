# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The stories of the USB bus and the rungs on which the tests play them."""

import sys
from pathlib import Path

from device_profiles import catalog
from device_profiles.twins.usbstory import Story, parse

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "scripts/lib"))

from usb_story import Happened, InMemory, OnFiles, Player, policy_text  # noqa: E402  # the demonstration's own player

FILES = {path.stem: path for path in sorted((catalog.folder("usb") / "stories").glob("*.story"))}


def story(name: str) -> Story:
    """A story by its name."""
    return parse(FILES[name].read_text())


def missed(told: Story, rung: object, without: str = "") -> list[str]:
    """What a story expected in vain."""
    player = Player(told, policy_text(told, without=without), rung, without)  # type: ignore[arg-type]
    return [f"line {one.step.line}: {one.missed}" for one in player.play() if one.missed]


__all__ = ["FILES", "Happened", "InMemory", "OnFiles", "Player", "missed", "policy_text", "story"]
