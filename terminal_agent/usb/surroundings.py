# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Ways around a terminal's USB ports: radios, serial consoles, keys that reach the kernel. Switches nothing.

What it finds is told, each with its cure. A radio that the kernel offers a switch for (rfkill) is found when it is on.
"""

import os
from dataclasses import dataclass
from enum import StrEnum

MOST_RADIOS = 64
UNBLOCKED = "1"  # rfkill's state file: 0 soft blocked, 1 unblocked, 2 hard blocked


class Way(StrEnum):
    """What a finding is about."""

    RADIO = "radio"
    CONSOLE = "serial console"
    SYSRQ = "SysRq"


@dataclass(frozen=True, slots=True)
class Finding:
    """One way around."""

    way: Way
    words: str


def look_around(root: str, kernel: str = "/proc") -> tuple[Finding, ...]:
    """What is open now; ``root`` is a sysfs, ``kernel`` a procfs."""
    return (*_radios(root), *_consoles(kernel), *_sysrq(kernel))


def _radios(root: str) -> list[Finding]:
    folder = f"{root}/class/rfkill"
    try:
        names = sorted(os.listdir(folder))[:MOST_RADIOS]  # noqa: PTH208 - text, as in sysfs.py
    except OSError:
        return []
    found = []
    for name in names:
        if _text(f"{folder}/{name}/state") == UNBLOCKED:
            kind = _text(f"{folder}/{name}/type") or "radio"
            said = f"{kind} {_text(f'{folder}/{name}/name')} is switched on: rfkill block {name.removeprefix('rfkill')}"
            found.append(Finding(Way.RADIO, said))
    return found


def _consoles(kernel: str) -> list[Finding]:
    words = _text(f"{kernel}/cmdline").split()
    lines = [word.removeprefix("console=").partition(",")[0] for word in words if word.startswith("console=tty")]
    return [
        Finding(Way.CONSOLE, f"the kernel's console is on {line}: take console={line} out of the kernel's arguments")
        for line in lines
        if not line.removeprefix("tty").isdecimal()
    ]


def _sysrq(kernel: str) -> list[Finding]:
    state = _text(f"{kernel}/sys/kernel/sysrq")
    if state in ("", "0"):
        return []
    return [Finding(Way.SYSRQ, f"SysRq is {state}: a keyboard can reach the kernel; set kernel.sysrq = 0 in sysctl.d")]


def _text(path: str) -> str:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return ""
    try:
        return os.read(descriptor, 4096).decode("utf-8", "replace").strip()
    except OSError:
        return ""
    finally:
        os.close(descriptor)
