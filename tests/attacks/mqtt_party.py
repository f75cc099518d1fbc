# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""An MQTT 5 client that may say anything its certificate lets it say over TLS, allowed or not. Obeys no access list.

Victims and attackers both are such parties: what differs is what they are told to do. It acknowledges what it gets at
once and keeps it.
"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import mqtt5
from mqtt5 import Packet, QoS, Will

from protocols.mqtt.packets import PacketReader
from tests.brokers import Pki
from tests.patience import PATIENCE_S


class Party:
    """One connection of one certificate."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._packets = PacketReader()
        self._came = asyncio.Condition()
        self._answers: list[Packet] = []
        self.heard: list[mqtt5.PublishPacket] = []
        self.gone = False
        self._number = 0
        self._listening = asyncio.create_task(self._listen())

    @classmethod
    async def connect(
        cls, port: int, pki: Pki, name: str, *, client_id: str | None = None, will: Will | None = None
    ) -> "Party":
        """Connect with the certificate of that name. Whether the broker accepts shows later: see :attr:`gone`."""
        context = ssl.create_default_context(cafile=str(pki.ca))
        context.load_cert_chain(pki.certificate(name), pki.key(name))
        party = cls(*await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost"))
        party._send(mqtt5.ConnectPacket(client_id or f"{name}-party", clean_start=True, will=will, keep_alive=60))
        await party._answer(mqtt5.ConnAckPacket)
        return party

    async def subscribe(self, *patterns: str) -> None:
        """Ask for topics; a refusal is no error."""
        self._number += 1
        options = [mqtt5.TopicFilter(pattern, max_qos=QoS.AT_LEAST_ONCE) for pattern in patterns]
        self._send(mqtt5.SubscribePacket(self._number, options))
        await self._answer(mqtt5.SubAckPacket)

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Publish with QoS 1 and wait for whatever the broker says to it; a refusal is no error."""
        self._number += 1
        packet = mqtt5.PublishPacket(topic, payload, qos=QoS.AT_LEAST_ONCE, retain=retain, packet_id=self._number)
        self._send(packet)
        await self._answer(mqtt5.PubAckPacket)

    async def hears(self, topic: str, payload: bytes) -> bool:
        """Wait until that message has come; False once the connection is gone without it."""
        async with asyncio.timeout(PATIENCE_S), self._came:
            await self._came.wait_for(lambda: self.gone or self.has(topic, payload))
        return self.has(topic, payload)

    def has(self, topic: str, payload: bytes) -> bool:
        """Whether that message has come."""
        return any((one.topic, bytes(one.payload)) == (topic, payload) for one in self.heard)

    def die(self) -> None:
        """Cut the line without a word: a will is due."""
        self._writer.transport.abort()

    async def close(self) -> None:
        """Leave."""
        self._listening.cancel()
        await asyncio.gather(self._listening, return_exceptions=True)
        self._writer.transport.abort()
        with contextlib.suppress(OSError, ssl.SSLError):
            await self._writer.wait_closed()

    def _send(self, packet: Packet) -> None:
        self._writer.write(packet.write())

    async def _answer(self, kind: type) -> None:
        async with asyncio.timeout(PATIENCE_S), self._came:
            await self._came.wait_for(lambda: self.gone or any(isinstance(one, kind) for one in self._answers))
            self._answers = [one for one in self._answers if not isinstance(one, kind)]

    async def _listen(self) -> None:
        try:
            while data := await self._reader.read(65_536):
                for packet in self._packets.feed(data):
                    if isinstance(packet, mqtt5.PublishPacket):
                        self.heard.append(packet)
                        if packet.packet_id is not None:
                            self._send(mqtt5.PubAckPacket(packet.packet_id))
                    else:
                        self._answers.append(packet)
                async with self._came:
                    self._came.notify_all()
        except OSError:
            pass
        finally:
            self.gone = True
            async with self._came:
                self._came.notify_all()


@asynccontextmanager
async def party(
    port: int, pki: Pki, name: str, *, client_id: str | None = None, will: Will | None = None
) -> AsyncIterator[Party]:
    """A party for the length of a block."""
    made = await Party.connect(port, pki, name, client_id=client_id, will=will)
    try:
        yield made
    finally:
        await made.close()
