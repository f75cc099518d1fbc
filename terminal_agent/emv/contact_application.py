# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""One application that the terminal takes at the contact interface, as read from the profile. It has no behaviour."""

from dataclasses import dataclass

from protocols.emv import dol
from protocols.errors import DecodeError
from terminal_agent.emv.application_settings import ApplicationSettings, hexadecimal

ROLLS = range(1, 100)
"""EMV 4.4 Book 3, 10.6.2: random selection compares a number from 1 to 99 with a percentage."""


@dataclass(frozen=True, slots=True)
class ContactApplication(ApplicationSettings):
    """An application, its limits in minor units, and the acquirer's action codes (EMV 4.4 Book 4, 10.2, table 6).

    The action codes default to the strictest that still lets anything be approved: never declined by the terminal
    alone, every unusual finding goes online, and what cannot go online is declined.
    """

    aid: str
    application_version: str = "0000"
    partial: bool = True
    """Application selection indicator: longer names of a card match too (Book 1, 12.3.1)."""
    floor_limit: int = 0
    cvm_limit: int = 0
    """From this amount on, a payment without a verified cardholder is declined (house rule: see action.py)."""
    tac_denial: str = "0000000000"
    tac_online: str = "FFFFFFFFFF"
    tac_default: str = "FFFFFFFFFF"
    random_percent: int = 0
    """Target percentage for random selection (Book 3, 10.6.2)."""
    random_most_percent: int = 0
    random_threshold: int = 0
    default_tdol: str = ""
    dda_is_enough: bool = False
    """Whether a card proven by DDA may be approved offline. CDA alone binds the proof to the payment (house rule)."""

    def __post_init__(self) -> None:
        self.check("floor_limit", "cvm_limit", "random_threshold")
        if not 0 <= self.random_percent <= self.random_most_percent <= 99:
            raise ValueError("random-percent: 0 to random-most-percent, and that to 99 expected")
        if self.random_threshold > self.floor_limit:
            raise ValueError("random-threshold: no more than the floor limit expected")
        try:
            dol.decode(hexadecimal(self.default_tdol, range(253), "default-tdol"), where="default-tdol")
        except DecodeError as fault:
            raise ValueError(str(fault)) from None

    def takes(self, name: bytes) -> bool:
        """Whether a card's application of that name is this one (Book 1, 12.3.1)."""
        return name == self.name or (self.partial and name.startswith(self.name))
