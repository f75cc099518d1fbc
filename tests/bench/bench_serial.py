# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Serial wires: decoding a frame, and what a driver adds to an exchange over a pseudo terminal."""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable

from device_profiles import catalog
from device_profiles.serve.pty import PtyServer
from protocols.octets import lrc
from protocols.serial.framer import Control, Envelope, Packet, PacketFramer
from protocols.serial.ipp import ReadSerial, SerialNumber
from protocols.serial.ipp_codec import encode
from protocols.serial.pn532 import CHIP_TO_HOST, Frame, FrameFramer
from terminal_agent.line.tty import open_tty
from terminal_agent.pad.ipp import IppPad, open_pad
from tests.bench.row import Row, cpu_us

ROUNDS = 1500
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


def rows() -> list[Row]:
    """Frame decoding in CPU time, the driver's share in wall time."""
    packet = Packet(Envelope.TRANSACTION, bytes(range(0x20, 0x5C))).encode()
    frame = Frame(CHIP_TO_HOST, b"\x41\x00" + bytes(range(53))).encode()
    assert len(packet) == len(frame) == 63
    packets, frames = PacketFramer(), FrameFramer()
    floor = cpu_us(lambda: lrc(packet))
    raw, driven = asyncio.run(_exchanges())
    return [
        Row(
            "IPP packet decoded with LRC, 63 octets",
            cpu_us(lambda: packets.feed(packet)),
            "us",
            "LRC alone",
            floor,
            4.0,
        ),
        Row("PN532 frame decoded with checks, 63 octets", cpu_us(lambda: frames.feed(frame)), "us", target=4.0),
        Row("PIN pad driver added to an exchange", driven - raw, "us", "bare PTY exchange", raw, 60.0),
    ]
