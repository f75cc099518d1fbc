# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Invariant: an APDU reaches the card at most once, and its answer arrives unchanged or the card is reported lost."""

import asyncio
import dataclasses

import pytest

from device_profiles import catalog
from device_profiles.twins.vivotech2_reader import Vivotech2ReaderTwin
from protocols.serial.vivotech2 import Frame, request_octets
from protocols.serial.vivotech2_display import LcdMessage
from protocols.serial.vivotech2_messages import Polling, SetPolling, request_frame
from terminal_agent.card.port import CardError, CardLost, ReaderAbsent
from terminal_agent.card.serial import open_reader
from terminal_agent.card.vivotech2 import Vivotech2Reader
from tests.device_profiles.twins.hands import hand
from tests.terminal_agent.line.twin_line import DELAYED, OCTET_BY_OCTET, WHOLE, Carriage, TwinLine
from tests.virtual_time import run

PROFILE = catalog.reader("vivotech2")
SELECT = bytes.fromhex("00A404000E325041592E5359532E444446303100")
CARRIAGES = pytest.mark.parametrize("carriage", [WHOLE, OCTET_BY_OCTET, DELAYED], ids=["whole", "octets", "delayed"])


async def opened(line: TwinLine) -> Vivotech2Reader:
    driver = await open_reader(PROFILE, line)
    assert isinstance(driver, Vivotech2Reader)
    return driver


@CARRIAGES
def test_two_payments(carriage: Carriage) -> None:
    async def main() -> None:
        person, card = hand()
        twin = Vivotech2ReaderTwin(person)
        reader = await opened(TwinLine(twin, carriage))
        assert reader.firmware == "TEST NEO 2 twin 1.00"
        for taps in (1, 2):
            presence = await reader.wait_for_card(5.0)
            assert presence is not None
            assert presence.interface == "contactless"
            assert "08112233" not in presence.identity
            assert twin.lit == {0, 1, 2, 3}
            assert await reader.transmit(SELECT) == SELECT + b"\x90\x00"
            await reader.release()
            assert card.powered == 0
            assert twin.beeps == taps
            assert not twin.lit
        assert card.commands == [SELECT, SELECT]
        await reader.close()

    run(main())


@pytest.mark.parametrize("lcd", [True, False])
def test_its_display_leads_the_person(lcd: bool) -> None:
    """In the reader's own words, where the profile says that it has a display."""
    profile = dataclasses.replace(PROFILE, vivotech2=dataclasses.replace(PROFILE.vivotech2, lcd=lcd))

    async def main() -> None:
        twin = Vivotech2ReaderTwin(hand()[0])
        reader = await open_reader(profile, TwinLine(twin))
        assert await reader.wait_for_card(5.0) is not None
        during = list(twin.shown)
        await reader.release()
        led = [LcdMessage.WELCOME, LcdMessage.PRESENT_CARD]
        assert during == (led if lcd else led[:1])
        assert twin.shown == ([*led, LcdMessage.WELCOME] if lcd else led[:1])
        assert not twin.lit

    run(main())


@CARRIAGES
@pytest.mark.parametrize("after_s", [0.0, 0.02, 0.05, 0.3])
def test_a_reader_left_in_automatic_polling(after_s: float, carriage: Carriage) -> None:
    """It pushes payments of its own while it is opened: they are dropped, and no card is paid with twice."""

    async def main() -> None:
        person, card = hand(after_s)
        twin = Vivotech2ReaderTwin(person)
        twin.feed(request_octets(request_frame(SetPolling(Polling.AUTOMATIC))), asyncio.get_running_loop().time())
        line = TwinLine(twin, carriage)
        reader = await opened(line)
        assert await reader.wait_for_card(5.0) is not None
        assert await reader.transmit(SELECT) == SELECT + b"\x90\x00"
        assert card.commands == [SELECT]
        await reader.release()
        await asyncio.sleep(1.0)
        assert await reader.wait_for_card(5.0) is not None

    run(main())


@CARRIAGES
@pytest.mark.parametrize("size", [4, 255, 400])
def test_long_commands_and_responses(size: int, carriage: Carriage) -> None:
    command = bytes((0, 0xB0, 0, 3)) + bytes(place % 251 for place in range(size - 4))

    async def main() -> None:
        person, card = hand(after_s=0.0)
        reader = await opened(TwinLine(Vivotech2ReaderTwin(person), carriage))
        await reader.wait_for_card(5.0)
        assert await reader.transmit(command) == command * 3 + b"\x90\x00"
        assert card.commands == [command]

    run(main())


@pytest.mark.parametrize("delay_s", [0.0, 0.3])
def test_an_exchange_that_is_cancelled_answers_nobody_else(delay_s: float) -> None:
    """The reply to the first APDU arrives after its task is gone: it must not be taken for that to the second."""

    async def main() -> None:
        person, card = hand()
        line = TwinLine(Vivotech2ReaderTwin(person))
        reader = await opened(line)
        await reader.wait_for_card(5.0)
        line.carriage = Carriage(delay_s=delay_s)
        first = asyncio.create_task(reader.transmit(SELECT))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        with pytest.raises(CardLost):
            await reader.transmit(SELECT[:5])
        assert await reader.wait_for_card(5.0) is not None
        assert await reader.transmit(SELECT[:6]) == SELECT[:6] + b"\x90\x00"
        assert len(card.commands) <= 2

    run(main())


class Parrot:
    """A device that says one thing to everything."""

    due = None

    def __init__(self, words: bytes) -> None:
        self._words = words

    def feed(self, octets: bytes, now: float) -> bytes:
        return self._words

    def tick(self, now: float) -> bytes:
        return b""


PONG = Frame(0x18, 0x00).encode()


@pytest.mark.parametrize(
    ("words", "fault", "what"),
    [
        (b"", ReaderAbsent, "does not answer"),
        (b"ViVOtech2\x00noise", ReaderAbsent, "does not answer"),
        (PONG, ReaderAbsent, "does not answer"),
        (PONG + Frame(0x2C, 0x0B).encode(), CardError, "refused to be set up: the command is not allowed now"),
        (PONG + Frame(0x2C, 0).encode() + Frame(0x29, 0, b"\xff").encode(), CardError, "cannot be read"),
    ],
)
def test_something_else_on_the_line(words: bytes, fault: type[CardError], what: str) -> None:
    async def main() -> None:
        line = TwinLine(Parrot(words))
        with pytest.raises(fault, match=what):
            await open_reader(PROFILE, line)
        assert not line.plugged

    run(main())
