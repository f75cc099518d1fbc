# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What went between a terminal and a card, kept and played again: a layer over a reader, and a reader made of a file.

A recording is a line of JSON for each exchange, ``{"c": …, "r": …}`` in hexadecimal, behind a line that says what it
is. Octets are kept as they were only where every account number that the card gave is one of our TEST cards'; else they
are masked by type (:mod:`protocols.emv.masking`), and the first line says so. Which of the two is known only at the
end, so nothing is written before.
"""

import json
from collections.abc import Collection, Generator, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from protocols.emv.masking import account_numbers, masked_command, masked_response
from protocols.errors import DecodeError
from terminal_agent.card.port import CardError, CardLost, CardPresence, CardReader, converse
from terminal_agent.durable import replace_whole

T = TypeVar("T")
MOST_EXCHANGES = 10_000  # a payment has fewer than 60; a card that never ends must not fill the disk
LARGEST_FILE = 1 << 26
FORMAT = 1


@dataclass(frozen=True, slots=True)
class Exchange:
    """A command and what the card said, as they travelled."""

    command: bytes
    response: bytes
    typed: bool = False
    """The reader wrote a PIN into the command: here is what it was written into. It is not to be sent again."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """A whole recording."""

    identity: str
    """The card in words, such as its answer to reset."""
    exact: bool
    """Octets as they were: a TEST card's. Else account data are masked, or nobody said whether they are."""
    exchanges: tuple[Exchange, ...]
    masked: bool = False
    """Account data are written over."""


class Recording:
    """``reader``, whose exchanges are kept."""

    def __init__(self, reader: CardReader) -> None:
        self._reader = reader
        self._kept: list[Exchange] = []
        self._identity = ""

    @property
    def inner(self) -> CardReader:
        """The reader below."""
        return self._reader

    async def wait_for_card(self, timeout_s: float) -> CardPresence | None:
        """As the reader does."""
        presence = await self._reader.wait_for_card(timeout_s)
        if presence is not None:
            self._identity = presence.identity
        return presence

    async def transmit(self, command: bytes) -> bytes:
        """One exchange, kept."""
        response = await self._reader.transmit(command)
        self._keep(command, response)
        return response

    async def converse(self, turns: Generator[bytes, bytes, T]) -> T:
        """Many exchanges, kept, at one go where the reader can."""
        return await converse(self._reader, self._heard(turns))

    async def release(self) -> None:
        """As the reader does."""
        await self._reader.release()

    async def close(self) -> None:
        """As the reader does."""
        await self._reader.close()

    def typed(self, template: bytes, status: bytes) -> None:
        """Keep that a PIN was typed at the reader's own keys: the template it was written into, and what came of it."""
        self._keep(template, status, typed=True)

    def result(self, test_accounts: Collection[str]) -> Recorded:
        """What was kept so far, masked unless every account number is one of ``test_accounts``."""
        seen = {number for one in self._kept for number in account_numbers(one.response)}
        exact = bool(seen) and seen <= set(test_accounts)
        kept = self._kept if exact else [masked(one) for one in self._kept]
        return Recorded(self._identity, exact, tuple(kept), not exact)

    def _heard(self, turns: Generator[bytes, bytes, T]) -> Generator[bytes, bytes, T]:
        try:
            command = next(turns)
            while True:
                response = yield command
                self._keep(command, response)
                command = turns.send(response)
        except StopIteration as end:
            result: T = end.value
            return result

    def _keep(self, command: bytes, response: bytes, *, typed: bool = False) -> None:
        if len(self._kept) >= MOST_EXCHANGES:
            raise CardError(
                f"more than {MOST_EXCHANGES} exchanges: not recorded further", "record one payment at a time"
            )
        self._kept.append(Exchange(bytes(command), bytes(response), typed))


def masked(one: Exchange) -> Exchange:
    """The exchange with account data written over."""
    return Exchange(masked_command(one.command), masked_response(one.response), one.typed)


class Played:
    """A recording in place of a reader: it answers the recorded commands in the recorded order, and no other."""

    def __init__(self, recorded: Recorded) -> None:
        self._recorded = recorded
        self._exchanges = [one for one in recorded.exchanges if not one.typed]
        self._place = 0

    async def wait_for_card(self, timeout_s: float) -> CardPresence | None:
        """The recorded card, from its first exchange on."""
        self._place = 0
        return CardPresence("contact", f"{self._recorded.identity}, recorded")

    async def transmit(self, command: bytes) -> bytes:
        """The recorded answer; :class:`CardLost` where another command was recorded there."""
        if self._place >= len(self._exchanges):
            raise CardLost("the recording ends here", "what is asked now was not asked when it was made")
        one = self._exchanges[self._place]
        if command != one.command:
            what = f"exchange {self._place + 1}: another command was recorded"
            raise CardLost(what, "play it to the program that it was recorded with")
        self._place += 1
        return one.response

    async def release(self) -> None:
        """Nothing to power down."""

    async def close(self) -> None:
        """Nothing to give up."""


def encoded(recorded: Recorded) -> str:
    """The lines of a recording's file."""
    first = {"recording": FORMAT, "card": recorded.identity, "exact": recorded.exact}
    lines = [first, *(_line(one) for one in recorded.exchanges)]
    return "".join(f"{json.dumps(line)}\n" for line in lines)


def write(recorded: Recorded, path: Path) -> None:
    """Write a recording, readable by its owner alone: whole, or :class:`OSError` and not at all."""
    replace_whole(path, encoded(recorded).encode())


def _line(one: Exchange) -> dict[str, object]:
    line: dict[str, object] = {"c": one.command.hex().upper(), "r": one.response.hex().upper()}
    return {**line, "typed": True} if one.typed else line


def read(path: Path) -> Recorded:
    """Read a recording; :class:`DecodeError` says which line is none. Files without a first line count as masked."""
    with path.open("rb") as file:
        octets = file.read(LARGEST_FILE + 1)  # a device says that it is empty and never ends
    if len(octets) > LARGEST_FILE:
        raise DecodeError("recording", f"larger than {LARGEST_FILE >> 20} MiB: no recording")
    try:
        return decoded(octets.decode("utf-8").splitlines())
    except UnicodeDecodeError:
        raise DecodeError("recording", "not UTF-8 text: no recording") from None


def decoded(lines: Iterable[str]) -> Recorded:
    """The recording that these lines hold: at least one exchange, a first line perhaps, and empty ones."""
    identity, exact, hidden = "a recorded card", False, False
    exchanges: list[Exchange] = []
    for number, text in enumerate(lines, 1):
        if not text.strip():
            continue
        line = _object(text, number)
        if number == 1 and "recording" in line:
            if line["recording"] != FORMAT:
                raise DecodeError("recording, line 1", f"format {line['recording']}, {FORMAT} expected")
            identity, exact = str(line.get("card", identity)), line.get("exact") is True
            hidden = not exact
            continue
        if len(exchanges) >= MOST_EXCHANGES:
            raise DecodeError(f"recording, line {number}", f"more than {MOST_EXCHANGES} exchanges")
        command, response = _octets(line, "c", 4, number), _octets(line, "r", 2, number)
        exchanges.append(Exchange(command, response, line.get("typed") is True))
    if not exchanges:
        raise DecodeError("recording", "no exchange is in it")
    return Recorded(identity, exact, tuple(exchanges), hidden)


def _object(text: str, number: int) -> Mapping[str, object]:
    try:
        line = json.loads(text)
    except (ValueError, RecursionError):
        line = None
    if not isinstance(line, dict):
        raise DecodeError(
            f"recording, line {number}", 'a JSON object such as {"c": "00A40400…", "r": "6F…9000"} expected'
        )
    return line


def _octets(line: Mapping[str, object], key: str, least: int, number: int) -> bytes:
    value = line.get(key)
    try:
        octets = bytes.fromhex(value) if isinstance(value, str) else b""
    except ValueError:
        octets = b""
    if len(octets) < least:
        raise DecodeError(f"recording, line {number}", f"'{key}': {least} octets or more in hexadecimal expected")
    return octets
