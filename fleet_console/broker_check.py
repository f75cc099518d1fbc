# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The broker's access list proved from outside: two terminals' certificates try what no terminal may. Changes nothing.

Every check says what it tried and what came of it. A broker that grants too much is found by what gets through, not by
what its configuration says. One thing stays behind: a message in a terminal's own lane, which the ingest keeps as a
dead letter, since nobody signed it.
"""

import asyncio
import secrets
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import AsyncExitStack
from dataclasses import dataclass

import mqtt5
from mqtt5 import QoS, Will

from fleet_console.containment import CONTROL, Control
from fleet_console.line import ANSWER_S, Line, line
from fleet_console.settings import BrokerAccess
from fleet_console.wire_faults import words_of
from protocols.telemetry.events import Lane
from protocols.telemetry.topics import EVERYTHING, ROOT, order_topic, receipt_topic, report_topic, tree
from tillguard.voice import Fault

SOON_S = 0.5  # how long to wait for what should not come, behind something that did


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one check found."""

    name: str
    holds: bool
    words: str


@dataclass(frozen=True, slots=True)
class Subjects:
    """Who tries: head office at its port, two terminals at theirs."""

    office: BrokerAccess
    one: str
    one_access: BrokerAccess
    other: str
    other_access: BrokerAccess


async def checks(subjects: Subjects, names: Collection[str] = ()) -> AsyncIterator[Verdict]:
    """All of them, or those of these names, one after the other."""
    for name, check in _CHECKS.items():
        if names and name not in names:
            continue
        try:
            holds, words = await check(subjects)
        except (OSError, TimeoutError) as fault:
            holds, words = False, f"could not be tried: {words_of(fault, ANSWER_S)}"
        except Fault as fault:
            holds, words = False, f"could not be tried: {fault.what}"
        yield Verdict(name, holds, words)


async def _own_lane(subjects: Subjects) -> tuple[bool, str]:
    topic, mark = report_topic(subjects.one, Lane.HEALTH), _mark()
    async with AsyncExitStack() as open_lines:
        head = await _joined(open_lines, subjects.office, "broker-check")
        refused = await head.subscribe([EVERYTHING])
        terminal = await _joined(open_lines, subjects.one_access, subjects.one)
        answer = await terminal.publish(topic, mark)
        heard = None if answer else await head.hears(lambda one: one.payload == mark)
    if any(refused) or heard is None:
        return False, f"a terminal's report does not reach head office: {answer or next(filter(None, refused), 'lost')}"
    return True, "a terminal's own report reaches head office"


async def _foreign_topics(subjects: Subjects) -> tuple[bool, str]:
    tried = [
        *(report_topic(subjects.other, lane) for lane in Lane),
        *(name(who) for name in (order_topic, receipt_topic) for who in (subjects.one, subjects.other)),
        f"{tree(subjects.one)}/other", f"{ROOT}/s00/{subjects.other}/alert", "pos", "$SYS/broker/uptime", CONTROL,
    ]  # fmt: skip
    return await _each(subjects, tried, lambda terminal, topic: terminal.publish(topic, b"check"), "published")


async def _foreign_filters(subjects: Subjects) -> tuple[bool, str]:
    tried = [
        "#", "+/#", EVERYTHING, f"{tree(subjects.other)}/#", order_topic(subjects.other), f"{ROOT}/+/+/order",
        f"$share/check/{EVERYTHING}", "$SYS/#", "$CONTROL/#", f"{CONTROL}/response",
    ]  # fmt: skip

    async def ask(terminal: Line, pattern: str) -> str | None:
        return (await terminal.subscribe([pattern]))[0]

    return await _each(subjects, tried, ask, "listened to")


async def _foreign_will(subjects: Subjects) -> tuple[bool, str]:
    mark, own = _mark(), _mark()
    async with AsyncExitStack() as open_lines:
        head = await _joined(open_lines, subjects.office, "broker-check")
        await head.subscribe([EVERYTHING])
        will = Will(report_topic(subjects.other, Lane.ALERT), payload=mark, qos=QoS.AT_LEAST_ONCE)
        async with line(subjects.one_access, subjects.one, will) as terminal:
            if not await terminal.open():
                return True, "a will in another's tree is refused with the connection"
            terminal.cut()
        mine = Will(report_topic(subjects.one, Lane.HEALTH), payload=own, qos=QoS.AT_LEAST_ONCE)
        async with line(subjects.one_access, subjects.one, mine) as terminal:
            await terminal.open()
            terminal.cut()
        await head.hears(lambda one: one.payload == own)  # it is due later than the first
        heard = any(one.payload == mark for one in head.messages)
    return not heard, "a will in another's tree is published" if heard else "a will in another's tree is dropped"


async def _foreign_client_id(subjects: Subjects) -> tuple[bool, str]:
    async with AsyncExitStack() as open_lines:
        victim = await _joined(open_lines, subjects.other_access, subjects.other)
        await _joined(open_lines, subjects.one_access, subjects.other)
        taken = await victim.goes(SOON_S)
    words = "a certificate takes another's client id, and ends its connection" if taken else "client ids are bound"
    return not taken, words


async def _office_port(subjects: Subjects) -> tuple[bool, str]:
    there = _at(subjects.one_access, subjects.office)
    return await _kept_out(there, "a terminal's certificate at head office's port")


async def _no_certificate(subjects: Subjects) -> tuple[bool, str]:
    for access in (subjects.one_access, subjects.office):
        context = ssl.create_default_context(cafile=str(access.ca))
        if await _greets(access, context):
            return False, f"port {access.port} takes clients without a certificate"
    return True, "nobody gets in without a certificate"


async def _old_tls(subjects: Subjects) -> tuple[bool, str]:
    for access in (subjects.one_access, subjects.office):
        context = access.tls_context()
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
        if await _greets(access, context):
            return False, f"port {access.port} takes TLS 1.2"
    return True, "TLS 1.3 only"


async def _retained(subjects: Subjects) -> tuple[bool, str]:
    topic, mark = report_topic(subjects.one, Lane.HEALTH), _mark()
    async with AsyncExitStack() as open_lines:
        terminal = await _joined(open_lines, subjects.one_access, subjects.one)
        terminal.write(mqtt5.PublishPacket(topic, mark, qos=QoS.AT_LEAST_ONCE, packet_id=7, retain=True).write())
        await terminal.goes(SOON_S)
        late = await _joined(open_lines, subjects.office, "broker-check")
        await late.subscribe([f"{ROOT}/#"], retained=True)
        heard = await late.hears(lambda one: one.payload == mark, SOON_S)
    return heard is None, "a retained message is kept" if heard else "nothing is retained"


async def _isolation(subjects: Subjects) -> tuple[bool, str]:
    async with AsyncExitStack() as open_lines:
        control = await open_lines.enter_async_context(Control(subjects.office))
        terminal = await _joined(open_lines, subjects.one_access, subjects.one)
        if why := await terminal.publish(report_topic(subjects.one, Lane.HEALTH), b"check"):
            # What is isolated already must not be let in by a check that lets in again whom it isolated.
            return False, f"could not be tried: {subjects.one} may not speak here: {why}"
        try:
            began = time.perf_counter()
            isolating = asyncio.create_task(control.isolate(subjects.one))
            gone = await terminal.goes()
            took_ms = (time.perf_counter() - began) * 1e3
            await isolating
            again = await _joined(open_lines, subjects.one_access, subjects.one)
            answer = await again.publish(report_topic(subjects.one, Lane.HEALTH), b"check")
            refused = await again.subscribe([order_topic(subjects.one)])
        finally:
            await control.release(subjects.one)
    if not gone or answer is None or refused == (None,):
        return False, "an isolated terminal still speaks or hears"
    return True, f"an isolated terminal is cut off in {took_ms:.0f} ms, and comes back to nothing"


async def _each(
    subjects: Subjects, tried: list[str], attempt: Callable[[Line, str], Awaitable[str | None]], deed: str
) -> tuple[bool, str]:
    """Each attempt must be refused, or end the connection; all are made, and those that were granted are named."""
    granted = []
    for topic in tried:
        async with line(subjects.one_access, subjects.one) as terminal:
            if await terminal.open() and await attempt(terminal, topic) is None:
                granted.append(topic)
    if granted:
        return False, f"a terminal {deed}: {', '.join(granted)}"
    return True, f"{len(tried)} topics of others, none {deed}"


async def _joined(open_lines: AsyncExitStack, access: BrokerAccess, client_id: str) -> Line:
    joined = await open_lines.enter_async_context(line(access, client_id))
    if not await joined.open():
        raise ConnectionRefusedError(0, joined.ended or "refused")
    return joined


async def _kept_out(access: BrokerAccess, who: str) -> tuple[bool, str]:
    try:
        async with line(access, "broker-check") as talk:
            entered = await talk.open()
    except (OSError, TimeoutError):
        entered = False
    return not entered, f"{who}: {'gets in' if entered else 'refused'}"


async def _greets(access: BrokerAccess, context: ssl.SSLContext) -> bool:
    """Whether somebody in that context gets a CONNACK."""
    try:
        async with asyncio.timeout(SOON_S * 5):
            reader, writer = await asyncio.open_connection(access.host, access.port, ssl=context)
            try:
                writer.write(mqtt5.ConnectPacket("broker-check", clean_start=True).write())
                return bool(await reader.read(1))
            finally:
                writer.transport.abort()
    except (OSError, TimeoutError):
        return False


def _at(who: BrokerAccess, where: BrokerAccess) -> BrokerAccess:
    return BrokerAccess(where.host, where.port, where.ca, who.certificate, who.key)


def _mark() -> bytes:
    return b"tillguard broker check " + secrets.token_hex(8).encode("ascii")


_CHECKS: dict[str, Callable[[Subjects], Awaitable[tuple[bool, str]]]] = {
    "own lane": _own_lane,
    "foreign topics": _foreign_topics,
    "foreign filters": _foreign_filters,
    "foreign will": _foreign_will,
    "client ids": _foreign_client_id,
    "head office's port": _office_port,
    "no certificate": _no_certificate,
    "old TLS": _old_tls,
    "retained messages": _retained,
    "isolation": _isolation,
}
