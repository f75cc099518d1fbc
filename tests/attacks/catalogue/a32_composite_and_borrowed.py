# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A32: a device is let in as one thing and becomes another; or it bears the ids of one that is let in."""

from dataclasses import replace

from device_profiles.twins.usb_descriptors import Model
from tests.attacks.harness import Attack, Case
from tests.attacks.soft.usb import by_ids_alone
from tests.attacks.usb_ports import BLOCKED, KEYBOARD, PAD, REJECTED, TOLD, Ports, till

GROWN = replace(PAD, interfaces=(*PAD.interfaces, ((3, 1, 1),)))
DISK_WITH_KEYBOARD = Model("0781", "5567", (((8, 6, 0x50),), ((3, 1, 1),)), "Cruzer", "4C53")


async def grows_a_keyboard(target: Ports) -> bool:
    """Let the pad be judged and live; then enumerate anew, in its place, as a pad with a keyboard."""
    target.change("1-2.1", GROWN)
    return target.bus.inputs() > 0


async def disk_with_a_keyboard_inside(target: Ports) -> bool:
    """Bear the ids and the serial number of the technician's stick, and have a keyboard behind the disk."""
    target.plug("1-6", DISK_WITH_KEYBOARD)
    return target.bus.inputs() > 0


async def ids_at_another_port(target: Ports) -> bool:
    """Bear the ids, texts and interfaces of the shop's keyboard, which has no serial number, at another port."""
    target.plug("1-7", KEYBOARD)
    return target.bus.inputs() > 0


ATTACK = Attack(
    id="A32",
    title="Let in as one thing, alive as another",
    reference="USBGuard/usbguard issue 332; usbguard-gnome issue 10: rules that take a device's word for what it is",
    attacker="has a device whose descriptors are his; wants it to pass for one that a rule lets in",
    soft="a policy of ids alone, as the shortest rules of usbguard are",
    defence="rules name port and exact interfaces; every change of descriptors is judged anew, and what is no longer "
    "what was let in is barred; what a copy shows at another port is another device",
    cases=(
        Case("grows a keyboard", till(by_ids_alone), till(), grows_a_keyboard, REJECTED, TOLD),
        Case("disk with a keyboard", till(by_ids_alone), till(), disk_with_a_keyboard_inside, BLOCKED, TOLD),
        Case("ids at another port", till(by_ids_alone), till(), ids_at_another_port, BLOCKED, TOLD),
    ),
)
