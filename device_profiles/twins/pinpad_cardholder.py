# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The virtual person at a PIN pad: which keys are pressed when the pad asks. Sees the prompt, never the wire."""

from collections.abc import Iterator
from enum import Enum, IntEnum

from protocols.secret import Pin


class Key(IntEnum):
    """Function keys; the digits are 0 to 9."""

    ENTER = 10
    CANCEL = 11
    CLEAR = 12
    SERVICE = 13
    """Below the battery cover: officers open the key injection mode with it."""


class Behaviour(Enum):
    """What the person does when asked for the PIN."""

    RIGHT_PIN = "right-pin"
    WRONG_PIN = "wrong-pin"
    CANCEL = "cancel"
    SILENT = "silent"


class Cardholder:
    """A person with a PIN and a way to behave. Presses one key after the other, ``pace_s`` apart."""

    def __init__(self, test_pin: Pin, behaviour: Behaviour, pace_s: float = 0.03) -> None:
        self._pin = test_pin
        self._behaviour = behaviour
        self._pace_s = pace_s

    def answer(self) -> Iterator[tuple[float, int]]:
        """Seconds since the prompt and key, for one prompt."""
        for number, key in enumerate(self._keys(), start=1):
            yield number * self._pace_s, key

    def _keys(self) -> Iterator[int]:
        match self._behaviour:
            case Behaviour.RIGHT_PIN:
                yield from self._pin
                yield Key.ENTER
            case Behaviour.WRONG_PIN:
                yield from ((digit + 1) % 10 for digit in self._pin)
                yield Key.ENTER
            case Behaviour.CANCEL:
                yield Key.CANCEL
            case Behaviour.SILENT:
                return
