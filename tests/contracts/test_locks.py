# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The lock check bites: a path, another index, a repository, a missing hash or a stale export is refused."""

import copy
import shutil
import tomllib
from pathlib import Path
from typing import Any

import pytest

from scripts.lib import locks

ROOT = Path(__file__).resolve().parents[2]
PIN = "anything==1.0 \\\n    --hash=sha256:00\n"


@pytest.fixture(scope="module")
def lock() -> dict[str, Any]:
    return tomllib.loads((ROOT / "uv.lock").read_text())


def test_this_tree_is_clean() -> None:
    assert locks.faults_in_tree(ROOT) == []


@pytest.mark.parametrize(
    "source",
    [
        {"registry": "https://packages.example/simple"},
        {"path": "../wheels/x.whl"},
        {"directory": "../x"},
        {"editable": "../x"},
        {"git": "https://example/x.git"},
        {"url": "https://example/x.whl"},
    ],
)
def test_a_package_from_elsewhere_is_named(lock: dict[str, Any], source: dict[str, str]) -> None:
    changed = copy.deepcopy(lock)
    victim = next(package for package in changed["package"] if package["name"] == "aiomqtt")
    victim["source"] = source
    assert [fault for fault in locks.faults_in_lock(changed) if "aiomqtt" in fault]


def test_a_file_from_elsewhere_or_without_hash_is_named(lock: dict[str, Any]) -> None:
    for key, value in (("url", "file:///opt/x.whl"), ("hash", "md5:00")):
        changed = copy.deepcopy(lock)
        next(package for package in changed["package"] if package["name"] == "aiomqtt")["wheels"][0][key] = value
        assert len(locks.faults_in_lock(changed)) == 1


@pytest.mark.parametrize(
    "line",
    [
        "-e ../x\n",
        "--extra-index-url https://packages.example/simple\n",
        "--find-links /opt/wheels\n",
        "x @ file:///opt/x.whl --hash=sha256:00\n",
        "x @ git+https://example/x\n",
        "./x.whl\n",
        "x>=1 \\\n    --hash=sha256:00\n",
        "x==1\n",
    ],
)
def test_a_line_of_an_export_that_is_no_pin_is_named(line: str) -> None:
    assert locks.faults_in_export("run.txt", PIN) == []
    assert len(locks.faults_in_export("run.txt", PIN + line)) == 1


def test_a_stale_export_is_named(tmp_path: Path) -> None:
    for name in ("pyproject.toml", "uv.lock"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "requirements", tmp_path / "requirements")
    run = tmp_path / "requirements/run.txt"
    run.write_text(run.read_text().replace("aiomqtt==", "aiomqtt==9"))
    assert any("run.txt differs" in fault for fault in locks.faults_in_tree(tmp_path))


def test_a_dependency_that_the_lock_does_not_know_is_named(tmp_path: Path) -> None:
    for name in ("pyproject.toml", "uv.lock"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "requirements", tmp_path / "requirements")
    project = tmp_path / "pyproject.toml"
    project.write_text(project.read_text().replace('"msgspec>=0.19"', '"msgspec>=0.19", "unheard-of"'))
    assert any("unheard-of" in fault for fault in locks.faults_in_tree(tmp_path))
