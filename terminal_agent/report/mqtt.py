# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Empties the outbox over MQTT 5 with mutual TLS 1.3. The one importer of aiomqtt; makes and keeps no report itself.

A fresh client for each connection, because aiomqtt's may not be entered again after a failure. Reports leave in their
order, a few at a time, and are done only with the broker's acknowledgement of all before them. Three answers are not
success: a refusal; "no matching subscribers", where head office has no session at this broker and the report would
be thrown away; and none at all. A broker without our session of before has lost its memory, and what was sent last is
offered to it again.

What the subclass below adds to aiomqtt 2.5: the reason code of a PUBACK, the session-present flag, and a connection
that ends before CONNACK being noticed at once. TCP_NODELAY is set because without it each exchange costs 40 ms.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from protocols.telemetry.events import fit
from terminal_agent.report.outbox import Outbox, Row
from terminal_agent.report.settings import ReportError, ReportSettings

Trace = Callable[[str, str, str], None]
T = TypeVar("T")

WINDOW = 16  # reports on their way at once; brokers take 20 and more (mosquitto's default receive maximum)
SESSION_EXPIRY_S = 86_400  # a broker that was asked for a day and knows nothing has lost its memory
FIRST_WAIT_S = 0.25  # back-off: a random part of 0.25 s, 0.5 s, 1 s … up to the profile's longest
LONGEST_LISTENER_WAIT_S = 5.0  # how long head office may have been there without our asking
_NO_MATCHING_SUBSCRIBERS = 0x10  # MQTT 5, 3.4.2.1
_FAILURES = 0x80  # ibid. 2.4: codes from here on are failures
_QUOTA_EXCEEDED = 0x97


@dataclass(frozen=True, slots=True)
class ReportStatus:
    """How reporting stands, for a person."""

    connected: bool
    words: str


class Reporter:
    """One terminal's way to head office. ``randomness`` gives numbers from 0 up to 1, for the back-off."""

    def __init__(
        self,
        settings: ReportSettings,
        terminal: str,
        outbox: Outbox,
        randomness: Callable[[], float],
        trace: Trace | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._settings = settings
        self._terminal = terminal
        self._outbox = outbox
        self._randomness = randomness
        self._sleep = sleep
        self._trace = trace or (lambda _wire, _direction, _text: None)
        self._more = asyncio.Event()
        self._empty = asyncio.Event()
        self._failures = 0
        self._heard = True  # head office takes what we send; else one report at a time asks whether it does
        self.status = ReportStatus(False, "not connected yet")
        outbox.on_put = self._put

    async def run(self) -> None:
        """Send until cancelled; whatever fails on the way is said in ``status`` and tried again."""
        while True:
            try:
                await self._over_one_connection()
            except (ReportError, aiomqtt.MqttError, OSError) as fault:
                self.status = ReportStatus(False, fit(str(fault) or type(fault).__name__))
                self._trace("mqtt", "<", self.status.words)
            longest = min(self._settings.longest_wait_s, FIRST_WAIT_S * 2 ** min(self._failures, 16))
            self._failures += 1
            await self._sleep(self._randomness() * longest)

    async def drained(self, timeout_s: float) -> bool:
        """Wait until nothing waits in the outbox; False where that takes longer."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._empty.wait()
        except TimeoutError:
            return False
        return True

    def _put(self) -> None:
        self._empty.clear()
        self._more.set()

    async def _over_one_connection(self) -> None:
        client = _Client(
            hostname=self._settings.address[0],
            port=self._settings.address[1],
            identifier=self._terminal,
            protocol=aiomqtt.ProtocolVersion.V5,
            clean_start=False,
            properties=_connect_properties(),
            keepalive=self._settings.keep_alive_s,
            timeout=self._settings.answer_s,
            tls=tls_context(self._settings),
            max_inflight_messages=WINDOW,
            socket_options=((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),),
        )
        try:
            await client.enter()
            self.status = ReportStatus(True, f"connected to {self._settings.broker}")
            self._trace("mqtt", "<", f"CONNACK, session {'kept' if client.session_present else 'new'}")
            if not client.session_present and (again := self._outbox.rewind()):
                self._trace("mqtt", ">", f"{again} reports once more, the broker knows nothing of them")
            while True:
                self._more.clear()
                rows = self._outbox.pending(min(WINDOW, client.receive_maximum) if self._heard else 1)
                if rows:
                    await self._send(client, rows)
                else:
                    self._empty.set()
                    await client.unless_gone(self._more.wait())
        finally:
            await client.leave()

    async def _send(self, client: "_Client", rows: list[Row]) -> None:
        """Send some reports; what all before it were taken is done. Waits where nobody listens."""
        answers = []
        for row in rows:
            answers.append(client.post(row.topic, row.octets))
            self._trace("mqtt", ">", f"PUBLISH {row.topic}, report {row.boot}/{row.seq}, {len(row.octets)} octets")
        try:
            async with asyncio.timeout(self._settings.answer_s):
                codes = await client.unless_gone(_all(answers))
        except TimeoutError:
            raise ReportError(f"the broker acknowledged nothing within {self._settings.answer_s:g} s") from None
        for row, code in zip(rows, codes, strict=True):
            if code in (_NO_MATCHING_SUBSCRIBERS, _QUOTA_EXCEEDED):
                self._trace("mqtt", "<", f"PUBACK {row.boot}/{row.seq}, nobody takes it")
                await self._wait_for_a_listener(client)
                return
            if code >= _FAILURES:
                raise ReportError(
                    f"the broker refuses reports (reason code {code:02X})", "check its access list for this certificate"
                )
            self._outbox.done(row.number)
            self._trace("mqtt", "<", f"PUBACK {row.boot}/{row.seq}")
            self._failures, self._heard = 0, True
            self.status = ReportStatus(True, f"connected to {self._settings.broker}")

    async def _wait_for_a_listener(self, client: "_Client") -> None:
        self._heard = False
        self.status = ReportStatus(True, "connected, but head office does not listen")
        wait = min(LONGEST_LISTENER_WAIT_S, FIRST_WAIT_S * 2 ** min(self._failures, 16))
        self._failures += 1
        await client.unless_gone(asyncio.sleep(wait * (0.5 + self._randomness() / 2)))


def tls_context(settings: ReportSettings) -> ssl.SSLContext:
    """TLS 1.3, the profile's one authority, our certificate; raises :class:`ReportError` where a file is unusable."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # checks certificate and name
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    try:
        context.load_verify_locations(settings.ca)
        context.load_cert_chain(settings.certificate, settings.key)
    except OSError as fault:  # ssl.SSLError is one
        reason = getattr(fault, "reason", None) or fault.strerror or type(fault).__name__
        raise ReportError(
            f"report certificates: {fit(str(reason))}", "check ca, certificate and key in the profile's [report]"
        ) from None
    return context


async def _all(answers: list[asyncio.Future[int]]) -> list[int]:
    """The answers in their order. A gather() would complain aloud where it is abandoned."""
    return [await answer for answer in answers]


def _connect_properties() -> Properties:
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = SESSION_EXPIRY_S
    return properties


class _Client(aiomqtt.Client):
    """aiomqtt's client with what it keeps to itself: see the module's text."""

    session_present = False
    receive_maximum = 65_535  # MQTT 5, 3.2.2.3.3: what is meant where the broker does not say

    def __init__(self, tls: ssl.SSLContext, **settings: Any) -> None:
        super().__init__(**settings)
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
            return self._tls.wrap_socket(plain, server_hostname=self._hostname)
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

    def _on_publish(self, client: Any, userdata: Any, mid: int, reason_code: Any, properties: Any) -> None:
        answer = self._answers.pop(mid, None)
        if answer is not None and not answer.done():
            answer.set_result(reason_code.value)
