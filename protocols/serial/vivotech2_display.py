# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What a ViVOtech2 reader shows a person outside of pass-through mode: one of its own messages. Frames no octets.

The words are the reader's, in its own language; a host only says which. Source: NEO 2 Interface Developer's Guide
(2019), Control User Interface (01-02), pages 124 and 125.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar

from protocols.errors import EncodeError

NO_BEEP = 0
POWER_LED = 0  # the reader's own affair outside of pass-through mode: naming it leaves the lights as they are
SHORT_BEEPS = range(NO_BEEP, 5)


class LcdMessage(IntEnum):
    """Index of a message. Those up to 07 a reader with a kernel of its own shows by itself."""

    WELCOME = 0x00
    PRESENT_CARD = 0x01
    NO_CARD = 0x02
    PROCESSING = 0x03
    THANK_YOU = 0x04
    FAIL = 0x05
    USE_CHIP = 0x08
    TRY_AGAIN = 0x09
    ONE_CARD_ONLY = 0x0A
    WAIT = 0x0B
    NONE = 0xFF
    """The display stays as it is."""


MESSAGES = frozenset(map(int, LcdMessage))


@dataclass(frozen=True, slots=True)
class ShowMessage:
    """01-02: show a message, with up to four short beeps, and switch a LED (0 to 3, or 255 for all)."""

    name: ClassVar[tuple[int, int]] = (0x01, 0x02)
    message: LcdMessage
    beeps: int = NO_BEEP
    led: int = POWER_LED
    on: bool = True

    def data(self) -> bytes:
        if self.beeps not in SHORT_BEEPS:
            raise EncodeError("no beep, or 1 to 4, expected")
        return bytes((self.message, self.beeps, self.led, self.on))


def message_words(data: bytes) -> str:
    """The data of a request in words, whatever it holds."""
    known = {one.value: one.name for one in LcdMessage}
    return f"display {known.get(data[0], f'message {data[0]:02X}')}" if len(data) == 4 else "display"
