# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A38: a terminal that was taken over speaks and listens where another terminal's topics are."""

from collections.abc import Awaitable, Callable
from functools import partial

from mqtt5 import QoS, Will

from protocols.telemetry.events import Lane
from protocols.telemetry.topics import EVERYTHING, HEAD_OFFICE, order_topic, report_topic, tree
from tests.attacks import ingest_cases
from tests.attacks.fleet import HARDENED, ROGUE, VICTIM, Fleet, soft_fleet
from tests.attacks.harness import Attack, Case
from tests.attacks.mqtt_party import Party
from tests.attacks.office import Office, office, report
from tests.attacks.soft.console import CredulousWatch, TrustingWatch

ALARM = report_topic(VICTIM, Lane.ALERT)


async def report_for_another(target: Fleet) -> bool:
    """Publish a report where the other terminal reports."""
    head = await target.listening(HEAD_OFFICE)
    rogue = await target.connect(ROGUE)
    await rogue.publish(ALARM, b"forged")
    return await _came_before_the_next(head, rogue, ALARM, b"forged")


async def order_another(target: Fleet) -> bool:
    """Publish an order where the other terminal listens for head office."""
    victim = await target.listening(VICTIM)
    rogue = await target.connect(ROGUE)
    await rogue.publish(order_topic(VICTIM), b"forged")
    head = await target.connect(HEAD_OFFICE)
    await head.publish(order_topic(VICTIM), b"true")
    await victim.hears(order_topic(VICTIM), b"true")
    return victim.has(order_topic(VICTIM), b"forged")


async def listen_to_all(target: Fleet) -> bool:
    """Subscribe to everything, by every filter that may slip through, and wait for the other's report."""
    rogue = await target.listening(ROGUE)
    for pattern in (EVERYTHING, "#", f"{tree(VICTIM)}/#", f"pos/v1/+/{VICTIM}/#", f"$share/x/{EVERYTHING}"):
        await rogue.subscribe(pattern)
    head, victim = await target.listening(HEAD_OFFICE), await target.connect(VICTIM)
    await victim.publish(report_topic(VICTIM, Lane.HEALTH), b"secret")
    await head.hears(report_topic(VICTIM, Lane.HEALTH), b"secret")
    # Its own order is sent later than the report: once it is there, the report will not come any more.
    await head.publish(order_topic(ROGUE), b"yours")
    await rogue.hears(order_topic(ROGUE), b"yours")
    return rogue.has(report_topic(VICTIM, Lane.HEALTH), b"secret")


async def leave_a_will_for_another(target: Fleet) -> bool:
    """Connect with a will in the other's tree and be cut off, so that the broker itself publishes it."""
    head = await target.listening(HEAD_OFFICE)
    rogue = await target.connect(ROGUE, will=Will(ALARM, payload=b"forged", qos=QoS.AT_LEAST_ONCE))
    rogue.die()
    # A second life with a will of one's own, which is due later than the first one's.
    own = Will(report_topic(ROGUE, Lane.ALERT), payload=b"own", qos=QoS.AT_LEAST_ONCE)
    again = await target.connect(ROGUE, will=own, client_id=f"{ROGUE}-again")
    again.die()
    await head.hears(report_topic(ROGUE, Lane.ALERT), b"own")
    return head.has(ALARM, b"forged")


async def bear_anothers_name(target: Office) -> bool:
    """Publish where one may, a report that says it is the other's."""
    target.take(report_topic(ROGUE, Lane.HEALTH), report(VICTIM, "forged"))
    return target.shows(VICTIM, "device.back", device="forged") > 0


async def speak_for_another_at_an_open_broker(target: Office) -> bool:
    """At a broker without an access list, publish on the other's topic, with one's own key, a report in its name."""
    target.take(report_topic(VICTIM, Lane.HEALTH), report(VICTIM, "forged", by=ROGUE, seq=2))
    return target.shows(VICTIM, "device.back", device="forged") > 0


async def _came_before_the_next(head: Party, rogue: Party, topic: str, payload: bytes) -> bool:
    """Whether a message came, by the time that one's own, which is sent later, has come."""
    own = report_topic(ROGUE, Lane.HEALTH)
    await rogue.publish(own, b"own")
    await head.hears(own, b"own")
    return head.has(topic, payload)


def _cases(name: str, strike: Callable[[Fleet], Awaitable[bool]], alert: str) -> list[Case[Fleet]]:
    told = "whoever runs the broker, as an event of it"
    return [
        Case(f"{name}, {broker}", soft_fleet, hardened, strike, f"denied: {alert}", told)
        for broker, hardened in HARDENED.items()
    ]


ATTACK = Attack(
    id="A38",
    title="Foreign MQTT topics",
    reference="Jia et al., Burglars' IoT Paradise, IEEE S&P 2020: brokers that know who connects and not what is whose",
    attacker="holds a valid certificate of one terminal; wants to report or be heard as another, or to listen to it",
    soft="mosquitto that demands certificates and has no access list; a head office that believes what a report says "
    "of itself; one that verifies no signature",
    defence="an access list by the certificate's name: a terminal publishes the lanes of its own tree and reads its "
    "own tree, whatever it subscribes to and whatever will it leaves; head office takes a report only on the topic of "
    "the terminal that it names, and signed with that terminal's key, so that even an open broker forges none",
    cases=(
        *_cases("report for another", report_for_another, "publish"),
        *_cases("order to another", order_another, "publish"),
        *_cases("listening to all", listen_to_all, "listen"),
        *_cases("will for another", leave_a_will_for_another, "will"),
        Case(
            "another's report at an open broker",
            soft=partial(office, kind=TrustingWatch),
            hardened=office,
            strike=speak_for_another_at_an_open_broker,
            alert="head office: refused",
            told="head office, on the screen of fleet-console watch",
        ),
        Case(
            "another's name in one's own report",
            soft=partial(office, kind=CredulousWatch),
            hardened=office,
            strike=bear_anothers_name,
            alert="head office: refused",
            told="head office, on the screen of fleet-console watch",
        ),
        *ingest_cases.SIGNED,
    ),
)
