# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A suite within the suite: each test lets a line of trace go where such lines end up. Not collected unless named.

``TRACER`` in the environment says who made it: the shipped tracer (careful) or one that redacts nothing (careless).
tests/attacks/catalogue/a43_leak.py and tests/secrets/test_witness.py run it in a folder apart.
"""

import asyncio
import logging
import os
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path

import pytest

from protocols.serial.ipp_codec import redacted_event
from tests.attacks.leaky.entry import traced
from tests.attacks.soft.tracer import raw_event

TRACERS = {"careful": redacted_event, "careless": raw_event}


@pytest.fixture
def line() -> str:
    """What was said of the packet that asks the pad for a PIN."""
    (found,) = (line for line in traced(TRACERS[os.environ["TRACER"]]).splitlines() if "Z60" in line)
    return "".join(character if character.isprintable() else " " for character in found)


def child(code: str, *words: str) -> list[str]:
    return [sys.executable, "-c", f"import os, sys; {code}", *words]


def test_in_a_file(line: str, tmp_path: Path) -> None:
    (tmp_path / "trace.log").write_text(line)


def test_in_the_name_of_a_file(line: str, tmp_path: Path) -> None:
    (tmp_path / line).touch()


def test_in_an_archive(line: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bundle.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("trace.log", line)


def test_in_a_record_that_nobody_shows(line: str) -> None:
    logging.getLogger("aiomqtt").debug("publishing %s", line)


def test_printed(line: str) -> None:
    print(line)


def test_printed_and_taken_away(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    print(line, file=sys.stderr)
    capsys.readouterr()


def test_printed_by_a_child(line: str, tmp_path: Path) -> None:
    subprocess.run(child("print(sys.stdin.read())"), input=line, text=True, check=True)


def test_printed_by_a_child_and_taken_away(line: str) -> None:
    subprocess.run(child("sys.stderr.write(sys.stdin.read())"), input=line, text=True, check=True, capture_output=True)


async def test_printed_by_a_child_of_the_loop(line: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *child("sys.stderr.write(sys.stdin.read())"), stdin=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    await process.communicate(line.encode())


def test_in_arguments(line: str) -> None:
    subprocess.run(child("pass", line), check=True)


def test_in_the_environment(line: str) -> None:
    subprocess.run(child("pass"), check=True, env={**os.environ, "LAST_TRACE": line})


@pytest.mark.filterwarnings("default")
def test_in_a_warning(line: str) -> None:
    warnings.warn(f"strange packet: {line}", stacklevel=1)
