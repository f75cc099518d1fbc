# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A27: PINs are tried one after another through the host interface."""

from collections.abc import Callable, Iterator
from itertools import islice

from hsm_sim.engine.counters import Limits
from tests.attacks import stolen_pad, vault_guesses
from tests.attacks.harness import Attack, Case
from tests.attacks.hostside import ACCOUNT, PIN, TELLER, HostSide, unit
from tests.attacks.soft import hsm
from tests.attacks.soft.hsm import Forgetful, as_bad_as_can_be
from tests.hsm_sim import oracle

GUESSES = 1000
MINUTE_MS = 60_000


# One PIN in ten thousand has the PVV or offset of another: what counts is the cardholder's own.


def typed(target: HostSide) -> Iterator[tuple[str, str]]:
    """PINs in order, each as a terminal's block; a minute passes over a thousand of them."""
    for number in range(GUESSES):
        target.bench.now_ms += MINUTE_MS // GUESSES
        yield f"{number:04}", oracle.block_0(target.tpk, f"{number:04}", ACCOUNT)


def by_pvv(target: HostSide, block: str) -> str:
    """DC: a block against the card's PVV."""
    keys = target.held("TPK", target.tpk) + target.held("PVK", target.pvk)
    return target.ask(f"DC{keys}{block}01{ACCOUNT}1{target.pvv}")


def by_offset(target: HostSide, block: str) -> str:
    """DA: a block against the card's offset."""
    keys = target.held("TPK", target.tpk) + target.held("IBM PVK", target.pvk)
    return target.ask(f"DA{keys}12{block}0104{ACCOUNT}{target.table}{'P4000009999990016'}{target.offset}")


def by_pin_change(target: HostSide, block: str) -> str:
    """CU: a PIN change, in which the old PIN is the guess and the new one too."""
    keys = target.code("TPK") + target.held("TPK", target.tpk) + target.held("PVK", target.pvk)
    return target.ask(f"CU{keys}{block}01{ACCOUNT}1{target.pvv}{block}")


WAYS: tuple[Callable[[HostSide, str], str], ...] = (by_pvv, by_offset, by_pin_change)


async def try_a_thousand(target: HostSide) -> bool:
    """Type a thousand PINs at a terminal within a minute, and let the unit verify each (DC)."""
    return any(by_pvv(target, block) == "00" and pin == PIN for pin, block in typed(target))


async def try_by_every_command(target: HostSide) -> bool:
    """The same, by turns through every way to verify: PVV, offset, PIN change (DC, DA, CU)."""
    tries = enumerate(typed(target))
    return any(WAYS[number % 3](target, block)[:2] == "00" and pin == PIN for number, (pin, block) in tries)


async def switch_it_off_and_on(target: HostSide) -> bool:
    """Type three hundred, and switch the unit off and on after every fifty: does it count anew?"""
    for number, (pin, block) in enumerate(islice(typed(target), 300)):
        if number % 50 == 49:
            target.bench.restart()
        if by_pvv(target, block)[:2] == "00" and pin == PIN:
            return True
    return False


ATTACK = Attack(
    id="A27",
    title="PINs tried one by one",
    reference="PCI PTS HSM and PTS POI, requirements on exhaustive PIN determination: entries at least 30 s apart on "
    "average; host error code 39, UIC PP791 error 7, ABECS status 044",
    attacker="may send host commands, with a terminal that enciphers what is typed and the card's PVV and offset; or "
    "has taken the agent and asks its vault; or has a stolen pad and a robot for its keys. Wants the PIN, of which "
    "there are 10,000",
    soft="an HSM, a vault or a pad without limits; an HSM and a vault that forget their counts when switched off",
    defence="the HSM counts failed verifications in a minute, an hour and a day, on the disk before the host hears of "
    "them, and beyond the limit answers 39 until a person opens it again; vault and pad throttle entries to one in "
    "30 s on average, charged before the key is used and kept over restarts",
    cases=(
        Case(
            "at the HSM: a thousand in a minute",
            soft=lambda folder: unit(folder, as_bad_as_can_be(lmks=hsm.AES_BLOCKS)),
            hardened=unit,
            strike=try_a_thousand,
            alert="fraud.tripped",
            told=TELLER,
        ),
        Case(
            "at the HSM: by every command",
            soft=lambda folder: unit(folder, as_bad_as_can_be(lmks=hsm.AES_BLOCKS)),
            hardened=unit,
            strike=try_by_every_command,
            alert="fraud.tripped",
            told=TELLER,
        ),
        Case(
            "at the HSM: switched off and on",
            soft=lambda folder: unit(folder, as_bad_as_can_be(Limits(), hsm.AES_BLOCKS), make=Forgetful),
            hardened=unit,
            strike=switch_it_off_and_on,
            alert="fraud.tripped",
            told=TELLER,
        ),
        *vault_guesses.CASES,
        *stolen_pad.CASES,
    ),
)
