# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A17: the shop's PIN pad is exchanged for one of the same model that holds a thief's key."""

import warnings

from tests.attacks.counter import THIEFS_BDK, Counter, PluggedPad, counter, look_alike, own_load
from tests.attacks.harness import Attack, Case
from tests.device_profiles.twins.pads import TEST_PAN, TEST_PIN

SERIAL = "TGUIC0000001"
KSN = "FFFF9876543210E00000"


async def _customers_pin(target: Counter) -> bool:
    import pydukpt

    entered = await target.pay()
    if entered is None:
        return False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydukpt's use of its cipher
        key = pydukpt.derive_key(pydukpt.derive_ipek(THIEFS_BDK, entered.ksn), entered.ksn)
        return bool(pydukpt.decrypt_pin(key, entered.block, TEST_PAN.digits) == TEST_PIN)


async def plug_in_a_look_alike(target: Counter) -> bool:
    """Plug in a pad of the same model and wait for a customer; its key is the thief's, who reads the wire."""
    await target.plug_in(PluggedPad(look_alike("TGUIC0666000")))
    return await _customers_pin(target)


async def plug_in_a_look_alike_with_the_same_number(target: Counter) -> bool:
    """The same with the shop's serial number on its label and in its memory; only the key is another."""
    await target.plug_in(PluggedPad(look_alike(own_load().serial)))
    return await _customers_pin(target)


ATTACK = Attack(
    id="A17",
    title="PIN pad exchanged",
    reference="pads exchanged at the counters of Hancock Fabrics (2010) and Michaels Stores (2011)",
    attacker="has a pad of the same model, loaded with a key of his own; exchanges it and reads the wire",
    soft="a terminal profile that names a model and no pad",
    defence="the terminal's profile names the pad by serial number and key (`pad.serial`, `pad.ksn`): another one is "
    "not opened, nobody is asked for a PIN, no payment begins, and head office is told. A pad with firmware of the "
    "thief's own can claim both, and its customers' PINs are his before any message: against that help seals",
    cases=(
        Case(
            "another serial number",
            soft=counter,
            hardened=lambda folder: counter(folder, serial=SERIAL),
            strike=plug_in_a_look_alike,
            alert="another pad is connected",
            told="head office, as the reason of device.lost",
        ),
        Case(
            "another key",
            soft=lambda folder: counter(folder, serial=SERIAL),
            hardened=lambda folder: counter(folder, serial=SERIAL, ksn=KSN),
            strike=plug_in_a_look_alike_with_the_same_number,
            alert="another pad is connected",
            told="head office, as the reason of device.lost",
        ),
    ),
)
