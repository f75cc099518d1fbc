# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The PC/SC reader with cards, drivers and names that misbehave, on a service of this process."""

import asyncio
import dataclasses
import threading
from collections.abc import AsyncIterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_profiles.model import CardInterface, PcscSettings, Transmission
from terminal_agent.card.pcsc import PcscReader, matching
from terminal_agent.card.pcsc_codes import (
    CARD_GONE,
    CARD_MUTE,
    READER_GONE,
    SERVICE_GONE,
    Code,
    PcscFault,
    as_card_error,
)
from terminal_agent.card.pcsc_hold import as_sent
from terminal_agent.card.pcsc_service import PcscService
from terminal_agent.card.port import CardError, CardLost, ReaderAbsent
from tests.patience import PATIENCE_S
from tests.terminal_agent.card.service import Service

READER = "Box 00 00"
QUICK = PcscSettings(exchange_s=0.1, patience_s=0.2, busy_s=0.2)


@pytest.fixture
def service() -> Service:
    return Service(READER)


def made(service: Service, settings: PcscSettings = QUICK) -> PcscReader:
    return PcscReader(dataclasses.replace(settings, name="box"), PcscService(service.context))  # type: ignore[arg-type]


@pytest.fixture
async def reader(service: Service) -> AsyncIterator[PcscReader]:
    opened = made(service)
    yield opened
    await opened.close()


async def test_a_mute_card_is_told_once_and_has_to_leave(service: Service, reader: PcscReader) -> None:
    service.put_in(READER, mute=True)
    with pytest.raises(CardError, match="does not answer the reset") as caught:
        await reader.wait_for_card(30)
    assert "chip first" in caught.value.hint
    service.take_out(READER)
    service.put_in(READER)
    assert await reader.wait_for_card(30) is not None


@pytest.mark.parametrize("code", sorted(CARD_MUTE))
async def test_a_card_that_cannot_be_connected(service: Service, reader: PcscReader, code: Code) -> None:
    service.put_in(READER)
    service.connect_code = code
    with pytest.raises(CardError):
        await reader.wait_for_card(30)


async def test_a_card_that_comes_loose_again_and_again(service: Service, reader: PcscReader) -> None:
    service.put_in(READER)
    service.connect_code = Code.REMOVED_CARD
    with pytest.raises(CardLost):
        await reader.wait_for_card(30)
    service.connect_code = Code.SUCCESS
    assert await reader.wait_for_card(30) is not None


async def test_a_driver_that_hangs(service: Service, reader: PcscReader) -> None:
    released, returned = threading.Event(), threading.Event()

    def hang(command: bytes) -> bytes:
        released.wait(60)
        returned.set()
        return b"\x90\x00"

    service.transmit = hang
    service.put_in(READER)
    assert await reader.wait_for_card(30) is not None
    with pytest.raises(ReaderAbsent, match="did not answer within"):
        await reader.transmit(b"\x00\xa4\x04\x00")
    await reader.close()
    assert not returned.is_set()  # nobody waited for the driver
    released.set()


@pytest.mark.parametrize("answer", [b"", b"\x90"])
async def test_an_answer_without_status(service: Service, reader: PcscReader, answer: bytes) -> None:
    service.transmit = lambda command: answer
    service.put_in(READER)
    await reader.wait_for_card(30)
    with pytest.raises(CardLost, match="no status"):
        await reader.transmit(b"\x00\xa4\x04\x00")
    with pytest.raises(CardLost, match="no card"):
        await reader.transmit(b"\x00\xa4\x04\x00")


@pytest.mark.parametrize("code", [*sorted(Code), 0x80100001])
async def test_every_code_of_an_exchange(service: Service, reader: PcscReader, code: int) -> None:
    def fail(command: bytes) -> bytes:
        raise PcscFault(code)

    service.transmit = fail
    service.put_in(READER)
    await reader.wait_for_card(30)
    expected = CardLost if code in CARD_GONE else ReaderAbsent if code in READER_GONE | SERVICE_GONE else CardError
    with pytest.raises(CardError) as caught:
        await reader.transmit(b"\x00\xa4\x04\x00")
    assert type(caught.value) is expected
    assert caught.value.what
    with pytest.raises(CardLost, match="no card"):  # whatever it was, that card is not talked to again
        await reader.transmit(b"\x00\xa4\x04\x00")


async def test_a_cancelled_command_lets_the_card_go(service: Service) -> None:
    began, released = threading.Event(), threading.Event()

    def slowly(command: bytes) -> bytes:
        began.set()
        released.wait(60)
        return b"\x90\x00"

    service.transmit = slowly
    service.put_in(READER)
    reader = made(service, PcscSettings())
    await reader.wait_for_card(30)
    asked = asyncio.create_task(reader.transmit(b"\x00\xa4\x04\x00"))
    await asyncio.to_thread(began.wait)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    released.set()
    await reader.release()
    assert service.cards_held == 0
    await reader.close()


async def test_nothing_is_held_after_close(service: Service) -> None:
    service.put_in(READER)
    reader = made(service)
    await reader.wait_for_card(30)
    assert service.cards_held == 1
    await reader.close()
    assert service.cards_held == 0


async def test_after_close_nothing_waits(service: Service) -> None:
    service.put_in(READER)
    reader = made(service)
    await reader.wait_for_card(30)
    await reader.close()
    async with asyncio.timeout(PATIENCE_S):
        await reader.release()
        await reader.close()
        with pytest.raises(CardLost):
            await reader.transmit(b"\x00\xa4\x04\x00")
        with pytest.raises(ReaderAbsent, match="given up"):
            await reader.wait_for_card(30)


async def test_closed_while_a_card_is_waited_for(service: Service) -> None:
    reader = made(service)
    waiting = asyncio.create_task(reader.wait_for_card(60))
    await asyncio.sleep(0.01)
    await reader.close()
    with pytest.raises(ReaderAbsent, match="given up"):
        async with asyncio.timeout(PATIENCE_S):
            await waiting


async def test_closed_while_a_command_is_under_way(service: Service) -> None:
    began, released = threading.Event(), threading.Event()

    def slowly(command: bytes) -> bytes:
        began.set()
        released.wait(60)
        return b"\x90\x00"

    service.transmit = slowly
    service.put_in(READER)
    reader = made(service, PcscSettings())
    await reader.wait_for_card(30)
    asked = asyncio.create_task(reader.transmit(b"\x00\xa4\x04\x00"))
    await asyncio.to_thread(began.wait)
    closing = asyncio.create_task(reader.close())
    await asyncio.sleep(0)
    released.set()
    async with asyncio.timeout(PATIENCE_S):
        await closing
        assert await asked == b"\x90\x00"
    assert service.cards_held == 0


async def test_a_contactless_reader_says_so(service: Service) -> None:
    service.put_in(READER)
    reader = made(service, PcscSettings(interface=CardInterface.CONTACTLESS))
    presence = await reader.wait_for_card(30)
    assert presence is not None
    assert presence.interface == "contactless"
    await reader.close()


async def test_unplugged_while_a_card_is_waited_for(service: Service, reader: PcscReader) -> None:
    waiting = asyncio.create_task(reader.wait_for_card(30))
    await asyncio.sleep(0)
    service.unplug(READER)
    with pytest.raises(ReaderAbsent, match="no reader matches 'box'"):
        await waiting


async def test_many_readers_are_named_in_part() -> None:
    reader = made(Service(*(f"Other {number:02} 00" for number in range(9))))
    with pytest.raises(ReaderAbsent) as caught:
        await reader.wait_for_card(30)
    assert caught.value.what.endswith("'Other 03 00' and 5 more")
    await reader.close()


async def test_no_reader_is_plugged_in() -> None:
    reader = made(Service())
    with pytest.raises(ReaderAbsent, match="none is present"):
        await reader.wait_for_card(30)
    await reader.close()


def test_every_code_has_a_cure_or_none_is_needed() -> None:
    for code in Code:
        error = as_card_error(code)
        assert error.what
        if code in CARD_GONE | CARD_MUTE | READER_GONE | SERVICE_GONE:
            assert error.hint
    assert "8010002D" in as_card_error(0x8010002D).what


NAMES = (
    "ACS ACR1252 1S CL Reader [ACR1252 Dual Reader PICC] 00 00",
    "ACS ACR1252 1S CL Reader [ACR1252 Dual Reader SAM] 01 00",
    "Gemalto PC Twin Reader (70D7E2EE) 02 00",
)


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*", NAMES),
        ("acr1252", NAMES[:2]),
        ("ACR1252*PICC", NAMES[:1]),
        ("[ACR1252 Dual Reader PICC]", NAMES[:1]),
        ("70d7e2ee", NAMES[2:]),
        ("PC Twin Reader (????????)", NAMES[2:]),
        ("Twin*PICC", ()),
        ("", NAMES),
    ],
)
def test_patterns(pattern: str, found: tuple[str, ...]) -> None:
    assert matching(pattern, NAMES) == found


@given(st.text(max_size=40), st.text(max_size=40))
@settings(max_examples=100)
def test_a_name_matches_itself_and_every_pattern_ends(name: str, pattern: str) -> None:
    assert matching(name, (name,)) == (name,)
    assert matching(pattern, (name,)) in ((), (name,))


@pytest.mark.parametrize(
    ("case", "command", "sent"),
    [
        ("1", "00A40400", "00A4040000"),
        ("2", "00B2010C00", "00B2010C00"),
        ("3", "00A4040002AABB", "00A4040002AABB"),
        ("4", "00A4040002AABB00", "00A4040002AABB"),
        ("4, data that end like an Le", "00A4040003AABB0000", "00A4040003AABB00"),
    ],
)
def test_commands_under_t0(case: str, command: str, sent: str) -> None:
    assert as_sent(bytes.fromhex(command), Transmission.T0).hex().upper() == sent
    assert as_sent(bytes.fromhex(command), Transmission.T1).hex().upper() == command


@pytest.mark.parametrize("command", ["00B20100000000", "00A40400000001AA", "00A40400000001AA0000"])
def test_t0_has_no_form_for_extended_commands(command: str) -> None:
    with pytest.raises(CardError, match="T=0, which has short ones only"):
        as_sent(bytes.fromhex(command), Transmission.T0)
    assert as_sent(bytes.fromhex(command), Transmission.T1).hex().upper() == command
