# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Runs the suite within the suite in a folder apart, where its leaks harm nothing, and tells what it said of them."""

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Ended:
    """How a run ended: its exit code and the lines that name a leak, which quote none."""

    code: int
    leaks: tuple[str, ...]


def run(tracer: str, *, searched: bool) -> Ended:
    """One run; ``searched`` is the shipped conftest with its witness, else there is none."""
    with tempfile.TemporaryDirectory(prefix="tillguard-apart-") as apart:
        output = Path(apart) / "output"
        argv = [sys.executable, "-m", "pytest", "-q", "tests/attacks/leaky/suite.py", f"--basetemp={apart}/stored"]
        with output.open("wb") as said:
            done = subprocess.run(
                argv if searched else [*argv, "--noconftest"],
                cwd=ROOT,
                env={**os.environ, "TRACER": tracer},
                stdout=said,
                stderr=subprocess.STDOUT,
                check=False,
            )
        lines = output.read_text("utf-8", "replace").splitlines()
        return Ended(done.returncode, tuple(line for line in lines if line.startswith("LEAK ")))
