# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The stories of the USB bus and the rungs on which the tests play them."""

import sys
from collections.abc import Sequence
from pathlib import Path

from device_profiles import catalog
from device_profiles.serve.sysfs import Tree
from device_profiles.twins.usbbus import UsbBus
from device_profiles.twins.usbstory import Story, parse
from protocols.usb.uevent import Uevent, decode
from terminal_agent.usb.sysfs import Sysfs

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "scripts/lib"))

from usb_story import Happened, InMemory, Player, policy_text  # noqa: E402  # the demonstration's own player

FILES = {path.stem: path for path in sorted((catalog.folder("usb") / "stories").glob("*.story"))}


def story(name: str) -> Story:
    """A story by its name."""
    return parse(FILES[name].read_text())


class FakeSysfs:
    """The middle rung: the agent's own sysfs code on a tree of files, events handed over as octets."""

    def __init__(self, root: Path) -> None:
        self.twin = UsbBus()
        self.bus = Sysfs(root)
        self._tree = Tree(root, self.twin)

    def show(self) -> None:
        self._tree.show()

    def settle(self) -> None:
        self._tree.settle()

    def events(self, sent: Sequence[bytes]) -> list[Uevent]:
        return [decode(one) for one in sent]

    def lose(self) -> None:
        self.twin.lose()


def missed(told: Story, rung: object, without: str = "") -> list[str]:
    """What a story expected in vain."""
    player = Player(told, policy_text(told, without=without), rung, without)  # type: ignore[arg-type]
    return [f"line {one.step.line}: {one.missed}" for one in player.play() if one.missed]


__all__ = ["FILES", "FakeSysfs", "Happened", "InMemory", "Player", "missed", "policy_text", "story"]
