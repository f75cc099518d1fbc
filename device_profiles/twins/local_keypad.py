# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The twin of a local keypad with a display line: a machine fed with what is shown and with time. Enciphers nothing.

Its person presses the keys when the display asks for the PIN and shows no star yet. What is shown is told; what is
pressed is told to nobody.
"""

from collections import deque

from device_profiles.keypad import KeypadProfile
from device_profiles.twins.pinpad_cardholder import Cardholder, Key

PROMPT = "ENTER PIN"
LONGEST_LINE = 80
KEPT_DISPLAYS = 64


class KeypadTwin:
    """One keypad."""

    def __init__(self, profile: KeypadProfile, cardholder: Cardholder | None) -> None:
        """Without a cardholder nobody is there."""
        self._profile = profile
        self._cardholder = cardholder
        self._line = bytearray()
        self._fingers: deque[tuple[float, int]] = deque()
        self._shown: deque[str] = deque(maxlen=KEPT_DISPLAYS)

    def feed(self, octets: bytes, now: float) -> bytes:
        """What the terminal shows, line by line."""
        self._line += octets
        while (end := self._line.find(b"\n")) >= 0:
            text = self._line[:end].decode("ascii", "replace")
            del self._line[: end + 1]
            self._display(text, now)
        if len(self._line) > LONGEST_LINE:
            self._line.clear()
        return self.tick(now)

    def tick(self, now: float) -> bytes:
        """The keys that were pressed by ``now``."""
        out = bytearray()
        while self._fingers and self._fingers[0][0] <= now:
            out.append(self._code(self._fingers.popleft()[1]))
        return bytes(out)

    @property
    def due(self) -> float | None:
        """When the next key is pressed."""
        return self._fingers[0][0] if self._fingers else None

    def drain_shown(self) -> list[str]:
        """Changes of the display since the last call."""
        shown = list(self._shown)
        self._shown.clear()
        return shown

    def _display(self, text: str, now: float) -> None:
        self._shown.append(text)
        if text.endswith(PROMPT) and self._cardholder is not None:
            self._fingers = deque((now + after, key) for after, key in self._cardholder.answer())
        elif PROMPT not in text:
            self._fingers.clear()

    def _code(self, key: int) -> int:
        functions = {Key.ENTER: self._profile.enter, Key.CLEAR: self._profile.clear, Key.CANCEL: self._profile.cancel}
        return functions[Key(key)] if key >= 10 else self._profile.zero + key
