# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A thousand plugs over twenty boots: no unlisted device is live for a moment."""

import pytest

from tests import evidence
from tests.qemu.guest.sizes import PLUGS_A_BOOT
from tests.qemu.long_runs import AREA, BOOTED, BOOTS, COVERS, PLUGGED, PLUGS
from tests.qemu.rig import boot


@pytest.mark.long
def test_a_thousand_plugs_over_twenty_boots() -> None:
    assert BOOTS * PLUGS_A_BOOT >= PLUGS
    with (
        evidence.run(AREA, COVERS, PLUGGED, cases=PLUGS, seed="-"),
        evidence.run(AREA, COVERS, BOOTED, cases=BOOTS, seed="-"),
    ):
        came = 0
        for _ in range(BOOTS):
            told = boot(("at_boot", "many"), locked=True, plugged=["keyboard"]).findings
            at_boot, many = told["at_boot"], told["many"]
            assert "broken" not in at_boot | many, told
            assert (at_boot["inputs"], at_boot["log"], at_boot["after"]) == ([], [], [])
            assert at_boot["verdict"] == ["block implicit"]
            assert (many["live"], many["barred"]) == ([], many["came"])
            came += many["came"]
        assert came >= PLUGS
