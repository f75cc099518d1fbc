# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A44: the queue for head office is flooded: an alarm goes under, the disk runs full, or the agent drowns."""

from functools import partial

from terminal_agent.flows.ordering import MOST_ALERTS
from tests.attacks import ingest_cases
from tests.attacks.commanded import Commanded, commanded
from tests.attacks.harness import Attack, Case
from tests.attacks.soft.orders import EagerOrdering
from tests.attacks.soft.spool import Endless, OneForAll
from tests.attacks.spool import ROOM, Spool, spool

FLOOD = 2_000
TOLD = "head office, as a report on the lane for alerts"


async def bury_the_alarm(target: Spool) -> bool:
    """Open the pad, then hold a card to the reader a thousand times while head office is away."""
    alarm = target.alarm(7)
    target.queue.put(alarm)
    for number in range(FLOOD):
        target.queue.put(target.noise(number))
    return alarm not in target.queue.events()


async def fill_the_disk(target: Spool) -> bool:
    """Go on until the disk has no room for payments."""
    for number in range(FLOOD):
        target.queue.put(target.noise(number))
    return target.octets > ROOM


async def shout_on_the_topic_of_orders(target: Commanded) -> bool:
    """With a broker of one's own, send what is no order, each of which is worth an alert."""
    before = len(target.chain.events)
    for _ in range(FLOOD):
        target.orders.take(b"noise", False)
    return len(target.chain.events) - before > MOST_ALERTS


ATTACK = Attack(
    id="A44",
    title="Floods and full disks",
    reference="CWE-770: allocation of resources without limits; ThingsBoard #15685: what is too much goes in silence",
    attacker="stands at the till or runs the broker; wants an alarm to go under in noise, a disk to run full, or the "
    "agent to be busy with nothing",
    soft="one queue of the latest events for all; a queue without an end; a terminal that tells all that it refuses; "
    "an ingest that keeps it",
    defence="each lane has a bound of its own in octets and drops its own oldest, which it tells in a signed report; "
    "alerts are not dropped; what is refused on the topic of orders is told ten times a minute and counted beyond; "
    "head office keeps the latest thousand refusals of each terminal, without their contents",
    cases=(
        Case("alarm buried", partial(spool, make_queue=OneForAll), spool, bury_the_alarm, "report.dropped", TOLD),
        Case("disk filled", partial(spool, make_queue=Endless), spool, fill_the_disk, "report.dropped", TOLD),
        Case(
            "noise in place of orders",
            partial(commanded, ordering=EagerOrdering),
            commanded,
            shout_on_the_topic_of_orders,
            "order.alert: malformed",
            TOLD,
        ),
        *ingest_cases.FLOODED,
    ),
)
