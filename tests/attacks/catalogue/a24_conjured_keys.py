# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A24: noise is sent as keys until some of it is taken for one; a key for PINs is used as one for data."""

import random

from tests.attacks.harness import Attack, Case
from tests.attacks.hostside import PIN, TELLER, HostSide, unit
from tests.attacks.soft import hsm
from tests.attacks.soft.hsm import OnePair, as_bad_as_can_be, under_one_pair

BLOBS = 100_000
HEADERS = ("10096P0TB00E0000", "10096D0TB00E0000", "10096K0TN00E0000", "00072P0TB00E0000", "10096B0TX00N0000")


def blobs(count: int) -> list[str]:
    """Key fields of noise: single, double and triple length by both methods, key blocks of both kinds."""
    drawn = random.Random("A24")
    made = []
    for number in range(count):
        kind = number % 4
        if kind == 0:
            made.append(drawn.randbytes(8).hex().upper())
        elif kind == 1:
            made.append(drawn.choice("UX") + drawn.randbytes(16).hex().upper())
        elif kind == 2:
            header = drawn.choice(HEADERS)
            made.append("S" + header + drawn.randbytes((int(header[1:5]) - 16) // 2).hex().upper())
        else:
            header = drawn.choice(("B0080P0TB00E0000", "D0112P0TE00E0000", "A0072P0TB00E0000"))
            made.append("R" + header + drawn.randbytes((int(header[1:5]) - 16) // 2).hex().upper())
    return made


async def import_noise(target: HostSide) -> bool:
    """Import 100,000 blobs as keys from another zone (A6), until the unit takes one."""
    start = f"A6{target.code('ZEK')}{target.held('ZMK', target.zmk)}"
    schemes = {"U": "U", "X": "U", "S": "S", "R": "S"}
    return any(target.ask(f"{start}{blob}{schemes.get(blob[0], 'Z')}")[:2] in ("00", "01") for blob in blobs(BLOBS))


async def use_noise(target: HostSide) -> bool:
    """Encipher a block of zeros under 100,000 blobs as data keys (M0), until one works: a key that nobody made."""
    start = f"M00011{target.code('ZEK')}"
    return any(target.ask(f"{start}{blob}0010{'0' * 16}")[:2] == "00" for blob in blobs(BLOBS))


async def decipher_a_pin_as_data(target: HostSide) -> bool:
    """Hand in the network's PIN key where a data key belongs (M2) and let the unit decipher a captured block."""
    key, block = target.held("ZPK", target.zpk), target.block()
    for name in ("00A", "00B", "30B") if target.names_types else ("FFF",):
        answer = target.ask(f"M20011{name}{key}0010{block}")
        if answer[:2] == "00" and answer[6:10] == f"04{PIN[:2]}":
            return True
    return False


ATTACK = Attack(
    id="A24",
    title="Keys conjured and confused",
    reference="Bond, Understanding Security APIs (2004), chapter 3; Anderson et al., Cryptographic processors, a "
    "survey, UCAM-CL-TR-641 (2005)",
    attacker="may send host commands and holds a PIN block and its key under the LMK; wants a key that nobody made, or "
    "a key to do what it is not for",
    soft="an HSM that corrects the parity of what it imports; a variant LMK, which authenticates nothing: one blob of "
    "8 octets in 256 passes for a key; an LMK with one pair for all types of keys",
    defence="key blocks authenticate key and header, so of 100,000 blobs none is taken, and every command has the "
    "usages and modes that it takes as a table; nothing is imported that is in no key block",
    cases=(
        Case(
            "noise imported",
            soft=lambda folder: hsm.soft_in_variants(folder, correct_parity="true"),
            hardened=unit,
            strike=import_noise,
            alert="host.refused A1",
            told=TELLER,
        ),
        Case(
            "noise used",
            soft=hsm.soft_in_variants,
            hardened=unit,
            strike=use_noise,
            alert="host.refused A4",
            told=TELLER,
        ),
        Case(
            "PIN key used for data",
            soft=lambda folder: unit(folder, as_bad_as_can_be(), make=OnePair, held=under_one_pair, names_types=True),
            hardened=unit,
            strike=decipher_a_pin_as_data,
            alert="host.refused A6",
            told=TELLER,
        ),
    ),
)
