# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Invariant: an APDU reaches the card at most once, and its answer arrives unchanged or the card is reported lost."""

import asyncio
import contextlib
from typing import Any

import pytest

from device_profiles import catalog
from device_profiles.twins.reader import Hand, ReaderTwin
from protocols.serial.pn532 import Signal
from protocols.serial.pn532_messages import DataExchanged
from terminal_agent.card.port import CardError, CardLost, ReaderAbsent
from terminal_agent.card.serial import Pn532Reader, open_reader
from tests.device_profiles.twins.hands import EchoCard, EchoCardB, hand
from tests.terminal_agent.line.twin_line import DELAYED, OCTET_BY_OCTET, WHOLE, Carriage, Spoil, TwinLine, flip, lose
from tests.virtual_time import run

PROFILE = catalog.reader("pn532")
SELECT = bytes.fromhex("00A404000E325041592E5359532E444446303100")
CARRIAGES = pytest.mark.parametrize("carriage", [WHOLE, OCTET_BY_OCTET, DELAYED], ids=["whole", "octets", "delayed"])


async def opened(line: TwinLine) -> Pn532Reader:
    driver = await open_reader(PROFILE, line)
    assert isinstance(driver, Pn532Reader)
    return driver


@CARRIAGES
def test_two_payments(carriage: Carriage) -> None:
    async def main() -> None:
        person, card = hand()
        reader = await opened(TwinLine(ReaderTwin(person), carriage))
        assert reader.firmware == "PN532 firmware 1.6"
        for _ in range(2):
            presence = await reader.wait_for_card(5.0)
            assert presence is not None
            assert presence.interface == "contactless"
            assert "08112233" not in presence.identity
            assert await reader.transmit(SELECT) == SELECT + b"\x90\x00"
            await reader.release()
            assert card.powered == 0
        assert card.commands == [SELECT, SELECT]
        await reader.close()

    run(main())


@CARRIAGES
@pytest.mark.parametrize("size", [4, 255, 262, 263, 524, 600, 2000])
def test_long_commands_and_responses_are_chained(size: int, carriage: Carriage) -> None:
    command = bytes((0, 0xB0, 0, 3)) + bytes(place % 251 for place in range(size - 4))

    async def main() -> None:
        person, card = hand(after_s=0.0)
        reader = await opened(TwinLine(ReaderTwin(person), carriage))
        await reader.wait_for_card(5.0)
        assert await reader.transmit(command) == command * 3 + b"\x90\x00"
        assert card.commands == [command]

    run(main())


@pytest.mark.parametrize("somebody", [True, False])
def test_nobody_came(somebody: bool) -> None:
    async def main() -> None:
        person, _ = hand(after_s=60.0)
        reader = await opened(TwinLine(ReaderTwin(person if somebody else None)))
        loop = asyncio.get_running_loop()
        started = loop.time()
        assert await reader.wait_for_card(3.0) is None
        assert loop.time() - started == pytest.approx(3.0)
        with pytest.raises(CardLost):
            await reader.transmit(SELECT)
        await reader.release()

    run(main())


def test_a_late_card_is_found() -> None:
    async def main() -> None:
        person, _ = hand(after_s=9.0)
        reader = await opened(TwinLine(ReaderTwin(person)))
        assert await reader.wait_for_card(10.0) is not None

    run(main())


def test_a_card_without_iso_dep_is_not_a_payment_card() -> None:
    async def main() -> None:
        person, card = hand(sak=0x08)
        reader = await opened(TwinLine(ReaderTwin(person)))
        assert await reader.wait_for_card(1.0) is None
        assert card.commands == []

    run(main())


@CARRIAGES
def test_a_card_of_type_b_is_found_and_paid_with(carriage: Carriage) -> None:
    async def main() -> None:
        card = EchoCardB()
        reader = await opened(TwinLine(ReaderTwin(Hand(card)), carriage))
        presence = await reader.wait_for_card(5.0)
        assert presence is not None
        assert presence.identity == "ISO 14443-4 type B, protocol info 008171"
        assert await reader.transmit(SELECT) == SELECT + b"\x90\x00"
        await reader.release()
        assert card.powered == 0

    run(main())


def test_a_torn_card_is_lost_and_the_next_tap_works() -> None:
    async def main() -> None:
        person, _ = hand(torn_at=1)
        reader = await opened(TwinLine(ReaderTwin(person)))
        await reader.wait_for_card(5.0)
        await reader.transmit(SELECT)
        with pytest.raises(CardLost, match="did not answer in time") as caught:
            await reader.transmit(SELECT)
        assert caught.value.hint
        with pytest.raises(CardLost):
            await reader.transmit(SELECT)
        await reader.release()
        assert await reader.wait_for_card(5.0) is not None
        assert await reader.transmit(SELECT)

    run(main())


@pytest.mark.parametrize("after_s", [0.0, 0.01, 0.5, 2.0])
def test_a_task_that_is_cancelled_leaves_a_reader_that_works(after_s: float) -> None:
    async def main() -> None:
        person, _ = hand(after_s=4.0)
        reader = await opened(TwinLine(ReaderTwin(person), DELAYED))
        waiting = asyncio.create_task(reader.wait_for_card(60.0))
        await asyncio.sleep(after_s)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert await reader.wait_for_card(60.0) is not None
        assert await reader.transmit(SELECT) == SELECT + b"\x90\x00"

    run(main())


@pytest.mark.parametrize("at", range(0, 150, 7))
def test_a_cable_pulled_at_any_moment(at: int) -> None:
    async def main() -> None:
        person, _ = hand()
        line = TwinLine(ReaderTwin(person))

        def spoil(direction: str, place: int, octet: int) -> int:
            if place == at and direction == "<":
                asyncio.get_running_loop().call_soon(line.unplug)
            return octet

        line.carriage = Carriage(cut=1, delay_s=0.001, spoil=spoil)
        with contextlib.suppress(ReaderAbsent):
            reader = await opened(line)
            await reader.wait_for_card(5.0)
            assert await reader.transmit(SELECT) == SELECT + b"\x90\x00"
            await reader.release()
            await reader.close()
        assert not line.plugged

    run(main())


def session(spoil: Spoil | None = None) -> tuple[bytes | CardError, EchoCard, TwinLine]:
    """One tap and one APDU over a line that is spoiled only after the reader was opened."""

    async def main() -> tuple[bytes | CardError, EchoCard, TwinLine]:
        person, card = hand()
        line = TwinLine(ReaderTwin(person))
        reader = await opened(line)
        line.carriage = Carriage(spoil=spoil)
        line._counts = {">": 0, "<": 0}
        line.sent.clear()
        line.said.clear()
        try:
            assert await reader.wait_for_card(20.0) is not None
            return await reader.transmit(SELECT), card, line
        except CardError as fault:
            return fault, card, line

    return run(main())


@pytest.mark.parametrize("direction", [">", "<"])
@pytest.mark.parametrize("kind", [flip, lose], ids=["flipped", "lost"])
def test_a_lossy_line(direction: str, kind: Any) -> None:
    """Each octet of a session in turn is spoiled: the right response comes or the card is lost."""
    _, _, line = session()
    total = len(line.sent if direction == ">" else line.said)
    good = 0
    for place in range(total):
        result, card, _ = session(kind(direction, place))
        assert len(card.commands) <= 1, "an APDU was sent twice"
        if isinstance(result, bytes):
            assert result == SELECT + b"\x90\x00", place
            good += 1
        else:
            assert isinstance(result, CardLost), place
    # A command APDU that was damaged on its way out is not repeated; everything else is.
    assert good >= total - 30, f"{good} of {total}"


class Parrot:
    """A device that says one thing to everything."""

    due = None

    def __init__(self, words: bytes) -> None:
        self._words = words

    def feed(self, octets: bytes, now: float) -> bytes:
        return self._words

    def tick(self, now: float) -> bytes:
        return b""


@pytest.mark.parametrize(
    ("words", "fault", "what"),
    [
        (b"", ReaderAbsent, "does not answer"),
        (b"noise\x00\xff\x12", ReaderAbsent, "does not answer"),
        (Signal.ACK.value, ReaderAbsent, "does not answer"),
        (Signal.ACK.value + Signal.SYNTAX_ERROR.value, CardError, "does not know"),
        (Signal.ACK.value + bytes.fromhex("0000FF03FDD51500160000"), CardError, "cannot be read"),
    ],
)
def test_something_else_on_the_line(words: bytes, fault: type[CardError], what: str) -> None:
    async def main() -> None:
        line = TwinLine(Parrot(words))
        with pytest.raises(fault, match=what):
            await open_reader(PROFILE, line)
        assert not line.plugged

    run(main())


def test_a_response_without_an_end_or_status_is_a_lost_card() -> None:
    class Endless(ReaderTwin):
        reply = DataExchanged(0, bytes(262), more=True)

        def _exchange(self, command: object) -> Any:
            return self.reply

    async def main() -> None:
        person, _ = hand()
        twin = Endless(person)
        reader = await opened(TwinLine(twin))
        await reader.wait_for_card(5.0)
        with pytest.raises(CardLost, match="no end"):
            await reader.transmit(SELECT)
        twin.reply = DataExchanged(0, b"\x90")
        await reader.wait_for_card(5.0)
        with pytest.raises(CardLost, match="no status"):
            await reader.transmit(SELECT)
        twin.reply = DataExchanged(0x10)
        await reader.wait_for_card(5.0)
        with pytest.raises(CardError, match="out of range"):
            await reader.transmit(SELECT)

    run(main())


def test_the_trace_is_redacted() -> None:
    said: list[tuple[str, str, str]] = []

    async def main() -> None:
        person, _ = hand()
        reader = await open_reader(PROFILE, TwinLine(ReaderTwin(person)), lambda *what: said.append(what))
        await reader.wait_for_card(5.0)
        await reader.transmit(bytes.fromhex("00E2000008") + b"12345678")

    run(main())
    assert ("reader", ">", "InListPassiveTarget TYPE_A_106") in said
    assert ("reader", "<", "InListPassiveTarget ISO 14443-4 A") in said
    assert "3132333435363738" not in str(said)
