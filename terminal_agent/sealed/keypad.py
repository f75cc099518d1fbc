# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A local keypad as an open descriptor: key codes in, the display's text out. Opens no device, keeps no digit."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from terminal_agent.sealed.pin.entry import Entry, Input

READ_OCTETS = 32


@dataclass(frozen=True, slots=True)
class KeyCodes:
    """What the keys send: the octet of digit 0, the nine others following, and the function keys."""

    zero: int = 0x30
    enter: int = 0x0D
    clear: int = 0x08
    cancel: int = 0x1B

    @property
    def functions(self) -> Mapping[int, Input]:
        """Octet to input."""
        return MappingProxyType({self.enter: Input.ENTER, self.clear: Input.CLEAR, self.cancel: Input.CANCEL})


class Keypad:
    """One keypad. ``region``: where its octets land, in the arena."""

    def __init__(
        self,
        descriptor: int,
        region: memoryview,
        codes: KeyCodes,
        read: Callable[[int, list[memoryview]], int] = os.readv,
    ) -> None:
        self.descriptor = descriptor
        self.there = True
        self._region = region
        self._zero = codes.zero
        self._functions = codes.functions
        self._read = read

    def type_into(self, entry: Entry) -> None:
        """Take what was typed; outside an entry it is thrown away. A keypad that is gone cancels the entry."""
        try:
            count = self._read(self.descriptor, [self._region])
        except BlockingIOError:
            return
        except OSError:
            count = 0
        if not count:
            self.there = False
            entry.press(Input.CANCEL)
            return
        for octet in self._region[:count]:
            if octet in self._functions:
                entry.press(self._functions[octet])
            elif 0 <= octet - self._zero < 10:
                entry.digit(octet - self._zero)
        self._region[:] = bytes(len(self._region))

    def show(self, text: str) -> None:
        """One line on the display; stars stand for digits."""
        try:
            os.write(self.descriptor, text.encode("ascii", "replace") + b"\n")
        except BlockingIOError:
            return
        except OSError:
            self.there = False
