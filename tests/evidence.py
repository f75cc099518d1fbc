# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Evidence of runs too long for CI: ``docs/evidence/AREA.json`` says what ran, and over which code.

A long test runs inside :func:`run`, which writes its count, seed and result beside the hash of the modules that the
area covers. What was written for other code is dropped at the first run over this one, so a file is never a mixture.
CI asks :func:`faults` whether the evidence is of this code, whole, and passed.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import platform
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cryptography.hazmat.backends.openssl import backend

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "evidence"


def fingerprint(packages: Sequence[str], root: Path = ROOT) -> str:
    """SHA-256 over names and contents of all modules of ``packages`` (folders or .py files below the root), sorted."""
    whole = hashlib.sha256()
    for path in sorted({file for name in packages for file in _modules(root / name)}):
        content = path.read_bytes()
        whole.update(f"{path.relative_to(root).as_posix()} {len(content)}\n".encode())
        whole.update(content)
    return whole.hexdigest()


def _modules(path: Path) -> list[Path]:
    found = list(path.rglob("*.py")) if path.is_dir() else [path] if path.is_file() else []
    if not found:
        raise FileNotFoundError(f"evidence covers {path.name}, which holds no module")
    return found


@contextlib.contextmanager
def run(area: str, packages: Sequence[str], name: str, *, cases: int, seed: int | str) -> Iterator[None]:
    """A long run called ``name``: its result is recorded, whichever it is; nothing if the code changed meanwhile."""
    before = fingerprint(packages)
    try:
        yield
    except BaseException:
        record(area, packages, seed, {name: cases}, "failed")
        raise
    assert fingerprint(packages) == before, f"the code that {area} covers changed during the run"
    record(area, packages, seed, {name: cases}, "passed")


def record(
    area: str,
    packages: Sequence[str],
    seed: int | str,
    counts: Mapping[str, int],
    result: str,
    *,
    folder: Path = FOLDER,
    root: Path = ROOT,
) -> None:
    """Write that ``counts`` (name of a run → cases) ended in ``result`` over the present code of ``packages``."""
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        path = folder / f"{area}.json"
        sha256 = fingerprint(packages, root)
        document: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        runs = document.get("runs", {}) if document.get("sha256") == sha256 else {}
        runs |= {name: {"cases": cases, "seed": seed, "result": result} for name, cases in counts.items()}
        document = {
            "area": area,
            "covers": sorted(packages),
            "sha256": sha256,
            "commit": _commit(root),
            "with": {"python": platform.python_version(), "openssl": backend.openssl_version_text()},
            "runs": dict(sorted(runs.items())),
        }
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
        fresh.replace(path)


def faults(
    area: str, needed: Mapping[str, int] | None = None, *, folder: Path = FOLDER, root: Path = ROOT
) -> list[str]:
    """What is wrong with an area's evidence; ``needed`` are runs with the least number of cases each must have."""
    path = folder / f"{area}.json"
    if not path.exists():
        return [f"{path.name}: not there"]
    document = json.loads(path.read_text())
    if document["sha256"] != fingerprint(document["covers"], root):
        return [f"{path.name}: of other code than this; run scripts/test --long"]
    runs = document["runs"]
    found = [f"{path.name}: {name}: {one['result']}" for name, one in runs.items() if one["result"] != "passed"]
    for name, cases in (needed or {}).items():
        if name not in runs:
            found.append(f"{path.name}: {name}: did not run")
        elif runs[name]["cases"] < cases:
            found.append(f"{path.name}: {name}: {runs[name]['cases']} cases, {cases} expected")
    return found


def is_current(area: str) -> bool:
    """Whether an area's evidence is of this code, and all of it passed."""
    return not faults(area)


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Long tests run side by side: one writes at a time."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _commit(root: Path) -> str:
    """The commit on which the code stood, with a plus sign where it was changed since."""
    git = ["git", "-C", str(root)]
    head = subprocess.run([*git, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, check=False)
    if head.returncode:
        return "none"
    here = ["status", "--porcelain", "-uno", "--", ".", ":!docs/evidence"]  # the same run may just have written there
    changed = subprocess.run([*git, *here], capture_output=True, text=True, check=False)
    return head.stdout.strip() + ("+" if changed.stdout else "")
