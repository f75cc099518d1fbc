# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A22: a host that may choose the decimalisation table finds a PIN in some dozen verifications."""

from collections.abc import Callable
from itertools import combinations

from tests.attacks.harness import Attack, Case
from tests.attacks.hostside import PIN, TABLE, TELLER, HostSide, unit
from tests.attacks.soft import hsm
from tests.attacks.soft.hsm import AlwaysAuthorised, as_bad_as_can_be

DIGITS = "0123456789"
MOST_CALLS = 150
"""Far below the 5,000 that trying PINs takes on average."""
PLACES = [places for count in range(1, 5) for places in combinations(range(4), count)]
Closed = Callable[[HostSide, str], str | None]
"""What the attacker sends in a table's place; None where there is nothing to send."""


def bare(target: HostSide, table: str) -> str | None:
    """The table as it is."""
    return table


def sealed_by_the_unit(target: HostSide, table: str) -> str | None:
    """The table as the unit enciphers it for whoever asks."""
    answer = target.ask(f"LO{table}")
    return answer[2:] if answer[:2] == "00" else None


def natural_pin(target: HostSide, closed: Closed) -> str | None:
    """The PIN before its offset: which digits it has, then where each of them is.

    A table with two digits swapped spreads as well as before, so checks do not tell it from a good one. The captured
    block verifies under it exactly if the natural PIN has neither digit, or the offset makes up for both.
    """
    block = target.block()

    def verifies(one: str, other: str, offset: str) -> bool:
        table = closed(target, TABLE.translate(str.maketrans(one + other, other + one)))
        return table is not None and target.verify(block, table, offset) == "00"

    absent: set[str] = set()
    for one, other in combinations(DIGITS, 2):
        if not {one, other} <= absent and verifies(one, other, target.offset):
            absent |= {one, other}
    there = [digit for digit in DIGITS if digit not in absent]
    if not absent or not 1 <= len(there) <= 4:
        return None
    spare, found = min(absent), ["?"] * 4
    for digit in there:
        for places in PLACES:
            offset = [int(number) for number in target.offset[:4]]
            for place in places:
                offset[place] = (offset[place] + int(digit) - int(spare)) % 10
            if verifies(digit, spare, "".join(map(str, offset))):
                for place in places:
                    found[place] = digit
                break
    return "".join(found)


def pin_of(target: HostSide, natural: str | None) -> str | None:
    """The natural PIN and the offset, digit by digit."""
    if natural is None or "?" in natural:
        return None
    return "".join(str((int(a) + int(b)) % 10) for a, b in zip(natural, target.offset, strict=False))


async def send_swapped_tables(target: HostSide) -> bool:
    """With a captured block and the card's offset: verify it under tables with two digits swapped (EA)."""
    before = target.asked
    return pin_of(target, natural_pin(target, bare)) == PIN and target.asked - before < MOST_CALLS


async def send_tables_of_zeros(target: HostSide) -> bool:
    """Type 0000 at a terminal, and verify that block under tables of zeros and a single one: which digits are there?"""
    block = target.block("0000")
    there = set()
    for digit in DIGITS:
        table = "".join("1" if original == digit else "0" for original in TABLE)
        answer = target.verify(block, table, "0000")
        if answer not in ("00", "01"):
            return False
        if answer == "01":
            there.add(digit)
    natural = [str((int(a) - int(b)) % 10) for a, b in zip(PIN, target.offset, strict=False)]
    return there == set(natural)


async def let_the_unit_seal_them(target: HostSide) -> bool:
    """The same, and each swapped table is enciphered first, by the unit itself (LO)."""
    before = target.asked
    return pin_of(target, natural_pin(target, sealed_by_the_unit)) == PIN and target.asked - before < 2 * MOST_CALLS


ATTACK = Attack(
    id="A22",
    title="Decimalisation tables of one's own",
    reference="Bond and Zieliński, Decimalisation table attacks for PIN cracking, UCAM-CL-TR-560 (2003); Clulow, The "
    "Design and Analysis of Cryptographic APIs for Security Devices (2003)",
    attacker="may send host commands, holds a PIN block off the network and the card's offset; wants the PIN",
    soft="an HSM that takes tables in clear; in the last case one that enciphers a table for any host at any time; "
    "neither limits failed verifications",
    defence="tables are taken only as this unit enciphered them, and that takes a person at the console; tables that "
    "spread badly are refused too, which alone would not be enough: the swapped ones spread well",
    cases=(
        Case(
            "two digits swapped",
            soft=lambda folder: hsm.soft_in_variants(folder, encrypted_tables="false"),
            hardened=unit,
            strike=send_swapped_tables,
            alert="host.refused 25",
            told=TELLER,
        ),
        Case(
            "zeros and a one",
            soft=lambda folder: hsm.soft_in_variants(folder, encrypted_tables="false", table_checks="false"),
            hardened=unit,
            strike=send_tables_of_zeros,
            alert="host.refused 25",
            told=TELLER,
        ),
        Case(
            "enciphered by the unit itself",
            soft=lambda folder: unit(folder, as_bad_as_can_be(lmks=hsm.AES_BLOCKS), make=AlwaysAuthorised),
            hardened=unit,
            strike=let_the_unit_seal_them,
            alert="host.refused 17",
            told=TELLER,
        ),
    ),
)
