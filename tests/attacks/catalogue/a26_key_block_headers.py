# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A26: what a key block says of its key is edited, or the block is of a version that binds less."""

import psec

from tests.attacks.harness import Attack, Case
from tests.attacks.hostside import PIN, TELLER, HostSide, unit
from tests.attacks.soft import hsm
from tests.attacks.soft.hsm import AnyVersion, unbound_unit
from tests.hsm_sim import oracle
from tests.hsm_sim.trials_keys import field_in_front

USAGE, ALGORITHM, MODE, EXPORT = slice(6, 8), slice(8, 9), slice(9, 10), slice(12, 13)
OTHER = {5: "PDKVMBCE", 6: "0123", 7: "TAD", 8: "BDENX", 9: "01", 10: "0123", 11: "ENS", 14: "0F", 15: "01F"}
"""What each character of a header may be, by its place behind the tag."""


def edited(field: str, place: slice, text: str) -> str:
    """A key field with other characters in its header."""
    return field[: place.start] + text + field[place.stop :]


def decipher(target: HostSide, field: str) -> bool:
    """Whether M2 gives the PIN of a captured block with that key."""
    answer = target.ask(f"M20011FFF{field}0010{target.block()}")
    return answer[:2] == "00" and answer[6:10] == f"04{PIN[:2]}"


async def make_a_data_key_of_a_pin_key(target: HostSide) -> bool:
    """Write D0 for P0 and any mode in the block of the network's PIN key, and decipher a captured PIN block as data."""
    field = target.held("ZPK", target.zpk)
    return any(decipher(target, edited(edited(field, USAGE, "D0"), MODE, mode)) for mode in "BDN")


async def let_a_key_out(target: HostSide) -> bool:
    """Write E or S for N in the block of a key that must stay, and export it under a ZMK that one knows (A8)."""
    secret = oracle.key()
    field = target.held("ZEK", secret, exportability="N")
    for letter, scheme in (("E", "R"), ("S", "X"), ("S", "R")):
        above = target.held("ZMK", target.zmk)
        answer = target.ask(f"A8FFF{above}{edited(field, EXPORT, letter)}{scheme}")
        if answer[:2] == "00":
            sent, _ = field_in_front(answer[2:])
            return (oracle.x9143_key if scheme == "R" else oracle.clear_of)(target.zmk, sent) == secret
    return False


async def change_any_character(target: HostSide) -> bool:
    """Change each character of the header to each that may stand there, and ask for a check value (BU): one success."""
    field = target.held("ZPK", target.zpk)
    for place, letters in OTHER.items():
        for letter in letters:
            changed = edited(field, slice(place + 1, place + 2), letter)
            if changed != field and target.ask(f"BUFFF{changed};FFF;001")[:2] == "00":
                return True
    return False


async def send_an_old_version(target: HostSide) -> bool:
    """Send a key in a block of version A or C, made right: what a downgraded sender would be made to write (A6)."""
    start = f"A6FFF{target.held('ZMK', target.zmk)}"
    for version in "AC":
        header = psec.tr31.Header(version, "P0", "T", "B", "00", "E")
        block = oracle.quiet(psec.tr31.wrap, target.zmk, header, oracle.key())
        if target.ask(f"{start}R{block}S")[:2] == "00":
            return True
    return False


ATTACK = Attack(
    id="A26",
    title="Key block headers edited",
    reference="ANSI X9.143:2021, 5 and 7.1: the header is bound to the key; versions A and C are for old blocks only; "
    "PCI PIN Security, information supplement on key blocks (2017)",
    attacker="may send host commands and holds keys in key blocks; wants a key for PINs to decipher data, a key that "
    "must stay to leave, or a block of a weaker kind to be taken",
    soft="an HSM whose key blocks have a header that nothing authenticates; one that takes X9.143 blocks of every "
    "version",
    defence="header and key are authenticated together before anything is deciphered, all that does not authenticate "
    "gets one code, and only the versions B and D of X9.143 are taken, each under its own kind of key",
    cases=(
        Case(
            "usage edited",
            soft=unbound_unit,
            hardened=unit,
            strike=make_a_data_key_of_a_pin_key,
            alert="host.refused A4",
            told=TELLER,
        ),
        Case(
            "exportability edited",
            soft=unbound_unit,
            hardened=unit,
            strike=let_a_key_out,
            alert="host.refused A4",
            told=TELLER,
        ),
        Case(
            "every character edited",
            soft=unbound_unit,
            hardened=unit,
            strike=change_any_character,
            alert="host.refused A4",
            told=TELLER,
        ),
        Case(
            "older version",
            soft=lambda folder: hsm.soft_in_blocks(folder, AnyVersion),
            hardened=unit,
            strike=send_an_old_version,
            alert="host.refused B2",
            told=TELLER,
        ),
    ),
)
