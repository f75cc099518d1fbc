# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""kill -9 at any moment never makes a key serve twice: real vaults in CI by the hundred, by the thousand in long runs.

Power cuts, which also tear what was being written, are made by the disk of :mod:`tests.terminal_agent.sealed.inside`.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import evidence
from tests.terminal_agent.sealed.keys.test_counters import life_with_power_cuts
from tests.terminal_agent.sealed.vaults import component_files, keypad_pair, load_all, made, running

AREA = "vault"
KILLS, LONG_KILLS, LONG_CUTS, SEED = 200, 3_000, 3_000, 20261122
KILLED, TORN = "vaults killed with SIGKILL", "power cuts with torn writes"
COVERS = (
    "protocols/dukpt",
    "protocols/vault",
    "terminal_agent/processes/vault.py",
    "terminal_agent/sealed",
    "tests/terminal_agent/sealed/inside.py",
    "tests/terminal_agent/sealed/keys/test_counters.py",
    "tests/terminal_agent/sealed/kills.py",
)


def kill(folder: Path, kills: int, seed: int) -> dict[str, int]:
    """So many vaults on one store, each killed; what came of it."""
    keypad, link = keypad_pair(folder)
    os.set_blocking(keypad, False)
    wanted = made(folder, keypad=str(link), pin_interval=0.0001)
    # A vault that is killed keeps no credit for the time since its last PIN: this one has plenty to begin with.
    plenty = {"pin_burst": 100_000_000}
    with running(wanted, components=component_files(folder), **plenty) as asker:
        load_all(asker)
    order = wanted.document() | {"users": [os.getuid()]} | plenty
    done = subprocess.run(
        [
            sys.executable,
            str(Path(__file__).parent / "kills.py"),
            json.dumps(order),
            str(keypad),
            str(kills),
            str(seed),
        ],
        pass_fds=(keypad,),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, int] = json.loads(done.stdout)
    print(found)
    assert found["twice"] == 0
    assert found["kills"] == kills
    assert found["pins"] > kills
    assert found["in an entry"] > kills / 2
    with running(wanted) as asker:
        assert asker.status()["phase"] == ["ready"], "after the last of them it opens as ever"
    return found


def test_no_kill_makes_a_key_serve_twice(tmp_path: Path) -> None:
    kill(tmp_path, KILLS, 1)


@pytest.mark.long
def test_thousands_of_kills(tmp_path: Path) -> None:
    with evidence.run(AREA, COVERS, KILLED, cases=LONG_KILLS, seed=SEED):
        kill(tmp_path, LONG_KILLS, SEED)


@pytest.mark.long
def test_thousands_of_power_cuts() -> None:
    with evidence.run(AREA, COVERS, TORN, cases=LONG_CUTS, seed=SEED):
        cuts = sum(life_with_power_cuts(SEED + number, 50)[1] for number in range(LONG_CUTS // 50))
        assert cuts == LONG_CUTS


def test_the_evidence_is_whole_and_of_this_code() -> None:
    assert evidence.faults(AREA, {KILLED: LONG_KILLS, TORN: LONG_CUTS}) == []
