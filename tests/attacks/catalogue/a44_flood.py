# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A44: queues and disks are filled until nothing of worth gets through."""

from tests.attacks import ingest_cases
from tests.attacks.harness import Attack

ATTACK = Attack(
    id="A44",
    title="Flooded queues and disks",
    reference="CliSitef issue 23 and many a broker's default queue: what is full forgets, and nobody says what",
    attacker="holds a valid certificate of one terminal; wants head office to run out of disk",
    soft="an ingest that keeps whatever it refuses",
    defence="of each terminal the latest thousand refusals are kept, without their contents; they are counted for good",
    cases=ingest_cases.FLOODED,
)
