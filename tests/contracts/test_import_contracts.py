# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Every import contract bites: a copy of the tree with one planted violation breaks exactly that rule."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("protocols", "device_profiles", "hsm_sim", "terminal_agent", "fleet_console", "tillguard")

# contract id → (module that breaks it, the line planted there)
PLANTED = {
    "trust-domains": ("hsm_sim/cli.py", "import terminal_agent.clock"),
    "no-profiles-in-hsm-or-console": ("fleet_console/cli.py", "import device_profiles.model"),
    "tillguard-imports-none": ("tillguard/settings.py", "import protocols.errors"),
    "protocols-not-tillguard": ("protocols/octets.py", "import tillguard.voice"),
    "protocols-pure": ("protocols/octets.py", "import time"),
    "msgspec-at-the-edge": ("protocols/octets.py", "import msgspec"),
    "agent-not-twins": ("terminal_agent/processes/agent.py", "import device_profiles.twins.card"),
    "agent-rooms": ("terminal_agent/card/port.py", "import terminal_agent.pad.port"),
    "aiomqtt-once": ("terminal_agent/report/outbox.py", "import aiomqtt"),
    "agent-runs-no-payment": ("terminal_agent/processes/workers.py", "import terminal_agent.flows.payment"),
    "sealed-has-no-way-out": ("terminal_agent/sealed/__init__.py", "import socket"),
    "usb-without-libraries": ("terminal_agent/usb/document.py", "import protocols.ed25519"),
}
# Further ways to break the layered contract: a room that looks up, and a module that no layer names.
ALSO_PLANTED = [
    ("agent-rooms", "terminal_agent/emv/__init__.py", "import terminal_agent.flows.payment"),
    ("agent-rooms", "terminal_agent/stray.py", "import terminal_agent.clock"),
    ("agent-rooms", "terminal_agent/line/port.py", "import terminal_agent.card.port"),
    ("protocols-pure", "protocols/serial/framer.py", "import os"),
    ("trust-domains", "fleet_console/cli.py", "import hsm_sim.config"),
    ("trust-domains", "protocols/octets.py", "import device_profiles.model"),
]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what the contracts look at."""
    copy = tmp_path_factory.mktemp("tree")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, copy / package, ignore=shutil.ignore_patterns("__pycache__", "data"))
    shutil.copy(ROOT / "pyproject.toml", copy)
    return copy


def lint(tree: Path, contract: str | None = None) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    return subprocess.run(
        command + (["--contract", contract] if contract else []), cwd=tree, capture_output=True, text=True, check=False
    )


def contracts() -> set[str]:
    document = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return {contract["id"] for contract in document["tool"]["importlinter"]["contracts"]}


def test_every_contract_has_its_violation() -> None:
    assert contracts() == set(PLANTED)


def test_the_tree_keeps_all_contracts(tree: Path) -> None:
    done = lint(tree)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("contract", "module", "line"), [(key, *value) for key, value in PLANTED.items()] + ALSO_PLANTED
)
def test_a_planted_violation_is_caught(tree: Path, contract: str, module: str, line: str) -> None:
    path = tree / module
    kept = path.read_text() if path.exists() else None
    path.write_text((kept or '"""Stray."""\n') + f"\n{line}\n")
    try:
        done = lint(tree, contract)
    finally:
        if kept is None:
            path.unlink()
        else:
            path.write_text(kept)
    assert done.returncode == 1, done.stdout
    assert "BROKEN" in done.stdout
