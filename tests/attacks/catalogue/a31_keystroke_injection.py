# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A31: a thing that looks like a stick says that it is a keyboard, and types."""

from device_profiles.twins.usb_descriptors import Model
from tests.attacks.harness import Attack, Case
from tests.attacks.soft.usb import without_limits
from tests.attacks.usb_ports import BLOCKED, KEYBOARD, REJECTED, TOLD, Ports, till

EVIL = Model("16c0", "27db", (((3, 1, 1),),), "Keyboard", "")


async def at_the_pads_hub(target: Ports) -> bool:
    """Plug it into the free port of the hub that the PIN pad hangs from: does it become an input device?"""
    target.plug("1-2.3", EVIL)
    return target.bus.inputs() > 0


async def at_a_free_port(target: Ports) -> bool:
    """Plug it into any other port."""
    target.plug("1-7", EVIL)
    return target.bus.inputs() > 0


async def borrowing_the_keyboards_name(target: Ports) -> bool:
    """Take the shop's own keyboard out, plug in what says exactly what that one says, and type as a script does."""
    target.plug("1-4", KEYBOARD)
    target.types("1-4", 180.0, 3.0)
    return target.bus.inputs() > 0


ATTACK = Attack(
    id="A31",
    title="Keystrokes by a thing that is no keyboard",
    reference="Nohl and Lell, BadUSB, Black Hat USA 2014",
    attacker="has a hand at the till for a moment, and a stick whose firmware is his; wants to type as the operator",
    soft="a kernel that nobody guards, and a policy without a limit for keyboards",
    defence="a device lives only when a rule names it, at that port, with those interfaces; a keyboard that a rule "
    "names is held on the bus until it has typed as a person does (tests/qemu: not one key of it is heard)",
    cases=(
        Case("at the pad's hub", till(guarded=False), till(), at_the_pads_hub, REJECTED, TOLD),
        Case("at a free port", till(guarded=False), till(), at_a_free_port, BLOCKED, TOLD),
        Case("borrowed name", till(without_limits), till(), borrowing_the_keyboards_name, BLOCKED, TOLD),
    ),
)
