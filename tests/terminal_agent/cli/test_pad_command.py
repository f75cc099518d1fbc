# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""``pad check`` as a person uses it, against the twin on its pseudo terminal."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from device_profiles.serve.pty import PtyServer
from tests.device_profiles.twins.pads import pad
from tests.patience import PATIENCE_S

AGENT = [sys.executable, "-c", "import sys; from terminal_agent.cli import main; sys.exit(main())"]


async def checked(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    server = PtyServer(pad(), None, folder / "pad")
    try:
        return await asyncio.to_thread(
            subprocess.run,
            [*AGENT, "pad", "check", "--line", str(folder / "pad"), *words],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        server.close()


async def test_a_pad_that_fits(tmp_path: Path) -> None:
    done = await checked(tmp_path, "--model", "ipp-uic", "--pin", "--trace")
    assert done.returncode == 0, done.stderr
    assert "fits     MAC" in done.stdout
    assert "fits     PIN entry  KSN FFFF9876543210E00001" in done.stdout
    assert "400000******0016" in done.stderr
    assert "4000009999990016" not in done.stdout + done.stderr


async def test_a_pad_that_differs(tmp_path: Path) -> None:
    done = await checked(tmp_path, "--model", "ipp-verifone", "--json")
    assert done.returncode == 1
    said = json.loads(done.stdout)
    assert not said["fits"]
    assert [row["cure"] for row in said["findings"] if row["verdict"] == "differs"]


@pytest.mark.parametrize(
    ("words", "what", "code"),
    [
        (["--model", "ipp-uic", "--line", "/nowhere"], "no such port", 3),
        (["--model", "nothing", "--line", "/dev/null"], "no model 'nothing'", 2),
        (["--model", "ipp-uic", "--line", "usb:12"], "not a USB identity", 1),
        (["--model", "ipp-uic", "--line", "/dev/null"], "not a serial port", 1),
    ],
)
def test_bad_words_have_a_cure(words: list[str], what: str, code: int) -> None:
    done = subprocess.run(
        [*AGENT, "pad", "check", *words], capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert done.returncode == code
    assert what in done.stderr
    assert "hint: " in done.stderr
