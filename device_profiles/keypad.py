# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What a profile of a local keypad says: which octets its keys send. It enciphers nothing: PINs typed there are clear.

Such a keypad belongs on the vault's own line, inside the same housing. A keypad that somebody can reach with a screw
driver is no PIN pad, and nothing here makes it one.
"""

from dataclasses import dataclass

from device_profiles.catalog import find
from tillguard.settings import load


@dataclass(frozen=True, slots=True)
class KeypadProfile:
    """One model of keypad on a serial line. The digits follow one another from ``zero``."""

    model: str
    title: str
    zero: int = 0x30
    enter: int = 0x0D
    clear: int = 0x08
    cancel: int = 0x1B

    def __post_init__(self) -> None:
        functions = {self.enter, self.clear, self.cancel}
        digits = range(self.zero, self.zero + 10)
        if len(functions) != 3 or not all(0 <= code <= 255 for code in (*functions, *digits)):
            raise ValueError("enter, clear and cancel: three different octets expected")
        if functions & set(digits):
            raise ValueError("zero: the ten digits from there on must not be a function key")


def keypad(name_or_path: str) -> KeypadProfile:
    """The profile of a keypad; :class:`~tillguard.voice.Fault` lists what is known."""
    return load(find("keypads", name_or_path), KeypadProfile)
