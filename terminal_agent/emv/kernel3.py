# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Kernel 3 (qVSDC): one GET PROCESSING OPTIONS, the records it names, and a decision. It goes to no issuer by itself.

After EMV Contactless Book C-3 2.10, not certified by anybody. Sans-IO: it yields commands and is sent responses. What
it has and what it refuses is :data:`terminal_agent.emv.capabilities.KERNEL_3`. An approval without the issuer needs the
card's own signature (fDDA): a cryptogram that nobody checks proves nothing.

Malformed answers raise DecodeError, which :func:`terminal_agent.emv.transaction.contactless` turns into an outcome.
"""

from collections.abc import Generator, Mapping
from types import MappingProxyType
from typing import NamedTuple

from protocols.emv import apdu, dol, oda, status
from protocols.emv.apdu import Response
from protocols.emv.bits import Aip, Auc, CryptogramType, Ctq, Ttq
from protocols.emv.status import Status
from protocols.emv.tags import Tag, words
from protocols.errors import DecodeError, ProtocolError
from terminal_agent.emv import application_data, cvm, de55
from terminal_agent.emv.card_data import CardData
from terminal_agent.emv.contactless_run import Done, Go, Kernel, TapRun, same_account, same_brand
from terminal_agent.emv.outcome import Alert, Cvm, Decision
from terminal_agent.emv.request import CASH, CASHBACK

MUST_ASK = (Tag.TTQ, Tag.AMOUNT_AUTHORISED_NUMERIC, Tag.TRANSACTION_CURRENCY, Tag.UNPREDICTABLE_NUMBER)
"""What a PDOL must ask for: a cryptogram over less could be one harvested for another payment (house rule)."""

MUST_GIVE = (
    Tag.AIP,
    Tag.TRACK_2_EQUIVALENT,
    Tag.ISSUER_APPLICATION_DATA,
    Tag.APPLICATION_CRYPTOGRAM,
    Tag.ATC,
)
"""Book C-3 5.4.2.1: what the card must have given before anything is decided."""


class Refusal(NamedTuple):
    """What a status word in answer to GET PROCESSING OPTIONS leads to. ``decision`` None: try the next application."""

    decision: Decision | None
    words: str


REFUSALS: Mapping[int, Refusal] = MappingProxyType(
    {
        Status.REFERENCED_DATA_INVALIDATED: Refusal(Decision.OTHER_INTERFACE, "the card asks for another interface"),
        Status.CONDITIONS_NOT_SATISFIED: Refusal(None, "the application does not take this payment"),
        Status.COMMAND_NOT_ALLOWED: Refusal(Decision.TRY_AGAIN, "see the instructions on the device, then tap again"),
    }
)
"""Book C-3 5.2.2.2. Any other status ends the transaction."""


class Service(NamedTuple):
    """What application usage control must allow for a kind of payment, and when the card prefers its chip."""

    words: str
    domestic: Auc
    international: Auc
    switch: Ctq


SERVICES: Mapping[int, Service] = MappingProxyType(
    {
        CASH: Service("cash", Auc.DOMESTIC_CASH, Auc.INTERNATIONAL_CASH, Ctq.SWITCH_FOR_CASH),
        CASHBACK: Service("cashback", Auc.DOMESTIC_CASHBACK, Auc.INTERNATIONAL_CASHBACK, Ctq.SWITCH_FOR_CASHBACK),
    }
)
"""Book C-3 5.5.1.3 and 5.5.1.4, by transaction type."""

SIGNATURE_SOURCE = "Book C-3, fast DDA"
COVERS_PAYMENT = 0x01  # first octet of 9F69: the signature is over amount, currency and qualifiers as well


def processing_options(tap: TapRun) -> Generator[bytes, bytes, Done]:
    """Say what is asked of the card, and ask (Book C-3 5.2)."""
    trail, limits = tap.trail, tap.limits
    qualifiers = tap.terminal.qualifiers
    checkable = tap.means.offline and tap.means.authorities.knows(tap.rid)  # without its keys no signature is
    if limits.over_floor or tap.request.forced_online or not checkable:
        qualifiers |= Ttq.ONLINE_CRYPTOGRAM_REQUIRED
    if limits.cvm_required:
        qualifiers |= Ttq.CVM_REQUIRED
    tap.qualifiers = qualifiers
    trail.note("limits", limits.words, "Book B 3.1.1")
    trail.note("TTQ", f"{qualifiers.hex}: {'; '.join(qualifiers.words())}", "Book C-3 Annex A, 9F66")
    tap.given[Tag.TTQ] = qualifiers.encode()
    wanted = dol.decode(tap.selected.pdol or b"", where="PDOL")
    asked = {entry.tag: entry.length for entry in wanted}
    short = [words(tag) for tag in MUST_ASK if asked.get(tag) != len(tap.given[tag])]
    if short:
        said = f"the card does not ask for {', '.join(short)}: its cryptogram would not cover this payment"
        return trail.end(Decision.OTHER_INTERFACE, said, "house rule")
    tap.pdol_data = dol.fill(wanted, tap.given)
    response = Response.decode((yield apdu.get_processing_options(tap.pdol_data).encode()))
    if not response.ok:
        refusal = REFUSALS.get(response.status, Refusal(Decision.ENDED, "the application refuses the payment"))
        said = f"{refusal.words} ({status.words(response.status)})"
        if refusal.decision is None:
            trail.note("application", said, "Book C-3 5.2.2.2")
            return Go.ANOTHER
        return trail.end(refusal.decision, said, "Book C-3 5.2.2.2")
    application_data.take_options(tap.card, response.data)
    return Go.ON


def records(tap: TapRun) -> Generator[bytes, bytes, Done]:
    """Read what the card names, and see that it gave what it must (Book C-3 5.3 and 5.4.2.1)."""
    refused = yield from application_data.read_records(tap.card)
    if refused:
        return tap.trail.end(Decision.ENDED, refused, "Book C-3 5.3")
    card = tap.card
    missing = card.missing(MUST_GIVE)
    if missing:
        said = f"the card did not give {', '.join(words(tag) for tag in missing)}"
        if Tag.APPLICATION_CRYPTOGRAM not in missing:
            return tap.trail.end(Decision.ENDED, said, "Book C-3 5.4.2.1")
        # without a cryptogram it is a contact application, or the magnetic stripe's data
        if tap.card.get(Tag.TRACK_2_EQUIVALENT):
            tap.trail.alert(Alert.MODE_DOWNGRADED)
        return tap.trail.end(Decision.OTHER_INTERFACE, said, "Book C-3 5.4.2.1")
    for tag in MUST_GIVE:
        card.sized(tag)
    return Go.ON


def cryptogram(tap: TapRun) -> Done:
    """What the card decided (Book C-3 5.4.3)."""
    card, trail = tap.card, tap.trail
    tap.aip = Aip.decode(card.sized(Tag.AIP) or b"")
    offered = "; ".join(tap.aip.words()) or "no offline authentication, no risk management"
    trail.note("AIP", f"{tap.aip.hex}: {offered}")
    tap.kind = _cryptogram_type(card)
    atc = int.from_bytes(card.get(Tag.ATC) or b"", "big")
    trail.note("cryptogram", f"{tap.kind.words}; transaction counter {atc}", "Book C-3 5.4.3")
    value = card.sized(Tag.CTQ)
    ctq = tap.ctq = None if value is None else Ctq.decode(value)
    said = "not returned" if ctq is None else f"{ctq.hex}: {'; '.join(ctq.words()) or 'nothing set'}"
    trail.note("CTQ", said, "Book C-3 Annex A, 9F6C")
    return Go.ON


def card_decision(tap: TapRun) -> Done:
    """Whether there is anything left to decide (Book C-3 5.4.3.2)."""
    if tap.kind not in (CryptogramType.ARQC, CryptogramType.TC):
        return tap.stop(Decision.DECLINED, "declined by the card", "Book C-3 5.4.3.2")
    tap.online = tap.kind is CryptogramType.ARQC
    if not tap.online and Ttq.ONLINE_CRYPTOGRAM_REQUIRED in tap.qualifiers:
        said = "an online cryptogram was required, so it is sent online all the same"
        tap.trail.note("cryptogram", said, "Book C-3 5.4.3.2")
        tap.online = True
    return Go.ON


def signature(tap: TapRun) -> Done:
    """The card's signature, where there is one or one is needed: fast DDA over what was asked (Book C-3, fast DDA)."""
    signed = tap.card.get(Tag.SIGNED_DYNAMIC_DATA)
    if tap.online and (signed is None or Ttq.ODA_FOR_ONLINE not in tap.qualifiers):
        return Go.ON  # nobody asked for it
    related = tap.card.sized(Tag.CARD_AUTHENTICATION_DATA) or b""
    number, amount = tap.given[Tag.UNPREDICTABLE_NUMBER], tap.given[Tag.AMOUNT_AUTHORISED_NUMERIC]
    try:
        if not signed:
            raise DecodeError(words(Tag.SIGNED_DYNAMIC_DATA), "missing")
        currency = tap.given[Tag.TRANSACTION_CURRENCY]
        oda.verify_fdda(tap.card_key(), signed, number, amount, currency, related)
    except ProtocolError as fault:
        if tap.means.authorities.knows(tap.rid):
            tap.trail.alert(Alert.AUTHENTICATION_FAILED)
        tap.trail.note("offline authentication", f"fDDA failed: {fault}", SIGNATURE_SOURCE)
        return _unproven(tap)
    tap.proven, tap.covers = True, related[:1] == bytes((COVERS_PAYMENT,))
    what = "this payment and the card's qualifiers" if tap.covers else "the terminal's number only"
    tap.trail.note("offline authentication", f"fDDA succeeded: the card's signature covers {what}", SIGNATURE_SOURCE)
    if not tap.online and not tap.covers and not tap.terminal.signed_number_is_enough:
        said = "the card's signature does not cover the amount: online"
        tap.trail.note("offline authentication", said, "house rule")
        tap.online = True
    return Go.ON


def _unproven(tap: TapRun) -> Done:
    """A signature that fails: the card says what follows, and never an approval without the issuer."""
    if tap.online:
        return Go.ON
    ctq = tap.ctq or Ctq(0)
    if Ctq.ONLINE_IF_ODA_FAILS in ctq and tap.terminal.can_go_online:
        tap.online = True
        return Go.ON
    if Ctq.SWITCH_IF_ODA_FAILS in ctq and tap.terminal.contact_chip:
        return tap.stop(Decision.OTHER_INTERFACE, "the card is not proven genuine: use its chip", SIGNATURE_SOURCE)
    return tap.stop(Decision.DECLINED, "declined: the card is not proven genuine", SIGNATURE_SOURCE)


def restrictions(tap: TapRun) -> Done:
    """Dates, the list of stolen cards, and whether the card may be used for this (Book C-3 5.5.1)."""
    expiry = tap.card.expiry[:4] or tap.card.track2.expiry
    if expiry < tap.request.date.strftime("%y%m"):
        if not tap.online and Ctq.ONLINE_IF_EXPIRED not in (tap.ctq or Ctq(0)):
            return tap.stop(Decision.DECLINED, "declined: the card is expired", "Book C-3 5.5.1.1")
        tap.online = True
        tap.trail.note("expiry", "the card is expired; online, that is the issuer's to refuse", "Book C-3 5.5.1.1")
    if tap.listed:
        tap.trail.note("risk", "the card is on the terminal's exception file", "Book 4, 6.5.1")
        if not tap.online:
            return tap.stop(Decision.DECLINED, "declined: the card is reported stolen", "Book 4, 6.5.1")
    if tap.terminal.cash_machine and Ctq.NOT_VALID_AT_CONTACTLESS_ATM in (tap.ctq or Ctq(0)):
        return tap.stop(
            Decision.OTHER_INTERFACE, "the card is not for cash machines without contact", "Book C-3 Annex A, 9F6C"
        )
    service = SERVICES.get(tap.request.transaction_type)
    if service is None:
        return Go.ON
    usage, country = tap.card.sized(Tag.APPLICATION_USAGE_CONTROL), tap.card.sized(Tag.ISSUER_COUNTRY)
    if usage is not None and country is not None:
        home = country == tap.terminal.country_octets
        if (service.domestic if home else service.international) in Auc.decode(usage):
            return Go.ON
    if tap.ctq is not None and service.switch in tap.ctq:
        return tap.stop(Decision.OTHER_INTERFACE, f"the card takes {service.words} at its chip only", "Book C-3 5.5.1")
    return tap.stop(Decision.DECLINED, f"declined: the card does not allow {service.words} here", "Book C-3 5.5.1")


def verification(tap: TapRun) -> Done:
    """How the cardholder is verified (Book C-3 5.7)."""
    copy = tap.card.sized(Tag.CARD_AUTHENTICATION_DATA)
    rule = cvm.choose(
        cvm.Facts(
            required=Ttq.CVM_REQUIRED in tap.qualifiers,
            ctq=tap.ctq,
            online_pin=tap.terminal.online_pin,
            signature=tap.terminal.signature,
            trusts_device=tap.terminal.trust_unproven_cdcvm,
            copy_differs=copy is not None and tap.ctq is not None and copy[5:7] != tap.ctq.encode(),
            proven=tap.covers,
        )
    )
    if rule.alert is not None:
        tap.trail.alert(rule.alert)
    tap.trail.note("CVM", rule.words, rule.source)
    if rule.cvm is None:
        return tap.stop(Decision.DECLINED, "declined: the cardholder cannot be verified", rule.source)
    tap.cvm = rule.cvm
    tap.given[Tag.CVM_RESULTS] = de55.CVM_RESULTS[rule.cvm]
    return Go.ON


def decision(tap: TapRun) -> Done:
    """Online, or approved by card and terminal (Book C-3 5.8)."""
    if tap.online or tap.cvm is Cvm.ONLINE_PIN:
        return tap.settled(Decision.ONLINE, "online authorisation", "Book C-3 5.8")
    return tap.settled(Decision.APPROVED, "approved offline by card and terminal", "Book C-3 5.8")


STEPS: Kernel = MappingProxyType(
    {
        "options": processing_options,
        "records": records,
        "account": same_account,
        "cryptogram": cryptogram,
        "brand": same_brand,
        "card": card_decision,
        "signature": signature,
        "restrictions": restrictions,
        "verification": verification,
        "decision": decision,
    }
)
"""The kernel's steps in their order; each may end the payment."""


def _cryptogram_type(card: CardData) -> CryptogramType:
    """CID bits 8 and 7, or where a card leaves CID out, bits 6 and 5 of octet 5 of 9F10 (Book C-3 5.4.3.1)."""
    cid = card.sized(Tag.CID)
    if cid is not None:
        return CryptogramType(cid[0] >> 6)
    issuer_data = card.get(Tag.ISSUER_APPLICATION_DATA) or b""
    if len(issuer_data) < 5:
        raise DecodeError(words(Tag.ISSUER_APPLICATION_DATA), f"{len(issuer_data)} octets, the fifth is needed")
    return CryptogramType(issuer_data[4] >> 4 & 0b11)
