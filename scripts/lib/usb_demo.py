# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""``scripts/demo --usb``: a story of the virtual USB bus, played against the agent's guard, its verdicts in words.

The bus is a tree of files that stands for sysfs. The guard reads and writes it as it would the real one; what then
lives is told by the bus, not by the guard.
"""

import shutil
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from usb_story import Happened, OnFiles, Player, policy_text

from device_profiles import catalog
from device_profiles.twins.usbstory import Story, parse
from terminal_agent.usb.guard import Outcome

STORY = "a-night-at-the-till"
COLOURS = {"allow": "32", "allow-interface": "33", "block": "31", "reject": "31"}


def play(name: str, title: Callable[[str], None], line: Callable[[str], None], data: Callable[[dict[str, Any]], None],
         paint: Callable[[str, str], str]) -> int:  # fmt: skip
    """Play one story; exit code 1 where it does not end as it says."""
    story = parse((catalog.folder("usb") / "stories" / f"{name}.story").read_text())
    folder = Path(tempfile.mkdtemp(prefix="tillguard-demo-"))
    missed = 0
    try:
        rung = OnFiles(folder)
        player = Player(story, policy_text(story), rung)
        title(story.title)
        line(
            f"policy {story.policy}, {len(player.guard.policy.text.rules.rules)} rules; a virtual bus, no real device\n"
        )
        for happened in player.play():
            missed += bool(happened.missed)
            at = _clock(player, story)
            words = _words(happened)
            if words:
                line(f"{at}  {paint(words, '1')}")
            for outcome in _new(happened, player):
                verdict = outcome.verdict
                line(f"       {paint(verdict.reason, COLOURS[str(verdict.target)])}")
                data({"at": at, "port": verdict.device.port, "target": str(verdict.target), "rule": verdict.rule_id,
                      "reason": verdict.reason, "inputs": rung.twin.inputs(), "disks": rung.twin.disks()})  # fmt: skip
            if words:
                line(paint(f"       live on the bus: {rung.twin.inputs()} input, {rung.twin.disks()} disks", "2"))
            if happened.missed:
                line(paint(f"       line {happened.step.line} of the story is not so: {happened.missed}", "31"))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    data({"story": name, "missed": missed})
    line("\nterminal-agent usb explain, simulate, lint, learn and sign: see docs/usb.md")
    return int(bool(missed))


def _clock(player: Player, story: Story) -> str:
    moment = datetime.fromtimestamp(player.now.utc_s, UTC) + timedelta(seconds=story.offset_s)
    return moment.strftime("%H:%M")


def _words(happened: Happened) -> str:
    """A step for a person; what a story expects is not told."""
    word, rest = happened.step.word, happened.step.rest
    if word == "plug":
        return f"{rest[0]} is plugged into port {rest[1]}"
    if word == "unplug":
        return f"{rest[0]} is unplugged"
    if word == "change":
        return f"{rest[0]} enumerates anew as {rest[1]}"
    if word == "wait":
        return f"{int(rest[0]) // 60} minutes later"
    if word == "types":
        return f"{rest[0]} has typed {rest[1]} keys a second, gaps differing by {rest[2]} %"
    return f"exception: {' '.join(rest)}" if word in ("grant", "open") else ""


def _new(happened: Happened, player: Player) -> list[Outcome]:
    """The outcomes that tell something new: of a rescan only what fared otherwise than before."""
    told: dict[str, str] = player.__dict__.setdefault("told", {})
    found = []
    for one in happened.outcomes:
        port, said = one.verdict.device.port, f"{one.verdict.target} {one.verdict.rule_id}"
        if told.get(port) != said and not one.verdict.device.is_root:
            found.append(one)
        told[port] = said
    return found
