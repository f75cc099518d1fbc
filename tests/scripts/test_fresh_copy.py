# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The newcomer's path: a copy without .venv, one command, APPROVED."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def fresh() -> Iterator[Path]:
    """The tracked files alone, apart from the suite's own folder: an environment of many files is made there."""
    with tempfile.TemporaryDirectory(prefix="tillguard-fresh-") as folder:
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
        for name in filter(None, listed.decode().split("\0")):
            if not name.startswith("tests/") and (ROOT / name).exists():
                target = Path(folder) / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, target)
        yield Path(folder)


def test_the_first_command_of_the_readme_ends_approved(fresh: Path) -> None:
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV"))}
    done = subprocess.run(
        [str(fresh / "scripts/demo")], cwd=fresh, env=clean, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "APPROVED  EUR 42.00" in done.stdout
    again = subprocess.run([str(fresh / "scripts/demo")], env=clean, capture_output=True, text=True, check=False)
    assert again.returncode == 0
    assert "installing" not in again.stderr
