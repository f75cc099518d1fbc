# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A18: a man in the middle of an enciphered ABECS session, which proves nobody's identity and counts no packet."""

from device_profiles.model import AbecsSession, PanPolicy
from tests.attacks.abecs_counter import AbecsCounter, OldAnswers, OtherModulus, abecs_counter
from tests.attacks.harness import Attack, Case
from tests.device_profiles.twins.pads import ABECS_IDENTITY, TEST_PAN


async def put_another_modulus_in_its_place(target: AbecsCounter) -> bool:
    """Open one session with the terminal and one with the pad, let a customer pay, and look for the account number."""
    man = OtherModulus(target.abecs_pad)
    await target.put_between(man)
    await target.pay()
    return TEST_PAN.digits.encode() in man.heard


async def give_an_old_answer_again(target: AbecsCounter) -> bool:
    """Without any key: keep what the pad said to one customer, and say it for the next."""
    await target.put_between(OldAnswers(target.abecs_pad))
    first = await target.pay()
    if first is None:
        return False
    second = await target.pay()
    return second is not None and second.ksn == first.ksn


ATTACK = Attack(
    id="A18",
    title="Man in the middle of an enciphered line",
    reference="reading of Pinpad Abecs 2.12, 5.2: a key agreement without identities, CBC from zero, a CRC for a MAC",
    attacker="has cut the pad's line and holds both ends; wants the account number, or a PIN entry of his choice",
    soft="a terminal that takes an enciphered line for a trusted one",
    defence="the pad signs the session with a key of its own (`LNK`, an extension of ours), which the terminal's "
    "profile names as `pad.identity`: a session with anybody in between fits no signature, nor does an old answer. "
    "Without it the line counts as untrusted, however enciphered, and the account number stays in the terminal "
    "unless the pad's profile says that the cable is guarded (`abecs.pan`)",
    cases=(
        Case(
            "his RSA key instead of the terminal's",
            soft=lambda folder: abecs_counter(folder, AbecsSession.SEALED, PanPolicy.GUARDED),
            hardened=lambda folder: abecs_counter(folder, AbecsSession.SEALED, PanPolicy.TRUSTED, ABECS_IDENTITY),
            strike=put_another_modulus_in_its_place,
            alert="the pad's line is tampered with",
            told="head office, as the reason of device.lost",
        ),
        Case(
            "an old answer once more",
            soft=lambda folder: abecs_counter(folder, AbecsSession.SEALED, PanPolicy.GUARDED),
            hardened=lambda folder: abecs_counter(folder, AbecsSession.SEALED, PanPolicy.TRUSTED, ABECS_IDENTITY),
            strike=give_an_old_answer_again,
            alert="the pad's line is tampered with",
            told="head office, as the reason of device.lost",
        ),
    ),
)
