# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A39: a message is left at the broker for whoever connects later: an order that comes again and again."""

from collections.abc import Awaitable, Callable

from protocols.telemetry.events import Lane
from protocols.telemetry.topics import HEAD_OFFICE, order_topic, report_topic
from tests.attacks import ingest_cases
from tests.attacks.fleet import HARDENED, ROGUE, VICTIM, Fleet, soft_fleet
from tests.attacks.harness import Attack, Case


async def leave_an_order(target: Fleet) -> bool:
    """Leave a retained order for the other terminal, which is away; it connects, and what it hears first counts."""
    rogue = await target.connect(ROGUE)
    await rogue.publish(order_topic(VICTIM), b"stale", retain=True)
    victim, head = await target.listening(VICTIM), await target.connect(HEAD_OFFICE)
    await head.publish(order_topic(VICTIM), b"fresh")
    await victim.hears(order_topic(VICTIM), b"fresh")
    return victim.has(order_topic(VICTIM), b"stale")


async def leave_a_report(target: Fleet) -> bool:
    """Leave a retained report in one's own tree, where one may write: head office gets it anew whenever it connects."""
    mine = report_topic(ROGUE, Lane.ALERT)
    rogue = await target.connect(ROGUE)
    await rogue.publish(mine, b"stale", retain=True)
    head, again = await target.listening(HEAD_OFFICE), await target.connect(ROGUE, client_id=f"{ROGUE}-again")
    await again.publish(mine, b"fresh")
    await head.hears(mine, b"fresh")
    return head.has(mine, b"stale")


def _cases(name: str, strike: Callable[[Fleet], Awaitable[bool]]) -> list[Case[Fleet]]:
    told = "whoever runs the broker, as an event of it"
    return [
        Case(f"{name}, {broker}", soft_fleet, hardened, strike, "denied: packet", told)
        for broker, hardened in HARDENED.items()
    ]


ATTACK = Attack(
    id="A39",
    title="Retained message left behind",
    reference="MQTT 5.0, OASIS 2019, 3.3.1.3: a broker hands a retained message to every later subscriber; Jia et al., "
    "IEEE S&P 2020",
    attacker="holds a valid certificate of one terminal; wants a stale order or report to be taken for a fresh one "
    "later, when nobody is there to be blamed",
    soft="mosquitto that demands certificates, has no access list and retains messages, as it does by default",
    defence="the broker retains nothing and ends the connection of a client that asks for it, and head office takes no "
    "report that was retained; the access list keeps "
    "terminals out of each other's orders anyway",
    cases=(*_cases("order", leave_an_order), *_cases("report", leave_a_report), *ingest_cases.RETAINED),
)
