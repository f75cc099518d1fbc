# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A40: a terminal is cloned, exchanged, or bound anew in silence."""

from tests.attacks import ingest_cases, moved_machines
from tests.attacks.harness import Attack

ATTACK = Attack(
    id="A40",
    title="Another machine under a terminal's name",
    reference="PBOC 259 of 2021: one machine, one code, one merchant; location kept",
    attacker="has a copy of a terminal's disk, or the terminal itself in another shop; wants payments booked for the "
    "merchant that the name stands for",
    soft="an acquirer that asks for no proof of the binding; an ingest that asks nothing of two stories of one name",
    defence="a key in the vault proves serial number and version of the binding in each payment, once; the acquirer "
    "knows both. Each report names the hash of the one before it: two lives that follow the same report are two "
    "machines, and head office isolates the name",
    cases=(*moved_machines.CASES, *ingest_cases.COPIED),
)
