# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A30: a captured PIN block serves for another card, or at another terminal."""

from tests.attacks.harness import Attack, Case
from tests.attacks.lane import OTHER_PAN, SECOND_TERMINAL, ImagedPad, Lane, Till, bank, lane
from tests.attacks.soft.acquirer import NO_ACCOUNT, ForgetfulLedger, UnboundHsm, UnboundPad
from tests.device_profiles.acquirer_bench import TEST_PAN


async def hold_back_for_another_card(target: Lane) -> bool:
    """Hold a payment back, so that its key was never seen, and put its block beside a card whose PIN is unknown.

    One card in ten thousand has the same PIN. Whoever may try blocks of many people finds it.
    """
    captured = target.till.type_pin(TEST_PAN)
    return target.till.pay(OTHER_PAN, captured)


async def replay_at_another_terminal(target: Lane) -> bool:
    """With the card stolen after its PIN was typed: use the captured block at a terminal under one's own control."""
    captured = target.till.type_pin(TEST_PAN)
    assert target.till.pay(TEST_PAN, captured), "the cardholder's own payment"
    other = Till(target, SECOND_TERMINAL, ImagedPad(target.folder / "other.image"))
    return other.pay(TEST_PAN, captured)


ATTACK = Attack(
    id="A30",
    title="PIN block replayed",
    reference="ISO 9564-1:2017, 9.3: formats 0, 3 and 4 bind a PIN to an account, format 1 does not",
    attacker="controls a terminal, with key serial numbers and enciphered blocks in sight and a pad that MACs any "
    "message; wants to pay with a card whose PIN is unknown",
    soft="for another card: a pad and an HSM that mix no account number into the block; elsewhere: an acquirer that "
    "remembers no key serial number",
    defence="format 0 under a key of its own for each entry: with another account number the block holds another PIN, "
    "and its key serial number serves once, at whatever terminal",
    cases=(
        Case(
            "for another card",
            soft=lambda folder: lane(folder, hsm=UnboundHsm(), profile=bank(NO_ACCOUNT), pad=UnboundPad()),
            hardened=lane,
            strike=hold_back_for_another_card,
            alert="the PIN is not the card's",
            told="the acquirer, as the reason of its decision",
        ),
        Case(
            "at another terminal",
            soft=lambda folder: lane(folder, ledger=ForgetfulLedger()),
            hardened=lane,
            strike=replay_at_another_terminal,
            alert="KSN replay",
            told="the acquirer, as the reason of its decision",
        ),
    ),
)
