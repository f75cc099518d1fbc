# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A33: a disk brings a program, a network card brings its own network; and a service visit that one person allowed."""

from device_profiles.twins.usb_descriptors import Model
from protocols.signed import Statement
from tests.attacks.harness import Attack, Case
from tests.attacks.soft.usb import one_is_enough
from tests.attacks.usb_ports import ALARM, BLOCKED, NOON, REJECTED, TERMINAL, TOLD, Ports, till
from tests.protocols.persons import sealed

STICK = Model("0951", "1666", (((8, 6, 0x50),),), "DataTraveler", "60A4")
NETWORK = Model("0525", "a4a2", (((2, 6, 0),), ((0x0A, 0, 0),)), "Ethernet Gadget", "")
RNDIS = Model("0bda", "8152", (((0xE0, 1, 3),), ((0x0A, 0, 0),)), "RNDIS", "")
ANY_DISK = "reason = 'I need it'\nrules = '''allow with-interface 08:06:50 label \"any disk\"'''\n"


def _lives(target: Ports, port: str) -> bool:
    one = target.bus.devices.get(port)
    return one is not None and one.live() != []


async def a_disk(target: Ports) -> bool:
    """Plug in a stick with a program on it."""
    target.plug("1-7", STICK)
    return target.bus.disks() > 0


async def a_network_card(target: Ports) -> bool:
    """Plug in a stick that is a network card with a DHCP server behind it (CDC ECM)."""
    target.plug("1-7", NETWORK)
    return _lives(target, "1-7")


async def a_phone_that_tethers(target: Ports) -> bool:
    """The same by RNDIS, at the technician's port."""
    target.plug("1-6", RNDIS)
    return _lives(target, "1-6")


async def a_visit_that_one_person_allowed(target: Ports) -> bool:
    """With one person's key, sign an exception for any disk, put it into the folder of exceptions, plug in a stick."""
    statement = Statement("usb-exception", TERMINAL, 1, NOON.utc_s, NOON.utc_s + 3600, ANY_DISK)
    target.put("exceptions/visit.signed", sealed(statement, "ben"))
    target.plug("1-7", STICK)
    return target.bus.disks() > 0


_LAX = till(believed=one_is_enough())

ATTACK = Attack(
    id="A33",
    title="Disks and network cards",
    reference="Kamkar, PoisonTap, 2016: a network card that is believed gets the traffic",
    attacker="has a hand at the till, a stick or a phone, and perhaps one person's signing key; wants his program or "
    "his network on the terminal",
    soft="a kernel that nobody guards; a terminal that takes one person's word for an exception",
    defence="no rule lets in a disk that is not the technician's, and one rejects network cards; an exception is "
    "signed by two different persons, has an end, and is verified each time that it is read",
    cases=(
        Case("a disk", till(guarded=False), till(), a_disk, BLOCKED, TOLD),
        Case("a network card", till(guarded=False), till(), a_network_card, REJECTED, TOLD),
        Case("a phone that tethers", till(guarded=False), till(), a_phone_that_tethers, REJECTED, TOLD),
        Case("one person's visit", _LAX, till(), a_visit_that_one_person_allowed, ALARM, TOLD),
    ),
)
