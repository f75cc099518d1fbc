# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A16: what only the host may sign is signed by others: octet by octet by its time, or with another pad's help."""

from tests.attacks.harness import Attack, Case
from tests.attacks.lane import FIRST_TERMINAL, SECOND_TERMINAL
from tests.attacks.signed_line import Heard, SignedLine, signed_line
from tests.attacks.soft.host import HastyReply

MAC_OCTETS = 8
TOLD = "the till; head office, as host.refused"


async def guess_by_time(target: SignedLine) -> bool:
    """Try all values of each octet of the MAC in turn and keep the one that takes longest to refuse."""
    known, last = b"", Heard(False, 0)
    for place in range(MAC_OCTETS):
        rest = bytes(MAC_OCTETS - place - 1)
        heard: dict[int, Heard] = {}
        for value in range(256):
            guess = known + bytes((value,)) + rest
            heard[value] = target.hear(target.answered(lambda _, guess=guess: guess))
        longest = max(heard, key=lambda value: (heard[value].believed, heard[value].instructions))
        known, last = known + bytes((longest,)), heard[longest]
    return last.believed


async def sign_at_another_pad(target: SignedLine) -> bool:
    """Give a pad of one's own the session key that the wire showed for the victim's, and have it sign an approval."""
    own = target.pads[SECOND_TERMINAL]
    own.takes(target.seen[FIRST_TERMINAL])
    return target.hear(target.answered(own.mac)).believed


ATTACK = Attack(
    id="A16",
    title="MACs forged by time or by another pad",
    reference="Bräunlein, Melette, Nohl, 32C3 2015: Shopshifting",
    attacker="sits on a terminal's line and owns a terminal of the same make; wants to send it what only the host may, "
    "such as an approval",
    soft="a terminal that compares MACs octet by octet, or pads that share one master key",
    defence="MACs are compared in constant time; each pad has a master key of its own, so that another's session key "
    "does not load",
    cases=(
        Case(
            "octet by octet, by time",
            soft=signed_line(HastyReply),
            hardened=signed_line(),
            strike=guess_by_time,
            alert="the MAC of the answer 0110 is wrong",
            told=TOLD,
        ),
        Case(
            "signed by another terminal's pad",
            soft=signed_line(shared=True),
            hardened=signed_line(),
            strike=sign_at_another_pad,
            alert="the MAC of the answer 0110 is wrong",
            told=TOLD,
        ),
    ),
)
