# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A thousand plugs over twenty boots, on two cores at once: no unlisted device is live for a moment."""

import pytest

from tests import evidence
from tests.qemu.long_runs import AREA, BOOTS, COVERS, PLUGS, RUNS
from tests.qemu.rig import boot


@pytest.mark.long
@pytest.mark.parametrize("name", RUNS)
def test_one_of_twenty_boots(name: str) -> None:
    with evidence.run(AREA, COVERS, name, cases=RUNS[name], seed="none"):
        told = boot(("at_boot", "many"), locked=True, plugged=["keyboard"], paced=False).findings
        at_boot, many = told["at_boot"], told["many"]
        assert "broken" not in at_boot | many, told
        assert (at_boot["inputs"], at_boot["log"], at_boot["after"]) == ([], [], [])
        assert at_boot["verdict"] == ["block implicit"]
        assert many["came"] >= RUNS[name]
        assert (many["live"], many["barred"]) == ([], many["came"])


def test_the_evidence_is_whole_and_of_this_code() -> None:
    assert (len(RUNS), sum(RUNS.values()) >= PLUGS) == (BOOTS, True)
    assert evidence.faults(AREA, RUNS) == []
    assert evidence.is_current(AREA)
