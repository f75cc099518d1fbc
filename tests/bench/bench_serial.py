# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Serial wires: decoding a frame beside construct's compiled parsers, and what a driver adds to an exchange."""

import asyncio
import os
import select
import statistics
import time
from collections.abc import Awaitable, Callable

import construct

from device_profiles import catalog
from device_profiles.serve.pty import PtyServer
from device_profiles.twins.reader import ReaderTwin
from protocols.octets import crc16, lrc
from protocols.serial.abecs import ETB, SYN
from protocols.serial.abecs import Packet as AbecsPacket
from protocols.serial.abecs import PacketFramer as AbecsFramer
from protocols.serial.framer import Control, Envelope, Packet, PacketFramer
from protocols.serial.ipp import ReadSerial, SerialNumber
from protocols.serial.ipp_codec import encode
from protocols.serial.pn532 import CHIP_TO_HOST, Frame, FrameFramer
from protocols.serial.vivotech2 import TAG
from protocols.serial.vivotech2 import Frame as NeoFrame
from protocols.serial.vivotech2 import FrameFramer as NeoFramer
from terminal_agent.card.port import ReaderAbsent
from terminal_agent.card.serial import open_reader
from terminal_agent.line.tty import open_tty
from terminal_agent.line.url import open_line
from terminal_agent.pad.ipp import IppPad, open_pad
from tests.bench.bench_cards import contactless_rows
from tests.bench.row import Row, side_by_side

ROUNDS = 1500
PULLS = 60
READER = catalog.reader("pn532")
PROFILE = catalog.pinpad("ipp-uic")
REQUEST = encode(ReadSerial(), PROFILE.dialect).encode()
ANSWER = bytes((Control.ACK,)) + encode(SerialNumber("TG0000000001"), PROFILE.dialect).encode()


class Canned:
    """A pad that knows one answer, so that the driver is measured and not the twin."""

    due = None

    def feed(self, octets: bytes, now: float) -> bytes:
        if REQUEST in octets:
            return ANSWER
        return bytes((Control.ACK,)) if len(octets) > 1 else b""

    def tick(self, now: float) -> bytes:
        return b""


async def _median_us(work: Callable[[], Awaitable[object]]) -> float:
    samples = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        await work()
        samples.append(time.perf_counter() - started)
    return statistics.median(samples) * 1e6


async def _exchanges() -> tuple[float, float]:
    """Median microseconds of a bare exchange and of one by the driver, over the same kind of port."""
    server = PtyServer(Canned())
    line = open_tty(server.line, PROFILE.line)

    async def bare() -> None:
        line.write(REQUEST)
        left = len(ANSWER)
        while left:
            left -= len(await line.read())

    raw = await _median_us(bare)
    await line.close()
    pad = await open_pad(PROFILE, open_tty(server.line, PROFILE.line))
    assert isinstance(pad, IppPad)
    driven = await _median_us(pad.start)
    await pad.close()
    server.close()
    return raw, driven


async def _pulled() -> tuple[float, float]:
    """Median microseconds from a pulled cable until a driver that waits for a card says so; and of a bare poll(2)."""
    told, bare = [], []
    for _ in range(PULLS):
        server = PtyServer(ReaderTwin(None))
        reader = await open_reader(READER, await open_line(server.line, READER.line))
        waiting = asyncio.create_task(reader.wait_for_card(30.0))
        await asyncio.sleep(0.002)
        started = time.perf_counter()
        server.close()
        await asyncio.wait({waiting})
        told.append(time.perf_counter() - started)
        if not isinstance(waiting.exception(), ReaderAbsent):
            raise RuntimeError("a pulled cable was not noticed")
        await reader.close()
        ours, theirs = os.openpty()
        watch = select.poll()
        watch.register(theirs, select.POLLIN)
        started = time.perf_counter()
        os.close(ours)
        watch.poll()
        bare.append(time.perf_counter() - started)
        os.close(theirs)
    return statistics.median(told) * 1e6, statistics.median(bare) * 1e6


IPP_PARSER = construct.Struct(
    "start" / construct.Const(b"\x02"),
    "covered" / construct.RawCopy(construct.Struct("body" / construct.Bytes(60), "end" / construct.Const(b"\x03"))),
    "lrc" / construct.Checksum(construct.Byte, lrc, construct.this.covered.data),
).compile()
PN532_PARSER = construct.Struct(
    "start" / construct.Const(b"\x00\x00\xff"),
    "size" / construct.Byte,
    "size_check" / construct.Checksum(construct.Byte, lambda size: -size & 0xFF, construct.this.size),
    "content" / construct.Bytes(construct.this.size),
    "check" / construct.Checksum(construct.Byte, lambda data: -sum(data) & 0xFF, construct.this.content),
    "end" / construct.Const(b"\x00"),
).compile()
NEO_PARSER = construct.Struct(
    "covered"
    / construct.RawCopy(
        construct.Struct(
            "tag" / construct.Const(TAG),
            "command" / construct.Byte,
            "status" / construct.Byte,
            "size" / construct.Int16ub,
            "data" / construct.Bytes(construct.this.size),
        )
    ),
    "crc" / construct.Checksum(construct.Int16ub, lambda data: crc16(data, 0xFFFF), construct.this.covered.data),
).compile()

ABECS_PARSER = construct.Struct(
    "start" / construct.Const(bytes((SYN,))),
    "covered"
    / construct.RawCopy(construct.Struct("data" / construct.Bytes(59), "end" / construct.Const(bytes((ETB,))))),
    "crc" / construct.Checksum(construct.Int16ub, lambda data: crc16(data, 0), construct.this.covered.data),
).compile()


def rows() -> list[Row]:
    """Frame decoding in CPU time, the driver's share in wall time."""
    packet = Packet(Envelope.TRANSACTION, bytes(range(0x20, 0x5C))).encode()
    frame = Frame(CHIP_TO_HOST, b"\x41\x00" + bytes(range(53))).encode()
    neo = NeoFrame(0x2C, 0x00, bytes(range(47))).encode()
    abecs = AbecsPacket(bytes(range(0x20, 0x5B))).encode()
    if {len(packet), len(frame), len(neo), len(abecs)} != {63}:
        raise RuntimeError("the measured frames have 63 octets")
    packets, frames, neos, pads = PacketFramer(), FrameFramer(), NeoFramer(), AbecsFramer()
    decoded = (
        ("IPP packet decoded with LRC, 63 octets", lambda: packets.feed(packet), lambda: IPP_PARSER.parse(packet)),
        ("PN532 frame decoded with checks, 63 octets", lambda: frames.feed(frame), lambda: PN532_PARSER.parse(frame)),
        ("ViVOtech2 frame decoded with CRC, 63 octets", lambda: neos.feed(neo), lambda: NEO_PARSER.parse(neo)),
        ("ABECS packet decoded with CRC, 63 octets", lambda: pads.feed(abecs), lambda: ABECS_PARSER.parse(abecs)),
    )
    found = []
    for name, ours, theirs in decoded:
        own, peer = side_by_side(ours, theirs)
        found.append(Row(name, own, "us", "construct, compiled", peer, 4.0))
    raw, driven = asyncio.run(_exchanges())
    added = Row("PIN pad driver added to an exchange", driven - raw, "us", "bare PTY exchange", raw, 60.0)
    told, bare = asyncio.run(_pulled())
    pulled = Row("pulled cable told by the driver", told, "us", "poll(2) on a bare port", bare, 50_000.0)
    return [*found, added, pulled, *contactless_rows()]
