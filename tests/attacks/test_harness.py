# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The harness bites: an attack counts only if all that it is to show was shown, and the table says which did not."""

import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.attacks import harness
from tests.attacks.harness import Attack, Case, Finding, Verdict, make
from tests.attacks.table import Row, lines

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Door:
    """A target made of three switches."""

    locked: bool
    bell: bool
    walled_up: bool = False
    rings_always: bool = False
    told: list[str] = field(default_factory=list)

    async def honest(self) -> bool:
        if self.rings_always:
            self.told.append("bell")
        return not self.walled_up

    def alerts(self) -> list[str]:
        return self.told

    async def kick(self) -> bool:
        if self.bell:
            self.told.append("bell")
        return not self.locked


def opener(door: Door) -> Callable[[Path], AbstractAsyncContextManager[Door]]:
    @asynccontextmanager
    async def opened(_: Path) -> AsyncIterator[Door]:
        yield door

    return opened


def case(soft: Door, hardened: Door) -> Case[Door]:
    return Case("kick", opener(soft), opener(hardened), Door.kick, "bell", "the neighbours")


def soft(*, locked: bool = False, walled_up: bool = False) -> Door:
    return Door(locked, bell=False, walled_up=walled_up)


def hardened(*, locked: bool = True, bell: bool = True, walled_up: bool = False, rings_always: bool = False) -> Door:
    return Door(locked, bell, walled_up, rings_always)


async def test_an_attack_that_counts(tmp_path: Path) -> None:
    verdict = await make(case(soft(), hardened()), tmp_path)
    assert verdict == Verdict(Finding(True, False, True, False), Finding(True, False, False, True))
    assert verdict.faults == ()


@pytest.mark.parametrize(
    ("one", "other", "fault"),
    [
        (soft(locked=True), hardened(), "the attack does not work on the soft target, so it shows nothing"),
        (soft(), hardened(locked=False), "the attack works on the hardened target"),
        (soft(), hardened(bell=False), "the hardened target does not raise the alert"),
        (soft(), hardened(walled_up=True), "the hardened target does not serve an honest party"),
        (soft(walled_up=True), hardened(), "the soft target does not serve an honest party"),
        (soft(), hardened(rings_always=True), "the hardened target raises the alert without an attack"),
    ],
    ids=["not vulnerable", "not hardened", "no alert", "walled up", "soft serves nobody", "false alarm"],
)
async def test_an_attack_that_does_not(
    one: Door, other: Door, fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(harness, "ALERT_WITHIN_S", 0.05)
    verdict = await make(case(one, other), tmp_path)
    assert verdict.faults == (fault,)


async def test_an_alert_may_take_a_moment_but_must_be_of_the_attack(tmp_path: Path) -> None:
    import asyncio

    late = hardened(bell=False)

    async def kick(door: Door) -> bool:
        if door is late:
            asyncio.get_running_loop().call_later(0.05, door.told.append, "bell")
        return await door.kick()

    attempt = Case("kick", opener(soft()), opener(late), kick, "bell", "the neighbours")
    assert (await make(attempt, tmp_path)).faults == ()


ATTACK = Attack("A00", "Kicking doors", "folklore", "a boot", "no lock", "a lock", ())


def test_the_table_says_what_each_attack_showed() -> None:
    good = Verdict(Finding(True, False, True, False), Finding(True, False, False, True))
    toothless = Verdict(Finding(True, False, False, False), Finding(True, False, False, True))
    broken = Verdict(Finding(True, False, True, False), Finding(True, False, True, False))
    attempt = case(soft(), hardened())
    rows = [Row.of(ATTACK, attempt, verdict) for verdict in (broken, good, toothless, None)]
    assert lines(rows) == [
        (None, "attack                   soft       hardened   alert"),
        (False, "A00 Kicking doors: kick  FAILS      blocked    bell"),
        (False, "A00 Kicking doors: kick  broke off  broke off  -"),
        (False, "A00 Kicking doors: kick  works      WORKS      NONE"),
        (True, "A00 Kicking doors: kick  works      blocked    bell"),
    ]


INNER = """
import pytest
from tests.attacks.harness import make
from tests.attacks.table import PROPERTY, Row
from tests.attacks.test_harness import ATTACK, case, hardened, soft

@pytest.mark.parametrize("locked", [False, True])
async def test_inner(locked, tmp_path, record_property):
    attempt = case(soft(locked=locked), hardened())
    verdict = await make(attempt, tmp_path)
    record_property(PROPERTY, Row.of(ATTACK, attempt, verdict).text())
    assert not verdict.faults
"""


def test_a_run_over_workers_ends_with_the_table_and_fails_with_an_attack_that_shows_nothing(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "test_inner.py").write_text(INNER)
    (inner / "conftest.py").write_text("from tests.conftest import *\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "2", "-c", str(ROOT / "pyproject.toml"),
         "--rootdir", str(inner), f"--basetemp={tmp_path / 'stored'}", str(inner)],
        capture_output=True, text=True, cwd=ROOT, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stdout + done.stderr
    table = done.stdout[done.stdout.rindex("\nattack ") :].splitlines()
    assert table[2:4] == [
        "A00 Kicking doors: kick  FAILS  blocked   bell",
        "A00 Kicking doors: kick  works  blocked   bell",
    ]
    assert "1 failed, 1 passed" in done.stdout
