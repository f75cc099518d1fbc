# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""How secrets come in: file, stdin, prompt without echo; bounds; and that what is wrong with them is never quoted."""

import argparse
import contextlib
import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hsm_sim.tool.secret_input import LARGEST_FILE, SecretInput, Secrets, declare
from tests.hsm_sim.tool.calculator import TEST_KEY, calculate
from tests.patience import PATIENCE_S
from tillguard.voice import Fault

INPUTS = (SecretInput("key", "the key"), SecretInput("other-key", "the other key"))
MAC = ("mac", "make", "--algorithm", "retail", "--text", "a")


def secrets(*words: str) -> Secrets:
    parser = argparse.ArgumentParser()
    declare(parser, INPUTS)
    return Secrets(parser.parse_args(words), INPUTS)


def test_a_file_with_comments_and_spaces(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("# TEST key\n\n  0123 4567 89ab CDEF\t\r\n")
    key = secrets("--key-file", str(path)).key("key", (8,))
    assert bytes(key.reveal()) == bytes.fromhex("0123456789ABCDEF")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "0 lines that are not comments, 1 expected"),
        (b"# nothing else\n\n", "0 lines that are not comments, 1 expected"),
        (b"8F1D\n8F1D\n", "2 lines that are not comments, 1 expected"),
        (b"8F1D8", "not an even number of hexadecimal digits"),
        (b"8F1D\xff\xfe", "not an even number of hexadecimal digits"),
        (b"8F1D", "2 octets, 8 or 16 expected"),
        (b"8F1D" * LARGEST_FILE, f"larger than {LARGEST_FILE} octets"),
    ],
)
def test_files_that_hold_no_key(content: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    with pytest.raises(Fault) as caught:
        secrets("--key-file", str(path)).key("key", (8, 16))
    assert caught.value.what.startswith("key: ")
    assert caught.value.what.endswith(said)
    assert "8F1D" not in caught.value.what + caught.value.hint
    assert caught.value.exit_code == 2


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    for path, said in ((tmp_path / "nowhere", "No such file or directory"), (tmp_path, "Is a directory")):
        ran = calculate(*MAC, "--key-file", str(path))
        assert ran.code == 2
        assert f"hsm-sim: error: key: {path}: {said}\n" in ran.err


def test_lines_of_stdin_in_the_order_of_the_help() -> None:
    words = ("pvv", "make", "--pan", "4000009999990016", "--pvki", "1", "--key-file", "-", "--pin-file", "-")
    assert calculate(*words, stdin=f"\n# key\n{TEST_KEY}\n\n# PIN\n7391").out == "pvv  5390\n"
    short = calculate(*words, stdin=TEST_KEY)
    assert short.code == 2
    assert "hsm-sim: error: pin: stdin ended before its line\nhint: it is the PIN" in short.err
    swapped = calculate(*words, stdin=f"7391\n{TEST_KEY}")
    assert "hsm-sim: error: key: 2 octets, 16 expected" in swapped.err
    assert "7391" not in swapped.err
    long = calculate(*words, stdin="8F1D" * LARGEST_FILE)
    assert f"key: a line of more than {LARGEST_FILE} octets" in long.err


def test_no_terminal_no_prompt() -> None:
    ran = calculate(*MAC)
    assert ran.code == 2
    assert ran.err.endswith(
        "hsm-sim: error: key: not given, and no terminal to ask at\n"
        "hint: name its file with --key-file FILE, or --key-file - for a line of stdin\n"
    )


def test_a_file_that_is_not_needed(tmp_path: Path) -> None:
    with pytest.raises(Fault, match="--other-key-file: not used by this calculation"):
        secrets("--other-key-file", str(tmp_path)).refuse_unused()
    assert secrets("--other-key-file", "-").given("other-key")
    assert secrets("--other-key-file", "-").from_stdin
    assert not secrets().from_stdin


def at_a_terminal(*words: str, typed: list[bytes]) -> tuple[int, str]:
    """Runs the command with a terminal as all three streams; a line is typed when a prompt (ending ``: ``) stands."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "hsm_sim.cli", "tool", *words],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    seen = b""
    lines = list(typed)
    ending = time.monotonic() + PATIENCE_S
    with contextlib.suppress(OSError):  # EIO: the other end is closed
        while select.select([ours], [], [], max(0.0, ending - time.monotonic()))[0] and (piece := os.read(ours, 4096)):
            seen += piece
            if seen.endswith(b": ") and lines:
                os.write(ours, lines.pop(0))
    os.close(ours)  # a command that still waits is hung up on
    return process.wait(PATIENCE_S), seen.decode()


def test_prompts_echo_nothing() -> None:
    words = ("pvv", "make", "--pan", "4000009999990016", "--pvki", "1")
    code, seen = at_a_terminal(*words, typed=[f"{TEST_KEY}\n".encode(), b"7391\n"])
    assert code == 0, seen
    assert "the PIN verification key pair, 16 octets in hexadecimal: " in seen
    assert "the PIN, 4 to 12 digits; its left 4 count: " in seen
    assert "5390" in seen
    assert "0123456789" not in seen
    assert "7391" not in seen


def test_a_prompt_that_is_left() -> None:
    code, seen = at_a_terminal(*MAC, typed=[b"\x04"])
    assert code == 2
    assert "key: nothing was typed" in seen
    code, seen = at_a_terminal(*MAC, typed=[b"8F1D8\n"])
    assert code == 2
    assert "key: not an even number of hexadecimal digits" in seen
    assert "8F1D8" not in seen
