# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Processing restrictions: whether the card may be used here, today, for this. It finds, and refuses nothing by itself.

EMV 4.4 Book 3, 10.4. What it finds are bits of the TVR, whose consequences are the action codes'.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from protocols.emv.bits import Auc, Tvr
from protocols.emv.tags import Tag
from protocols.octets import bcd_decode
from terminal_agent.emv.card_data import CardData
from terminal_agent.emv.outcome import Trail
from terminal_agent.emv.request import CASH, CASHBACK, PURCHASE, TransactionRequest
from terminal_agent.emv.terminal import EmvTerminal

CENTURY_TURNS = "50"  # Book 4, 6.7.3: years 00 to 49 are 2000 to 2049, 50 to 99 are 1950 to 1999


class Service(NamedTuple):
    """What application usage control must allow for a kind of payment; any one bit is enough."""

    words: str
    domestic: Auc
    international: Auc


SERVICES: Mapping[int, Service] = MappingProxyType(
    {
        PURCHASE: Service(
            "goods or services",
            Auc.DOMESTIC_GOODS | Auc.DOMESTIC_SERVICES,
            Auc.INTERNATIONAL_GOODS | Auc.INTERNATIONAL_SERVICES,
        ),
        CASH: Service("cash", Auc.DOMESTIC_CASH, Auc.INTERNATIONAL_CASH),
        CASHBACK: Service("cashback", Auc.DOMESTIC_CASHBACK, Auc.INTERNATIONAL_CASHBACK),
    }
)
"""Book 3, 10.4.2, table 35, by transaction type. Which of goods and services a till sells, it does not know."""


def check(card: CardData, version: bytes, terminal: EmvTerminal, request: TransactionRequest, trail: Trail) -> Tvr:
    """The findings of Book 3, 10.4; ``version`` is the terminal's application version number (9F09)."""
    found = Tvr(0)
    theirs = card.sized(Tag.APPLICATION_VERSION_CARD)
    if theirs is not None and theirs != version:
        trail.note("version", f"the card's is {theirs.hex()}, the terminal's {version.hex()}", "Book 3, 10.4.1")
        found |= Tvr.VERSIONS_DIFFER
    refusal = _usage(card, terminal, request)
    if refusal:
        trail.note("usage", refusal, "Book 3, 10.4.2")
        found |= Tvr.SERVICE_NOT_ALLOWED
    today = _sortable(request.date.strftime("%y%m%d"))
    effective = card.sized(Tag.EFFECTIVE_DATE)
    if effective is not None and _sortable(bcd_decode(effective, "effective date")) > today:
        trail.note("dates", "the application is not yet effective", "Book 3, 10.4.3")
        found |= Tvr.NOT_YET_EFFECTIVE
    if _sortable(card.expiry) < today:
        trail.note("dates", "the application is expired", "Book 3, 10.4.3")
        found |= Tvr.EXPIRED
    return found


def _usage(card: CardData, terminal: EmvTerminal, request: TransactionRequest) -> str:
    """Why usage control refuses, or nothing (Book 3, 10.4.2)."""
    value = card.sized(Tag.APPLICATION_USAGE_CONTROL)
    if value is None:
        return ""
    allowed = Auc.decode(value)
    if (Auc.CASH_MACHINES if terminal.cash_machine else Auc.OTHER_TERMINALS) not in allowed:
        return "the card may not be used at this kind of terminal"
    country = card.sized(Tag.ISSUER_COUNTRY)
    if country is None:
        return ""
    service = SERVICES[request.transaction_type]
    home = country == terminal.country_octets
    if allowed & (service.domestic if home else service.international):
        return ""
    return f"the card does not allow {service.words} {'at home' if home else 'abroad'}"


def _sortable(yymmdd: str) -> str:
    """A date's six digits with its century, in the order of time."""
    return ("19" if yymmdd[:2] >= CENTURY_TURNS else "20") + yymmdd
