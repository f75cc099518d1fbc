# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Both brokers against clients that are not ours, over real TLS: mosquitto_pub and mosquitto_sub, and aiomqtt."""

import asyncio
import shutil
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import aiomqtt
import mqtt5
import pytest

from protocols.mqtt.packets import PacketReader
from tests.brokers import KINDS, Pki, Running, broker, make_pki
from tests.patience import PATIENCE_S

T1 = "pos/v1/s20/TG000001"
T2 = "pos/v1/s37/TG000002"


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return make_pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture(params=KINDS)
async def running(request: pytest.FixtureRequest, pki: Pki, tmp_path: Path) -> AsyncIterator[Running]:
    async with broker(request.param, pki, tmp_path) as running:
        yield running


async def tool(name: str, *arguments: str) -> tuple[int, str]:
    """A client program's exit code and what it said; it must be installed."""
    path = shutil.which(name)
    assert path, f"{name} is not installed: apt-get install mosquitto-clients"
    process = await asyncio.create_subprocess_exec(
        path, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    async with asyncio.timeout(PATIENCE_S):
        output, _ = await process.communicate()
    return process.returncode or 0, output.decode("utf-8", "replace")


async def publish(running: Running, pki: Pki, name: str, topic: str, *more: str) -> tuple[int, str]:
    where = ("-h", "127.0.0.1", "-p", str(running.port), "-V", "5", *pki.flags(name))
    return await tool("mosquitto_pub", *where, "-t", topic, "-m", "report", "-q", "1", "-d", *more)


def client(running: Running, pki: Pki, name: str, **more: object) -> aiomqtt.Client:
    context = ssl.create_default_context(cafile=str(pki.ca))
    context.load_cert_chain(pki.certificate(name), pki.key(name))
    return aiomqtt.Client(
        "127.0.0.1",
        running.port,
        identifier=f"{name}-test",
        protocol=aiomqtt.ProtocolVersion.V5,
        tls_context=context,
        socket_options=((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),),
        **more,  # type: ignore[arg-type]  # tests pass what aiomqtt names
    )


async def test_report_from_mosquitto_pub_to_aiomqtt(running: Running, pki: Pki) -> None:
    async with client(running, pki, "head-office") as head:
        await head.subscribe("pos/v1/#", qos=1)
        code, said = await publish(running, pki, "TG000001", f"{T1}/health")
        assert code == 0, said
        assert "received PUBACK (Mid: 1, RC:0)" in said
        async with asyncio.timeout(PATIENCE_S):
            message = await anext(head.messages)
        assert (str(message.topic), message.payload, message.qos) == (f"{T1}/health", b"report", 1)


async def test_report_from_aiomqtt_to_mosquitto_sub(running: Running, pki: Pki) -> None:
    where = ("-h", "127.0.0.1", "-p", str(running.port), "-V", "5", *pki.flags("head-office"))
    listener = asyncio.create_task(
        tool("mosquitto_sub", *where, "-t", "pos/v1/#", "-q", "1", "-C", "3", "-F", "%q %t %p", "-W", "10")
    )
    async with client(running, pki, "TG000001") as terminal:
        while not listener.done():
            for lane in ("alert", "health", "bulk"):
                await terminal.publish(f"{T1}/{lane}", lane, qos=1)
    code, said = await listener
    assert code == 0
    assert set(said.splitlines()) == {f"1 {T1}/{lane} {lane}" for lane in ("alert", "health", "bulk")}


async def test_another_terminals_valid_certificate_is_denied(running: Running, pki: Pki) -> None:
    async with client(running, pki, "head-office") as head:
        await head.subscribe("pos/v1/#", qos=1)
        _, said = await publish(running, pki, "TG000002", f"{T1}/health")
        assert "RC:135" in said
        _, said = await publish(running, pki, "TG000001", f"{T1}/order")
        assert "RC:135" in said
        _, said = await publish(running, pki, "TG000001", f"{T1}/alert")
        assert "RC:0" in said
        async with asyncio.timeout(PATIENCE_S):
            message = await anext(head.messages)
        assert str(message.topic) == f"{T1}/alert"
        assert len(head.messages) == 0


async def test_a_terminal_hears_its_own_orders_only(running: Running, pki: Pki) -> None:
    async with client(running, pki, "TG000001") as one, client(running, pki, "TG000002") as two:
        await one.subscribe(f"{T1}/order", qos=1)
        for pattern in ("pos/v1/#", f"{T1}/#", "pos/v1/+/TG000002/#"):
            await two.subscribe(pattern, qos=1)
        _, said = await publish(running, pki, "head-office", f"{T1}/order")
        assert "RC:0" in said
        await publish(running, pki, "head-office", f"{T2}/order")
        async with asyncio.timeout(PATIENCE_S):
            heard = {str((await anext(one.messages)).topic), str((await anext(two.messages)).topic)}
        assert heard == {f"{T1}/order", f"{T2}/order"}
        assert len(one.messages) == 0
        while len(two.messages):  # mosquitto sends one copy for each subscription that matches
            assert str((await anext(two.messages)).topic) == f"{T2}/order"


@pytest.mark.parametrize("name", ["stranger", "expired", "broker"])
async def test_other_certificates_are_turned_away(running: Running, pki: Pki, name: str) -> None:
    _, said = await publish(running, pki, name, f"{T1}/health")
    assert "received CONNACK" not in said


async def test_no_certificate_and_no_tls_are_turned_away(running: Running, pki: Pki) -> None:
    where = ("-h", "127.0.0.1", "-p", str(running.port), "-V", "5", "-t", f"{T1}/health", "-m", "x", "-q", "1", "-d")
    for flags in (["--cafile", str(pki.ca)], []):
        _, said = await tool("mosquitto_pub", *where, *flags)
        assert "received CONNACK" not in said


async def test_tls_1_2_is_turned_away(running: Running, pki: Pki) -> None:
    context = ssl.create_default_context(cafile=str(pki.ca))
    context.load_cert_chain(pki.certificate("TG000001"), pki.key("TG000001"))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises((ssl.SSLError, ConnectionResetError)):  # the twin's alert may be overtaken by the reset
        await asyncio.open_connection("127.0.0.1", running.port, ssl=context)


async def test_will_of_a_client_that_is_killed(running: Running, pki: Pki) -> None:
    assert shutil.which("mosquitto_sub"), "mosquitto_sub is not installed: apt-get install mosquitto-clients"
    async with client(running, pki, "head-office") as head:
        await head.subscribe("pos/v1/#", qos=1)
        dying = await asyncio.create_subprocess_exec(
            "stdbuf", "-oL", "mosquitto_sub",
            "-h", "127.0.0.1", "-p", str(running.port), "-V", "5", *pki.flags("TG000001"),
            "-t", f"{T1}/order", "--will-topic", f"{T1}/alert", "--will-payload", "gone", "--will-qos", "1", "-d",
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert dying.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            while b"SUBACK" not in await dying.stdout.readline():
                pass
        dying.kill()
        async with asyncio.timeout(PATIENCE_S):
            assert (await anext(head.messages)).payload == b"gone"
        await dying.communicate()


async def test_retained_message_ends_the_connection(running: Running, pki: Pki) -> None:
    """By hand, since clients heed CONNACK's word that there are none (MQTT 5, 3.2.2.3.5)."""
    context = ssl.create_default_context(cafile=str(pki.ca))
    context.load_cert_chain(pki.certificate("head-office"), pki.key("head-office"))
    reader, writer = await asyncio.open_connection("127.0.0.1", running.port, ssl=context)
    stay = mqtt5.PublishPacket(f"{T1}/order", b"stay", qos=mqtt5.QoS.AT_LEAST_ONCE, packet_id=1, retain=True)
    writer.write(mqtt5.ConnectPacket("by-hand", clean_start=True).write() + stay.write())
    async with asyncio.timeout(PATIENCE_S):
        connack, disconnect = PacketReader().feed(await reader.read())
    assert isinstance(connack, mqtt5.ConnAckPacket)
    assert not connack.retain_available
    assert isinstance(disconnect, mqtt5.DisconnectPacket)
    assert int(disconnect.reason_code) == 0x9A
    writer.close()
    await writer.wait_closed()
