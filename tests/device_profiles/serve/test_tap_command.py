# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The tap as a person uses it: a real session goes through it, is kept byte for byte, played again, and altered."""

import asyncio
import json
import resource
import signal
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from device_profiles import catalog
from device_profiles.serve.pty import PtyServer
from device_profiles.twins.reader import ReaderTwin
from terminal_agent.card.port import CardError, CardLost
from terminal_agent.card.serial import open_reader
from terminal_agent.line.url import open_line
from tests.device_profiles.twins.hands import hand
from tests.patience import PATIENCE_S

PROFILE = catalog.reader("pn532")
SELECT = bytes.fromhex("00A404000E325041592E5359532E444446303100")
TWIN = [sys.executable, "-m", "device_profiles.cli"]


@asynccontextmanager
async def tap(*words: str, ends: bool = False, room: int | None = None) -> AsyncIterator[list[str]]:
    """`device-twin tap …` for the time of the block, or till it `ends` by itself; what it said stands in the list.

    ``room``: octets that a file of it may have, as on a disk that is full.
    """

    def confined() -> None:
        if room is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))

    pipes = {"stdout": asyncio.subprocess.PIPE, "stderr": asyncio.subprocess.PIPE}
    process = await asyncio.create_subprocess_exec(*TWIN, "tap", *words, "--json", **pipes, preexec_fn=confined)
    assert process.stdout is not None
    ready = json.loads(await process.stdout.readline())
    assert ready["event"] == "ready"
    said: list[str] = []
    try:
        yield said
    finally:
        if not ends:
            process.send_signal(signal.SIGTERM)
        rest, talk = await process.communicate()
        said += [*rest.decode().splitlines(), talk.decode(), str(process.returncode)]


@asynccontextmanager
async def reader(folder: Path) -> AsyncIterator[str]:
    """A reader with a card that echoes, on a pseudo terminal of its own."""
    server = PtyServer(ReaderTwin(hand()[0]), None, folder / "reader")
    try:
        yield str(folder / "reader")
    finally:
        server.close()


async def payment(line: str) -> bytes:
    driver = await open_reader(PROFILE, await open_line(line, PROFILE.line))  # type: ignore[arg-type]
    try:
        assert await driver.wait_for_card(5.0) is not None
        response = await driver.transmit(SELECT)
        await driver.release()
        return response
    finally:
        await driver.close()


async def test_a_session_is_recorded_and_played_again(tmp_path: Path) -> None:
    recording, tapped = tmp_path / "session.tap", tmp_path / "tapped"
    async with reader(tmp_path) as line, tap(line, str(tapped), "--model", "pn532", "--record", str(recording)) as said:
        assert await payment(str(tapped)) == SELECT + b"\x90\x00"
    assert said[-1] == "0", said
    assert stat.S_IMODE(recording.stat().st_mode) == 0o600
    kept = [json.loads(text) for text in recording.read_text().splitlines()[1:]]
    assert SELECT.hex().upper() in "".join(piece["hex"] for piece in kept if piece["to"] == "device")

    async with tap(str(recording), str(tapped), "--model", "pn532", "--replay", "--trace") as said:
        assert await payment(str(tapped)) == SELECT + b"\x90\x00"
        await asyncio.sleep(0.1)  # the player ends by a signal, not by the last octet
    assert said[-1] == "0", said
    assert json.loads(said[-3])["finished"]


async def test_another_host_does_not_get_the_recorded_answers(tmp_path: Path) -> None:
    recording = tmp_path / "session.tap"
    recording.write_text(
        '{"recording": "serial", "version": 1, "model": "pn532"}\n{"ms": 0, "to": "device", "hex": "AABB"}\n'
    )
    async with tap(str(recording), str(tmp_path / "line"), "--model", "pn532", "--replay") as said:
        line = await open_line(str(tmp_path / "line"), PROFILE.line)  # type: ignore[arg-type]
        line.write(b"\xaa\xbc")
        await asyncio.sleep(0.1)
        await line.close()
    assert said[-1] == "1"
    assert json.loads(said[-3])["mismatch"] == "octet 2 from the host is not the recorded one"


async def test_a_man_in_the_middle_is_noticed(tmp_path: Path) -> None:
    """One octet of the card's answer is changed; the frame's check tells, and the card counts as lost."""
    rules = tmp_path / "attack.toml"
    rules.write_text('[[alter]]\nto = "host"\nfind = "9000"\nput = "9001"\n')
    async with reader(tmp_path) as line:
        words = (line, str(tmp_path / "tapped"), "--model", "pn532", "--alter", str(rules))
        async with tap(*words) as said:
            try:
                response = await payment(str(tmp_path / "tapped"))
            except CardLost:
                response = b""
    assert response in (b"", SELECT + b"\x90\x00")  # asked for again with NACK, or given up; never the forged one
    assert json.loads(said[0]) == {"event": "altered", "times": 1}


async def test_a_device_that_hangs_up_ends_the_tap(tmp_path: Path) -> None:
    server = PtyServer(ReaderTwin(None), None, tmp_path / "reader")
    async with tap(str(tmp_path / "reader"), str(tmp_path / "tapped"), "--model", "pn532", ends=True) as said:
        server.close()
    assert not (tmp_path / "tapped").is_symlink()
    assert "hung up" in "".join(said)
    assert said[-1] == "1"


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["/nowhere", "L", "--model", "pn532"], "cannot be opened: No such file"),
        (["carrier-pigeon://x", "L", "--model", "pn532"], "not a port that is known"),
        (["/dev/null", "L", "--model", "pn531"], "known here: "),
        (["/dev/null", "L", "--model", "pcsc"], "no reader on a serial line"),
        (["missing.tap", "L", "--model", "pn532", "--replay"], "cannot be read: No such file"),
        (["bad.tap", "L", "--model", "pn532", "--replay"], "recording, line 1"),
        (["binary.tap", "L", "--model", "pn532", "--replay"], "not text"),
        (["bad.tap", "L", "--model", "pn532", "--replay", "--record", "x"], "--replay goes with neither"),
        (["/dev/null", "L", "--model", "pn532", "--record", "bad.tap"], "exists already"),
        (["/dev/null", "L", "--model", "pn532", "--alter", "side.toml"], "alter 1: to: not a side"),
        (["/dev/null", "L", "--model", "pn532", "--alter", "hex.toml"], "hexadecimal digits"),
        (["/dev/null", "L", "--model", "pn532", "--alter", "empty.toml"], "find is empty"),
        (["/dev/null", "L", "--model", "swipe-hid"], "no reader on a serial line"),
        (["/dev/null", "L", "--model", "ipp-uick"], "did you mean 'ipp-uic'?"),
        (["/dev/null", "L", "--model", "./missing.toml"], "missing.toml: no such file"),
        (["/dev/null", "L", "--model", "./side.toml"], "neither a terminal's profile nor a device's"),
        (["/dev/zero", "L", "--model", "pn532", "--replay"], "recording, line 1: longer than"),
        (["late.tap", "L", "--model", "pn532", "--replay"], "recording, line 2: ms: a whole number"),
        (["socket://127.0.0.1:1", "L", "--model", "pn532"], "nobody answers there"),
    ],
)
def test_bad_words_have_a_cure(tmp_path: Path, words: list[str], what: str) -> None:
    (tmp_path / "bad.tap").write_text("nonsense\n")
    (tmp_path / "binary.tap").write_bytes(b"\xff\xfe\x00")
    head = '{"recording": "serial", "version": 1, "model": "pn532"}'
    (tmp_path / "late.tap").write_text(f'{head}\n{{"ms": 1{"0" * 400}, "to": "host", "hex": "00"}}\n')
    (tmp_path / "side.toml").write_text('[[alter]]\nto = "card"\nfind = "00"\n')
    (tmp_path / "hex.toml").write_text('[[alter]]\nto = "host"\nfind = "0G"\n')
    (tmp_path / "empty.toml").write_text('[[alter]]\nto = "host"\nfind = ""\n')
    done: subprocess.CompletedProcess[Any] = subprocess.run(
        [*TWIN, "tap", *words], cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert done.returncode in (1, 2, 3), done
    assert what in done.stderr
    assert "hint: " in done.stderr
    assert not (tmp_path / "L").is_symlink()


def test_a_tap_that_did_not_begin_leaves_no_recording(tmp_path: Path) -> None:
    """Else the second try, with the cable in, would be told that the recording exists already."""
    words = ["/nowhere", "L", "--model", "pn532", "--record", "session.tap"]
    done = subprocess.run([*TWIN, "tap", *words], cwd=tmp_path, capture_output=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 3
    assert not list(tmp_path.iterdir())


async def test_a_profile_of_ones_own_is_tapped_again_and_again(tmp_path: Path) -> None:
    """By path; of 7 bits and parity, which the twin's pseudo terminal does not have."""
    own = tmp_path / "own.toml"
    own.write_text(catalog.find("pinpads", "ipp-verifone").read_text())
    server = PtyServer(ReaderTwin(None), None, tmp_path / "pad")
    for _ in range(2):
        async with tap(str(tmp_path / "pad"), str(tmp_path / "tapped"), "--model", str(own)) as said:
            pass
        assert said[-1] == "0", said
    server.close()


async def test_a_recording_that_finds_no_room_ends_the_tap(tmp_path: Path) -> None:
    """What goes over is either kept or not passed on: nobody takes a cut recording for a whole one."""
    recording = tmp_path / "session.tap"
    words = ("--model", "pn532", "--record", str(recording))
    async with reader(tmp_path) as line, tap(line, str(tmp_path / "tapped"), *words, ends=True, room=160) as said:
        with pytest.raises(CardError):
            await payment(str(tmp_path / "tapped"))
    assert said[-1] == "1", said
    assert f"{recording}: cannot be written: File too large" in said[-2]
    assert "Traceback" not in said[-2]
