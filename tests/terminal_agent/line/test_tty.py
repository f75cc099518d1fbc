# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Invariant: octets pass unchanged both ways, a second opener is told so, and a hang-up is noticed at once."""

import asyncio
import os
import sys
import termios
from pathlib import Path

import pytest

from device_profiles import model
from device_profiles.model import LineSettings, Parity
from terminal_agent.line.port import LineAbsent, LineBusy, LineError, LineGone
from terminal_agent.line.tty import HELD_OCTETS, TtyLine, open_tty
from tests.patience import PATIENCE_S

SETTINGS = LineSettings(115200)
LOOP_TURNS = 5  # of the event loop, without waiting: enough for a read to end; scripts/bench serial has the time
EVERY_OCTET = bytes(range(256))


class Pty:
    """The device's end of a pseudo terminal, in the raw."""

    def __init__(self) -> None:
        self.ours, self.theirs = os.openpty()
        self.path = os.ttyname(self.theirs)

    def __enter__(self) -> "Pty":
        return self

    def __exit__(self, *_: object) -> None:
        self.hang_up()

    def hang_up(self) -> None:
        if self.ours >= 0:
            os.close(self.theirs)
            os.close(self.ours)
            self.ours = -1


async def everything(line: TtyLine, size: int) -> bytes:
    octets = b""
    while len(octets) < size:
        octets += await line.read()
    return octets


async def test_octets_pass_unchanged() -> None:
    with Pty() as pty:
        line = open_tty(pty.path, SETTINGS)
        assert line.name == pty.path
        os.write(pty.ours, EVERY_OCTET)
        assert await everything(line, 256) == EVERY_OCTET
        line.write(EVERY_OCTET)
        assert os.read(pty.ours, 1000) == EVERY_OCTET
        await line.close()


@pytest.mark.parametrize(
    ("settings", "flags"),
    [
        (LineSettings(9600, 7, Parity.EVEN, 1), termios.PARENB | termios.CS7),
        (LineSettings(1200, 7, Parity.ODD, 2), termios.PARENB | termios.PARODD | termios.CS7 | termios.CSTOPB),
        (LineSettings(19200), termios.CS8),
    ],
)
async def test_what_is_asked_of_the_port(settings: LineSettings, flags: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a port with a UART; see the next test for one without."""
    asked: list[list[int]] = []
    monkeypatch.setattr(model, "PTY_MAJORS", range(0))
    monkeypatch.setattr(termios, "tcsetattr", lambda descriptor, when, attributes: asked.append(attributes))
    with Pty() as pty:
        await open_tty(pty.path, settings).close()
    (attributes,) = asked
    assert attributes[2] == flags | termios.CREAD | termios.CLOCAL
    assert attributes[4] == attributes[5] == getattr(termios, f"B{settings.baud}")
    assert attributes[1] == attributes[3] == 0


async def test_a_pseudo_terminal_can_be_opened_again_whatever_its_character() -> None:
    """Asked twice for 7 bits and parity, which it never has, a C library says that the argument is invalid."""
    settings = LineSettings(9600, 7, Parity.EVEN, 1)
    with Pty() as pty:
        for _ in range(3):
            line = open_tty(pty.path, settings)
            os.write(pty.ours, EVERY_OCTET)
            assert await everything(line, len(EVERY_OCTET)) == EVERY_OCTET
            await line.close()


async def test_a_port_in_use_is_told() -> None:
    with Pty() as pty:
        line = open_tty(pty.path, SETTINGS)
        with pytest.raises(LineBusy, match="in use") as caught:
            open_tty(pty.path, SETTINGS)
        assert "fuser" in caught.value.hint
        await line.close()
        await open_tty(pty.path, SETTINGS).close()


async def test_a_killed_process_leaves_no_lock() -> None:
    script = (
        "import asyncio, sys\n"
        "from device_profiles.model import LineSettings\n"
        "from terminal_agent.line.tty import open_tty\n"
        "async def main():\n"
        "    line = open_tty(sys.argv[1], LineSettings(9600))\n"
        "    print('open', flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    with Pty() as pty:
        other = await asyncio.create_subprocess_exec(
            sys.executable, "-c", script, pty.path, stdout=asyncio.subprocess.PIPE
        )
        try:
            assert other.stdout is not None
            assert await other.stdout.readline() == b"open\n"
            with pytest.raises(LineBusy):
                open_tty(pty.path, SETTINGS)
        finally:
            other.kill()
            await other.wait()
        await open_tty(pty.path, SETTINGS).close()


async def test_a_hang_up_is_noticed_while_reading() -> None:
    with Pty() as pty:
        line = open_tty(pty.path, SETTINGS)
        reading = asyncio.create_task(line.read())
        await asyncio.sleep(0)
        pty.hang_up()
        for _ in range(LOOP_TURNS):
            await asyncio.sleep(0)
        assert reading.done(), "what is noticed by readiness waits for no timer"
        with pytest.raises(LineGone, match="hung up"):
            await reading
        with pytest.raises(LineGone):
            line.write(b"x")
        await line.close()


async def test_a_hang_up_is_noticed_while_nobody_reads_or_writes() -> None:
    with Pty() as pty:
        line = open_tty(pty.path, SETTINGS)
        await asyncio.sleep(0.01)
        assert not line.ended
        pty.hang_up()
        async with asyncio.timeout(PATIENCE_S):
            while not line.ended:
                await asyncio.sleep(0)
        await line.close()


async def test_a_hang_up_is_noticed_while_writing() -> None:
    with Pty() as pty:
        line = open_tty(pty.path, SETTINGS)
        pty.hang_up()
        with pytest.raises(LineGone):
            line.write(b"x")
        with pytest.raises(LineGone):
            await line.read()


async def test_what_arrived_before_the_end_is_still_read() -> None:
    with Pty() as pty:
        line = open_tty(pty.path, SETTINGS)
        os.write(pty.ours, b"last words")
        async with asyncio.timeout(PATIENCE_S):
            while not line._held:
                await asyncio.sleep(0)
        await line.close()
        assert await line.read() == b"last words"
        with pytest.raises(LineGone, match="closed"):
            await line.read()


async def test_a_reader_that_was_cancelled_loses_nothing() -> None:
    with Pty() as pty:
        line = open_tty(pty.path, SETTINGS)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await line.read()
        os.write(pty.ours, b"later")
        assert await line.read() == b"later"
        await line.close()


async def test_a_device_that_talks_to_nobody_is_bounded() -> None:
    with Pty() as pty:
        os.set_blocking(pty.ours, False)
        line = open_tty(pty.path, SETTINGS)
        sent = 0
        for _ in range(400):
            try:
                sent += os.write(pty.ours, bytes(1024))
            except BlockingIOError:
                await asyncio.sleep(0.001)
        assert HELD_OCTETS <= sent < 2 * HELD_OCTETS
        assert len(await everything(line, sent)) == sent
        os.write(pty.ours, b"again")
        assert await line.read() == b"again"
        await line.close()


async def test_a_device_that_takes_nothing_is_bounded() -> None:
    with Pty() as pty:
        line = open_tty(pty.path, SETTINGS)
        with pytest.raises(LineGone, match="no more"):
            _flood(line)
        await line.close()


def _flood(line: TtyLine) -> None:
    for _ in range(400):
        line.write(bytes(1024))


async def test_unsent_octets_follow_in_order() -> None:
    octets = b"".join(number.to_bytes(4, "big") for number in range(8000))
    with Pty() as pty:
        os.set_blocking(pty.ours, False)
        line = open_tty(pty.path, SETTINGS)
        line.write(octets[:30000])
        line.write(octets[30000:])
        heard = b""
        while len(heard) < len(octets):
            await asyncio.sleep(0)
            try:
                heard += os.read(pty.ours, 65536)
            except BlockingIOError:
                continue
        assert heard == octets
        await line.close()


async def test_ports_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(LineAbsent, match="no such port"):
        open_tty(str(tmp_path / "ttyUSB9"), SETTINGS)
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(LineError, match="not a serial port"):
        open_tty(str(tmp_path / "file"), SETTINGS)
    with pytest.raises(LineError, match="cannot be opened"):
        open_tty(str(tmp_path), SETTINGS)
