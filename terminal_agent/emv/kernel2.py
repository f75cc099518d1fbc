# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Kernel 2 (M/Chip, EMV mode): options, relay resistance, records, verification, one cryptogram. Asks no issuer itself.

After EMV Contactless Book C-2 as public kernels name and build it; states are numbered where they do so. Not certified
by anybody. Sans-IO: it yields commands and is sent responses, and takes the time from ``means.clock``. What it has and
what it refuses is :data:`terminal_agent.emv.capabilities.KERNEL_2`; an approval without the issuer needs CDA.
"""

from collections.abc import Generator
from types import MappingProxyType

from protocols.emv import apdu, dol, status
from protocols.emv.apdu import Response
from protocols.emv.bits import Aip, CryptogramType, Tvr, cvm_results_words
from protocols.emv.tags import Tag, words
from protocols.errors import ProtocolError
from terminal_agent.emv import action, application_data, kernel2_cvm, restrictions
from terminal_agent.emv.card_decision import lacking
from terminal_agent.emv.contactless_run import Done, Go, Kernel, TapRun, same_account, same_brand
from terminal_agent.emv.kernel2_cryptogram import ask_cryptogram, decide
from terminal_agent.emv.kernel2_relay import resist_relay
from terminal_agent.emv.outcome import Alert, Cvm, Decision

MUST_GIVE = (Tag.PAN, Tag.EXPIRATION_DATE, Tag.CDOL_1)
"""What no payment is made without (Book C-2)."""
MUST_ASK = (Tag.AMOUNT_AUTHORISED_NUMERIC, Tag.TRANSACTION_CURRENCY, Tag.UNPREDICTABLE_NUMBER)
"""What CDOL1 must ask for: a cryptogram over less could be one harvested for another payment (house rule)."""
KEY_OBJECTS = (
    Tag.CA_KEY_INDEX_CARD,
    Tag.ISSUER_CERTIFICATE,
    Tag.ISSUER_KEY_EXPONENT,
    Tag.ICC_CERTIFICATE,
    Tag.ICC_KEY_EXPONENT,
    Tag.SDA_TAG_LIST,
)
"""What CDA needs of the card (Book C-2)."""
STRIPE_ENTRY = bytes.fromhex("08010100")
"""The AFL's entry for the record that holds the magnetic stripe's data: recorded kernels do not read it for a chip."""
ISSUERS_TO_SAY = Tvr.ONLINE_CVM_CAPTURED | Tvr.MERCHANT_FORCED_ONLINE
"""Whatever the action codes say: a PIN for the issuer means nothing unless the issuer is asked."""
RISK_PIN, RISK_SIGNATURE, RISK_NONE, RISK_DEVICE = 0x40, 0x20, 0x08, 0x04
"""9F1D octet 1: what the terminal can do without contact (Book C-2, Terminal Risk Management Data)."""


def processing_options(tap: TapRun) -> Generator[bytes, bytes, Done]:
    """Ask for the processing options, and see that the card means a chip payment (Book C-2)."""
    tap.trail.note("limits", tap.limits.words, "Book B 3.1.1")
    terminal = tap.terminal
    risk = RISK_PIN * terminal.online_pin | RISK_SIGNATURE * terminal.signature | RISK_NONE
    tap.given |= {
        Tag.TERMINAL_CAPABILITIES: terminal.contactless_capabilities(cvm_required=tap.limits.cvm_required),
        Tag.ADDITIONAL_CAPABILITIES: bytes.fromhex(terminal.additional_capabilities),
        Tag.TERMINAL_RISK_DATA: bytes((risk | RISK_DEVICE * terminal.consumer_device_cvm,)) + bytes(7),
    }
    wanted = dol.decode(tap.selected.pdol or b"", where="PDOL")
    tap.pdol_data = dol.fill(wanted, tap.given)
    response = Response.decode((yield apdu.get_processing_options(tap.pdol_data).encode()))
    if not response.ok:
        said = f"the application does not take this payment ({status.words(response.status)})"
        tap.trail.note("application", said, "Book C-2")
        return Go.ANOTHER
    application_data.take_options(tap.card, response.data)
    tap.aip = Aip.decode(tap.card.sized(Tag.AIP) or b"")
    offered = "; ".join(tap.aip.words()) or "nothing"
    tap.trail.note("AIP", f"{tap.aip.hex}: {offered}")
    return Go.ON


def chip_mode(tap: TapRun) -> Done:
    """The magnetic stripe's rules are off: whoever reads a card once can play its stripe data (Book C-2)."""
    if Aip.EMV_MODE_OR_MSD in tap.aip:
        return Go.ON
    tap.trail.alert(Alert.MODE_DOWNGRADED)
    said = "the card offers the magnetic stripe's rules only, which are off here: use another interface"
    return tap.trail.end(Decision.OTHER_INTERFACE, said, "house rule; Book C-2")


def transaction_limit(tap: TapRun) -> Done:
    """A device that verifies its holder may have a limit of its own (Book C-2)."""
    device = Aip.ON_DEVICE_VERIFICATION in tap.aip and tap.terminal.consumer_device_cvm
    limit = tap.combination.most if device else tap.combination.transaction_limit
    if tap.request.amount < limit or tap.limits.status_check or tap.request.currency != tap.terminal.currency:
        return Go.ON
    said = "the amount is too high for this card without contact"
    return tap.trail.end(Decision.OTHER_INTERFACE, said, "Book C-2")


def records(tap: TapRun) -> Generator[bytes, bytes, Done]:
    """Read what the card names, and see that it gave what it must (Book C-2)."""
    locator = tap.card.get(Tag.AFL) or b""
    if locator.startswith(STRIPE_ENTRY) and len(locator) > len(STRIPE_ENTRY):
        locator = locator[len(STRIPE_ENTRY) :]
    refused = yield from application_data.read_records(tap.card, locator)
    if refused:
        return tap.trail.end(Decision.ENDED, refused, "Book C-2, S4.9")
    missing = tap.card.missing(MUST_GIVE)
    if missing:
        said = f"the card did not give {', '.join(words(tag) for tag in missing)}"
        return tap.trail.end(Decision.ENDED, said, "Book C-2")
    for tag in MUST_GIVE:
        tap.card.sized(tag)
    short = lacking(tap.card.get(Tag.CDOL_1) or b"", MUST_ASK)
    if short:
        listed = ", ".join(words(tag) for tag in short)
        said = f"the card does not ask for {listed}: its cryptogram would not cover this payment"
        return tap.trail.end(Decision.OTHER_INTERFACE, said, "house rule")
    return Go.ON


def certificates(tap: TapRun) -> Done:
    """The card's key, if it is to sign its cryptogram (Book C-2; EMV 4.4 Book 2, 6)."""
    source = "Book C-2"
    if Aip.CDA not in tap.aip:
        tap.tvr |= Tvr.ODA_NOT_PERFORMED
        tap.trail.note("offline authentication", "not performed: the card offers no CDA", source)
        return Go.ON
    missing = tap.card.missing(KEY_OBJECTS)
    try:
        if missing:
            tap.tvr |= Tvr.ICC_DATA_MISSING
            tap.trail.note("offline authentication", f"{', '.join(words(tag) for tag in missing)} missing", source)
        else:
            tap.key = tap.card_key()
            said = "CDA: the issuer certified the card's key; the signature comes with the cryptogram"
            tap.trail.note("offline authentication", said, source)
            return Go.ON
    except ProtocolError as fault:
        tap.trail.note("offline authentication", f"CDA failed: {fault}", source)
    tap.tvr |= Tvr.CDA_FAILED
    if tap.means.authorities.knows(tap.rid):
        tap.trail.alert(Alert.AUTHENTICATION_FAILED)
    return Go.ON


def processing_restrictions(tap: TapRun) -> Done:
    """Version, usage, dates (Book C-2, Processing Restrictions)."""
    version = tap.given[Tag.APPLICATION_VERSION_TERMINAL]
    tap.tvr |= restrictions.check(tap.card, version, tap.terminal, tap.request, tap.trail)
    return Go.ON


def verification(tap: TapRun) -> Done:
    """Which method of verification there will be (Book C-2, CVM Selection)."""
    chosen = kernel2_cvm.choose(tap)
    tap.cvm, tap.tvr = chosen.cvm, tap.tvr | chosen.found
    tap.given[Tag.CVM_RESULTS] = chosen.results
    tap.trail.note("CVM", cvm_results_words(chosen.results), "Book 4, Annex A4")
    return Go.ON


def risk_management(tap: TapRun) -> Done:
    """Floor limit, and the acquirer's list of stolen cards (Book C-2, S456.37; the list is ours)."""
    if tap.limits.over_floor:
        tap.tvr |= Tvr.OVER_FLOOR_LIMIT
    if tap.listed:
        tap.tvr |= Tvr.ON_EXCEPTION_FILE
    if tap.request.forced_online:
        tap.tvr |= Tvr.MERCHANT_FORCED_ONLINE
    return Go.ON


def action_analysis(tap: TapRun) -> Done:
    """Which cryptogram is asked for (Book C-2, Terminal Action Analysis; the rules are action.py's)."""
    codes = action.ActionCodes.of(tap.combination, tap.card)
    must_ask = ISSUERS_TO_SAY | (Tvr.OVER_FLOOR_LIMIT if tap.limits.status_check else Tvr(0))
    facts = action.Facts(
        tap.tvr,
        codes._replace(online=codes.online | must_ask, default=codes.default | must_ask),
        tap.terminal.can_go_online,
        tap.key is not None,
        tap.limits.cvm_required and tap.cvm is Cvm.NONE,
        False,  # stricter than with contacts: even a list that the issuer signed spares nobody here
        tap.request.currency != tap.terminal.currency,
    )
    rule = action.choose(facts)
    if rule.name == "unverified":
        tap.trail.alert(Alert.CVM_MISSING)
    tap.wanted = rule.wanted
    tap.trail.note("analysis", rule.words(facts), rule.source)
    if tap.wanted is CryptogramType.TC and not tap.means.offline and tap.terminal.can_go_online:
        tap.wanted = CryptogramType.ARQC
        tap.trail.note("analysis", "online: the acquirer books no payment that it was not asked about", "house rule")
    if tap.wanted is CryptogramType.AAC and facts.tvr & (Tvr.RELAY_TIME_EXCEEDED | Tvr.RELAY_THRESHOLD_EXCEEDED):
        tap.trail.note("relay", "the payment is declined: somebody may stand between card and reader", "house rule")
    return Go.ON


STEPS: Kernel = MappingProxyType(
    {
        "options": processing_options,
        "mode": chip_mode,
        "limit": transaction_limit,
        "relay": resist_relay,
        "records": records,
        "account": same_account,
        "brand": same_brand,
        "certificates": certificates,
        "restrictions": processing_restrictions,
        "verification": verification,
        "risk": risk_management,
        "analysis": action_analysis,
        "cryptogram": ask_cryptogram,
        "decision": decide,
    }
)
"""The kernel's steps in their order; each may end the payment."""
