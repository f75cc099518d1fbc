# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""One application that the terminal takes without contact, its kernel and its limits, as read from the profile."""

from dataclasses import dataclass

from protocols.emv.bits import Tvr

KERNELS_BUILT = (2, 3)  # EMV Contactless Book B 2.10, table 3-6: 2 is Mastercard's, 3 Visa's
LARGEST_AMOUNT = 999_999_999_999  # 9F02 is n 12
AMOUNTS = ("transaction_limit", "cvm_limit", "floor_limit", "device_limit")
ACTION_CODES = ("tac_denial", "tac_online", "tac_default")


def hexadecimal(text: str, octets: range, what: str) -> bytes:
    """A setting's octets; ValueError where they are none, or not as many as ``octets`` allows."""
    try:
        value = bytes.fromhex(text)
    except ValueError:
        value = b""
    if len(value) not in octets or len(text) != 2 * len(value):
        least, most = 2 * octets[0], 2 * octets[-1]
        raise ValueError(f"{what}: {f'{least}' if least == most else f'{least} to {most}'} hexadecimal digits expected")
    return value


@dataclass(frozen=True, slots=True)
class Combination:
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
        hexadecimal(self.aid, range(5, 17), "aid")
        hexadecimal(self.application_version, range(2, 3), "application-version")
        if self.kernel not in KERNELS_BUILT:
            raise ValueError(f"kernel: {self.kernel} is not built, known: {', '.join(map(str, KERNELS_BUILT))}")
        for name in AMOUNTS:
            if not 0 <= getattr(self, name) <= LARGEST_AMOUNT:
                raise ValueError(f"{name.replace('_', '-')}: 0 to {LARGEST_AMOUNT} minor units expected")
        for name in ACTION_CODES:
            hexadecimal(getattr(self, name), range(5, 6), name.replace("_", "-"))

    @property
    def name(self) -> bytes:
        """The application identifier, or the beginning of one."""
        return bytes.fromhex(self.aid)

    @property
    def most(self) -> int:
        """The highest limit that any card may have here."""
        return max(self.transaction_limit, self.device_limit)

    @property
    def denial(self) -> Tvr:
        """Findings that decline at once."""
        return Tvr.decode(bytes.fromhex(self.tac_denial))

    @property
    def online(self) -> Tvr:
        """Findings that send a payment online."""
        return Tvr.decode(bytes.fromhex(self.tac_online))

    @property
    def default(self) -> Tvr:
        """Findings that decline what cannot go online."""
        return Tvr.decode(bytes.fromhex(self.tac_default))
