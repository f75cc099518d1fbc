# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Invariant: a command whose standard streams are closed or full says so in words, and never with a traceback."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.patience import PATIENCE_S

BIN = Path(sys.executable).parent


def typed(line: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["sh", "-c", f"exec {BIN}/{line}"], capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )


@pytest.mark.parametrize(
    ("line", "code", "what"),
    [
        ("hsm-sim tool kcv make <&-", 2, "no terminal to ask at"),
        ("hsm-sim tool kcv make --key-file - <&-", 2, "stdin ended before its line"),
        ("hsm-sim commands CA >/dev/full", 1, "standard output cannot be written: No space left on device"),
        ("hsm-sim commands CA --json >/dev/full", 1, "No space left on device"),
        ("terminal-agent line list >/dev/full", 1, "No space left on device"),
        ("hsm-sim commands CA >&-", 0, ""),
        ("hsm-sim commands ZZ 2>&-", 2, ""),
    ],
)
def test_streams(line: str, code: int, what: str) -> None:
    done = typed(line)
    assert done.returncode == code, done.stderr
    assert what in done.stderr
    assert "Traceback" not in done.stderr


def test_a_file_by_process_substitution_is_waited_for() -> None:
    """A pipe that nobody writes to is empty at once; one that somebody writes to later is not."""
    script = f"exec {BIN}/terminal-agent run --profile <(sleep 1; echo '[nonsense]')"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, "nonsense: unknown key" in done.stderr) == (2, True)
