# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A PIN for the card, typed at the reader's own keys: from the machine's wish to the card's word. It holds no digit.

The reader writes the digits into the command and sends it; what comes back is the card's word, or the reader's own
where nobody typed (PC/SC part 10, 2.5.4).
"""

from collections.abc import Awaitable, Callable
from enum import IntEnum

from protocols.pcsc.features import EMV_PLAINTEXT, PinVerify
from terminal_agent.card.port import CardReader, PinEntry, pin_entry
from terminal_agent.emv import PinAnswer, PinAtReader

AtReader = Callable[[PinAtReader], Awaitable[bytes | PinAnswer]]
LEAST_DIGITS, MOST_DIGITS = 4, 12  # EMV 4.4 Book 3, 6.5.12.3
MOST_PATIENCE_S = 255  # PC/SC part 10, 2.5.2: bTimeOut has one octet


class ReaderSays(IntEnum):
    """Status words of the reader itself (PC/SC part 10, 2.5.4, table 8)."""

    TIMED_OUT = 0x6400
    CANCELLED = 0x6401
    NOT_THE_SAME = 0x6402
    WRONG_LENGTH = 0x6403


class PinNotEntered(Exception):
    """The cardholder cancelled, or did not type in time: the payment ends."""


async def at_reader(reader: CardReader, timeout_s: float, tell: Callable[[str], None]) -> AtReader | None:
    """What takes PINs at the reader below all layers; None where that has no keys now. ``tell`` is told each entry.

    What it gives returns the card's status word; it raises :class:`PinNotEntered`, and CardError where reader or card
    fail.
    """
    keypad = pin_entry(reader)
    if keypad is None or not await keypad.takes_pins():
        return None

    async def enter(asked: PinAtReader) -> bytes | PinAnswer:
        left = "" if asked.tries is None else f", {asked.tries} left"
        tell(f"asks for the PIN on its own keys, for the card{left}")
        return await _entered(keypad, asked, timeout_s)

    return enter


async def _entered(keypad: PinEntry, asked: PinAtReader, timeout_s: float) -> bytes | PinAnswer:
    patience = max(1, min(MOST_PATIENCE_S, round(timeout_s)))
    wanted = PinVerify(asked.template, EMV_PLAINTEXT, least=LEAST_DIGITS, most=MOST_DIGITS, timeout_s=patience)
    status = await keypad.enter_pin(wanted)
    word = int.from_bytes(status, "big")
    if word == ReaderSays.CANCELLED:
        raise PinNotEntered("the cardholder cancelled PIN entry")
    if word == ReaderSays.TIMED_OUT:
        raise PinNotEntered(f"no PIN within {timeout_s:.0f} s")
    if word in (ReaderSays.NOT_THE_SAME, ReaderSays.WRONG_LENGTH):
        return PinAnswer.UNAVAILABLE
    return status
