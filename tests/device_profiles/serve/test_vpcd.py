# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The card's end of vpcd's line against a reader's end of this test: framing, control, coming and going."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_profiles.serve.vpcd import AfterUse, Framer, Slot, framed
from device_profiles.twins.card import CardTorn
from tests.patience import PATIENCE_S

ATR = bytes.fromhex("3BE000008131FE45EB")
OFF, ON, RESET, WANT_ATR = (bytes((code,)) for code in (0, 1, 2, 4))
SELECT = bytes.fromhex("00A4040000")


class Card:
    """A card that notes what was done to it."""

    atr = ATR

    def __init__(self) -> None:
        self.log: list[str] = []
        self.fault: Exception | None = None

    def power_on(self) -> bytes:
        self.log.append("on")
        return ATR

    def power_off(self) -> None:
        self.log.append("off")

    def apdu(self, command: bytes) -> bytes:
        if self.fault is not None:
            raise self.fault
        self.log.append(command.hex())
        return command + b"\x90\x00"


class Reader:
    """The end of vpcd: a card connects."""

    def __init__(self) -> None:
        self.cards: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
        self.writers: list[asyncio.StreamWriter] = []
        self.told: list[str] = []
        self.card = Card()

    async def listen(self, port: int = 0) -> None:
        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.writers.append(writer)
            await self.cards.put((reader, writer))

        self.server = await asyncio.start_server(connected, "127.0.0.1", port)
        self.port: int = self.server.sockets[0].getsockname()[1]

    async def inserted(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        async with asyncio.timeout(PATIENCE_S):
            return await self.cards.get()


Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def ask(ends: Ends, body: bytes, *, piecewise: bool = False) -> bytes:
    reader, writer = ends
    octets = framed(body)
    for piece in [octets[i : i + 1] for i in range(len(octets))] if piecewise else [octets]:
        writer.write(piece)
        await writer.drain()
        if piecewise:
            await asyncio.sleep(0)
    async with asyncio.timeout(PATIENCE_S):
        return await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))


async def left(ends: Ends) -> bool:
    async with asyncio.timeout(PATIENCE_S):
        with contextlib.suppress(ConnectionError):
            return await ends[0].read(1) == b""
        return True


@pytest.fixture
async def reader() -> AsyncIterator[Reader]:
    made = Reader()
    await made.listen()
    yield made
    made.server.close()
    for writer in made.writers:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


@contextlib.asynccontextmanager
async def slot(reader: Reader, after_use: AfterUse = AfterUse.STAY) -> AsyncIterator[Slot]:
    made = Slot(reader.card, "127.0.0.1", reader.port, reader.told.append, after_use=after_use)
    running = asyncio.create_task(made.run())
    made.insert()
    try:
        yield made
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@pytest.mark.parametrize("piecewise", [False, True], ids=["whole", "byte-wise"])
async def test_controls_and_commands(reader: Reader, piecewise: bool) -> None:
    async with slot(reader):
        ends = await reader.inserted()
        assert await ask(ends, WANT_ATR, piecewise=piecewise) == ATR
        for control in (ON, RESET):
            ends[1].write(framed(control))
        assert await ask(ends, SELECT, piecewise=piecewise) == SELECT + b"\x90\x00"
        ends[1].write(framed(OFF))
        assert await ask(ends, WANT_ATR) == ATR
        assert reader.card.log == ["off", "on", "off", "on", SELECT.hex(), "off"]


async def test_several_messages_in_one_segment(reader: Reader) -> None:
    async with slot(reader):
        stream, writer = await reader.inserted()
        writer.write(framed(ON) + framed(SELECT) + framed(WANT_ATR))
        assert await stream.readexactly(2 + 7 + 2 + len(ATR)) == framed(SELECT + b"\x90\x00") + framed(ATR)


async def test_answers_that_the_line_cannot_hold_wait(reader: Reader) -> None:
    count, command = 200, bytes.fromhex("00B20100") + bytes(60_000)
    async with slot(reader):
        stream, writer = await reader.inserted()
        for _ in range(count):
            writer.write(framed(command))
        async with asyncio.timeout(PATIENCE_S):
            for _ in range(count):
                assert await stream.readexactly(2 + len(command) + 2) == framed(command + b"\x90\x00")


async def test_nothing_is_answered_after_it_was_torn(reader: Reader) -> None:
    reader.card.fault = CardTorn()
    async with slot(reader):
        ends = await reader.inserted()
        ends[1].write(framed(SELECT) + framed(WANT_ATR) + framed(SELECT))
        assert await left(ends)
        assert reader.card.log == ["off"]


async def test_unknown_controls_and_empty_messages_are_passed_over(reader: Reader) -> None:
    async with slot(reader):
        ends = await reader.inserted()
        ends[1].write(framed(b"\x7f") + framed(b""))
        assert await ask(ends, WANT_ATR) == ATR


async def test_the_reader_goes_and_comes_back(reader: Reader) -> None:
    async with slot(reader):
        ends = await reader.inserted()
        reader.server.close()
        ends[1].close()
        await reader.server.wait_closed()
        await reader.listen(reader.port)
        assert await ask(await reader.inserted(), WANT_ATR) == ATR
        assert reader.told[:3] == ["inserted", "removed", "inserted"]


async def test_taken_out_and_put_in(reader: Reader) -> None:
    async with slot(reader) as held:
        ends = await reader.inserted()
        held.remove()
        assert await left(ends)
        assert reader.cards.empty()
        held.insert()
        assert await ask(await reader.inserted(), WANT_ATR) == ATR


async def test_a_card_that_tears_stays_out(reader: Reader) -> None:
    reader.card.fault = CardTorn()
    async with slot(reader) as held:
        ends = await reader.inserted()
        ends[1].write(framed(SELECT))
        assert await left(ends)
        await asyncio.sleep(0.1)
        assert reader.cards.empty()
        reader.card.fault = None
        held.insert()
        assert await ask(await reader.inserted(), WANT_ATR) == ATR


async def test_a_bug_of_the_card_comes_out(reader: Reader) -> None:
    reader.card.fault = ZeroDivisionError("a bug")
    made = Slot(reader.card, "127.0.0.1", reader.port, reader.told.append)
    made.insert()
    running = asyncio.create_task(made.run())
    (await reader.inserted())[1].write(framed(SELECT))
    with pytest.raises(ZeroDivisionError):
        async with asyncio.timeout(PATIENCE_S):
            await running


@pytest.mark.parametrize("after_use", [AfterUse.LEAVE, AfterUse.RETURN])
async def test_what_happens_after_use(reader: Reader, after_use: AfterUse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("device_profiles.serve.vpcd.OUT_S", 0.05)
    async with slot(reader, after_use):
        ends = await reader.inserted()
        ends[1].write(framed(OFF))  # not used yet
        assert await ask(ends, SELECT) == SELECT + b"\x90\x00"
        ends[1].write(framed(OFF))
        assert await left(ends)
        if after_use is AfterUse.RETURN:
            assert await ask(await reader.inserted(), WANT_ATR) == ATR
        else:
            await asyncio.sleep(0.2)
            assert reader.cards.empty()


def test_a_body_beyond_the_length_field() -> None:
    assert framed(bytes(0xFFFF))[:2] == b"\xff\xff"
    with pytest.raises(ValueError):
        framed(bytes(0x10000))


@given(st.lists(st.binary(max_size=300), max_size=5), st.data())
@settings(max_examples=60)
def test_frames_come_out_however_they_are_cut(bodies: list[bytes], data: st.DataObject) -> None:
    octets = b"".join(map(framed, bodies))
    framer, out, at = Framer(), [], 0
    while at < len(octets):
        step = data.draw(st.integers(1, len(octets) - at))
        out += framer.feed(octets[at : at + step])
        at += step
    assert out == [body for body in bodies if body]
