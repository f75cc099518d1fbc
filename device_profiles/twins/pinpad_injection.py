# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The key injection mode of a PIN pad's twin: two officers open it at the keypad, it closes by itself. Takes no key.

It is the only state in which a key is taken in clear, so it is hard to enter and ends early: after a minute without a
key, after a quarter of an hour in any case, by the cancel key, and by any packet that loads no key. Source: UIC PP791
user's manual, packet 02 (key inject mode).
"""

import hmac
from enum import Enum, auto

from device_profiles.twins.pinpad_cardholder import Key

IDLE_S = 60.0
LONGEST_S = 900.0
OFFICER_S = 60.0  # so long an officer may take to type a password
_WORDS = ("FIRST PASSWORD", "SECOND PASSWORD")


class Stage(Enum):
    """How far the officers are."""

    CLOSED = auto()
    TYPING = auto()
    OPEN = auto()


class Injection:
    """The mode of one pad."""

    def __init__(self, passwords: tuple[str, ...]) -> None:
        """``passwords``: one for each officer; none, and the mode is never entered."""
        self._passwords = passwords
        self._stage = Stage.CLOSED
        self._officer = 0
        self._wrong = False
        self._digits = bytearray()
        self._heard_at = self._opened_at = 0.0
        self.wiped = False
        """Whether a key in clear was loaded in this session, and the older master keys are gone."""

    @property
    def active(self) -> bool:
        """Whether the keypad belongs to the officers."""
        return self._stage is not Stage.CLOSED

    @property
    def open(self) -> bool:
        """Whether a key is taken in clear."""
        return self._stage is Stage.OPEN

    @property
    def due(self) -> float | None:
        """When it closes by itself."""
        if not self.active:
            return None
        return min(self._heard_at + IDLE_S, self._opened_at + LONGEST_S) if self.open else self._heard_at + OFFICER_S

    @property
    def words(self) -> str:
        """What the display shows."""
        return "KEY INJECTION" if self.open else f"{_WORDS[self._officer]} {'*' * len(self._digits)}".rstrip()

    def begin(self, now: float) -> bool:
        """The service key was pressed; whether officers are awaited now."""
        if not self._passwords:
            return False
        self._stage, self._officer, self._wrong, self._heard_at = Stage.TYPING, 0, False, now
        self._forget()
        return True

    def press(self, key: int, now: float) -> None:
        """A key goes down while the mode is active. A wrong password is told only after the second one."""
        if key == Key.CANCEL:
            self.close()
            return
        if self.open:
            return
        self._heard_at = now
        if key == Key.CLEAR:
            self._forget()
        elif key == Key.ENTER:
            self._password(now)
        elif key <= 9 and len(self._digits) < 12:
            self._digits.append(0x30 + key)

    def loaded(self, now: float) -> None:
        """A key came: the minute begins anew."""
        self._heard_at = now

    def close(self) -> None:
        """The mode ends."""
        self._stage = Stage.CLOSED
        self.wiped = False
        self._forget()

    def _password(self, now: float) -> None:
        self._wrong |= not hmac.compare_digest(bytes(self._digits), self._passwords[self._officer].encode())
        self._forget()
        self._officer += 1
        if self._officer < len(self._passwords):
            return
        self._officer = 0
        if self._wrong:
            self.close()
            return
        self._stage, self._opened_at, self._heard_at, self.wiped = Stage.OPEN, now, now, False

    def _forget(self) -> None:
        self._digits[:] = bytes(len(self._digits))
        self._digits = bytearray()
