# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Threads judge as one would: each message the same verdict, in the order in which they came."""

import random
from collections.abc import Iterator
from dataclasses import replace

import pytest

from fleet_console.judge import Reason, judge
from fleet_console.jury import FEW, Jury
from fleet_console.register import Known, Register, State
from protocols.mqtt.session import Message
from tests.fleet_console.terminals import Teller, message
from tests.protocols.telemetry.report_keys import public

REGISTER = Register(
    1,
    {
        name: Known(state, "", {}, {public(name).key_id: public(name)})
        for name, state in (("TG000001", State.ACTIVE), ("TG000002", State.ACTIVE), ("TG000003", State.ISOLATED))
    },
)


@pytest.fixture(params=[1, 3])
def jury(request: pytest.FixtureRequest) -> Iterator[Jury]:
    made = Jury(request.param)
    yield made
    made.close()


def told(count: int) -> list[Message]:
    """Good messages and bad ones of every kind, shuffled."""
    tellers = [Teller(f"TG00000{number}") for number in (1, 2, 3, 4)]
    found: list[Message] = []
    while len(found) < count:
        for teller in tellers:
            good = teller.message(teller.tell(), teller.tell())
            other = Teller(teller.name, key="TG000002" if teller.name == "TG000001" else "TG000001")
            found += [
                good,
                replace(good, retained=True),
                message(good.topic, good.payload[:-9]),
                other.says("agent.stopping"),
            ]
            found += [
                replace(good, payload=good.payload.replace(b'"v":2', b'"v":3')),
                message("pos/v1/x", good.payload),
            ]
    random.Random(count).shuffle(found)
    return found[:count]


@pytest.mark.parametrize("count", [0, 1, FEW - 1, FEW, 200])
async def test_the_verdicts_are_those_of_one_judge_in_the_order_of_the_messages(jury: Jury, count: int) -> None:
    messages = told(count)
    found = await jury.judge(messages, REGISTER)
    assert found == [judge(one, REGISTER) for one in messages]
    if count == 200:
        reasons = {str(getattr(one, "reason", "accepted")) for one in found}
        assert reasons == {
            "accepted", Reason.RETAINED, Reason.SIGNATURE, Reason.KEY, Reason.TOPIC, Reason.UNKNOWN, Reason.ISOLATED,
        }  # fmt: skip


async def test_where_no_message_has_a_signature_to_verify_nothing_is_waited_for(jury: Jury) -> None:
    messages = [message(f"nowhere/{number}", b"") for number in range(3 * FEW)]
    found = await jury.judge(messages, REGISTER)
    assert [getattr(one, "reason", None) for one in found] == [Reason.TOPIC] * len(messages)
