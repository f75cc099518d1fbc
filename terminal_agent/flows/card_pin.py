# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A PIN for the card, from the machine's wish to the card's word or the octets for it. It holds no digit.

In clear it is typed at the reader's own keys: the reader writes the digits into the command and sends it; what comes
back is the card's word, or the reader's own where nobody typed (PC/SC part 10, 2.5.4). Enciphered it is typed at the
vault's keypad: what comes back only the card can read (EMV 4.4 Book 2, 7.2). PC/SC part 10 knows no enciphered PIN, and
neither do the IPP and ABECS pads; there the card's next method is tried.
"""

from collections.abc import Awaitable, Callable
from enum import IntEnum

from protocols.pcsc.features import EMV_PLAINTEXT, PinVerify
from terminal_agent.card.port import CardReader, PinEntry, pin_entry
from terminal_agent.emv import PinAnswer, PinAtReader, PinToEncipher
from terminal_agent.flows.devices import Attached
from terminal_agent.pad.port import CardPinEntered, CardPinPad, PadAbsent, PadRefused, PinPad, PinTimedOut

AtReader = Callable[[PinAtReader], Awaitable[bytes | PinAnswer]]
AtPad = Callable[[PinToEncipher], Awaitable[bytes | PinAnswer]]
LAST_TRY = "LAST TRY"
_CANCELLED, _NO_PIN = "the cardholder cancelled PIN entry", "no PIN within {:.0f} s"
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
        raise PinNotEntered(_CANCELLED)
    if word == ReaderSays.TIMED_OUT:
        raise PinNotEntered(_NO_PIN.format(timeout_s))
    if word in (ReaderSays.NOT_THE_SAME, ReaderSays.WRONG_LENGTH):
        return PinAnswer.UNAVAILABLE
    return status


def at_pad(attached: Attached[PinPad], amount_words: str, timeout_s: float, tell: Callable[[str], None]) -> AtPad:
    """What takes PINs at the vault's keypad and enciphers them for the card. ``tell`` is told each entry.

    What it gives raises :class:`PinNotEntered`, and PadAbsent where the vault has gone. A pad that cannot, or is not
    allowed to, counts as one that does not work.
    """

    async def enter(asked: PinToEncipher) -> bytes | PinAnswer:
        pad = attached.driver()
        if not isinstance(pad, CardPinPad):
            tell("cannot encipher a PIN for the card")
            return PinAnswer.UNAVAILABLE
        tell("asks for the PIN, enciphered for the card" + ("" if asked.tries is None else f", {asked.tries} left"))
        shown = LAST_TRY if asked.tries == 1 else amount_words
        try:
            entered = await pad.enter_card_pin(asked.key, asked.challenge, shown, timeout_s)
        except PadAbsent as fault:
            await attached.drop(pad, fault.what)
            raise
        except PadRefused as fault:
            tell(f"no PIN: {fault.what}")
            return PinAnswer.UNAVAILABLE
        if isinstance(entered, CardPinEntered):
            return entered.data
        raise PinNotEntered(_NO_PIN.format(timeout_s) if isinstance(entered, PinTimedOut) else _CANCELLED)

    return enter
