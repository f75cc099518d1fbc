# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Invariant: whatever a person writes at the console of hsm-sim is done or declined; nothing else leaves an order."""

import contextlib
import random
from pathlib import Path

from hsm_sim.console_actions import ACTIONS
from hsm_sim.console_talk import Declined
from hsm_sim.engine.states import Turn
from hsm_sim.engine.vault import Life
from hsm_sim.simulator import ACTIVITIES
from tests.hsm_sim import live
from tests.hsm_sim.console_units import Bench


def test_no_words_and_no_secrets_end_the_unit(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    chance = random.Random(6)
    letters = "0129KUSTabF/%.- \x00\u00e9\u2713"
    known = ["002", "001", "P0/B/S", "00", "02", *Turn, "variant", *Life, live.lmk("002", live.PVK), *ACTIVITIES]
    done = 0
    for _ in range(3000):
        action = chance.choice(list(ACTIONS.values()))
        words = [
            chance.choice(known) if chance.random() < 0.5 else "".join(chance.choices(letters, k=chance.randrange(8)))
            for _ in range(chance.choice((action.arguments.start, chance.randrange(4))))
        ]
        sizes = chance.choices((0, 7, 16, 32, 48, 64), k=20)
        secrets = ["".join(chance.choices("0123456789abcdefG \x00", k=size)) for size in sizes]
        with contextlib.suppress(Declined):
            bench.order(*action.name, *words, secrets=secrets)
            done += 1
    assert done > 500
    assert (bench.stops, bench.told) == ([], [])
    assert bench.order("audit", "verify")["records"] > 100
    bench.restart()
    bench.simulator.close()
