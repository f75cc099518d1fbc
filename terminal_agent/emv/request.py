# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""One payment as the kernels see it, and the data objects made from it. Reads no clock and draws no random number."""

import datetime
from dataclasses import dataclass

from protocols.emv.tags import Tag
from protocols.octets import bcd_encode
from terminal_agent.emv.application_settings import LARGEST_AMOUNT
from terminal_agent.emv.terminal import EmvTerminal

PURCHASE = 0x00  # 9C: the first two digits of ISO 8583 data element 3
CASH = 0x01
CASHBACK = 0x09


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the program that asks for a payment says about it besides the amount."""

    online: bool = False
    """The issuer is to be asked, whatever the limits say (EMV 4.4 Book 4, 6.5.4)."""
    earlier: int = 0
    """Minor units that the same sale was paid before, in parts: they count against the floor limit (Book 3, 10.6.1)."""


NO_WISHES = Wishes()


@dataclass(frozen=True, slots=True)
class TransactionRequest:
    """A payment to be made. Amounts are minor units; ``date`` and ``time`` are the terminal's local ones.

    ``unpredictable_number`` must come from the caller's cryptographic generator, fresh for every payment: a predictable
    one lets a cryptogram be harvested beforehand.
    """

    amount: int
    currency: str
    date: datetime.date
    time: datetime.time
    unpredictable_number: bytes
    sequence_counter: int = 1
    transaction_type: int = PURCHASE
    cashback: int = 0
    forced_online: bool = False
    """Whether the merchant, or the program, wants the issuer to be asked (EMV 4.4 Book 4, 6.5.4)."""
    earlier: int = 0
    """What this card paid here before, as far as the terminal's log knows: it counts against the floor limit, so that
    a payment is not split to stay under it (EMV 4.4 Book 3, 10.6.1)."""

    def __post_init__(self) -> None:
        if not 0 <= self.amount <= LARGEST_AMOUNT or not 0 <= self.cashback <= self.amount:
            raise ValueError("amount: 0 to 999999999999 minor units expected, cashback no more than the amount")
        if not 0 <= self.earlier <= LARGEST_AMOUNT:
            raise ValueError("earlier: 0 to 999999999999 minor units expected")
        if len(self.currency) != 3 or not (self.currency.isascii() and self.currency.isdigit()):
            raise ValueError("currency: three digits expected, such as '978'")
        if len(self.unpredictable_number) != 4:
            raise ValueError("unpredictable number: 4 octets expected")
        if not 1 <= self.sequence_counter <= 99_999_999:
            raise ValueError("sequence counter: 1 to 99999999 expected")
        if self.transaction_type not in (PURCHASE, CASH, CASHBACK):
            raise ValueError("transaction type: 00, 01 or 09 expected")
        if (self.transaction_type == CASHBACK) != (self.cashback > 0):
            raise ValueError("cashback: an amount goes with transaction type 09, and only with it")


def terminal_objects(
    terminal: EmvTerminal, aid: bytes, application_version: str, request: TransactionRequest
) -> dict[int, bytes]:
    """The data objects that the terminal gives to a card or an issuer, by tag (EMV 4.4 Book 3, Annex A1).

    TVR is all zero, as a transaction begins. What only one interface knows is its kernel's to add.
    """
    return {
        Tag.AMOUNT_AUTHORISED_NUMERIC: bcd_encode(str(request.amount), 6),
        Tag.AMOUNT_AUTHORISED_BINARY: min(request.amount, 0xFFFF_FFFF).to_bytes(4, "big"),
        Tag.AMOUNT_OTHER_NUMERIC: bcd_encode(str(request.cashback), 6),
        Tag.TERMINAL_COUNTRY: terminal.country_octets,
        Tag.TVR: bytes(5),
        Tag.TRANSACTION_CURRENCY: bcd_encode(request.currency, 2),
        Tag.TRANSACTION_DATE: bcd_encode(request.date.strftime("%y%m%d"), 3),
        Tag.TRANSACTION_TIME: bcd_encode(request.time.strftime("%H%M%S"), 3),
        Tag.TRANSACTION_TYPE: bcd_encode(f"{request.transaction_type:02X}", 1),
        Tag.UNPREDICTABLE_NUMBER: request.unpredictable_number,
        Tag.TERMINAL_TYPE: bytes.fromhex(terminal.terminal_type),
        Tag.TERMINAL_CAPABILITIES: bytes.fromhex(terminal.capabilities),
        Tag.MERCHANT_CATEGORY: bcd_encode(terminal.merchant_category, 2),
        Tag.IFD_SERIAL_NUMBER: terminal.serial_number.encode("ascii"),
        Tag.APPLICATION_VERSION_TERMINAL: bytes.fromhex(application_version),
        Tag.AID_DIRECTORY_NAME: aid,
        Tag.TRANSACTION_SEQUENCE: bcd_encode(str(request.sequence_counter), 4),
    }
