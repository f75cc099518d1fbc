# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The CVM table over all of its inputs: what a card claims never spares a PIN from the limit on (attack A07)."""

import itertools

import pytest

from protocols.emv.bits import Ctq
from terminal_agent.emv import Alert, Cvm
from terminal_agent.emv.cvm import RULES, Facts, choose

PIN, SIGNATURE, DEVICE = Ctq.ONLINE_PIN_REQUIRED, Ctq.SIGNATURE_REQUIRED, Ctq.CONSUMER_DEVICE_CVM_PERFORMED
QUALIFIERS = (
    None,
    *(
        Ctq(sum(bits))
        for bits in itertools.chain.from_iterable(
            itertools.combinations((PIN, SIGNATURE, DEVICE, Ctq.ONLINE_IF_EXPIRED), count) for count in range(5)
        )
    ),
)
EVERY = [
    Facts(required, ctq, online_pin, signature, trusts, differs, proven)
    for required, ctq, online_pin, signature, trusts, differs, proven in itertools.product(
        (False, True), QUALIFIERS, *((False, True),) * 5
    )
]


def test_every_combination_of_facts_is_there() -> None:
    assert len(EVERY) == 2 * 17 * 2**5


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_every_rule_decides_something(rule: object) -> None:
    assert any(choose(facts) is rule for facts in EVERY)


def test_a_method_is_never_chosen_that_the_terminal_lacks() -> None:
    for facts in EVERY:
        cvm = choose(facts).cvm
        assert cvm is not Cvm.ONLINE_PIN or facts.online_pin
        assert cvm is not Cvm.SIGNATURE or facts.signature


def test_from_the_limit_on_someone_is_verified_or_the_payment_stops() -> None:
    for facts in EVERY:
        if facts.required:
            assert choose(facts).cvm is not Cvm.NONE


def test_from_the_limit_on_a_bare_claim_is_worth_nothing_unless_the_profile_trusts_it() -> None:
    for facts in EVERY:
        if facts.required and not facts.trusts_device and not facts.proven:
            assert choose(facts).cvm is not Cvm.CDCVM
        bare = facts.claims_device and not facts.proven
        if facts.required and bare and not facts.copy_differs and not facts.wants_pin:
            assert choose(facts).alert is Alert.CDCVM_UNPROVEN


def test_with_a_pad_and_no_signature_it_is_always_the_pin() -> None:
    for facts in EVERY:
        rule = choose(facts)
        if facts.required and facts.online_pin and not facts.signature and not facts.trusts_device:
            assert rule.cvm is Cvm.ONLINE_PIN or rule.name in ("qualifiers-differ", "device-proven")


def test_a_card_that_asks_for_a_pin_gets_it_at_any_amount() -> None:
    for facts in EVERY:
        if facts.wants_pin and facts.online_pin and not (facts.claims_device and facts.copy_differs):
            assert choose(facts).cvm is Cvm.ONLINE_PIN


def test_every_rule_names_its_source() -> None:
    assert all(rule.words and rule.source for rule in RULES)
    assert len({rule.name for rule in RULES}) == len(RULES)
    assert RULES[-1].fits(EVERY[0])
