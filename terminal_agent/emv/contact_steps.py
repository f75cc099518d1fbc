# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The steps of a contact transaction up to the first cryptogram. Their order is :mod:`terminal_agent.emv.contact`'s.

Each takes the run and returns how it ended; those that need the card or the cardholder yield.
"""

from collections.abc import Generator

from protocols.currency import BY_NUMERIC
from protocols.emv import apdu, dol, status
from protocols.emv.apdu import Response
from protocols.emv.bits import Aip, CryptogramType, Tsi, Tvr, cvm_results_words
from protocols.emv.status import Status
from protocols.emv.tags import Tag, words
from protocols.errors import DecodeError
from protocols.octets import bcd_encode
from terminal_agent.emv import action, application_data, brands, card_decision, cvm_list, restrictions, risk
from terminal_agent.emv.card_data import CardData
from terminal_agent.emv.contact_oda import pin_key
from terminal_agent.emv.contact_run import Ask, ContactRun, Proof, Said, Turn
from terminal_agent.emv.cvm_list import CvmRun
from terminal_agent.emv.offline_pin import OfflinePinRun
from terminal_agent.emv.outcome import Alert, Cvm, Decision
from terminal_agent.emv.request import terminal_objects

OFFLINE_DECLINED = b"Z1"  # 8A, Book 4, Annex A6
CONTACT_ENTRY = b"\x05"  # 9F39: chip read by contact (ISO 8583:1987, DE22)

MUST_GIVE = (Tag.EXPIRATION_DATE, Tag.PAN, Tag.CDOL_1, Tag.CDOL_2)
"""Book 3, 7.2, table 33: what every card's records hold."""
MUST_ASK = (Tag.AMOUNT_AUTHORISED_NUMERIC, Tag.TRANSACTION_CURRENCY, Tag.UNPREDICTABLE_NUMBER)
"""What the first list must ask for: a cryptogram over less could be one harvested for another payment (house rule)."""


def processing_options(run: ContactRun) -> Generator[bytes, bytes, Turn]:
    """GET PROCESSING OPTIONS (Book 3, 10.1). Every application begins with nothing found and nothing known."""
    run.card, run.tvr, run.tsi, run.cvm = CardData(), Tvr(0), Tsi(0), Cvm.NONE
    run.proof, run.signed_tags, run.issuer_key, run.card_key = Proof.NONE, frozenset(), None, None
    run.given = _objects(run)
    run.pdol_data = dol.fill(dol.decode(run.chosen.pdol, where="PDOL"), run.given)
    response = Response.decode((yield apdu.get_processing_options(run.pdol_data).encode()))
    if response.status == Status.CONDITIONS_NOT_SATISFIED:
        run.trail.note("application", f"does not take this payment: {status.words(response.status)}", "Book 3, 10.1")
        return Turn.ANOTHER
    if not response.ok:
        said = f"the application refuses the payment: {status.words(response.status)}"
        return run.stop(Decision.ENDED, said, "Book 3, 10.1")
    application_data.take_options(run.card, response.data)
    said = "; ".join(run.aip.words()) or "nothing supported"
    run.trail.note("AIP", f"{run.aip.hex}: {said}", "Book 3, Annex C1")
    return Turn.DONE


def application_records(run: ContactRun) -> Generator[bytes, bytes, Turn]:
    """The records, and whether they make sense together (Book 3, 10.2 and 7.2)."""
    card = run.card
    if card.get(Tag.AFL) is None:
        raise DecodeError(application_data.GPO, "no file locator")
    refused = yield from application_data.read_records(card)
    if refused:
        return run.stop(Decision.ENDED, refused, "Book 3, 10.2")
    missing = card.missing(MUST_GIVE)
    if missing:
        said = f"the card did not give {', '.join(words(tag) for tag in missing)}"
        return run.stop(Decision.ENDED, said, "Book 3, 7.2")
    for tag in MUST_GIVE:
        card.sized(tag)
    lacking = card_decision.lacking(card.get(Tag.CDOL_1) or b"", MUST_ASK)
    if lacking:
        listed = ", ".join(words(tag) for tag in lacking)
        said = f"the card does not ask for {listed}: its cryptogram would not cover this payment"
        return run.stop(Decision.ENDED, said, "house rule")
    pan, track2 = card.pan, card.track2_if_any
    if pan is None or (track2 is not None and track2.pan != pan):
        run.trail.alert(Alert.PAN_MISMATCH)
        raise DecodeError(words(Tag.PAN), "not the number of track 2")
    brand = brands.mismatch(run.chosen.df_name, pan)
    if brand:
        run.trail.note("brand", f"the application is {brand}'s, the account number is not", "house rule")
        said = "declined: application and account number are of different brands"
        return run.stop(Decision.DECLINED, said, "house rule", Alert.BRAND_MISMATCH)
    return Turn.DONE


def processing_restrictions(run: ContactRun) -> Turn:
    """Version, usage, dates (Book 3, 10.4)."""
    version = run.given[Tag.APPLICATION_VERSION_TERMINAL]
    run.tvr |= restrictions.check(run.card, version, run.terminal, run.request, run.trail)
    return Turn.DONE


def cardholder_verification(run: ContactRun) -> Generator[Ask, Said, Turn]:
    """Cardholder verification (Book 3, 10.5)."""
    run.given[Tag.CVM_RESULTS] = cvm_list.NOT_PERFORMED
    source = "Book 3, 10.5"
    if Aip.CARDHOLDER_VERIFICATION not in run.aip:
        run.trail.note("CVM", "the card supports no cardholder verification", source)
        return Turn.DONE
    octets = run.card.get(Tag.CVM_LIST)
    if octets is None or not cvm_list.decode(octets).rules:
        run.tvr |= Tvr.ICC_DATA_MISSING
        run.trail.note("CVM", "the card lists no method", "Book 3, 10.5 and 7.5")
        return Turn.DONE
    in_currency = run.card.sized(Tag.APPLICATION_CURRENCY) == run.given[Tag.TRANSACTION_CURRENCY]
    pan = run.card.pan
    if pan is None:
        raise DecodeError(words(Tag.PAN), "missing")
    offline = OfflinePinRun(lambda: pin_key(run), pan, run.trail, listed_proven=run.list_proven)
    listed = CvmRun(run.terminal, run.request, cvm_list.decode(octets), in_currency, pan, offline)
    verified = yield from listed.verify(run.trail)
    run.cvm = verified.cvm
    run.tvr |= verified.found
    run.tsi |= Tsi.CARDHOLDER_VERIFICATION
    run.given[Tag.CVM_RESULTS] = verified.results
    run.trail.note("CVM", cvm_results_words(verified.results), "Book 4, Annex A4")
    return Turn.DONE


def risk_management(run: ContactRun) -> Generator[bytes, bytes, Turn]:
    """Terminal risk management (Book 3, 10.6)."""
    foreign = run.request.currency != run.terminal.currency
    run.tvr |= yield from risk.assess(
        run.application, run.request, run.roll, run.card, run.trail, run.exceptions, foreign=foreign
    )
    run.tsi |= Tsi.TERMINAL_RISK_MANAGEMENT
    return Turn.DONE


def action_analysis(run: ContactRun) -> Turn:
    """Terminal action analysis (Book 3, 10.7)."""
    foreign = run.request.currency != run.terminal.currency
    limited = run.request.amount >= run.application.cvm_limit or foreign
    facts = action.Facts(
        run.tvr,
        action.ActionCodes.of(run.application, run.card),
        run.terminal.can_go_online,
        run.authenticated,
        limited and run.cvm is Cvm.NONE,
        run.list_proven,
        foreign,
    )
    rule = action.choose(facts)
    if rule.name == "unverified":
        run.trail.alert(Alert.CVM_MISSING)
    if foreign and _approved_at_home(run, facts):
        run.trail.alert(Alert.FOREIGN_OFFLINE)
    run.wanted = rule.wanted
    run.trail.note("analysis", rule.words(facts), rule.source)
    return Turn.DONE


def _approved_at_home(run: ContactRun, facts: action.Facts) -> bool:
    """Whether the same number of the terminal's own currency would be asked for offline."""
    under = run.request.amount + run.request.earlier < run.application.floor_limit
    home = facts._replace(
        foreign=False,
        tvr=facts.tvr & ~Tvr.OVER_FLOOR_LIMIT if under else facts.tvr,
        unverified=run.cvm is Cvm.NONE and run.request.amount >= run.application.cvm_limit,
    )
    return action.choose(home).wanted is CryptogramType.TC


def first_cryptogram(run: ContactRun) -> Generator[bytes, bytes, Turn]:
    """First GENERATE AC, and what it leads to (Book 3, 10.8 and 9.3.1)."""
    refused = yield from card_decision.ask(run, run.wanted, Tag.CDOL_1)
    run.tsi |= Tsi.CARD_RISK_MANAGEMENT
    run.note_results()
    if refused or run.cryptogram is None:
        return run.stop(Decision.ENDED, refused, "Book 3, 9.3.1")
    kind = run.cryptogram.kind
    if kind not in card_decision.FIRST_ANSWERS[run.wanted]:
        said = f"the card was asked for an {run.wanted.name} and gave another: {kind.words}"
        return run.stop(Decision.ENDED, said, "Book 3, 9.3.1", Alert.CRYPTOGRAM_TYPE)
    if run.disbelief and kind is not CryptogramType.AAC:
        return _disbelieved(run, kind)
    if kind is CryptogramType.ARQC:
        run.decided(Decision.ONLINE, "online authorisation", "Book 3, 10.9")
        return Turn.ONLINE
    if kind is CryptogramType.TC:
        return run.decided(Decision.APPROVED, "approved offline by terminal and card", "Book 3, 10.8")
    by_terminal = run.wanted is CryptogramType.AAC
    return run.decided(
        Decision.DECLINED, "declined by the terminal" if by_terminal else "declined by the card", "Book 3, 10.8"
    )


def _disbelieved(run: ContactRun, kind: CryptogramType) -> Turn:
    """A cryptogram that is not believed ends the payment; an ARQC's card hears so in a second one (Book 2, 6.6.2)."""
    if kind is not CryptogramType.ARQC:
        return run.decided(Decision.DECLINED, run.disbelief, "Book 2, 6.6.2")
    run.wanted = CryptogramType.AAC
    run.given[Tag.AUTHORISATION_RESPONSE] = OFFLINE_DECLINED
    run.trail.note("decision", run.disbelief, "Book 2, 6.6.2")
    return Turn.REFUSED


def _objects(run: ContactRun) -> dict[int, bytes]:
    """What the terminal gives, with the objects that only the contact interface has (Book 3, Annex A1)."""
    application, terminal, request = run.application, run.terminal, run.request
    given = terminal_objects(terminal, application.name, application.application_version, request)
    money = BY_NUMERIC.get(int(request.currency))
    return given | {
        Tag.TERMINAL_CAPABILITIES: terminal.contact_capabilities,
        Tag.ADDITIONAL_CAPABILITIES: bytes.fromhex(terminal.additional_capabilities),
        Tag.TERMINAL_FLOOR_LIMIT: min(application.floor_limit, 0xFFFF_FFFF).to_bytes(4, "big"),
        Tag.TRANSACTION_CURRENCY_EXPONENT: bcd_encode(str(money.decimals if money else 2), 1),
        Tag.AMOUNT_OTHER_BINARY: min(request.cashback, 0xFFFF_FFFF).to_bytes(4, "big"),
        Tag.POS_ENTRY_MODE: CONTACT_ENTRY,
    }
