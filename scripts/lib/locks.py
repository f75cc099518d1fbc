# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Checks the lock: everything pinned with hashes, from the public index only, and the exports equal to uv.lock."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
INDEX = "https://pypi.org/simple"
FILES = "https://files.pythonhosted.org/"
EXPORTS = {"run": ["fleet", "build"], "dev": ["dev"], "pcsc": ["pcsc"], "lab": ["dev", "pcsc"]}
ELSEWHERE = re.compile(r"file:|git\+|https?://|^-e |^--|^\.{0,2}/|\s@\s")


def faults_in_lock(lock: dict[str, object], own: str = "tillguard") -> list[str]:
    """Packages of ``uv.lock`` that come from a path, a repository or an index other than the public one."""
    faults = []
    for package in lock["package"]:  # type: ignore[attr-defined]
        source = package["source"]
        if package["name"] == own and source == {"editable": "."}:
            continue
        if source != {"registry": INDEX}:
            faults.append(f"uv.lock: {package['name']}: source {source}, expected the public index")
        for item in [package.get("sdist"), *package.get("wheels", [])]:
            if item and not (item.get("url", "").startswith(FILES) and item.get("hash", "").startswith("sha256:")):
                faults.append(f"uv.lock: {package['name']}: a file that is not from the public index, or has no hash")
    return faults


def faults_in_export(name: str, text: str) -> list[str]:
    """Lines of a requirements file that name a path, an address or an option, or a package without a hash."""
    faults = []
    blocks = re.split(r"\n(?=\S)", re.sub(r"(?m)^\s*#.*\n?", "", text).strip())
    for block in blocks:
        head = block.split("\\")[0].strip()
        if ELSEWHERE.search(head) or "==" not in head:
            faults.append(f"{name}: '{head}': only NAME==VERSION is allowed")
        elif "--hash=sha256:" not in block:
            faults.append(f"{name}: '{head}': no hash")
    return faults


def faults_in_tree(root: Path) -> list[str]:
    """All faults of the lock below ``root``."""
    faults = faults_in_lock(tomllib.loads((root / "uv.lock").read_text()))
    if "tool" in (project := tomllib.loads((root / "pyproject.toml").read_text())) and "uv" in project["tool"]:
        faults.append("pyproject.toml: [tool.uv] may redirect packages; keep it out")
    uv = str(Path(sys.executable).with_name("uv"))
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("UV_", "PIP_"))}
    for name, extras in EXPORTS.items():
        path = root / "requirements" / f"{name}.txt"
        text = path.read_text()
        faults += faults_in_export(path.name, text)
        command = [uv, "export", "--quiet", "--frozen", "--no-emit-project", "--format", "requirements-txt"]
        command += [word for extra in extras for word in ("--extra", extra)]
        fresh = subprocess.run(command, cwd=root, env=clean, capture_output=True, text=True, check=True).stdout
        if _pins(fresh) != _pins(text):
            faults.append(f"requirements/{name}.txt differs from uv.lock; write it anew: {' '.join(command[1:])}")
    locked = next(p for p in tomllib.loads((root / "uv.lock").read_text())["package"] if p["name"] == "tillguard")
    stated = {line.split("[")[0].split(">")[0].split("=")[0].split("<")[0] for line in _stated(project)}
    held = {d["name"] for d in locked["metadata"]["requires-dist"]}
    if stated - held:
        faults.append(f"uv.lock does not know {sorted(stated - held)}; run: uv lock")
    return faults


def _stated(project: dict[str, dict[str, object]]) -> list[str]:
    groups: dict[str, list[str]] = project["project"]["optional-dependencies"]  # type: ignore[assignment]
    return [*project["project"]["dependencies"], *(line for group in groups.values() for line in group)]  # type: ignore[misc]


def _pins(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]


if __name__ == "__main__":
    found = faults_in_tree(ROOT)
    print("\n".join(found) or "locks: every package pinned by hash, from the public index")
    sys.exit(bool(found))
