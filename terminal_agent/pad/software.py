# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The pad that is no pad: the vault with a keypad of its own asks for the PIN and enciphers it. Sees no digit.

The digits go from the keypad to the vault. This process asks for a PIN and gets key serial number and block, as from
any pad; it could not get more, since the vault's pipe has no message for it.
"""

import asyncio
from collections.abc import Callable

from protocols.acquirer.account import AccountData, EncipheredAccount
from protocols.emv.oda import PublicKey
from protocols.pan import Pan
from protocols.vault import (
    CancelPin,
    Ended,
    EnterCardPin,
    EnterPin,
    Mac,
    PinEnded,
    PinMade,
    Refused,
    Reply,
    Result,
    Status,
)
from terminal_agent.pad.account import ANSWER_S, enciphered
from terminal_agent.pad.port import (
    CardPinEntered,
    CardPinOutcome,
    PadError,
    PadRefused,
    PinCancelled,
    PinEntered,
    PinOutcome,
    PinTimedOut,
    Trace,
)
from terminal_agent.pad.vault_link import VaultLink

HINT = "see: terminal-agent keys list"


class SoftwarePad:
    """See :class:`terminal_agent.pad.port.PinPad`."""

    encipherer = "the vault"

    def __init__(self, link: VaultLink, end: Callable[[], None] | None, trace: Trace | None = None) -> None:
        """``end`` stops the vault behind ``link``; None where that is for somebody else to do."""
        self.link = link
        self._end = end
        self._trace = trace

    async def enter_pin(self, pan: Pan, amount_words: str, timeout_s: float) -> PinOutcome:
        """See :class:`terminal_agent.pad.port.PinPad`."""
        request = EnterPin(pan.digits.encode("ascii"), amount_words, _milliseconds(timeout_s))
        self._told(">", f"enter PIN for {pan.masked}")
        match await self._entered(request, timeout_s):
            case PinMade(ksn, block, block_format):
                self._told("<", f"PIN block of format {block_format}, KSN {bytes(ksn).hex().upper()}")
                return PinEntered(bytes(ksn), bytes(block), block_format)
            case other:
                return self._ended(other)

    async def enter_card_pin(
        self, key: PublicKey, challenge: bytes, amount_words: str, timeout_s: float
    ) -> CardPinOutcome:
        """See :class:`terminal_agent.pad.port.CardPinPad`."""
        modulus = key.modulus.to_bytes(key.octets, "big")
        request = EnterCardPin(modulus, key.exponent, challenge, amount_words, _milliseconds(timeout_s))
        self._told(">", f"enter PIN for the card's key of {8 * key.octets} bits")
        match await self._entered(request, timeout_s):
            case Result(data):
                self._told("<", f"PIN enciphered for the card, {len(data)} octets")
                return CardPinEntered(bytes(data))
            case other:
                return self._ended(other)

    async def _entered(self, request: EnterPin | EnterCardPin, timeout_s: float) -> Reply:
        try:
            return await self.link.ask(request, timeout_s + ANSWER_S)
        except asyncio.CancelledError:
            if not self.link.ended:
                await asyncio.shield(self.cancel())
            raise

    def _ended(self, reply: Reply) -> PinCancelled | PinTimedOut:
        if not isinstance(reply, PinEnded):
            raise self._fault(reply)
        self._told("<", "no PIN")
        return PinTimedOut() if reply.how == Ended.TIMED_OUT else PinCancelled()

    async def mac(self, session_key: bytes, data: bytes) -> bytes:
        """See :class:`terminal_agent.pad.port.PinPad`."""
        self._told(">", f"MAC over {len(data)} octets")
        reply = await self.link.ask(Mac(session_key, data), ANSWER_S)
        if not isinstance(reply, Result):
            raise self._fault(reply)
        self._told("<", "MAC")
        return bytes(reply.value)

    async def encipher(self, account: AccountData) -> EncipheredAccount:
        """Account data under a data key of their own; :class:`PadError` says why there are none."""
        self._told(">", f"encipher account data of {account.masked}")
        sent = await enciphered(self.link, account)
        self._told("<", f"account data, KSN {sent.ksn.hex().upper()}")
        return sent

    async def show(self, text: str) -> None:
        """Refused: what the keypad's display says is the vault's own, so that nobody else can ask for a PIN there."""
        raise PadRefused("the vault's keypad shows the vault's own words", "show it on the cashier's display")

    async def cancel(self) -> None:
        """See :class:`terminal_agent.pad.port.PinPad`."""
        await self.link.ask(CancelPin(), ANSWER_S)

    async def settle(self) -> None:
        """On a pipe that another process used before: end what it had begun. Answers to it are nobody's."""
        await self.link.ask(CancelPin(), ANSWER_S)
        await self.check()

    async def check(self) -> None:
        """Whether the vault answers; raises what keeps it from doing so."""
        reply = await self.link.ask(Status(), ANSWER_S)
        if isinstance(reply, Refused):
            raise self._fault(reply)

    async def close(self) -> None:
        """See :class:`terminal_agent.pad.port.PinPad`."""
        self.link.close()
        if self._end is not None:
            await asyncio.to_thread(self._end)

    def _told(self, direction: str, words: str) -> None:
        if self._trace is not None:
            self._trace("vault", direction, words)

    @staticmethod
    def _fault(reply: Reply) -> PadError:
        if isinstance(reply, Refused):
            return PadRefused(reply.words, HINT)
        return PadError("the vault answered something else")


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))
