# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Runs the calculator in this process with a given stdin, and keeps what it printed. Judges nothing."""

import contextlib
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from hsm_sim.cli import main

VECTORS = Path(__file__).parents[2] / "vectors"
TEST_KEY = "0123456789ABCDEFFEDCBA9876543210"
WARNING = "hsm-sim tool: for TEST keys, PINs and cards only; nothing here protects them\n"

KEY_FILE = f"# a TEST key\n{TEST_KEY}\n".encode()
EXAMPLE_FILES = {
    "test.key": KEY_FILE,
    "bdk.key": KEY_FILE,
    "pad.key": KEY_FILE,
    "aes.key": KEY_FILE,
    "card.key": KEY_FILE,
    "test.pin": b"7391\n",
    "key-and-pin": KEY_FILE + b"7391\n",
    "message.bin": b"Hello World !!",
    "one.key": b"5D9B3E0D16B364F8A2C41C7F83086BF4\n",
    "two.key": b"0EE6CB4F9B1F76A8D07ADC8057F2AD29\n",
    "two.keys": KEY_FILE + b"5D9B3E0D16B364F8A2C41C7F83086BF4\n",
    "kbpk.key": b"88E1AB2A2E3DD38C1FA039A536500CC8A87AB9D62DC92C01058FA79F44657DE6\n",
    "key.block": b"D0144P0AE00E00002C77FA3F4A553BED6E88AE5C172A4166E3D4ACA8E2AC71C158A476FAC12C13C3829DE55D3AB54C48"
    b"F4C4FEF7AC75E90FC47F1B77E7B19A73ED46E64410082557\n",
    "initial.block": b"D0144B1TX00S0200KS181ED9D500000001200000PB08nD8U3CAC6F42EF3E1711310E8BC2738E30211D3A1AB6EA61"
    b"254CE37B5C162C743D1DAB6C866E69354E0276D7E744AAFB3425\n",
}
"""What the files that examples and documents name hold."""


@dataclass(frozen=True)
class Ran:
    """One run: exit code, stdout, stderr."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """The one JSON document on stdout."""
        loaded: dict[str, Any] = json.loads(self.out)
        return loaded

    @property
    def result(self) -> dict[str, Any]:
        """Its result; the run must have succeeded."""
        assert self.code == 0, self.err
        found: dict[str, Any] = self.document["result"]
        return found


def calculate(*words: str, stdin: str = "") -> Ran:
    """``hsm-sim tool WORDS`` with lines on stdin."""
    out, err = io.StringIO(), io.StringIO()
    given = io.TextIOWrapper(io.BytesIO(stdin.encode()))
    with mock.patch("sys.stdin", given), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(["tool", *words])
    return Ran(code, out.getvalue(), err.getvalue())


def vectors(name: str) -> list[dict[str, Any]]:
    """The records of a vector file."""
    loaded: list[dict[str, Any]] = json.loads((VECTORS / f"{name}.json").read_text())["vectors"]
    return loaded
