# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The scripts on a machine that lacks something: they say what, and which package cures it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What a script needs of a fresh clone, without .venv."""
    for name in ("pyproject.toml", "requirements", "scripts"):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, tmp_path)
    return tmp_path


def python_that(folder: Path, *, lacks: str = "", is_old: bool = False) -> Path:
    """A python that answers as asked: without a module, or as an old version."""
    script = folder / "python"
    real = sys.executable
    check = f'case "$*" in *"import {lacks}"*) exit 1;; esac\n' if lacks else ""
    old = 'case "$*" in *version_info*) exit 1;; esac\n' if is_old else ""
    script.write_text(f'#!/bin/sh\n{check}{old}exec {real} "$@"\n')
    script.chmod(0o755)
    return script


def run(checkout: Path, python: Path, path: str = os.environ["PATH"]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(checkout / "scripts/demo")],
        env=os.environ | {"PYTHON": str(python), "PATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_without_ensurepip_the_package_is_named(checkout: Path) -> None:
    done = run(checkout, python_that(checkout, lacks="ensurepip"))
    assert done.returncode == 1
    assert "ensurepip is missing" in done.stderr
    assert "apt-get install python3-venv" in done.stderr
    assert not (checkout / ".venv").exists()


def test_without_a_recent_python_the_cure_is_named(checkout: Path) -> None:
    tools = checkout / "tools"
    tools.mkdir()
    for tool in ("dirname", "sh", "cat", "cksum"):
        (tools / tool).symlink_to(str(shutil.which(tool)))
    done = run(checkout, python_that(checkout, is_old=True), path=str(tools))
    assert done.returncode == 1
    assert "no Python 3.11 or newer found" in done.stderr


def test_a_foreign_debian_or_user_is_told_the_packages(checkout: Path) -> None:
    script = ". scripts/lib/env.sh; id() { echo 1000; }; tg_debian no-such-package-of-ours\n"
    done = subprocess.run(["sh", "-c", script, "scripts/x"], cwd=checkout, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "as root: apt-get install --no-install-recommends no-such-package-of-ours" in done.stderr


def test_usbguard_never_rules_over_the_machine_that_tests_with_it(checkout: Path) -> None:
    script = ". scripts/lib/env.sh; TG_UNITS=units; tg_mask usbguard.service; tg_mask usbguard.service\n"
    subprocess.run(["sh", "-c", script, "scripts/x"], cwd=checkout, check=True)
    assert (checkout / "units/usbguard.service").readlink() == Path("/dev/null")
    (checkout / "tools").mkdir()
    (checkout / "tools/dpkg-query").symlink_to("/bin/false")
    script = ". scripts/lib/env.sh; id() { echo 1000; }; PATH=tools:$PATH; tg_debian usbguard\n"
    done = subprocess.run(["sh", "-c", script, "scripts/x"], cwd=checkout, capture_output=True, text=True, check=False)
    assert "as root: systemctl mask usbguard usbguard-dbus && apt-get install" in done.stderr
