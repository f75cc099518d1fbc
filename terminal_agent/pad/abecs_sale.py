# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A chip sale that an ABECS pad does by itself, step by step, and what a person does at it. Authorises nothing.

The account number stays in the pad: what comes out is masked, and the PIN is enciphered with the number that the pad
read. What the card signed is compared with what was asked for: another amount or currency ends the sale.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from protocols.emv import tlv
from protocols.emv.tags import Tag
from protocols.errors import DecodeError, EncodeError
from protocols.serial.abecs_chip import (
    CHIP_STATUS_WORDS,
    CardFound,
    Finish,
    Finished,
    GetCard,
    GoneOn,
    GoOn,
    decode_card,
    decode_finished,
    decode_gone_on,
)
from protocols.serial.abecs_messages import UNKNOWN_COMMAND, Command, Response, Status, status_words
from protocols.serial.abecs_person import (
    AWAIT_KEY,
    Happened,
    PadKey,
    Watch,
    await_removal,
    decode_event,
    decode_key,
    show_long,
)
from terminal_agent.pad.abecs import IS_IT_THIS, AbecsPad
from terminal_agent.pad.abecs_session import altered
from terminal_agent.pad.port import PadError, PadRefused, PinCancelled, PinTimedOut

T = TypeVar("T")
COMPARED = (Tag.AMOUNT_AUTHORISED_NUMERIC, Tag.TRANSACTION_CURRENCY)
"""Asked for with every first cryptogram, besides what the caller wants."""
QUICK_S = 10.0  # where no person is asked


class AbecsSale:
    """The steps, on one open pad."""

    def __init__(self, pad: AbecsPad) -> None:
        self.pad = pad

    async def get_card(self, asked: GetCard) -> CardFound | PinCancelled | PinTimedOut:
        """Wait for a chip card; :class:`PadRefused` with the reason for one that cannot be used."""
        done = await self._done(asked.command, asked.wait_s + QUICK_S)
        return done if not isinstance(done, Response) else _read(lambda: decode_card(done))

    async def go_on(self, asked: GoOn) -> GoneOn | PinCancelled | PinTimedOut:
        """Have the person verified and the card decide.

        :class:`terminal_agent.pad.abecs_session.LineAltered` where the card was given another amount or currency.
        """
        wanted = (*asked.tags, *(tag for tag in COMPARED if tag not in asked.tags))
        done = await self._done(replace(asked, tags=wanted).command, asked.wait_s + QUICK_S)
        if not isinstance(done, Response):
            return done
        gone = _read(lambda: decode_gone_on(done))
        if [_number(gone.objects, tag) for tag in COMPARED] != [asked.amount, int(asked.currency)]:
            raise altered("the card was given another amount or currency than was asked for")
        return gone

    async def finish(self, asked: Finish) -> Finished:
        """Tell the card what the acquirer said."""
        done = await self._done(asked.command, QUICK_S)
        if not isinstance(done, Response):
            raise PadRefused("the pad broke the end of the sale off", "take the card out and begin anew")
        return _read(lambda: decode_finished(done))

    async def take_out(self, text: str, timeout_s: float) -> bool:
        """Have the card taken out; whether it was."""
        return isinstance(await self._done(lambda: await_removal(text), timeout_s), Response)

    async def key(self, timeout_s: float) -> PadKey | PinTimedOut:
        """The next function key; a digit is never told."""
        done = await self.pad.perform(AWAIT_KEY, timeout_s)
        if isinstance(done, PinTimedOut):
            return done
        if isinstance(done, PinCancelled):
            return PadKey.CANCEL
        key = decode_key(done.status) if done.name != UNKNOWN_COMMAND else None
        if key is None:
            raise PadRefused(f"the pad tells no keys: {status_words(done.status)}")
        return key

    async def happens(self, watch: Watch, timeout_s: float) -> Happened | PinCancelled | PinTimedOut:
        """The first of the things to watch for."""
        done = await self._done(watch.command, timeout_s)
        return done if not isinstance(done, Response) else _read(lambda: decode_event(done))

    async def show_long(self, text: str) -> None:
        """Up to 160 characters, lines ending in CR."""
        await self._done(lambda: show_long(text), QUICK_S)

    async def _done(self, made: Callable[[], Command], timeout_s: float) -> Response | PinCancelled | PinTimedOut:
        try:
            command = made()
        except EncodeError as fault:
            raise PadError(f"the pad cannot be asked that: {fault}") from None
        done = await self.pad.perform(command, timeout_s)
        if isinstance(done, Response) and (done.name == UNKNOWN_COMMAND or done.status != Status.OK):
            words = CHIP_STATUS_WORDS.get(done.status) or status_words(done.status)
            raise PadRefused(f"the pad refused {command.name}: {words}")
        return done


def _number(objects: tlv.Objects, tag: int) -> int:
    """A numeric object; -1 where there is none."""
    digits = (objects.first(tag) or b"").hex()
    return int(digits) if digits.isdigit() else -1


def _read(decode: Callable[[], T]) -> T:
    try:
        return decode()
    except DecodeError as fault:
        raise PadError(f"the pad's response cannot be read: {fault}", IS_IT_THIS) from None
