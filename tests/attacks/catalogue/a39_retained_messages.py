# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A39: a message is left at the broker, held back or kept, so that an order comes later, again, or to another."""

from collections.abc import Awaitable, Callable
from functools import partial

from protocols.telemetry.events import Lane
from protocols.telemetry.topics import HEAD_OFFICE, order_topic, report_topic
from terminal_agent.orders.standing import Standing
from tests.attacks import ingest_cases
from tests.attacks.commanded import DAY_S, Commanded, commanded
from tests.attacks.fleet import HARDENED, ROGUE, VICTIM, Fleet, soft_fleet
from tests.attacks.harness import Attack, Case, Opener
from tests.attacks.soft.orders import AnybodysOrdering, EarlessOrdering, TimelessOrdering, forgetful


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


async def hand_on_a_retained_order(target: Commanded) -> bool:
    """Run a broker of one's own that retains what it may not, and hand a true order to whoever connects."""
    return await target.hears(target.order("freeze"), retained=True) is Standing.FROZEN


async def give_it_again(target: Commanded) -> bool:
    """Keep an order that was carried out, and give it again when it suits."""
    lock = target.order("lock")
    await target.hears(lock)
    await target.hears(target.order("unlock"))
    return await target.hears(lock) is Standing.LOCKED


async def give_it_to_another(target: Commanded) -> bool:
    """Give an order to a terminal that it is not for."""
    return await target.hears(target.order("freeze", terminal="TG000002")) is Standing.FROZEN


async def give_it_late(target: Commanded) -> bool:
    """Hold an order back for a day."""
    freeze = target.order("freeze")
    target.clock.now += DAY_S * 1000
    return await target.hears(freeze) is Standing.FROZEN


def _order(
    name: str, soft: Opener[Commanded], strike: Callable[[Commanded], Awaitable[bool]], alert: str
) -> Case[Commanded]:
    return Case(
        name, soft, commanded, strike, f"order.alert: {alert}", "head office, as a report on the lane for alerts"
    )


def _cases(name: str, strike: Callable[[Fleet], Awaitable[bool]]) -> list[Case[Fleet]]:
    told = "whoever runs the broker, as an event of it"
    return [
        Case(f"{name}, {broker}", soft_fleet, hardened, strike, "denied: packet", told)
        for broker, hardened in HARDENED.items()
    ]


ATTACK = Attack(
    id="A39",
    title="Retained, repeated, misdirected and delayed orders",
    reference="MQTT 5.0, OASIS 2019, 3.3.1.3: a broker hands a retained message to every later subscriber; Jia et al., "
    "IEEE S&P 2020",
    attacker="holds a valid certificate of one terminal; or the broker itself; wants a stale order or report to be "
    "taken for a fresh one later, when nobody is there to be blamed",
    soft="mosquitto that demands certificates, has no access list and retains messages, as it does by default; "
    "terminals that forget which orders they saw, hear no retain flag, ask not for whom an order is, or not when",
    defence="the broker retains nothing and ends the connection of a client that asks for it, and head office takes no "
    "report that was retained; the access list keeps "
    "terminals out of each other's orders anyway; and were the broker the attacker's, the terminal itself refuses what "
    "is retained, not for it, over, or not above the last order's number, which is on its disk before anything is done",
    cases=(
        *_cases("order", leave_an_order),
        *_cases("report", leave_a_report),
        *ingest_cases.RETAINED,
        _order(
            "order, at the terminal", partial(commanded, ordering=EarlessOrdering), hand_on_a_retained_order, "retained"
        ),
        _order("order given again", partial(commanded, open_ledger=forgetful), give_it_again, "old"),
        _order("order to another", partial(commanded, ordering=AnybodysOrdering), give_it_to_another, "other-terminal"),
        _order("order held back", partial(commanded, ordering=TimelessOrdering), give_it_late, "over"),
    ),
)
