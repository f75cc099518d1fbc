# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Invariant: a twin on a pseudo terminal is a device on a port, for as many openings as a driver likes."""

import asyncio
from pathlib import Path

import pytest

from device_profiles import catalog
from device_profiles.pinpad_load import load_pinpad
from device_profiles.serve.pad_memory import PadMemory
from device_profiles.serve.pty import PtyServer
from device_profiles.twins.pinpad_keys import PinpadKeys
from device_profiles.twins.reader import ReaderTwin
from protocols.secret import Pin
from terminal_agent.card.port import ReaderAbsent
from terminal_agent.card.serial import open_reader
from terminal_agent.line.url import open_line
from terminal_agent.pad.ipp import open_pad
from terminal_agent.pad.port import PinEntered
from tests.device_profiles.twins.hands import hand
from tests.device_profiles.twins.pads import PROFILE, TEST_PAN, TEST_PIN, recorded_pad
from tillguard.exits import Exit
from tillguard.voice import Fault

READER = catalog.reader("pn532")
APDU = bytes.fromhex("00A40400")


async def test_a_reader_over_a_real_port_that_is_opened_twice(tmp_path: Path) -> None:
    link = tmp_path / "reader"
    server = PtyServer(ReaderTwin(hand(0.0)[0]), link=link)
    try:
        for _ in range(2):
            reader = await open_reader(READER, await open_line(str(link), READER.line))
            assert await reader.wait_for_card(5.0) is not None
            assert await reader.transmit(APDU) == APDU + b"\x90\x00"
            await reader.close()
    finally:
        server.close()
    assert not link.is_symlink()


async def test_a_pad_over_a_real_port() -> None:
    twin, engine = recorded_pad()
    server = PtyServer(twin)
    try:
        pad = await open_pad(PROFILE, await open_line(server.line, PROFILE.line))
        outcome = await pad.enter_pin(TEST_PAN, "EUR 42.00", 10.0)
        assert isinstance(outcome, PinEntered)
        assert (outcome.ksn, outcome.block) == engine.made[0]
        assert len(await pad.mac(bytes(16), bytes(300))) == 8
        await pad.close()
    finally:
        server.close()


async def test_ending_the_server_pulls_the_cable() -> None:
    server = PtyServer(ReaderTwin(hand(9.0)[0]))
    reader = await open_reader(READER, await open_line(server.line, READER.line))
    waiting = asyncio.create_task(reader.wait_for_card(30.0))
    await asyncio.sleep(0.05)
    server.close()
    server.close()
    with pytest.raises(ReaderAbsent, match="hung up"):  # long before the 30 s are over
        await waiting
    await reader.close()


class Failing:
    due = None

    def feed(self, octets: bytes, now: float) -> bytes:
        raise ZeroDivisionError

    def tick(self, now: float) -> bytes:
        return b""


async def test_a_fault_of_the_twin_comes_out() -> None:
    server = PtyServer(Failing())
    line = await open_line(server.line, READER.line)
    line.write(b"x")
    with pytest.raises(ZeroDivisionError):
        await server.run(asyncio.Event())
    await line.close()


async def test_a_run_ends_when_told() -> None:
    server = PtyServer(ReaderTwin(None))
    stop = asyncio.Event()
    asyncio.get_running_loop().call_later(0.01, stop.set)
    await server.run(stop)


async def test_a_link_is_replaced_only_when_it_dangles(tmp_path: Path) -> None:
    link = tmp_path / "line"
    link.symlink_to(tmp_path / "gone")
    server = PtyServer(ReaderTwin(None), link=link)
    with pytest.raises(Fault, match="exists already") as caught:
        PtyServer(ReaderTwin(None), link=link)
    assert caught.value.exit_code is Exit.FAILED
    server.close()
    link.write_text("a file")
    with pytest.raises(Fault, match="exists already"):
        PtyServer(ReaderTwin(None), link=link)
    with pytest.raises(Fault, match="cannot be made"):
        PtyServer(ReaderTwin(None), link=tmp_path / "no" / "folder")


def test_a_pads_memory_is_kept_and_guarded(tmp_path: Path) -> None:
    path, load, pin = tmp_path / "pad", load_pinpad("test-bank"), Pin.from_text(TEST_PIN)
    keys = PinpadKeys(load)
    memory = PadMemory(path, keys)
    assert path.stat().st_mode & 0o777 == 0o600
    used = keys.encipher_pin(pin, TEST_PAN)
    memory.save()
    written = path.stat().st_mtime_ns
    memory.save()
    assert path.stat().st_mtime_ns == written
    again = PinpadKeys(load)
    PadMemory(path, again)
    following = again.encipher_pin(pin, TEST_PAN)
    assert used is not None
    assert following is not None
    assert used[0] < following[0]


@pytest.mark.parametrize("octets", [b"", b"nonsense", b"TDO1" + bytes(400)])
def test_a_damaged_memory_is_a_fault(octets: bytes, tmp_path: Path) -> None:
    path = tmp_path / "pad"
    path.write_bytes(octets)
    with pytest.raises(Fault, match="pad memory") as caught:
        PadMemory(path, PinpadKeys(load_pinpad("test-bank")))
    assert caught.value.exit_code is Exit.INTEGRITY


def test_a_memory_that_cannot_be_kept_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(Fault, match="cannot be written"):
        PadMemory(tmp_path / "no" / "pad", PinpadKeys(load_pinpad("test-bank")))
    with pytest.raises(Fault, match="cannot be read"):
        PadMemory(tmp_path, PinpadKeys(load_pinpad("test-bank")))
