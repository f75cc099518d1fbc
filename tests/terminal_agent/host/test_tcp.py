# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The line to the acquirer over real sockets: whole, octet by octet, silent, garbled, closed."""

import asyncio

import pytest

from protocols.acquirer.dialects import ASCII_1987, BCD_TPDU
from protocols.acquirer.frame import Framer, frame
from protocols.acquirer.message import draft, encode
from terminal_agent.host.port import HostGarbled, HostSilent, HostUnreachable
from terminal_agent.host.tcp import AcquirerLink, Endpoint
from tests.terminal_agent.host.bank import (
    ANSWER,
    ASKED,
    OTHER,
    QUESTION,
    WHOLE,
    bank,
    heard,
    link_to,
    saying,
)
from tests.terminal_agent.host.test_client import AT, PAN, REQUEST, answer_to, client


@pytest.mark.parametrize(
    "pieces", [(WHOLE,), tuple(WHOLE[i : i + 1] for i in range(len(WHOLE)))], ids=["whole", "octet-wise"]
)
async def test_question_and_answer(pieces: tuple[bytes, ...]) -> None:
    async with bank(saying(*pieces)) as port:
        link = link_to(port)
        assert await link.exchange(QUESTION, 5) == ANSWER
        assert await link.exchange(QUESTION, 5) == ANSWER
        await link.close()


async def test_the_second_dialect_wears_its_tpdu() -> None:
    asked = client(BCD_TPDU).authorise(REQUEST, 7, AT)
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        (one,) = Framer(BCD_TPDU).feed(await reader.read(4096))
        seen.append(one.tpdu)
        writer.write(frame(encode(answer_to(asked), BCD_TPDU), BCD_TPDU, one.return_tpdu))
        await writer.drain()

    async with bank(serve) as port:
        link = link_to(port, dialect="bcd-tpdu", tpdu_destination=3, tpdu_source=0x1234)
        assert await link.exchange(asked.without_mac(), 5) == encode(answer_to(asked), BCD_TPDU)
        await link.close()
    assert seen == [bytes.fromhex("6000031234")]


async def test_a_silent_host_is_given_up_and_its_late_answer_never_taken() -> None:
    release = asyncio.Event()
    lines = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal lines
        lines += 1
        mine = lines
        await heard(reader)
        if mine == 1:
            await release.wait()
            writer.write(frame(OTHER, ASCII_1987))
        else:
            release.set()
            writer.write(WHOLE)
        await writer.drain()

    async with bank(serve) as port:
        link = link_to(port)
        with pytest.raises(HostSilent, match=r"did not answer within 0\.05 s") as silent:
            await link.exchange(QUESTION, 0.05)
        assert silent.value.sent
        assert await link.exchange(QUESTION, 5) == ANSWER
        assert lines == 2
        await link.close()


async def test_stray_answers_are_passed_over_where_the_caller_can_tell() -> None:
    async with bank(saying(frame(OTHER, ASCII_1987) + WHOLE + WHOLE)) as port:
        link = link_to(port)
        assert await link.exchange(QUESTION, 5, client().answers(ASKED)) == ANSWER
        await link.close()
        assert await link.exchange(QUESTION, 5) == OTHER
        await link.close()


@pytest.mark.parametrize(
    ("said", "words"),
    [(b"\x00\x00", "not framed: frame length"), (b"HTTP/1.1 400\r\n\r\n", "not framed: frame length: 18516 announced")],
)
async def test_garbage_on_the_line(said: bytes, words: str) -> None:
    async with bank(saying(said)) as port:
        link = link_to(port)
        with pytest.raises(HostGarbled, match=words) as garbled:
            await link.exchange(QUESTION, 5)
        assert garbled.value.sent
        assert "dialect ascii-1987" in garbled.value.hint


@pytest.mark.parametrize("last_words", [b"", WHOLE[:10]], ids=["at-once", "inside-a-frame"])
async def test_a_host_that_hangs_up(last_words: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await heard(reader)
        writer.write(last_words)
        await writer.drain()

    async with bank(serve) as port:
        link = link_to(port)
        with pytest.raises(HostUnreachable, match="closed the line before it answered") as lost:
            await link.exchange(QUESTION, 5)
        assert lost.value.sent


async def test_a_line_closed_while_idle_is_made_anew_before_anything_is_sent() -> None:
    closed = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await heard(reader)
        writer.write(WHOLE)
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        closed.set()

    async with bank(serve) as port:
        link = link_to(port)
        for _ in range(2):
            assert await link.exchange(QUESTION, 5) == ANSWER
            await closed.wait()
            closed.clear()
            assert link._line is not None
            assert await link._line[0].read() == b""  # the end has arrived here too
        await link.close()


async def test_nobody_there() -> None:
    async with bank(saying(WHOLE)) as port:
        pass
    with pytest.raises(HostUnreachable, match="no connection to the acquirer at 127") as nobody:
        await link_to(port).exchange(QUESTION, 5)
    assert not nobody.value.sent
    assert "is it running" in nobody.value.hint


async def test_one_exchange_at_a_time() -> None:
    async with bank(saying(WHOLE)) as port:
        link = link_to(port)
        assert await asyncio.gather(*(link.exchange(QUESTION, 5) for _ in range(4))) == [ANSWER] * 4
        await link.close()


async def test_a_cancelled_exchange_leaves_no_line_behind() -> None:
    arrived = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await heard(reader)
        arrived.set()
        await asyncio.Event().wait()

    async with bank(serve) as port:
        link = link_to(port)
        task = asyncio.create_task(link.exchange(QUESTION, 60))
        await arrived.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert link._line is None


async def test_the_trace_is_redacted() -> None:
    told: list[tuple[str, str, str]] = []
    async with bank(saying(WHOLE)) as port:
        link = AcquirerLink(Endpoint("127.0.0.1", port), lambda *words: told.append(words))
        await link.exchange(QUESTION, 5)
        await link.close()
    assert [(wire, direction) for wire, direction, _ in told] == [("acquirer", ">"), ("acquirer", "<")]
    assert told[0][2].startswith("0100 DE2=400000******0016")
    assert not any(PAN in text for _, _, text in told)


@pytest.mark.parametrize("host", ["192.0.2.1", "acquirer.example", "0.0.0.0", "::", "localhost.example"])
def test_plain_tcp_leaves_this_machine_under_no_name(host: str) -> None:
    with pytest.raises(ValueError, match="only loopback may go without TLS"):
        Endpoint(host, 8583)


def test_settings_out_of_range() -> None:
    assert Endpoint("::1", 8583).address == "[::1]:8583"
    assert Endpoint("localhost", 8583).address == "localhost:8583"
    for wrong in ({"port": 0}, {"dialect": "x"}, {"tpdu_source": -1}, {"connect_timeout_s": 0.0}):
        with pytest.raises(ValueError):
            Endpoint("127.0.0.1", **{"port": 1, **wrong})  # type: ignore[arg-type]


def test_the_question_is_not_in_a_repr() -> None:
    assert PAN not in repr(draft(ASKED.message, ASCII_1987))
