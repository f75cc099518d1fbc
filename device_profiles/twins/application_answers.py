# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Answers that every payment application gives alike, with contacts or without: options, records. It has no state."""

from collections.abc import Mapping

from device_profiles.card_profile import Application
from device_profiles.twins.card_answer import Refused
from device_profiles.twins.contact_personalisation import record_content
from protocols.emv import tlv
from protocols.emv.apdu import Command
from protocols.emv.dol import Wanted
from protocols.emv.status import Status
from protocols.emv.tags import Tag


def options_data(pdol: tuple[Wanted, ...], command: Command) -> bytes:
    """What the PDOL asked for, out of template 83."""
    if command.p1 or command.p2:
        raise Refused(Status.INCORRECT_P1_P2)
    outer = tlv.decode(command.data) if command.data[:1] == b"\x83" else tlv.Objects()
    values = outer.first(Tag.COMMAND_TEMPLATE)
    if values is None or len(outer) != 1 or len(values) != sum(entry.length for entry in pdol):
        raise Refused(Status.WRONG_DATA)
    return values


def locator(application: Application) -> bytes:
    """AFL: one entry for each record, and whether it is signed."""
    return b"".join(
        bytes((record.sfi << 3, record.number, record.number, int(record.signed))) for record in application.records
    )


def record(application: Application, objects: Mapping[int, bytes], command: Command) -> bytes:
    """READ RECORD by number (EMV 4.4 Book 3, 6.5.11)."""
    if command.p2 & 0x07 != 0x04:
        raise Refused(Status.INCORRECT_P1_P2)
    sfi = command.p2 >> 3
    if all(one.sfi != sfi for one in application.records):
        raise Refused(Status.FILE_NOT_FOUND)
    content = record_content(application, objects, sfi, command.p1)
    if content is None:
        raise Refused(Status.RECORD_NOT_FOUND)
    size = len(content)
    return bytes((Tag.RECORD_TEMPLATE, *((size,) if size < 0x80 else (0x81, size)))) + content
