# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A23: PIN blocks are translated until what bound them is gone, or until the errors tell what is in them."""

from tests.attacks.harness import Attack, Case
from tests.attacks.hostside import ACCOUNT, PIN, TELLER, HostSide, unit
from tests.attacks.soft import hsm
from tests.attacks.soft.hsm import AnyTranslation, TalkativeTranslation
from tests.hsm_sim import oracle

OWN_ACCOUNT = "000111222333"
PROBES = 3000


def translated(target: HostSide, block: str, formats: str, account: str) -> str:
    """CC under the network's key; the new block, or the error code."""
    key = target.held("ZPK", target.zpk)
    answer = target.ask(f"CC{key}{key}12{block}{formats}{account}")
    return answer[4:20] if answer[:2] == "00" else answer


async def through_a_format_without_account(target: HostSide) -> bool:
    """Translate a captured block to format 1, which knows no account, and from there to one's own account."""
    unbound = translated(target, target.block(), "0105", ACCOUNT)
    own = translated(target, unbound, "0501", OWN_ACCOUNT) if len(unbound) == 16 else ""
    return own == oracle.block_0(target.zpk, PIN, OWN_ACCOUNT)


async def to_the_block_that_cards_take(target: HostSide) -> bool:
    """Translate to format 2: whoever deciphers it with a key of his own card reader reads the PIN."""
    block = translated(target, target.block(), "0134", ACCOUNT)
    clear = (
        oracle.quiet(oracle.psec.des.decrypt_tdes_ecb, target.zpk, bytes.fromhex(block)) if len(block) == 16 else b""
    )
    return bool(clear[:1] == b"\x24" and clear[1:3].hex() == PIN)


async def move_it_to_another_account(target: HostSide) -> bool:
    """Put a captured block under the LMK (JE), move it to one's own account (QK), and send it out again (JG)."""
    key = target.held("ZPK", target.zpk)
    kept = target.ask(f"JE{key}{target.block()}01{ACCOUNT}")
    moved = target.ask(f"QK{kept[2:]}{ACCOUNT}{OWN_ACCOUNT}")
    if moved[:2] != "00":
        return False
    return target.ask(f"JG{key}01{OWN_ACCOUNT}{moved[2:]}") == "00" + oracle.block_0(target.zpk, PIN, OWN_ACCOUNT)


async def tell_causes_apart(target: HostSide) -> bool:
    """Send noise as PIN blocks and sort it by the error: a code for each cause reads the block digit by digit."""
    answers = {translated(target, oracle.key(8).hex(), "0101", ACCOUNT)[:2] for _ in range(PROBES)}
    return len(answers) > 1


ATTACK = Attack(
    id="A23",
    title="PIN blocks reformatted",
    reference="ISO 9564-1:2017, 9.4: permitted translations; Berkman and Ostrovsky, The Unbearable Lightness of PIN "
    "Cracking, FC 2007; Clulow (2003)",
    attacker="may send host commands and holds a PIN block off the network; wants it bound to another account, to no "
    "account, or to hear what is in it",
    soft="an HSM that translates every format to every other; one whose owner lets PINs change accounts; one that says "
    "what is wrong with a PIN block",
    defence="only the translations of ISO 9564-1: nothing goes to formats 1 or 2, there is no field for another "
    "account, PINs under the LMK do not change accounts, and whatever is wrong with a block, the code is 20. What "
    "remains is format 0 itself: whether a block is valid for a wrong account tells a little of two of its digits; "
    "DUKPT keys or format 4 end that",
    cases=(
        Case(
            "through format 1",
            soft=lambda folder: hsm.soft_in_blocks(folder, AnyTranslation),
            hardened=unit,
            strike=through_a_format_without_account,
            alert="host.refused 69",
            told=TELLER,
        ),
        Case(
            "to format 2",
            soft=lambda folder: hsm.soft_in_blocks(folder, AnyTranslation),
            hardened=unit,
            strike=to_the_block_that_cards_take,
            alert="host.refused 69",
            told=TELLER,
        ),
        Case(
            "to another account",
            soft=lambda folder: hsm.soft_in_variants(folder, account_change="true"),
            hardened=unit,
            strike=move_it_to_another_account,
            alert="host.refused 29",
            told=TELLER,
        ),
        Case(
            "by the error codes",
            soft=lambda folder: hsm.soft_in_blocks(folder, TalkativeTranslation),
            hardened=unit,
            strike=tell_causes_apart,
            alert="host.refused 20",
            told=TELLER,
        ),
    ),
)
