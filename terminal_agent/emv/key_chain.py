# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""From a payment system's key to a card's: what its certificates give, for either interface. It proves no payment.

EMV 4.4 Book 2, 5.3, 6.3 and 6.4. :class:`~protocols.errors.ProtocolError` says what is wrong with a chain.
"""

from datetime import date

from protocols.emv import oda
from protocols.emv.oda import IssuerKey, PublicKey
from protocols.emv.tags import Tag
from protocols.pan import Pan
from terminal_agent.emv.authorities import Authorities
from terminal_agent.emv.card_data import CardData

RID_OCTETS = 5  # ISO/IEC 7816-5


def issuer_key(authorities: Authorities, rid: bytes, card: CardData, pan: Pan, today: date) -> IssuerKey:
    """The issuer's key out of its certificate (Book 2, 5.3 and 6.3)."""
    index = (card.sized(Tag.CA_KEY_INDEX_CARD) or b"\0")[0]
    return oda.issuer_key(
        authorities.find(rid, index, today),
        card.get(Tag.ISSUER_CERTIFICATE) or b"",
        card.get(Tag.ISSUER_KEY_REMAINDER) or b"",
        card.get(Tag.ISSUER_KEY_EXPONENT) or b"",
        pan,
        today,
        authorities.revoked(rid, index),
    )


def card_key(issuer: IssuerKey, card: CardData, pan: Pan, today: date) -> PublicKey:
    """The card's key out of its certificate, which covers the signed records (Book 2, 6.4)."""
    return oda.icc_key(
        issuer,
        card.get(Tag.ICC_CERTIFICATE) or b"",
        card.get(Tag.ICC_KEY_REMAINDER) or b"",
        card.get(Tag.ICC_KEY_EXPONENT) or b"",
        pan,
        static_data(card),
        today,
    )


def static_data(card: CardData) -> bytes:
    """What the issuer signed of the card's records, and of its AIP where it says so (Book 3, 10.3)."""
    return oda.static_data(card.signed_records, card.get(Tag.SDA_TAG_LIST), card.get(Tag.AIP) or b"")
