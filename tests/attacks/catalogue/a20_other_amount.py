# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A20: the customer sees another amount than the one that is paid."""

from device_profiles.model import AbecsSession, PanPolicy
from tests.attacks.abecs_counter import AbecsCounter, OtherWords, abecs_counter
from tests.attacks.harness import Attack, Case
from tests.device_profiles.twins.pads import ABECS_IDENTITY

PAID, SHOWN = b"EUR 42.00", b"EUR  4.20"


async def show_a_smaller_amount(target: AbecsCounter) -> bool:
    """Change the amount on its way to the display; the customer agrees to a tenth of what the terminal will book."""
    await target.put_between(OtherWords(target.abecs_pad, PAID, SHOWN))
    target.shown()
    entered = await target.pay()
    assert any(SHOWN.decode() in words for words in target.shown()), "the customer was to see the smaller amount"
    return entered is not None


ATTACK = Attack(
    id="A20",
    title="Another amount on the display",
    reference="Galloway and Yunusov, Black Hat 2018: amounts and words changed between a phone and its card reader",
    attacker="has the pad's line in his hands; wants the customer to agree to less than is booked",
    soft="a terminal that believes what it asked a pad to show was shown",
    defence="behind each PIN the pad signs the words that stood above it, with the KSN and the block that it gave and "
    "16 octets of the terminal's choice (`LNK`, an extension of ours to ABECS): where the words are not those that "
    "were asked for, the payment ends without an authorisation, and head office is told",
    cases=(
        Case(
            "PIN entry, ABECS",
            soft=lambda folder: abecs_counter(folder, AbecsSession.PLAIN, PanPolicy.GUARDED),
            hardened=lambda folder: abecs_counter(folder, AbecsSession.PLAIN, PanPolicy.GUARDED, ABECS_IDENTITY),
            strike=show_a_smaller_amount,
            alert="the pad's line is tampered with",
            told="head office, as the reason of device.lost",
        ),
    ),
)
