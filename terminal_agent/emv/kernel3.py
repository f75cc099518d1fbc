# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Kernel 3 (qVSDC), the online path: one GET PROCESSING OPTIONS, the records it names, and a decision.

After EMV Contactless Book C-3 2.10, not certified by anybody. Sans-IO: it yields commands and is sent responses.

=========================================  =======================================================================
capability                                 here
=========================================  =======================================================================
online with ARQC                           done
TC although an online cryptogram was asked done: sent online (5.4.3.2)
offline approval (fDDA)                    refused: there is no offline data authentication, so nothing is approved
mag-stripe mode                            refused: use another interface
issuer update after the answer             refused: not offered in TTQ
CVM: online PIN, signature, device         done, see :mod:`terminal_agent.emv.cvm`
cash and cashback                          done: application usage control (5.5.1.3, 5.5.1.4)
=========================================  =======================================================================

Malformed answers raise DecodeError, which :func:`terminal_agent.emv.transaction.contactless` turns into an outcome.
"""

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from protocols.emv import apdu, dol, status
from protocols.emv.apdu import Response
from protocols.emv.bits import Aip, Auc, CryptogramType, Ctq, Ttq
from protocols.emv.status import Status
from protocols.emv.tags import Tag, words
from protocols.errors import DecodeError
from terminal_agent.emv import application_data, brands, cvm, de55
from terminal_agent.emv.card_data import CardData
from terminal_agent.emv.entry_point import Selected
from terminal_agent.emv.outcome import Alert, Cvm, Decision, EmvOutcome, Trail
from terminal_agent.emv.request import CASH, CASHBACK, TransactionRequest, terminal_objects
from terminal_agent.emv.terminal import EmvTerminal

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
        Status.COMMAND_NOT_ALLOWED: Refusal(Decision.ENDED, "see the instructions on the device, then tap again"),
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


@dataclass(slots=True)
class _Kernel:
    """One run of the kernel: who asks, what for, what the card said."""

    terminal: EmvTerminal
    request: TransactionRequest
    selected: Selected
    trail: Trail
    given: dict[int, bytes]
    card: CardData

    def qualifiers(self) -> Ttq:
        return Ttq.decode(self.given[Tag.TTQ])

    def ctq(self) -> Ctq | None:
        value = self.card.sized(Tag.CTQ)
        return None if value is None else Ctq.decode(value)


def run(
    terminal: EmvTerminal, request: TransactionRequest, selected: Selected, trail: Trail
) -> Generator[bytes, bytes, EmvOutcome | None]:
    """Process the selected application; None where the next candidate is to be tried (Book C-3 5.2.2.2)."""
    limits = selected.candidate.limits
    qualifiers = terminal.qualifiers | Ttq.ONLINE_CRYPTOGRAM_REQUIRED  # without fDDA every payment needs one
    if limits.cvm_required:
        qualifiers |= Ttq.CVM_REQUIRED
    trail.note("limits", limits.words, "Book B 3.1.1")
    trail.note("TTQ", f"{qualifiers.hex}: {'; '.join(qualifiers.words())}", "Book C-3 Annex A, 9F66")
    combination = selected.candidate.combination
    given = terminal_objects(terminal, combination.name, combination.application_version, request)
    given[Tag.TTQ] = qualifiers.encode()
    kernel = _Kernel(terminal, request, selected, trail, given, CardData())

    wanted = dol.decode(selected.pdol or b"", where="PDOL")
    asked = {entry.tag: entry.length for entry in wanted}
    short = [words(tag) for tag in MUST_ASK if asked.get(tag) != len(given[tag])]
    if short:
        said = f"the card does not ask for {', '.join(short)}: its cryptogram would not cover this payment"
        return trail.end(Decision.OTHER_INTERFACE, said, "house rule")
    response = Response.decode((yield apdu.get_processing_options(dol.fill(wanted, given)).encode()))
    if not response.ok:
        refusal = REFUSALS.get(response.status, Refusal(Decision.ENDED, "the application refuses the payment"))
        said = f"{refusal.words} ({status.words(response.status)})"
        if refusal.decision is None:
            trail.note("application", said, "Book C-3 5.2.2.2")
            return None
        return trail.end(refusal.decision, said, "Book C-3 5.2.2.2")
    application_data.take_options(kernel.card, response.data)
    refused = yield from application_data.read_records(kernel.card)
    return kernel.trail.end(Decision.ENDED, refused, "Book C-3 5.3") if refused else _decide(kernel)


def _decide(kernel: _Kernel) -> EmvOutcome:
    """Everything after the card may leave the field (Book C-3 5.4 to 5.8)."""
    card, trail = kernel.card, kernel.trail
    missing = card.missing(MUST_GIVE)
    if missing:
        said = f"the card did not give {', '.join(words(tag) for tag in missing)}"
        # without a cryptogram in the answer it is a contact or mag-stripe application
        without = Tag.APPLICATION_CRYPTOGRAM in missing
        return trail.end(Decision.OTHER_INTERFACE if without else Decision.ENDED, said, "Book C-3 5.4.2.1")
    for tag in MUST_GIVE:
        card.sized(tag)
    track2 = card.track2
    if card.pan not in (None, track2.pan):
        trail.alert(Alert.PAN_MISMATCH)
        raise DecodeError(words(Tag.PAN), "not the number of track 2")
    aip = Aip.decode(card.sized(Tag.AIP) or b"")
    trail.note("AIP", f"{aip.hex}: {'; '.join(aip.words()) or 'no offline authentication, no risk management'}")
    kind = _cryptogram_type(card)
    atc = int.from_bytes(card.get(Tag.ATC) or b"", "big")
    trail.note("cryptogram", f"{kind.words}; transaction counter {atc}", "Book C-3 5.4.3")
    ctq = kernel.ctq()
    said = "not returned" if ctq is None else f"{ctq.hex}: {'; '.join(ctq.words()) or 'nothing set'}"
    trail.note("CTQ", said, "Book C-3 Annex A, 9F6C")

    expiry = card.expiry[:4] or track2.expiry
    if expiry < kernel.request.date.strftime("%y%m"):
        trail.note("expiry", "the card is expired; online, that is the issuer's to refuse", "Book C-3 5.5.1.1")
    brand = brands.mismatch(kernel.selected.df_name, track2.pan)
    if brand:
        trail.alert(Alert.BRAND_MISMATCH)
        trail.note("brand", f"the application is {brand}'s, the account number is not", "house rule")
        return _stop(kernel, Decision.DECLINED, "declined: application and account number are of different brands", "")
    if kind not in (CryptogramType.ARQC, CryptogramType.TC):
        return _stop(kernel, Decision.DECLINED, "declined by the card", "Book C-3 5.4.3.2")
    if kind is CryptogramType.TC:
        trail.note(
            "cryptogram", "an online cryptogram was required, so it is sent online all the same", "Book C-3 5.4.3.2"
        )
    return _restrictions(kernel, ctq) or _verify(kernel, kind, ctq)


def _verify(kernel: _Kernel, kind: CryptogramType, ctq: Ctq | None) -> EmvOutcome:
    """How the cardholder is verified (Book C-3 5.7), and the request to go online."""
    card, trail = kernel.card, kernel.trail
    copy = card.sized(Tag.CARD_AUTHENTICATION_DATA)
    rule = cvm.choose(
        cvm.Facts(
            required=Ttq.CVM_REQUIRED in kernel.qualifiers(),
            ctq=ctq,
            online_pin=kernel.terminal.online_pin,
            signature=kernel.terminal.signature,
            trusts_device=kernel.terminal.trust_unproven_cdcvm,
            copy_differs=copy is not None and ctq is not None and copy[5:7] != ctq.encode(),
        )
    )
    if rule.alert is not None:
        trail.alert(rule.alert)
    trail.note("CVM", rule.words, rule.source)
    if rule.cvm is None:
        return _stop(kernel, Decision.DECLINED, "declined: the cardholder cannot be verified", rule.source)
    return _online(kernel, kind, rule.cvm)


def _cryptogram_type(card: CardData) -> CryptogramType:
    """CID bits 8 and 7, or where a card leaves CID out, bits 6 and 5 of octet 5 of 9F10 (Book C-3 5.4.3.1)."""
    cid = card.sized(Tag.CID)
    if cid is not None:
        return CryptogramType(cid[0] >> 6)
    issuer_data = card.get(Tag.ISSUER_APPLICATION_DATA) or b""
    if len(issuer_data) < 5:
        raise DecodeError(words(Tag.ISSUER_APPLICATION_DATA), f"{len(issuer_data)} octets, the fifth is needed")
    return CryptogramType(issuer_data[4] >> 4 & 0b11)


def _restrictions(kernel: _Kernel, ctq: Ctq | None) -> EmvOutcome | None:
    """Whether the card may be used for this kind of payment (Book C-3 5.5.1.3, 5.5.1.4)."""
    service = SERVICES.get(kernel.request.transaction_type)
    if service is None:
        return None
    usage, country = kernel.card.sized(Tag.APPLICATION_USAGE_CONTROL), kernel.card.sized(Tag.ISSUER_COUNTRY)
    if usage is not None and country is not None:
        home = country == kernel.terminal.country_octets
        if (service.domestic if home else service.international) in Auc.decode(usage):
            return None
    if ctq is not None and service.switch in ctq:
        said = f"the card takes {service.words} at its chip only"
        return _stop(kernel, Decision.OTHER_INTERFACE, said, "Book C-3 5.5.1")
    return _stop(kernel, Decision.DECLINED, f"declined: the card does not allow {service.words} here", "Book C-3 5.5.1")


def _online(kernel: _Kernel, kind: CryptogramType, method: Cvm) -> EmvOutcome:
    """The request to go online, with everything that the issuer needs (Book C-3 5.8)."""
    kernel.given[Tag.CID] = bytes((kind << 6,))
    kernel.given[Tag.CVM_RESULTS] = de55.CVM_RESULTS[method]
    kernel.given[Tag.DF_NAME] = kernel.selected.df_name
    icc_data = de55.assemble(kernel.given, kernel.card)
    return _stop(kernel, Decision.ONLINE, "online authorisation", "Book C-3 5.8", method, icc_data)


def _stop(
    kernel: _Kernel, decision: Decision, said: str, source: str, method: Cvm = Cvm.NONE, icc_data: bytes = b""
) -> EmvOutcome:
    """An outcome that knows the card."""
    kernel.trail.note("decision", said, source)
    card, track2 = kernel.card, kernel.card.track2
    return EmvOutcome(
        decision,
        method,
        pan=track2.pan,
        track2=track2,
        expiry=card.expiry[:4] or track2.expiry,
        sequence_number=card.sequence_number,
        icc_data=icc_data,
        label=kernel.selected.label,
        aid=kernel.selected.df_name,
        atc=int.from_bytes(card.get(Tag.ATC) or b"", "big"),
        alerts=tuple(kernel.trail.alerts),
        notes=tuple(kernel.trail.notes),
    )
