# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Keys from the HSM simulator's tools into a terminal's vault, by commands alone: components, blocks, check values."""

import json
import subprocess
from pathlib import Path
from typing import Any

from scripts.lib.stations import command
from tests.cli.test_keys import Desk
from tests.terminal_agent.sealed.vaults import PIN_KSN, TRANSPORT, component_files, made_key


def hsm(*words: str) -> str:
    done = subprocess.run([command("hsm-sim"), "tool", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def wrapped(folder: Path, slot: str, *words: str) -> str:
    """A key block of a slot's key, made by the HSM's tool; its file."""
    (folder / "transport.key").write_text(TRANSPORT.hex() + "\n")
    (folder / f"{slot}.key").write_text(made_key(slot).hex() + "\n")
    files = ("--key-file", str(folder / "transport.key"), "--inner-key-file", str(folder / f"{slot}.key"))
    said: dict[str, Any] = json.loads(hsm("keyblock", "wrap", "--version", "D", *words, *files, "--json"))["result"]
    path = folder / f"{slot}.keyblock"
    path.write_text(said["block"] + "\n")
    return str(path)


def check_value(folder: Path, slot: str) -> str:
    said: dict[str, Any] = json.loads(hsm("kcv", "make", "--key-file", str(folder / f"{slot}.key"), "--json"))
    return str(said["result"]["check value"])


def test_what_the_hsm_wraps_the_vault_takes_and_both_know_it_by_the_same_check_value(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    assert desk.keys("init").returncode == 0
    parts = [word for path in component_files(tmp_path) for word in ("--component", path)]
    assert desk.keys("load", "transport", *parts).returncode == 0
    for slot, words, more in (
        ("pin", ("--usage", "B1", "--algorithm", "T", "--mode", "X"), ("--ksn", PIN_KSN.hex())),
        ("mac-master", ("--usage", "K0", "--algorithm", "T", "--mode", "B"), ()),
    ):
        done = desk.keys("load", slot, "--block", wrapped(tmp_path, slot, *words), *more)
        assert done.returncode == 0, done.stderr
        assert desk.keys("verify", slot, check_value(tmp_path, slot)).returncode == 0
    assert "phase ready" in desk.keys("status").stdout
