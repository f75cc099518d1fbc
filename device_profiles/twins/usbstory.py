# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Stories of a USB bus as text: what is plugged when, and which verdict is expected. Reads text, plays nothing.

A line is a word and what belongs to it; text with blanks stands in double quotes; ``#`` begins a comment::

    story   A keyboard on the payment hub
    policy  counter-till                     the rules, ports and windows of a profile in data/usb
    rule    block id 0781:*                  a further rule, before the profile's
    ports   payment 1-2 1-2.*                what ports are called, where no profile says it
    at      2026-11-23T10:00:00+01:00        when it begins; zone included
    device  kbd 046d:c31c "USB Keyboard" "" 03:01:01
                                             name, ids, product text, serial, interfaces; a|b are alternate settings
    plug    kbd 1-2.3                        and perhaps hotplug, hardwired or "not used"
    change  kbd grown                        it enumerates anew as another device of this story
    unplug  kbd
    lose                                     an event goes astray
    wait    600                              seconds
    grant   repair 60 allow id 0781:5567     an exception of so many minutes
    open    service 30                       a service window, for so many minutes, by an exception
    types   kbd 12.5 40                      keys a second, scatter of the gaps in per cent
    expect  kbd block implicit "no rule"     target, rule id, and words of the reason
    live    kbd 03:01:01                     the interfaces that have a driver; - for none
    inputs  0                                input devices of the whole bus; and the same with disks
"""

import re
import shlex
from dataclasses import dataclass
from datetime import datetime

from device_profiles.twins.usb_descriptors import Model, Shown

LONGEST = 65_536


class StoryError(ValueError):
    """A story that cannot be read: line and what was expected."""


@dataclass(frozen=True, slots=True)
class Step:
    """One line: its word and what belongs to it."""

    line: int
    word: str
    rest: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Story:
    """One story."""

    title: str
    begins_s: int
    offset_s: int
    policy: str
    rules: tuple[str, ...]
    ports: tuple[tuple[str, tuple[str, ...]], ...]
    devices: dict[str, Model]
    steps: tuple[Step, ...]


_STEPS = {
    "plug": (2, 3), "change": (2, 2), "unplug": (1, 1), "lose": (0, 0), "wait": (1, 1), "grant": (3, 3),
    "open": (2, 2), "types": (3, 3), "expect": (3, 4), "live": (2, 33), "inputs": (1, 1), "disks": (1, 1),
}  # fmt: skip
_ID = re.compile(r"([0-9a-f]{4}):([0-9a-f]{4})")
_SHOWN = re.compile(r"([0-9a-f]{2}):([0-9a-f]{2}):([0-9a-f]{2})")


def parse(text: str) -> Story:
    """A story's text; :class:`StoryError` says line and what was expected."""
    if len(text) > LONGEST:
        raise StoryError(f"a story of more than {LONGEST} characters")
    title = policy = ""
    begins_s = offset_s = 0
    rules: list[str] = []
    ports: list[tuple[str, tuple[str, ...]]] = []
    devices: dict[str, Model] = {}
    steps: list[Step] = []
    for number, line in enumerate(text.splitlines(), 1):
        word, _, rest = line.strip().partition(" ")
        rest = rest.strip()
        if not word or word.startswith("#"):
            continue
        if word == "story":
            title = rest
        elif word == "policy":
            policy = rest
        elif word == "rule":
            rules.append(rest)
        elif word == "at":
            begins_s, offset_s = _moment(rest, number)
        elif word == "ports":
            role, *patterns = _words(rest, number)
            ports.append((role, tuple(patterns)))
        elif word == "device":
            name, model = _device(_words(rest, number), number)
            devices[name] = model
        elif word in _STEPS:
            steps.append(_step(word, rest, number))
        else:
            raise StoryError(f"line {number}: unknown word")
    if not title or not begins_s or not any(step.word == "expect" for step in steps):
        raise StoryError("a story needs its title (story), its beginning (at) and something to expect")
    return Story(title, begins_s, offset_s, policy, tuple(rules), tuple(ports), devices, tuple(steps))


def _step(word: str, rest: str, number: int) -> Step:
    words = rest.split(None, 2) if word == "grant" else _words(rest, number)
    least, most = _STEPS[word]
    if not least <= len(words) <= most:
        raise StoryError(f"line {number}: {word} takes {least} to {most} words")
    return Step(number, word, tuple(words))


def _words(rest: str, number: int) -> list[str]:
    try:
        return shlex.split(rest, comments=True)
    except ValueError:
        raise StoryError(f"line {number}: a double quote without its other") from None


def _moment(rest: str, number: int) -> tuple[int, int]:
    try:
        moment = datetime.fromisoformat(rest)
    except ValueError:
        raise StoryError(f"line {number}: a moment such as 2026-11-23T10:00:00+01:00 expected") from None
    zone = moment.utcoffset()
    if zone is None:
        raise StoryError(f"line {number}: a moment with its zone expected")
    return int(moment.timestamp()), int(zone.total_seconds())


def _device(words: list[str], number: int) -> tuple[str, Model]:
    if len(words) < 5:
        raise StoryError(f"line {number}: device NAME ID TEXT SERIAL INTERFACE… expected")
    name, ids, text, serial, *interfaces = words
    found = _ID.fullmatch(ids)
    if not found:
        raise StoryError(f"line {number}: ids such as 0781:5567 expected")
    if interfaces[0] == "raw":
        return name, Model(found[1], found[2], (), text, serial, raw=bytes.fromhex("".join(interfaces[1:])))
    shown = tuple(tuple(_shown(one, number) for one in settings.split("|")) for settings in interfaces)
    return name, Model(found[1], found[2], shown, text, serial)


def _shown(text: str, number: int) -> Shown:
    found = _SHOWN.fullmatch(text)
    if not found:
        raise StoryError(f"line {number}: interfaces such as 08:06:50 expected")
    return int(found[1], 16), int(found[2], 16), int(found[3], 16)
