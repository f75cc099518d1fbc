# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Offline data authentication of a contact card: which method, with which keys, and what it proves. No RSA of its own.

EMV 4.4 Book 3, 10.3, and Book 2, 5 and 6. Of the methods that card and terminal share the strongest is used: CDA, DDA,
SDA. What failed is a bit of the TVR, whose consequence is the action codes'. Two more things are kept of it:

* what the issuer signed of the card's records: a list of verification methods outside may have been edited on its way;
* how much is proven: a copy of the card passes SDA, a card in the middle can borrow another's answer to DDA, only CDA
  signs this payment's cryptogram.
"""

from collections.abc import Generator
from typing import NamedTuple

from protocols.emv import apdu, dol, oda, status, tlv
from protocols.emv.apdu import Response
from protocols.emv.bits import Aip, Tsi, Tvr
from protocols.emv.oda import IssuerKey, PublicKey
from protocols.emv.tags import Tag, words
from protocols.errors import DecodeError, IntegrityError, ProtocolError
from protocols.pan import Pan
from terminal_agent.emv import key_chain
from terminal_agent.emv.contact_run import ContactRun, Cryptogram, Proof, Turn
from terminal_agent.emv.key_chain import RID_OCTETS
from terminal_agent.emv.outcome import Alert

DDOL_DEFAULT = bytes.fromhex("9F3704")  # Book 2, 6.5.1: the terminal's own list asks for the unpredictable number
SOURCE = "Book 3, 10.3"


class OdaMethod(NamedTuple):
    """A method: its bits in the card's profile and in octet 3 of the terminal's capabilities, and what it needs."""

    name: str
    offered: Aip
    supported: int
    failed: Tvr
    needs: tuple[Tag, ...]


_CHAIN = (Tag.CA_KEY_INDEX_CARD, Tag.ISSUER_CERTIFICATE, Tag.ISSUER_KEY_EXPONENT)
_CARD = (*_CHAIN, Tag.ICC_CERTIFICATE, Tag.ICC_KEY_EXPONENT)

METHODS = (
    OdaMethod("CDA", Aip.CDA, 0x08, Tvr.CDA_FAILED, _CARD),
    OdaMethod("DDA", Aip.DDA, 0x40, Tvr.DDA_FAILED, _CARD),
    OdaMethod("SDA", Aip.SDA, 0x80, Tvr.SDA_FAILED, (*_CHAIN, Tag.SIGNED_STATIC_DATA)),
)
"""In order of precedence (Book 3, 10.3); capabilities: Book 4, Annex A2; needs: Book 2, 5.1 and 6.1, table 3."""


def offline_authentication(run: ContactRun) -> Generator[bytes, bytes, Turn]:
    """SDA or DDA, or the keys for CDA, whose signature comes with the cryptogram (Book 3, 10.3)."""
    abilities = run.terminal.contact_capabilities[2]
    method = next((one for one in METHODS if run.aip & one.offered and abilities & one.supported), None)
    if method is None:
        run.tvr |= Tvr.ODA_NOT_PERFORMED
        offered = any(run.aip & one.offered for one in METHODS)
        said = "the terminal has none of the methods that the card offers" if offered else "the card offers none"
        run.trail.note("offline authentication", f"not performed: {said}", SOURCE)
        return Turn.DONE
    if method.name == "SDA":
        run.tvr |= Tvr.SDA_SELECTED
    missing = run.card.missing(method.needs)
    if missing:
        run.tvr |= Tvr.ICC_DATA_MISSING
        fail(run, method, f"the card did not give {', '.join(words(tag) for tag in missing)}")
        return Turn.DONE
    try:
        yield from _PROVE[method.name](run)
    except ProtocolError as fault:
        fail(run, method, str(fault))
    return Turn.DONE


def fail(run: ContactRun, method: OdaMethod, why: str) -> None:
    """The method failed: its bit, and nothing is proven (Book 3, 10.3).

    It is an alert, unless the terminal holds no key of this payment system: then every card of it fails.
    """
    run.tvr |= method.failed
    run.tsi |= Tsi.ODA_PERFORMED
    run.proof, run.signed_tags = Proof.NONE, frozenset()
    if run.authorities.knows(run.chosen.df_name[:RID_OCTETS]):
        run.trail.alert(Alert.AUTHENTICATION_FAILED)
    run.trail.note("offline authentication", f"{method.name} failed: {why}", SOURCE)


def _prove_static(run: ContactRun) -> Generator[bytes, bytes, None]:
    """SDA: the issuer signed these records (Book 2, 5.4). Whoever copied the card has the signature too."""
    yield from ()
    code = oda.verify_sda(issuer_key(run), run.card.get(Tag.SIGNED_STATIC_DATA) or b"", key_chain.static_data(run.card))
    run.given[Tag.DATA_AUTHENTICATION_CODE] = code
    run.tsi |= Tsi.ODA_PERFORMED
    run.proof, run.signed_tags = Proof.STATIC, frozenset(run.card.signed_tags)
    said = "SDA succeeded: the issuer signed the card's data, which a copy of the card has as well"
    run.trail.note("offline authentication", said, "Book 2, 5.4")


def _prove_dynamic(run: ContactRun) -> Generator[bytes, bytes, None]:
    """DDA: the card signs this terminal's number with its own key (Book 2, 6.5)."""
    key = card_key(run)
    octets = run.card.get(Tag.DDOL) or DDOL_DEFAULT
    entries = dol.decode(octets, where="DDOL")
    if not any(entry.tag == Tag.UNPREDICTABLE_NUMBER for entry in entries):
        raise DecodeError("DDOL", "it does not ask for the unpredictable number: the signature could be an old one")
    data = dol.fill(entries, run.values())
    response = Response.decode((yield apdu.internal_authenticate(data).encode()))
    if not response.ok:
        raise IntegrityError(f"the card does not sign: {status.words(response.status)}")
    run.given[Tag.ICC_DYNAMIC_NUMBER] = oda.verify_dda(key, _signature(response.data), data)
    run.tsi |= Tsi.ODA_PERFORMED
    run.proof, run.signed_tags = Proof.DYNAMIC, frozenset(run.card.signed_tags)
    run.trail.note("offline authentication", "DDA succeeded: a card that its issuer certified signed", "Book 2, 6.5")


def _prepare_combined(run: ContactRun) -> Generator[bytes, bytes, None]:
    """CDA: the keys now, the signature with the cryptogram (Book 2, 6.6)."""
    yield from ()
    card_key(run)
    run.proof, run.signed_tags = Proof.COMBINED, frozenset(run.card.signed_tags)
    said = "CDA: the issuer certified the card's key; the signature comes with the cryptogram"
    run.trail.note("offline authentication", said, "Book 2, 6.6")


def check_combined(run: ContactRun, made: Cryptogram) -> Cryptogram:
    """The cryptogram that the card signed (Book 2, 6.6.2); where it did not, ``run.disbelief`` says what follows."""
    first, *second = run.cdol_data
    covered = oda.cda_transaction_data(run.pdol_data, first, made.body, b"".join(second))
    try:
        if not made.signed:
            raise IntegrityError("the card was asked to sign its cryptogram and did not")
        number = run.given[Tag.UNPREDICTABLE_NUMBER]
        result = oda.verify_cda(card_key(run), made.signed, number, covered, made.cid)
    except ProtocolError as fault:
        fail(run, METHODS[0], str(fault))
        run.disbelief = "declined: the cryptogram is not signed by the card that its issuer certified"
        return made
    run.tsi |= Tsi.ODA_PERFORMED
    run.given[Tag.ICC_DYNAMIC_NUMBER] = result.dynamic_number
    said = "CDA succeeded: the card that its issuer certified signed this cryptogram over this payment"
    run.trail.note("offline authentication", said, "Book 2, 6.6")
    return made._replace(value=result.cryptogram)


_PROVE = {"CDA": _prepare_combined, "DDA": _prove_dynamic, "SDA": _prove_static}


def issuer_key(run: ContactRun) -> IssuerKey:
    """The issuer's key out of its certificate (Book 2, 5.3 and 6.3); :class:`ProtocolError` says what is wrong."""
    if run.issuer_key is None:
        rid = run.chosen.df_name[:RID_OCTETS]
        run.issuer_key = key_chain.issuer_key(run.authorities, rid, run.card, _pan(run), run.request.date)
    return run.issuer_key


def card_key(run: ContactRun) -> PublicKey:
    """The card's key out of its certificate, which covers the signed records (Book 2, 6.4)."""
    if run.card_key is None:
        run.card_key = key_chain.card_key(issuer_key(run), run.card, _pan(run), run.request.date)
    return run.card_key


def pin_key(run: ContactRun) -> PublicKey:
    """The key that an offline PIN is enciphered with: the card's own for PINs, else its only one (Book 2, 7.1)."""
    card = run.card
    certificate = card.get(Tag.PIN_CERTIFICATE)
    if certificate is None:
        return card_key(run)
    return oda.icc_key(
        issuer_key(run),
        certificate,
        card.get(Tag.PIN_KEY_REMAINDER) or b"",
        card.get(Tag.PIN_KEY_EXPONENT) or b"",
        _pan(run),
        b"",
        run.request.date,
    )


def _pan(run: ContactRun) -> Pan:
    pan = run.card.pan
    if pan is None:
        raise DecodeError(words(Tag.PAN), "missing")
    return pan


def _signature(data: bytes) -> bytes:
    """Both formats of the answer to INTERNAL AUTHENTICATE (Book 3, 6.5.9.4)."""
    where = "answer to INTERNAL AUTHENTICATE"
    outer = tlv.decode(data, where=where)
    alone = outer.first(Tag.RESPONSE_FORMAT_1) if len(outer) == 1 else None
    inside = outer.inside(Tag.RESPONSE_FORMAT_2)
    signed = alone if alone is not None else inside.first(Tag.SIGNED_DYNAMIC_DATA) if inside is not None else None
    if not signed:
        raise DecodeError(where, "object 80, or 9F4B in template 77, expected")
    return signed
