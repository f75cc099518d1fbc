# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A42: one person alone loosens what the terminal's ports let in, or ends a lock."""

from device_profiles.twins.usb_descriptors import Model
from protocols.signed import Envelope
from tests.attacks import ingest_cases
from tests.attacks.harness import Attack, Case
from tests.attacks.soft.usb import one_is_enough
from tests.attacks.usb_ports import ALARM, TILL, TOLD, Ports, by, till

KEYBOARD = Model("16c0", "27db", (((3, 1, 1),),), "Keyboard", "")
LOOSE = TILL.replace("rules = '''", "rules = '''\nallow label \"everything\"")


async def a_policy_of_his_own(target: Ports) -> bool:
    """Sign a policy that allows everything with one key, and put it in the place of the one in force."""
    target.put("kept.signed", by(9, LOOSE, "ben"))
    target.plug("1-7", KEYBOARD)
    return target.bus.inputs() > 0


async def two_keys_of_one_person(target: Ports) -> bool:
    """Sign it twice, with two keys of which the terminal knows one."""
    target.put("kept.signed", by(9, LOOSE, "ben", "ben, a second key"))
    target.plug("1-7", KEYBOARD)
    return target.bus.inputs() > 0


async def signatures_of_another_text(target: Ports) -> bool:
    """Take both signatures off the policy in force and put them under the looser text."""
    kept, loose = by(1, TILL, "anna", "ben"), by(9, LOOSE, "ben")
    anna = tuple(one for one in kept.signatures if one.key_id not in {mine.key_id for mine in loose.signatures})
    target.put("kept.signed", Envelope(loose.statement, (*loose.signatures, *anna)))
    target.plug("1-7", KEYBOARD)
    return target.bus.inputs() > 0


_LAX = till(believed=one_is_enough())

ATTACK = Attack(
    id="A42",
    title="One person alone loosens a policy or ends a lock",
    reference="PCI PIN Security Requirements 3.1, control objective 6: no single person; here of ports and orders",
    attacker="is one of those who may sign: with a shell as root at the terminal he wants a USB policy of his own, "
    "with one at head office an order that takes two",
    soft="a terminal, or a list of persons, that takes one signature",
    defence="a policy or a grave order counts when as many different persons as the terminal's list says have signed "
    "this very text; the folder is not believed, so every reading verifies again, and what does not hold is told and "
    "passed over",
    cases=(
        Case("a policy of his own", _LAX, till(), a_policy_of_his_own, ALARM, TOLD),
        Case("two keys of one person", _LAX, till(), two_keys_of_one_person, ALARM, TOLD),
        Case("signatures of another text", _LAX, till(), signatures_of_another_text, ALARM, TOLD),
        *ingest_cases.ALONE,
    ),
)
