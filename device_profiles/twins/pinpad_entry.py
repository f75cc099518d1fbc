# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What a PIN pad's twin is asking a person for, and the keys typed so far. Enciphers nothing, knows no packet."""

from dataclasses import dataclass, field
from enum import Enum, auto

from device_profiles.twins.pinpad_cardholder import Key
from device_profiles.twins.pinpad_prompts import PIN_WORDS
from protocols.pan import Pan
from protocols.secret import PIN_DIGITS, ClearKey


class Wanted(Enum):
    """What is asked for."""

    PIN = auto()
    KEY = auto()
    DIGITS = auto()


class Pressed(Enum):
    """What a key did."""

    SHOWN = auto()
    IGNORED = auto()
    DONE = auto()
    CANCELLED = auto()


@dataclass(slots=True)
class Entry:
    """One entry, from the request to its end."""

    wanted: Wanted
    words: str = PIN_WORDS
    pan: Pan | None = None
    session_key: ClearKey | None = None
    """None: DUKPT."""
    least: int = PIN_DIGITS[0]
    most: int = PIN_DIGITS[-1]
    may_be_empty: bool = False
    digits: bytearray = field(default_factory=bytearray, repr=False)

    def press(self, key: int) -> Pressed:
        """A key goes down."""
        if key == Key.CANCEL:
            return Pressed.CANCELLED
        if self.wanted is Wanted.KEY:
            if key <= 9 or key == Key.ENTER:
                self.digits.append(key)
                return Pressed.DONE
            return Pressed.IGNORED
        if key == Key.CLEAR:
            self.forget()
            return Pressed.SHOWN
        if key == Key.ENTER:
            enough = len(self.digits) >= self.least or (self.may_be_empty and not self.digits)
            return Pressed.DONE if enough else Pressed.IGNORED
        if key <= 9 and len(self.digits) < self.most:
            self.digits.append(key)
            return Pressed.SHOWN
        return Pressed.SHOWN if key <= 9 else Pressed.IGNORED

    @property
    def line(self) -> str:
        """What the display shows: stars for a PIN."""
        typed = "*" * len(self.digits) if self.wanted is Wanted.PIN else "".join(map(str, self.digits))
        return f"{self.words} {typed}".strip()

    def forget(self) -> None:
        """Overwrite the digits."""
        self.digits[:] = bytes(len(self.digits))
        self.digits = bytearray()

    def end(self) -> None:
        """Overwrite everything that is secret."""
        self.forget()
        if self.session_key is not None:
            self.session_key.wipe()
