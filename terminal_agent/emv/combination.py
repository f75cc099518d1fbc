# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""One application that the terminal takes without contact, its kernel and its limits, as read from the profile."""

from dataclasses import dataclass

from terminal_agent.emv.application_settings import ApplicationSettings

KERNELS_BUILT = (2, 3)  # EMV Contactless Book B 2.10, table 3-6: 2 is Mastercard's, 3 Visa's


@dataclass(frozen=True, slots=True)
class Combination(ApplicationSettings):
    """One application that the terminal takes, the kernel for it and its limits in minor units of the currency.

    EMV Contactless Book B 2.10, 3.1: at or above ``transaction_limit`` no contactless payment, at or above
    ``cvm_limit`` the cardholder is verified, above ``floor_limit`` the payment goes online.
    """

    aid: str
    transaction_limit: int
    cvm_limit: int
    kernel: int = 3
    floor_limit: int = 0
    application_version: str = "0000"
    zero_amount: bool = False
    """Whether an amount of nothing may be asked about: whether the card is there and its account open."""
    status_check: bool = False
    """Whether one unit of the currency is such a question too (Book B 3.1.1)."""
    device_limit: int = 0
    """Kernel 2: the transaction limit where the card is a device that verifies its holder; 0 is the same as above."""
    tac_denial: str = "000000000C"
    """Kernel 2: the acquirer's action codes. The default declines whoever answers too late (Book C-2, TVR octet 5)."""
    tac_online: str = "FFFFFFFFF0"
    tac_default: str = "FFFFFFFFF0"

    def __post_init__(self) -> None:
        self.check("transaction_limit", "cvm_limit", "floor_limit", "device_limit")
        if self.kernel not in KERNELS_BUILT:
            raise ValueError(f"kernel: {self.kernel} is not built, known: {', '.join(map(str, KERNELS_BUILT))}")

    @property
    def most(self) -> int:
        """The highest limit that any card may have here."""
        return max(self.transaction_limit, self.device_limit)
