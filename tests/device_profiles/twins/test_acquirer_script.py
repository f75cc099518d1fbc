# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The acquirer twin misbehaving on purpose, by its rules."""

from typing import Any

import pytest

from device_profiles.twins.acquirer_script import Fault, Rule, Script
from protocols.acquirer.message import decode
from tests.device_profiles.acquirer_bench import Bench

pytestmark = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")  # the oracles'


def scripted(**rule: Any) -> Bench:
    made = Bench(Script((Rule(mti="0100", **rule),)))
    made.sign_on()
    return made


def test_rules_answer_in_the_issuers_place() -> None:
    bench = scripted(amount=1300, code="05")
    assert bench.ask(bench.request(1300)).response_code == "05"
    assert bench.event["reasons"] == ["by script"]
    assert bench.ask(bench.request(1300)).response_code == "00"  # once


@pytest.mark.parametrize(("fault", "sendings"), [(Fault.DROP, 0), (Fault.DUPLICATE, 2), (Fault.HANG_UP, 0)])
def test_rules_change_how_often_an_answer_comes(fault: Fault, sendings: int) -> None:
    bench = scripted(fault=fault)
    message = bench.request()
    assert len(bench.send(bench.signed(message))) == sendings
    assert bench.ledger.held == {"test-cardholder": 4200}
    assert bench.last.hang_up is (fault is Fault.HANG_UP)


def test_a_lost_request_is_never_decided() -> None:
    bench = scripted(fault=Fault.LOSE)
    message = bench.request()
    assert bench.send(bench.signed(message)) == []
    assert bench.ledger.held == {}
    assert bench.ask(message).response_code == "00"


def test_a_late_answer_comes_in_front_of_the_next_one() -> None:
    bench = scripted(fault=Fault.LATE)
    late = bench.request()
    assert bench.send(bench.signed(late)) == []
    following = bench.request()
    first, second = (decode(octets, bench.dialect).message for octets in bench.send(bench.signed(following)))
    assert (first.stan, second.stan) == (late.stan, following.stan)


def test_a_wrong_mac_and_garbage() -> None:
    bench = scripted(fault=Fault.WRONG_MAC)
    (octets,) = bench.send(bench.signed(bench.request()))
    received = decode(octets, bench.dialect)
    assert received.message.mac != bench.pad.mac(received.octets_to_mac)
    bench = scripted(fault=Fault.GARBAGE, delay_ms=250)
    (octets,) = bench.send(bench.signed(bench.request()))
    assert bench.last.sendings[0].delay_ms == 250
    with pytest.raises(Exception, match="bitmap"):
        decode(octets, bench.dialect)
