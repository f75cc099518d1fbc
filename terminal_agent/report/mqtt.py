# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A connection to the broker: MQTT 5, mutual TLS 1.3. The one importer of aiomqtt; knows no report and no order.

Whether a certificate is valid now is judged by the terminal's guarded clock, not by the machine's, which OpenSSL would
ask: a terminal whose clock is wrong must be able to hear the right time.

A fresh client for each connection, because aiomqtt's may not be entered again after a failure. What the subclass below
adds to aiomqtt 2.5: the reason code of a PUBACK, the session-present flag, a connection that ends before CONNACK being
noticed at once, and messages handed on before they are acknowledged. TCP_NODELAY is set because without it each
exchange costs 40 ms.
"""

import asyncio
import contextlib
import re
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from protocols.telemetry.events import fit
from protocols.telemetry.orders import LARGEST_ORDER
from terminal_agent.report.port import Dialling, Incoming
from terminal_agent.report.settings import ReportError, ReportSettings

T = TypeVar("T")

LARGEST_PACKET = LARGEST_ORDER + 1_024  # an order, its topic and properties
MOST_ON_THEIR_WAY = 20  # mosquitto's default receive maximum; the reporter keeps to less
SESSION_EXPIRY_S = 86_400  # a broker that was asked for a day and knows nothing has lost its memory
_FAILURES = 0x80  # MQTT 5, 2.4: codes from here on are failures
_NO_CHECK_TIME = 0x200000  # X509_V_FLAG_NO_CHECK_TIME: OpenSSL asks the wall clock; we ask the guarded one


@contextlib.asynccontextmanager
async def connect(
    dialling: Dialling, passphrase: Callable[[], bytes | None] = lambda: None
) -> AsyncIterator["_Client"]:
    """Connect, listen to the topics, and leave in good order; raises :class:`ReportError` for whatever goes wrong.

    ``passphrase``: of an enciphered key; asked for only where the key is.
    """
    settings = dialling.settings
    client = _Client(
        take=dialling.take,
        judged_ms=dialling.judged_ms,
        hostname=settings.address[0],
        port=settings.address[1],
        identifier=dialling.terminal,
        protocol=aiomqtt.ProtocolVersion.V5,
        clean_start=False,
        properties=_connect_properties(),
        will=aiomqtt.Will(dialling.will_topic, dialling.will, qos=1),
        keepalive=settings.keep_alive_s,
        timeout=settings.answer_s,
        tls=tls_context(settings, passphrase),
        max_inflight_messages=MOST_ON_THEIR_WAY,
        socket_options=((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),),
    )
    try:
        await client.enter()
        await client.listen(dialling.listen)
        yield client
    except (aiomqtt.MqttError, OSError) as fault:
        raise ReportError(fit(f"{settings.broker}: {_plain(fault)}")) from None
    finally:
        await client.leave()


def _plain(fault: Exception) -> str:
    """A fault's words, without the number that the system knows it by."""
    return re.sub(r"^\[Errno -?\d+\] ", "", str(fault)) or type(fault).__name__


def tls_context(settings: ReportSettings, passphrase: Callable[[], bytes | None] = lambda: None) -> ssl.SSLContext:
    """TLS 1.3, the profile's one authority, our certificate; raises :class:`ReportError` where a file is unusable."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # checks certificate and name
    context.sslsocket_class = _Bounded
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_flags |= _NO_CHECK_TIME
    try:
        context.load_verify_locations(settings.ca)
        context.load_cert_chain(settings.certificate, settings.key, lambda: passphrase() or b"")
    except OSError as fault:  # ssl.SSLError is one
        reason = getattr(fault, "reason", None) or fault.strerror or type(fault).__name__
        raise ReportError(
            f"report certificates: {fit(str(reason))}", "check ca, certificate and key in the profile's [report]"
        ) from None
    return context


def _must_be_valid(line: ssl.SSLSocket, context: ssl.SSLContext, at_ms: int) -> None:
    """The broker's certificate and its authority, at the time that this terminal trusts; raises :class:`OSError`."""
    moment = datetime.fromtimestamp(at_ms / 1000, UTC)
    for who, one in (
        ("the broker's certificate", line.getpeercert()),
        *(("its authority", ca) for ca in context.get_ca_certs()),
    ):
        since, until = (ssl.cert_time_to_seconds(str((one or {})[name])) for name in ("notBefore", "notAfter"))
        if not since <= at_ms / 1000 <= until:
            line.close()
            what = "is not valid yet" if at_ms / 1000 < since else "has expired"
            raise OSError(
                f"{who} {what}, by this terminal's time {moment:%Y-%m-%d %H:%M} UTC: renew it, or set the clock"
            )


def _connect_properties() -> Properties:
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = SESSION_EXPIRY_S
    return properties


class _Bounded(ssl.SSLSocket):
    """A line whose packets are bounded: paho asks for a packet whole, and would keep 256 MiB of one in memory."""

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        """See :class:`ssl.SSLSocket`; raises :class:`OSError` where a packet is larger than any that we take."""
        if buflen > LARGEST_PACKET:
            raise OSError(f"the broker announces {buflen} octets in one packet, at most {LARGEST_PACKET} expected")
        return super().recv(buflen, flags)


class _Client(aiomqtt.Client):
    """aiomqtt's client with what it keeps to itself: see the module's text."""

    session_present = False
    receive_maximum = 65_535  # MQTT 5, 3.2.2.3.3: what is meant where the broker does not say

    def __init__(self, tls: ssl.SSLContext, take: Callable[[Incoming], None], judged_ms: int, **settings: Any) -> None:
        super().__init__(**settings)
        self._take = take
        self._judged_ms = judged_ms
        self._tls = tls
        self._answers: dict[int, asyncio.Future[int]] = {}
        self._dialled: socket.socket | None = None
        self._entered = False
        self._unwanted = False
        self._left = False
        self._client._create_socket = self._dial  # type: ignore[method-assign]  # paho has no other seam

    def post(self, topic: str, payload: bytes) -> "asyncio.Future[int]":
        """Publish with QoS 1; the future is the acknowledgement's reason code."""
        sent = self._client.publish(topic, payload, qos=1)
        if sent.rc != 0:
            raise ReportError(f"the connection does not take a report ({sent.rc})")
        answer = self._loop.create_future()
        self._answers[sent.mid] = answer
        return answer

    async def unless_gone(self, work: Awaitable[T]) -> T:
        """The result of ``work``; raises :class:`ReportError` where the connection ends before it."""
        task = asyncio.ensure_future(work)
        try:
            either: set[asyncio.Future[Any]] = {task, self._disconnected}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            why = self._disconnected.exception()
            raise ReportError(f"the connection ended{f': {why}' if why else ''}")
        finally:
            task.cancel()

    async def enter(self) -> None:
        """Connect. A thread does it and cannot be cancelled, but its socket can be taken from it."""
        entering = asyncio.ensure_future(self.__aenter__())
        try:
            await asyncio.shield(entering)
            self._entered = True
        except asyncio.CancelledError:
            self._unwanted = True
            if self._dialled is not None:
                with contextlib.suppress(OSError):
                    self._dialled.shutdown(socket.SHUT_RDWR)
            with contextlib.suppress(Exception):
                await entering
                self._entered = True
            raise

    async def listen(self, topics: tuple[str, ...]) -> None:
        """Subscribe; a message that the broker had kept, or was asked to keep, is then known as such."""
        options = SubscribeOptions(qos=1, retainAsPublished=True)
        codes = await self.unless_gone(self.subscribe([(topic, options) for topic in topics]))
        refused = [getattr(code, "value", code) for code in codes if getattr(code, "value", code) >= _FAILURES]
        if refused:
            raise ReportError(
                f"the broker refuses reports (reason code {refused[0]:02X})",
                "check its access list for this certificate",
            )

    async def leave(self) -> None:
        """Disconnect in good order where there is still a connection; leave no future that nobody asks."""
        for answer in self._answers.values():
            answer.cancel()
        with contextlib.suppress(aiomqtt.MqttError, OSError):
            if self._entered:
                await self.__aexit__(None, None, None)
            else:
                self._client.disconnect()
        for future in (self._connected, self._disconnected):
            if future.done() and not future.cancelled():
                future.exception()
        self._left = True
        if self._dialled is not None:
            self._dialled.close()

    def _dial(self) -> ssl.SSLSocket:
        """Where paho makes its socket. A second handle lets :meth:`enter` end a handshake that hangs."""
        plain = socket.create_connection((self._hostname, self._port), timeout=self.timeout)
        self._dialled = plain.dup()
        if self._unwanted:
            plain.close()
            raise OSError("nobody wants it any more")
        try:
            secure = self._tls.wrap_socket(plain, server_hostname=self._hostname)
            _must_be_valid(secure, self._tls, self._judged_ms)
            return secure
        except ssl.SSLError:  # a refused certificate is a ValueError as well
            raise
        except ValueError:
            plain.close()
            raise OSError("the broker's host is no name for TLS") from None

    def _on_connect(self, client: Any, userdata: Any, flags: Any, reason_code: Any, properties: Any = None) -> None:
        self.session_present = bool(flags.session_present)
        self.receive_maximum = getattr(properties, "ReceiveMaximum", self.receive_maximum)
        super()._on_connect(client, userdata, flags, reason_code, properties)

    def _on_disconnect(self, client: Any, userdata: Any, flags: Any, reason_code: Any, properties: Any = None) -> None:
        if self._left:
            return
        if not self._connected.done():
            self._connected.set_exception(aiomqtt.MqttError(f"the broker ended the connection: {reason_code}"))
            return
        super()._on_disconnect(client, userdata, flags, reason_code, properties)

    def _on_message(self, client: Any, userdata: Any, message: Any) -> None:
        """Handed on at once: paho acknowledges behind this, so whoever takes it has written down what must not go."""
        with contextlib.suppress(UnicodeDecodeError):
            self._take(Incoming(message.topic, bytes(message.payload), bool(message.retain)))

    def _on_publish(self, client: Any, userdata: Any, mid: int, reason_code: Any, properties: Any) -> None:
        answer = self._answers.pop(mid, None)
        if answer is not None and not answer.done():
            answer.set_result(reason_code.value)
