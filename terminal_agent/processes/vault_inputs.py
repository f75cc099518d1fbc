# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Opens what the vault listens to besides its pipe: keypad and tamper inputs. Reads none of them."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field

from terminal_agent.sealed.arena import Arena
from terminal_agent.sealed.fences import Kernel
from terminal_agent.sealed.keypad import READ_OCTETS, KeyCodes, Keypad
from terminal_agent.sealed.tamper import TamperLevel, TamperLine

_QUIETLY = os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(slots=True)
class TamperInputs:
    """The tamper inputs that could be opened; in words the one that could not, or is not quiet, which is the same."""

    lines: list[TamperLine] = field(default_factory=list)
    levels: list[TamperLevel] = field(default_factory=list)
    missing: str = ""


def open_keypad(path: str, arena: Arena, codes: KeyCodes) -> Keypad | None:
    """The keypad's line, raw; None where the profile has none or it is not there."""
    if not path:
        return None
    try:
        descriptor = os.open(path, os.O_RDWR | _QUIETLY)
    except OSError as fault:
        complain(f"the keypad {path} cannot be opened: {fault.strerror}")
        return None
    if os.isatty(descriptor):
        import tty

        tty.setraw(descriptor)
    return Keypad(descriptor, arena.take(READ_OCTETS), codes)


def open_tamper(kernel: Kernel, line: str, levels: Sequence[str], gpio_lines: Sequence[str]) -> TamperInputs:
    """Every input that the profile names: levels as ``PATH=QUIET``, lines of a chip as ``PATH:LINE=QUIET``."""
    found = TamperInputs()
    try:
        if line:
            found.missing = "the tamper line cannot be opened"
            found.lines.append(TamperLine(os.open(line, os.O_RDONLY | _QUIETLY), "tamper input"))
        for name in levels:
            path, _, quiet = name.rpartition("=")
            words = f"tamper level {path.rpartition('/')[2]}"
            found.missing = f"{words} missing"
            found.levels.append(TamperLevel(os.open(path, os.O_RDONLY | _QUIETLY), quiet.encode(), words))
        if gpio_lines:
            from terminal_agent.sealed.gpio import ask_for
        for name in gpio_lines:
            chip, _, quiet = name.rpartition("=")
            path, _, offset = chip.rpartition(":")
            words = f"GPIO line {chip.rpartition('/')[2]}"
            found.missing = f"{words} missing"
            given = ask_for(kernel, os.open(path, os.O_RDONLY | _QUIETLY), int(offset))
            found.lines.append(TamperLine(given.descriptor, words))
            found.missing = words
            if given.level != int(quiet):
                return found
    except OSError:
        return found
    found.missing = ""
    return found


def complain(words: str) -> None:
    """Loudly, on stderr."""
    os.write(2, f"terminal-agent vault: {words}\n".encode())
