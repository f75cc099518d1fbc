# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Answers that every contactless card twin gives alike: activation, directory, selection. It has no state."""

from collections.abc import Callable

from device_profiles.card_profile import Application, CardProfile, ContactlessChip
from device_profiles.twins.activation import Activated, Activation, ActivationB
from device_profiles.twins.card_answer import Refused
from protocols.emv import apdu, dol, tlv
from protocols.emv.apdu import Command
from protocols.emv.dol import Wanted
from protocols.emv.status import Status
from protocols.emv.tags import Tag
from tillguard.exits import Exit
from tillguard.voice import Fault


def chip_of(profile: CardProfile) -> ContactlessChip:
    """The profile's contactless chip; Fault where it has none."""
    if profile.contactless is None:
        hint = "choose a card whose file has [contactless]"
        raise Fault(f"the card '{profile.name}' has contacts only", hint, Exit.USAGE)
    return profile.contactless


def activation(chip: ContactlessChip, random: Callable[[int], bytes]) -> Activated:
    """The card comes into the field."""
    if chip.protocol_info:
        return ActivationB(random(4), bytes.fromhex(chip.application_data), bytes.fromhex(chip.protocol_info))
    uid = b"\x08" + random(3)  # ISO/IEC 14443-3, 6.5.4: 08 announces a random identifier
    return Activation(bytes.fromhex(chip.atqa), chip.sak, uid, bytes.fromhex(chip.ats))


def asks_for_directory(command: Command) -> bool:
    """Whether a SELECT is for the payment directory; Refused where it is malformed (Contactless Book B, 3.3.2.2)."""
    if command.p1 != 0x04 or command.p2 not in (0x00, 0x02):
        raise Refused(Status.INCORRECT_P1_P2)
    return command.data == apdu.PPSE and command.p2 == 0x00


def directory(application: Application) -> bytes:
    """The answer to SELECT of the payment directory."""
    entry = tlv.template(
        Tag.DIRECTORY_ENTRY,
        (Tag.AID_CARD, bytes.fromhex(application.aid)),
        (Tag.APPLICATION_LABEL, application.label.encode("ascii")),
        (Tag.APPLICATION_PRIORITY, bytes((application.priority,))),
    )
    listed = tlv.template(Tag.FCI_PROPRIETARY, tlv.template(Tag.FCI_ISSUER_DISCRETIONARY, entry))
    return tlv.encode([tlv.template(Tag.FCI_TEMPLATE, (Tag.DF_NAME, apdu.PPSE), listed)])


def selected(application: Application, pdol: tuple[Wanted, ...], command: Command) -> bytes:
    """The answer to SELECT of the application; Refused for any other name."""
    aid = bytes.fromhex(application.aid)
    # one application: there is no next one
    if len(command.data) < 5 or not aid.startswith(command.data) or command.p2:
        raise Refused(Status.FILE_NOT_FOUND)
    if application.blocked:
        raise Refused(Status.SELECTED_FILE_INVALIDATED)
    held: list[tlv.Item] = [(Tag.APPLICATION_LABEL, application.label.encode("ascii"))]
    if pdol:
        held.append((Tag.PDOL, dol.encode(pdol)))
    proprietary = tlv.template(Tag.FCI_PROPRIETARY, *held)
    return tlv.encode([tlv.template(Tag.FCI_TEMPLATE, (Tag.DF_NAME, aid), proprietary)])
