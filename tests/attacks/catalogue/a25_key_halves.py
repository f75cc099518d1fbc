# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A25: halves of double length keys are split off and joined anew."""

from tests.attacks.harness import Attack, Case
from tests.attacks.hostside import TELLER, HostSide, unit
from tests.attacks.soft import hsm
from tests.hsm_sim import oracle


def imported(target: HostSide, cryptogram: str) -> bool:
    """Whether the unit takes a key that travels part by part in ECB mode."""
    start = f"A6{target.code('ZEK')}{target.held('ZMK', target.zmk)}"
    return any(target.ask(f"{start}{tag}{cryptogram}U")[:2] in ("00", "01") for tag in "XU")


async def make_the_halves_equal(target: HostSide) -> bool:
    """Of a captured key under the ZMK send the first half twice: a key as weak as DES, to be searched in a day."""
    captured = oracle.under(target.zmk, oracle.key(), "X")[1:]
    return imported(target, captured[:16] * 2)


async def join_halves_of_two_keys(target: HostSide) -> bool:
    """Join the first half of a captured key with one of a key that is known: what is left to search is a half."""
    captured, known = (oracle.under(target.zmk, oracle.key(), "X")[1:] for _ in range(2))
    return imported(target, captured[:16] + known[:16])


async def use_halves_under_the_lmk(target: HostSide) -> bool:
    """Use a key under the LMK in scheme X, which ties no half to its place, with its halves swapped (M0)."""
    field = oracle.under(oracle.lmk("00A"), oracle.key(), "X")
    start = f"M00011{target.code('ZEK')}"
    swapped = "X" + field[17:] + field[1:17]
    return target.ask(f"{start}{swapped}0010{'0' * 16}")[:2] == "00"


ATTACK = Attack(
    id="A25",
    title="Key halves split and joined",
    reference="PCI PIN Security Requirement 18-3, information supplement on key blocks (2017); Bond (2004)",
    attacker="may send host commands and holds keys as they travel between zones; wants one that can be searched for",
    soft="an HSM that takes keys with equal halves; one that takes keys part by part, by ANSI X9.17 or by variants: "
    "the shipped unit with a variant LMK and its usual settings",
    defence="keys with equal halves are refused by every unit; the hardened one takes keys in key blocks alone, from "
    "other zones and under its LMK, and those hold together",
    cases=(
        Case(
            "halves made equal",
            soft=lambda folder: hsm.soft_in_variants(folder, single_length_posing="true"),
            hardened=unit,
            strike=make_the_halves_equal,
            alert="host.refused A1",
            told=TELLER,
        ),
        Case(
            "halves made equal, usual settings",
            soft=lambda folder: hsm.soft_in_variants(folder, single_length_posing="true"),
            hardened=hsm.soft_in_variants,
            strike=make_the_halves_equal,
            alert="host.refused 75",
            told=TELLER,
        ),
        Case(
            "halves of two keys",
            soft=hsm.soft_in_variants,
            hardened=unit,
            strike=join_halves_of_two_keys,
            alert="host.refused A1",
            told=TELLER,
        ),
        Case(
            "halves swapped under the LMK",
            soft=hsm.soft_in_variants,
            hardened=unit,
            strike=use_halves_under_the_lmk,
            alert="host.refused A1",
            told=TELLER,
        ),
    ),
)
