# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The built wheel carries its data, no test and no soft twin, and its commands run in an empty environment."""

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = ("terminal-agent", "hsm-sim", "fleet-console", "device-twin")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from this checkout with the locked build backend."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    return next(folder.glob("*.whl"))


def test_holds_packages_and_data_and_no_test_code(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert tops == {"protocols", "device_profiles", "hsm_sim", "terminal_agent", "fleet_console", "tillguard"}
    for kind in ("cards", "readers", "pinpads", "acquirers", "usb"):
        assert any(name.startswith(f"device_profiles/data/{kind}/") and name.endswith(".toml") for name in names), kind
    assert not [name for name in names if "soft" in name.split("/") or name.rsplit("/", 1)[-1].startswith("test_")]
    assert all(f"{package}/py.typed" in names for package in tops)
    assert any(name.endswith("licenses/LICENSES/Apache-2.0.txt") for name in names)


def test_holds_no_soft_twin_and_knows_of_none(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    shipped = {name: archive.read(name).decode() for name in archive.namelist() if name.endswith(".py")}
    assert not [name for name, text in shipped.items() if re.search(r"(?m)^\s*(from|import) (tests|scripts)\b", text)]
    rooms = [path.read_text() for path in (ROOT / "tests/attacks/soft").glob("*.py")]
    soft = [name for text in rooms for name in re.findall(r"(?m)^(?:async def|def|class) (\w+)", text)]
    assert len(soft) >= len(rooms) > 1
    words = {name: set(re.findall(r"\w+", text)) for name, text in shipped.items()}
    assert not [(twin, name) for twin in soft for name, found in words.items() if twin in found]


def test_commands_run_in_an_empty_environment(wheel: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(empty)], check=True)
    python = empty / "bin" / "python"
    # pip of this environment installs into the empty one, the wheel alone: nothing that --help needs may be missing.
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "--python",
            str(python),
            "install",
            "--quiet",
            "--no-deps",
            "--no-index",
            str(wheel),
        ],
        check=True,
        capture_output=True,
    )
    bare = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    for command in COMMANDS:
        done = subprocess.run(
            [str(empty / "bin" / command), "--help"], capture_output=True, text=True, env=bare, cwd=tmp_path
        )
        assert done.returncode == 0, done.stderr
        assert "examples:" in done.stdout
        assert done.stdout.startswith(f"usage: {command}")
