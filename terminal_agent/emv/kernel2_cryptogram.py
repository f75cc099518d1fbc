# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Kernel 2's cryptogram: asked for, or recovered from a payment that was torn off, then believed or not, then told.

EMV Contactless Book C-2, as public kernels build it; EMV 4.4 Book 2, 6.6, for what the card signs.
"""

from collections.abc import Generator

from protocols.emv import apdu, dol, oda, status
from protocols.emv.apdu import Response
from protocols.emv.bits import CryptogramType, Tvr
from protocols.emv.tags import Tag, words
from protocols.errors import DecodeError, IntegrityError, ProtocolError
from terminal_agent.emv import card_decision
from terminal_agent.emv.card_data import response_objects
from terminal_agent.emv.contact_run import Cryptogram
from terminal_agent.emv.contactless_run import Done, Go, TapRun
from terminal_agent.emv.outcome import Alert, Decision
from terminal_agent.emv.request import CASH, CASHBACK
from terminal_agent.emv.torn import TornRecord, payment_of

_AAC, _TC, _ARQC = CryptogramType.AAC, CryptogramType.TC, CryptogramType.ARQC
SIGNATURE_SOURCE = "Book 2, 6.6"
SECOND_TAP = 0x00030F  # POS Cardholder Interaction Information: the device wants its holder, then another tap


def ask_cryptogram(tap: TapRun) -> Generator[bytes, bytes, Done]:
    """RECOVER AC where this card left in this very payment before; else, or if it cannot, GENERATE AC."""
    recovered = yield from _recovered(tap)
    if recovered is not None:
        return _believe(tap, recovered)
    entries = dol.decode(tap.card.get(Tag.CDOL_1) or b"", where=words(Tag.CDOL_1))
    tap.given[Tag.TVR] = tap.tvr.encode()
    tap.cdol_data = dol.fill(entries, tap.given)
    if not tap.cdol_data:
        raise DecodeError(words(Tag.CDOL_1), "it asks for nothing: a cryptogram would cover no payment")
    tap.signing = tap.key is not None and tap.wanted is not _AAC
    card = _remember(tap)
    command = apdu.generate_ac(tap.wanted, tap.cdol_data, signed=tap.signing)
    response = Response.decode((yield command.encode()))
    if card is not None and tap.means.torn is not None:
        tap.means.torn.drop(card)
    if not response.ok:
        said = f"the card makes no cryptogram: {status.words(response.status)}"
        return tap.trail.end(Decision.ENDED, said, "Book C-2")
    return _believe(tap, response.data)


def _remember(tap: TapRun) -> bytes | None:
    """Keep what RECOVER AC would need, until the answer is here; under which name, if at all (Book C-2)."""
    torn, clock, wanted, pan = tap.means.torn, tap.means.clock, tap.card.get(Tag.DRDOL), tap.account
    if torn is None or clock is None or wanted is None or pan is None:
        return None
    name = torn.name(pan, tap.card.sequence_number)
    asked = dol.fill(dol.decode(wanted, where=words(Tag.DRDOL)), tap.given)
    torn.keep(
        TornRecord(
            name,
            clock(),
            payment_of(tap.request),
            asked,
            dict(tap.given),
            tap.pdol_data,
            tap.cdol_data,
            tap.wanted,
            tap.signing,
            tap.exchanged,
            tap.tvr,
            tap.cvm,
        )
    )
    return name


def _recovered(tap: TapRun) -> Generator[bytes, bytes, bytes | None]:
    """The answer that was torn off, with the state it belongs to; None where there is none."""
    torn, clock, pan = tap.means.torn, tap.means.clock, tap.account
    if torn is None or clock is None or pan is None or tap.card.get(Tag.DRDOL) is None:
        return None
    record = torn.find(torn.name(pan, tap.card.sequence_number), tap.request, clock())
    if record is None or not record.asked:
        return None
    torn.drop(record.card)
    response = Response.decode((yield apdu.recover_ac(record.asked).encode()))
    if not response.ok:
        tap.trail.note("torn", f"nothing to recover: {status.words(response.status)}", "Book C-2")
        return None
    said = "the card left in this payment before its cryptogram arrived; it gives it now, and is charged once"
    tap.trail.note("torn", said, "Book C-2")
    tap.given = dict(record.given)
    tap.pdol_data, tap.cdol_data = record.pdol_data, record.cdol_data
    tap.wanted, tap.signing, tap.exchanged = record.wanted, record.signed, record.exchanged
    tap.tvr, tap.cvm = record.tvr, record.cvm
    return response.data


def _believe(tap: TapRun, data: bytes) -> Done:
    """Take the cryptogram over, if it is what was asked for and signed as it should be (Book C-2)."""
    made = card_decision.decode(data)
    tap.kind = made.kind
    tap.trail.note("cryptogram", f"{made.kind.words}; transaction counter {int.from_bytes(made.atc, 'big')}")
    if made.kind not in card_decision.FIRST_ANSWERS[tap.wanted]:
        tap.trail.alert(Alert.CRYPTOGRAM_TYPE)
        said = f"the card was asked for an {tap.wanted.name} and gave another: {made.kind.words}"
        return tap.trail.end(Decision.ENDED, said, "Book C-2")
    if tap.signing and made.kind is not _AAC:
        try:
            made = _signed(tap, made)
        except ProtocolError as fault:
            tap.tvr |= Tvr.CDA_FAILED
            tap.trail.alert(Alert.AUTHENTICATION_FAILED)
            tap.trail.note("offline authentication", f"CDA failed: {fault}", SIGNATURE_SOURCE)
            said = "declined: the cryptogram is not signed by the card that its issuer certified"
            return tap.stop(Decision.DECLINED, said, "Book C-2")
    elif not made.value:
        raise DecodeError(card_decision.WHERE, f"{words(Tag.APPLICATION_CRYPTOGRAM)}: missing")
    tap.card.add(
        (
            (int(Tag.APPLICATION_CRYPTOGRAM), made.value),
            (int(Tag.ATC), made.atc),
            (int(Tag.ISSUER_APPLICATION_DATA), made.issuer_data),
        ),
        card_decision.WHERE,
    )
    tap.interaction = _interaction(data)
    return Go.ON


def _signed(tap: TapRun, made: Cryptogram) -> Cryptogram:
    """The cryptogram out of the card's signature, which covers lists, answer and relay exchange."""
    if not made.signed:
        raise IntegrityError("the card was asked to sign its cryptogram and did not")
    if tap.key is None:
        raise IntegrityError("the card's key is not certified")
    covered = oda.cda_transaction_data(tap.pdol_data, tap.cdol_data, made.body)
    number = tap.given[Tag.UNPREDICTABLE_NUMBER]
    result = oda.verify_cda(tap.key, made.signed, number, covered, made.cid)
    exchanged = tap.exchanged.signed if tap.exchanged is not None else b""
    if result.further[: len(exchanged)] != exchanged:
        raise IntegrityError("the card signed another relay resistance exchange than this one")
    tap.proven = True
    what = "this payment and the relay resistance exchange" if exchanged else "this payment"
    said = f"CDA succeeded: the card that its issuer certified signed this cryptogram over {what}"
    tap.trail.note("offline authentication", said, SIGNATURE_SOURCE)
    return made._replace(value=result.cryptogram)


def _interaction(data: bytes) -> int:
    """What the device wants of its holder, or 0 (Book C-2, POS Cardholder Interaction Information)."""
    if data[:1] != b"\x77":
        return 0
    inside = response_objects(data, Tag.RESPONSE_FORMAT_2, card_decision.WHERE)
    return int.from_bytes(inside.first(Tag.POS_CARDHOLDER_INTERACTION) or b"", "big")


def decide(tap: TapRun) -> Done:
    """What the cryptogram leads to (Book C-2)."""
    if tap.interaction & SECOND_TAP:
        said = "the device wants its holder: see what it shows, then tap again"
        return tap.stop(Decision.TRY_AGAIN, said, "Book C-2")
    if tap.kind is _ARQC:
        return tap.settled(Decision.ONLINE, "online authorisation", "Book C-2")
    if tap.kind is _TC and tap.proven:
        return tap.settled(Decision.APPROVED, "approved offline by card and terminal", "Book C-2")
    if tap.wanted is _AAC:
        return tap.stop(Decision.DECLINED, "declined by the terminal", "Book C-2")
    device = tap.card.get(Tag.FORM_FACTOR) is not None
    if tap.terminal.contact_chip and not device and tap.request.transaction_type not in (CASH, CASHBACK):
        return tap.stop(Decision.OTHER_INTERFACE, "the card declines without contact: use its chip", "Book C-2")
    return tap.stop(Decision.DECLINED, "declined by the card", "Book C-2")
