# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What a virtual card tells its issuer of a payment: issuer application data (9F10) in two layouts. It decides nothing.

Visa-like: length, key index, cryptogram version, length of the results, results of 3 octets (VIS 1.5, Annex D).
Mastercard-like: key index, cryptogram version, results of 6 octets, authentication code, counters (M/Chip 4).
"""

from typing import NamedTuple

from device_profiles.card_profile import Application, Scheme
from device_profiles.twins.contact_state import Memory, Session
from protocols.emv.bits import CryptogramType

NO_SECOND_YET = 0b10  # bits 8 and 7 of the first octet of both layouts

# Visa-like, octet 1
AUTHENTICATION_FAILED = 0x08
PIN_PERFORMED = 0x04
PIN_FAILED = 0x02
UNABLE_TO_GO_ONLINE = 0x01
# octet 2
LAST_NOT_COMPLETED = 0x80
PIN_BLOCKED = 0x40
NEW_CARD = 0x10
LAST_AUTHENTICATION_FAILED = 0x08
AUTHENTICATION_MISSING = 0x04
# octet 3
SCRIPT_FAILED = 0x08
DDA_PERFORMED = 0x02

# Mastercard-like
M_PIN_PERFORMED, M_PIN_ENCIPHERED, M_PIN_RIGHT = 0x04, 0x02, 0x01  # octet 1
M_DDA, M_CDA_FIRST, M_CDA_SECOND, M_AUTHENTICATED = 0x80, 0x40, 0x20, 0x10  # octet 2
M_UNABLE, M_PIN_NOT_PERFORMED, M_PIN_FAILED, M_PIN_BLOCKED, M_ERRONEOUS = 0x40, 0x20, 0x10, 0x08, 0x01  # octet 4
M_AUTHENTICATION_FAILED, M_SCRIPT, M_SCRIPT_FAILED = 0x04, 0x02, 0x01  # octet 5


class Moment(NamedTuple):
    """What the results are told at."""

    first: CryptogramType
    second: CryptogramType | None
    history: int
    """Octet 2 of the Visa-like layout: what earlier payments left behind."""
    unable: bool
    combined: bool
    """The cryptogram is signed as well."""
    erroneous: bool
    """The terminal says that an offline PIN was right, and none was presented."""


def issuer_data(application: Application, session: Session, memory: Memory, now: Moment) -> bytes:
    """Tag 9F10."""
    kinds = (NO_SECOND_YET if now.second is None else now.second) << 6 | now.first << 4
    head = bytes((application.key_index, application.cryptogram_version))
    failed, presented = session.issuer is not None and not session.issuer[0], session.pin_presented
    if application.scheme is Scheme.MASTERCARD:
        return head + _mastercard(kinds, failed, session, memory, now) + bytes.fromhex("0000") + bytes(8)
    octets = bytes(
        (
            kinds
            | _bits((failed, AUTHENTICATION_FAILED), (now.unable, UNABLE_TO_GO_ONLINE))
            | _bits((presented, PIN_PERFORMED), (presented and not session.pin_right, PIN_FAILED)),
            now.history | _bits((memory.pin_tries_left == 0, PIN_BLOCKED)),
            min(memory.scripts_taken, 15) << 4
            | _bits((memory.script_failed, SCRIPT_FAILED), (session.signed_dynamic or now.combined, DDA_PERFORMED)),
        )
    )
    return b"\x06" + head + b"\x03" + octets


def _mastercard(kinds: int, failed: bool, session: Session, memory: Memory, now: Moment) -> bytes:
    presented, right = session.pin_presented, session.pin_right
    genuine = session.issuer is not None and session.issuer[0]
    return bytes(
        (
            kinds | _bits((presented, M_PIN_PERFORMED), (right, M_PIN_RIGHT)),
            _bits(
                (session.signed_dynamic, M_DDA),
                (now.combined, M_CDA_FIRST if now.second is None else M_CDA_SECOND),
                (genuine, M_AUTHENTICATED),
            ),
            min(memory.scripts_taken, 15) << 4 | (memory.pin_tries_left or 0) & 0x0F,
            _bits(
                (now.unable, M_UNABLE),
                (not presented, M_PIN_NOT_PERFORMED),
                (presented and not right, M_PIN_FAILED),
                (memory.pin_tries_left == 0, M_PIN_BLOCKED),
                (now.erroneous, M_ERRONEOUS),
            ),
            _bits(
                (failed, M_AUTHENTICATION_FAILED),
                (memory.scripts_taken > 0, M_SCRIPT),
                (memory.script_failed, M_SCRIPT_FAILED),
            ),
            0,
        )
    )


def _bits(*parts: tuple[bool, int]) -> int:
    return sum(bit for there, bit in parts if there)
