# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Starts the emulated machines when the suite begins, and asks what they told when it ends. Judges nothing.

The boots take minutes, most of them waiting; so one process runs them beside the rest of the suite, and the tests here
come last. With several workers the first one starts it, and all read the same answers.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
WITHIN_S = 1800.0
KEY: pytest.StashKey["subprocess.Popen[bytes]"] = pytest.StashKey()


def folder(config: pytest.Config) -> Path:
    """Where the answers of this run are: in the suite's own folder, which all workers share and which is searched."""
    base = Path(config.option.basetemp)
    return (base.parent.parent if hasattr(config, "workerinput") else base.parent) / "kernel"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Last of all, whatever is asked for."""
    items.sort(key=lambda item: "answers" in getattr(item, "fixturenames", ()))


def pytest_collection_finish(session: pytest.Session) -> None:
    """The machines start as soon as it is known that somebody will ask."""
    worker = getattr(session.config, "workerinput", {}).get("workerid", "gw0")
    if worker == "gw0" and any("answers" in getattr(item, "fixturenames", ()) for item in session.items):
        where = folder(session.config)
        where.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "tests.qemu.run", str(where)]
        session.config.stash[KEY] = subprocess.Popen(command, cwd=ROOT, start_new_session=True)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Nothing outlives the suite. With workers, others may still wait for answers."""
    process = session.config.stash.get(KEY, None)
    if process is not None:
        if process.poll() is None and not hasattr(session.config, "workerinput"):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(WITHIN_S)


@pytest.fixture(scope="session")
def answers(request: pytest.FixtureRequest) -> "Answers":
    """What the boots told."""
    return Answers(folder(request.config))


class Answers:
    """The boots by name, each waited for when it is first asked for."""

    def __init__(self, where: Path) -> None:
        self._where = where
        self._known: dict[str, dict[str, Any]] = {}

    def __call__(self, boot: str, proof: str) -> dict[str, Any]:
        """What a proof found in a boot; fails with the guest's own words where it broke."""
        if boot not in self._known:
            path, end = self._where / f"{boot}.json", time.monotonic() + WITHIN_S
            while not path.exists():
                assert time.monotonic() < end, f"the boot '{boot}' told nothing within {WITHIN_S:g} s"
                time.sleep(0.2)
            self._known[boot] = json.loads(path.read_text())
        findings = self._known[boot]["findings"]
        assert "broken" not in findings, findings["broken"]
        found: dict[str, Any] = findings.get(proof, {"broken": "not told"})
        assert "broken" not in found, f"{found['broken']}\n{self._known[boot]['console'][-2000:]}"
        return found
