# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""docs/attacks.md is what the attacks say of themselves, in whole sentences."""

from scripts.lib.attack_docs import PAGE, page
from tests.attacks.listing import attacks


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text("utf-8") == page(attacks()), "run: .venv/bin/python scripts/lib/attack_docs.py"


def test_every_attack_says_what_it_does() -> None:
    for attack in attacks():
        assert all((attack.title, attack.reference, attack.attacker, attack.soft, attack.defence)), attack.id
        assert all(case.strike.__doc__ and case.told for case in attack.cases), attack.id
