# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""PIN entry at the vault's own keypad, as a table. Rule: every transition lives in this file. Enciphers nothing.

Digits go from the keypad's octets into the arena and nowhere else: what is shown is stars, and an entry that ends in
any way but ENTER leaves zeros.
"""

from collections.abc import Mapping
from enum import Enum, auto
from types import MappingProxyType

from protocols.secret import PIN_DIGITS

PROMPT = "ENTER PIN"


class State(Enum):
    """How an entry stands."""

    IDLE = auto()
    COLLECTING = auto()
    ENTERED = auto()
    CANCELLED = auto()
    TIMED_OUT = auto()


class Input(Enum):
    """What comes from the keypad, the clock or the one who asked."""

    BEGIN = auto()
    DIGIT = auto()
    CLEAR = auto()
    ENTER = auto()
    CANCEL = auto()
    SILENCE = auto()
    FORGET = auto()


TRANSITIONS: Mapping[tuple[State, Input], State] = MappingProxyType(
    {
        (State.IDLE, Input.BEGIN): State.COLLECTING,
        (State.COLLECTING, Input.DIGIT): State.COLLECTING,  # beyond the twelfth: not taken
        (State.COLLECTING, Input.CLEAR): State.COLLECTING,
        (State.COLLECTING, Input.ENTER): State.ENTERED,  # guard: at least four digits, else stays
        (State.COLLECTING, Input.CANCEL): State.CANCELLED,
        (
            State.COLLECTING,
            Input.SILENCE,
        ): State.TIMED_OUT,  # the shell says so when its deadline is past; no clock here
        (State.ENTERED, Input.FORGET): State.IDLE,
        (State.CANCELLED, Input.FORGET): State.IDLE,
        (State.TIMED_OUT, Input.FORGET): State.IDLE,
    }
)


class Entry:
    """One keypad's entry. ``digits`` is a region of the arena with room for twelve."""

    def __init__(self, digits: memoryview) -> None:
        self.state = State.IDLE
        self.count = 0
        self.words = ""
        self._digits = digits

    def begin(self, words: str) -> None:
        """Start asking; ``words`` go in front of the prompt."""
        self._step(Input.BEGIN)
        self.words = words

    def digit(self, value: int) -> None:
        """0 to 9."""
        if self.state is State.COLLECTING and self.count < PIN_DIGITS[-1]:
            self._digits[self.count] = value
            self.count += 1

    def press(self, key: Input) -> None:
        """CLEAR, ENTER, CANCEL or SILENCE."""
        if key is Input.ENTER and self.count not in PIN_DIGITS:
            return
        self._step(key)
        if key is Input.CLEAR or self.state in (State.CANCELLED, State.TIMED_OUT):
            self._wipe()

    def forget(self) -> None:
        """Overwrite the digits; ready for the next entry."""
        self._wipe()
        self._step(Input.FORGET)
        self.words = ""

    @property
    def pin(self) -> memoryview:
        """The digits that were typed, one per octet, in the arena."""
        return self._digits[: self.count]

    @property
    def shown(self) -> str:
        """What the keypad's display shows; empty outside an entry."""
        if self.state is not State.COLLECTING:
            return ""
        return " ".join(part for part in (self.words, PROMPT, "*" * self.count) if part)

    def _wipe(self) -> None:
        self._digits[:] = bytes(len(self._digits))
        self.count = 0

    def _step(self, key: Input) -> None:
        self.state = TRANSITIONS.get((self.state, key), self.state)
