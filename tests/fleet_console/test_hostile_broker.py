# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A broker that dies or answers nonsense while head office tells it who may speak: a fault that says so, no more."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from fleet_console.containment import ANSWERS, Control
from fleet_console.settings import BrokerAccess
from fleet_console.wire_faults import words_of
from tests.brokers import Pki, make_pki
from tillguard.exits import Exit
from tillguard.voice import Fault

_CONNACK = b"\x20\x03\x00\x00\x00"


def _heard(topic: str, payload: bytes) -> bytes:
    """A PUBLISH of QoS 0 (MQTT 5, 3.3)."""
    body = len(topic).to_bytes(2, "big") + topic.encode("ascii") + b"\x00" + payload
    assert len(body) < 128  # one octet of length
    return bytes([0x30, len(body)]) + body


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return make_pki(tmp_path_factory.mktemp("pki"))


@asynccontextmanager
async def broker(pki: Pki, answer: bytes | None) -> AsyncIterator[BrokerAccess]:
    """It grants what is asked for; what is published it answers so, or ends the connection where there is nothing."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki.certificate("broker"), pki.key("broker"))

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(_CONNACK)
        while octets := await reader.read(65_536):
            if octets[0] == 0x82:  # SUBSCRIBE to one filter
                writer.write(b"\x90\x04" + octets[2:4] + b"\x00\x01")
                if answer is None:
                    writer.close()
                    return
            elif octets[0] & 0xF0 == 0x30:
                topic = int.from_bytes(octets[3:5], "big") if octets[1] & 0x80 else int.from_bytes(octets[2:4], "big")
                start = (5 if octets[1] & 0x80 else 4) + topic
                writer.write(b"\x40\x02" + octets[start : start + 2])
                writer.write(_heard(ANSWERS, answer or b""))

    server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=context)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield BrokerAccess("127.0.0.1", port, pki.ca, pki.certificate("head-office"), pki.key("head-office"))


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (None, "the broker takes no orders: the connection ended"),
        (b"no JSON", "the broker's answer to an order is not understood"),
        (b"[]", "the broker's answer to an order is not understood"),
        (b'{"responses":[7]}', "the broker's answer to an order is not understood"),
        (b'{"responses":[{"command":"modifyClient","error":7}]}', "modifyClient: 7"),
    ],
)
async def test_a_terminal_is_not_said_to_be_barred(pki: Pki, answer: bytes | None, said: str) -> None:
    async with broker(pki, answer) as access:
        with pytest.raises(Fault) as caught:
            await Control(access).isolate("TG000001")
    assert said in caught.value.what
    assert caught.value.exit_code is Exit.REFUSED


def test_a_name_that_nobody_has_is_told_in_words() -> None:
    assert words_of(socket.gaierror(socket.EAI_NONAME, "Name or service not known"), 1.0) == "name or service not known"
