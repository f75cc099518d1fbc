# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""GENERATE AC: what the card is asked and what its answer says. It decides neither what to ask nor what follows.

EMV 4.4 Book 3, 6.5.5 and 9.
"""

import hashlib
from collections.abc import Generator, Mapping
from types import MappingProxyType

from protocols.emv import apdu, card_results, dol, status
from protocols.emv.apdu import Response
from protocols.emv.bits import CryptogramType, Tvr, cid_words
from protocols.emv.card_results import OfflinePin
from protocols.emv.dol import Wanted
from protocols.emv.tags import Tag, words
from protocols.errors import DecodeError
from terminal_agent.emv.card_data import response_objects
from terminal_agent.emv.contact_oda import check_combined
from terminal_agent.emv.contact_run import ContactRun, Cryptogram, Proof
from terminal_agent.emv.outcome import Alert, Cvm

WHERE = "answer to GENERATE AC"
MOST_ISSUER_DATA = Tag.ISSUER_APPLICATION_DATA.most
_AAC, _TC, _ARQC = CryptogramType.AAC, CryptogramType.TC, CryptogramType.ARQC
FIRST_ANSWERS: Mapping[CryptogramType, frozenset[CryptogramType]] = MappingProxyType(
    {_TC: frozenset({_TC, _ARQC, _AAC}), _ARQC: frozenset({_ARQC, _AAC}), _AAC: frozenset({_AAC})}
)
"""What a card may answer to what it was asked: never a better decision (Book 3, 9.3.1 and 10.8)."""
SECOND_ANSWERS: Mapping[CryptogramType, frozenset[CryptogramType]] = MappingProxyType(
    {_TC: frozenset({_TC, _AAC}), _AAC: frozenset({_AAC})}
)
"""The same for the second time, when nobody is left to ask (9.3.2)."""
_PARTS = (Tag.CID, Tag.ATC, Tag.APPLICATION_CRYPTOGRAM, Tag.ISSUER_APPLICATION_DATA)


def ask(run: ContactRun, kind: CryptogramType, listed: Tag) -> Generator[bytes, bytes, str]:
    """GENERATE AC of ``kind`` over the list ``listed`` (8C or 8D); why the card refuses, or nothing.

    The card's answer is in ``run.cryptogram`` afterwards. Raises DecodeError for an answer that cannot be read.
    """
    entries = dol.decode(run.card.get(listed) or b"", where=words(listed))
    values = run.values()
    if any(entry.tag == Tag.TC_HASH for entry in entries):
        values = _with_hash(run)
    octets = dol.fill(entries, values)
    if not octets:
        raise DecodeError(words(listed), "it asks for nothing: a cryptogram would cover no payment")
    signed = run.proof is Proof.COMBINED and kind is not _AAC
    run.cdol_data += (octets,)
    response = Response.decode((yield apdu.generate_ac(kind, octets, signed=signed).encode()))
    if not response.ok:
        return f"the card makes no cryptogram: {status.words(response.status)}"
    run.cryptogram = decode(response.data)
    if signed and run.cryptogram.kind is not _AAC:
        run.cryptogram = check_combined(run, run.cryptogram)
    elif not run.cryptogram.value:
        raise DecodeError(WHERE, f"{words(Tag.APPLICATION_CRYPTOGRAM)}: missing")
    check_pin(run, run.cryptogram)
    type_words, *reasons = cid_words(run.cryptogram.cid)
    if listed is Tag.CDOL_2 and run.cryptogram.kind is CryptogramType.TC:
        type_words = "TC: the card approves"  # the dictionary's words are those of a first cryptogram
    said = "; ".join((type_words, *reasons))
    counter = int.from_bytes(run.cryptogram.atc, "big")
    run.trail.note("cryptogram", f"{said}; transaction counter {counter}", "Book 3, 6.5.5.4")
    return ""


def lacking(octets: bytes, wanted: tuple[Tag, ...]) -> tuple[Tag, ...]:
    """Which of ``wanted`` a list does not ask for in full length; DecodeError for a list that cannot be read."""
    asked = {entry.tag: entry.length for entry in dol.decode(octets, where="CDOL1")}
    return tuple(tag for tag in wanted if asked.get(int(tag)) != tag.least)


def check_pin(run: ContactRun, made: Cryptogram) -> None:
    """Whether card and terminal mean the same by "the PIN was right"; what the terminal believed else is not so.

    Without this a wedge that answers VERIFY by itself needs no PIN (Murdoch and others, IEEE S&P 2010).
    """
    if run.cvm not in (Cvm.OFFLINE_PIN, Cvm.OFFLINE_PIN_AND_SIGNATURE):
        return
    results = card_results.read(run.chosen.df_name, made.issuer_data)
    if results is None or results.offline_pin is OfflinePin.SUCCESSFUL:
        return
    run.trail.alert(Alert.PIN_CONTRADICTED)
    run.disbelief = "declined: the card was asked to verify the PIN, and says in its results that it did not"
    run.trail.note("CVM", "the answer to VERIFY was not the card's: its results know of no right PIN", "house rule")


def decode(data: bytes) -> Cryptogram:
    """Both formats of the answer (Book 3, 6.5.5.4)."""
    if data[:1] == b"\x80":
        value = data[2:]
        if len(data) < 2 or data[1] != len(value) or not 11 <= len(value) <= 11 + MOST_ISSUER_DATA:
            raise DecodeError(WHERE, "object 80 with CID, counter, cryptogram and issuer data expected")
        return Cryptogram(CryptogramType(value[0] >> 6), value[0], value[1:3], value[3:11], value[11:])
    held: dict[int, bytes] = {}
    inside = response_objects(data, Tag.RESPONSE_FORMAT_2, WHERE)
    for tag, value in inside.leaves():
        if tag in held:
            raise DecodeError(WHERE, f"{words(tag)} was given twice")
        held[tag] = value
    for part in _PARTS:
        value = held.get(part, b"")
        optional = part is Tag.ISSUER_APPLICATION_DATA or (
            part is Tag.APPLICATION_CRYPTOGRAM and Tag.SIGNED_DYNAMIC_DATA in held
        )
        if not (optional and not value) and not part.least <= len(value) <= part.most:
            raise DecodeError(WHERE, f"{words(part)}: {len(value)} octets, {part.least} to {part.most} expected")
    cid = held[Tag.CID][0]
    return Cryptogram(
        CryptogramType(cid >> 6),
        cid,
        held[Tag.ATC],
        held.get(Tag.APPLICATION_CRYPTOGRAM, b""),
        held.get(Tag.ISSUER_APPLICATION_DATA, b""),
        data[-_content_size(data) :],
        held.get(Tag.SIGNED_DYNAMIC_DATA, b""),
    )


def _content_size(data: bytes) -> int:
    """Octets inside the one template of an answer that was decoded: they are its end."""
    return len(data) - (2 if data[1] < 0x80 else 2 + (data[1] & 0x7F))


def _with_hash(run: ContactRun) -> dict[int, bytes]:
    """The values with the TC hash (98), over the card's TDOL, else the terminal's own (Book 3, 9.2.2)."""
    tdol = run.card.get(Tag.TDOL)
    if tdol is None:
        run.tvr |= Tvr.DEFAULT_TDOL
        tdol = bytes.fromhex(run.application.default_tdol)
    values = run.values()
    entries: tuple[Wanted, ...] = dol.decode(tdol, where="TDOL")
    # SHA-1 is the standard's; the issuer's cryptogram covers its result
    digest = hashlib.sha1(dol.fill(entries, values), usedforsecurity=False).digest()
    return values | {Tag.TC_HASH: digest}
