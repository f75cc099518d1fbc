# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A broker that was taken over: whatever it sends, the terminal leaves it, keeps its report and connects again."""

import asyncio
import dataclasses
import random
import ssl
from itertools import count

import pytest

from terminal_agent.report.outbox import Outbox
from tests.brokers import Pki
from tests.terminal_agent.report.test_mqtt import put, reporting, settings


@pytest.mark.parametrize(
    "octets",
    [
        pytest.param(b"\x32\xff\xff\xff\x7f" + bytes(1 << 20), id="256 MiB announced"),
        pytest.param(b"\x32\xff\xff\xff\xff\xff", id="a length without end"),
        pytest.param(b"\xf0\x00", id="reserved"),
        pytest.param(b"\x40\x01\x00", id="half a PUBACK"),
        pytest.param(b"\x32\x04\xff\xffaa", id="a topic longer than its packet"),
        pytest.param(random.Random(12).randbytes(5_000), id="noise"),
    ],
)
async def test_a_broker_that_talks_nonsense_is_left_and_tried_again(pki: Pki, outbox: Outbox, octets: bytes) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki.certificate("broker"), pki.key("broker"))
    arrived, again = count(1), asyncio.Event()
    kept: list[asyncio.StreamWriter] = []

    async def hostile(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        kept.append(writer)
        if next(arrived) > 1:
            again.set()
            return
        await reader.readexactly(2)
        writer.write(b"\x20\x03\x00\x00\x00" + octets)

    put(outbox, 1)
    server = await asyncio.start_server(hostile, "127.0.0.1", 0, ssl=context)
    async with server:
        address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with reporting(dataclasses.replace(settings(pki, address), answer_s=60.0), outbox) as reporter:
            async with asyncio.timeout(30):
                await again.wait()
            assert "127.0.0.1" in reporter.status.words or "ended" in reporter.status.words
        for writer in kept:
            writer.transport.abort()
    assert outbox.waiting == 1
