# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What else an IPP pad asks a person: a PIN under a session key, a key or digits in clear behind the pad's own words.

PINs here go under a master key's session key (MK/SK); a flow that uses DUKPT has no need of them. Digits come back in
clear, so a pad takes them only behind a prompt that it words itself, by number: nobody who has the line can have a PIN
typed that way. A pad that does not know the number, or does not take input, says the same as a person who cancels.
"""

from dataclasses import dataclass, field, replace

from protocols.pan import Pan
from protocols.secret import PIN_DIGITS
from protocols.serial.ipp import PinRefusal, SelectKey
from protocols.serial.ipp_entry import (
    AskKey,
    AskString,
    KeyPressed,
    RequestSessionPin,
    SessionPinBlock,
    ShowPrompt,
    StringEntered,
)
from terminal_agent.pad.ipp import IppPad
from terminal_agent.pad.port import PadError, PinCancelled, PinTimedOut

LONGEST_INPUT_S = 255


@dataclass(frozen=True, slots=True)
class SessionPin:
    """A PIN as it left the pad: how many digits, and the enciphered block (format 0, 8 octets)."""

    digits: int
    block: bytes = field(repr=False)


class IppInputs:
    """The further questions of one open pad."""

    def __init__(self, pad: IppPad) -> None:
        self.pad = pad

    async def session_pin(
        self, slot: str, request: RequestSessionPin, timeout_s: float
    ) -> SessionPin | PinCancelled | PinTimedOut:
        """Select a master key's slot (08), then 70, Z60, Z62 or Z63 as ``request`` says; its time limit is set here."""
        units, patience_s = self.pad.patience(timeout_s)
        timed = replace(request, time_units=units)
        reply = await self.pad.ask([SelectKey(slot)], timed, {"71"}, patience_s)
        if isinstance(reply, PinCancelled | PinTimedOut):
            return reply
        if isinstance(reply, PinRefusal):
            raise self.pad.refused(reply)
        if not isinstance(reply, SessionPinBlock) or reply.digits not in (0, *PIN_DIGITS):
            raise PadError("the pad answered a PIN entry with something else")
        return SessionPin(reply.digits, reply.block)

    async def digits(self, prompt: str, most: int, timeout_s: float) -> str | PinCancelled | PinTimedOut:
        """Digits in clear behind the pad's prompt of that number: a tip, a loyalty number, never a secret."""
        reply = await self.pad.ask([ShowPrompt(prompt)], AskString(_seconds(timeout_s), most), {"Z51"}, timeout_s)
        if isinstance(reply, PinCancelled | PinTimedOut):
            return reply
        if not isinstance(reply, StringEntered) or len(reply.digits) > most:
            raise PadError("the pad answered a question for digits with something else")
        return reply.digits

    async def key(self, prompt: str, timeout_s: float) -> str | PinCancelled | PinTimedOut:
        """One key behind the pad's prompt of that number."""
        reply = await self.pad.ask([ShowPrompt(prompt)], AskKey(_seconds(timeout_s)), {"Z43"}, timeout_s)
        if isinstance(reply, PinCancelled | PinTimedOut):
            return reply
        if not isinstance(reply, KeyPressed):
            raise PadError("the pad answered a question for a key with something else")
        return reply.key


def _seconds(timeout_s: float) -> int:
    """More than we wait, so that it is we who end it."""
    return min(int(timeout_s) + 2, LONGEST_INPUT_S)


def request_70(pan: Pan, session_key: bytes, amount: str = "") -> RequestSessionPin:
    """Packet 70: the pad shows the amount itself. ``session_key``: 16 octets, under the slot's master key."""
    return RequestSessionPin("70", pan, session_key, amount)
