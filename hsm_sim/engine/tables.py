# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Decimalisation tables: taken bare or enciphered as the policy says, checked, and enciphered for hosts.

A host that may choose the table can find a PIN in about 15 verifications instead of 5,000: with a table of all zeros
but one digit it learns which digits the PIN has (Bond and Zieliński, "Decimalisation table attacks for PIN cracking",
2003). Checks make such tables useless; only tables that the host cannot write close the way.
"""

from collections.abc import Callable, Mapping
from typing import Any

from hsm_sim.engine.keyring import Keyring
from hsm_sim.engine.pin_requests import SealTable
from hsm_sim.engine.refusal import Reason, Refused
from protocols.errors import DecodeError
from protocols.pin.reference import TABLE_DIGITS, DecimalisationTable, check_table


def opened_table(keyring: Keyring, text: str) -> DecimalisationTable:
    """The table of a field: enciphered, or bare where the policy takes that."""
    digits = keyring.lmk.open_table(text) if keyring.policy.encrypted_tables else text
    try:
        return DecimalisationTable(digits, strict=keyring.policy.table_checks)
    except DecodeError:
        raise Refused(Reason.DECIMALISATION_TABLE) from None


def seal_table(keyring: Keyring, request: SealTable) -> str:
    """A table enciphered; one that spreads badly is refused here already."""
    digits = request.digits
    if len(digits) != TABLE_DIGITS or not (digits.isascii() and digits.isdigit()):
        raise Refused(Reason.DECIMALISATION_TABLE)
    if keyring.policy.table_checks:
        try:
            check_table(digits)
        except DecodeError:
            raise Refused(Reason.DECIMALISATION_TABLE) from None
    return keyring.lmk.close_table(digits)


OPERATIONS: Mapping[type, Callable[[Keyring, Any], Any]] = {SealTable: seal_table}
