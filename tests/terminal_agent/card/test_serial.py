# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Invariant: an APDU reaches the card at most once, and its answer arrives unchanged or the card is reported lost."""

from typing import Any

import pytest

from device_profiles import catalog
from device_profiles.twins.reader import Hand, ReaderTwin
from protocols.serial.pn532 import Signal
from protocols.serial.pn532_messages import DataExchanged
from terminal_agent.card.port import CardError, CardLost, ReaderAbsent
from terminal_agent.card.serial import Pn532Reader, open_reader
from tests.device_profiles.twins.hands import EchoCardB, hand
from tests.terminal_agent.line.twin_line import DELAYED, OCTET_BY_OCTET, WHOLE, Carriage, TwinLine
from tests.virtual_time import run

PROFILE = catalog.reader("pn532")
SELECT = bytes.fromhex("00A404000E325041592E5359532E444446303100")
CARRIAGES = pytest.mark.parametrize("carriage", [WHOLE, OCTET_BY_OCTET, DELAYED], ids=["whole", "octets", "delayed"])


async def opened(line: TwinLine) -> Pn532Reader:
    driver = await open_reader(PROFILE, line)
    assert isinstance(driver, Pn532Reader)
    return driver


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
