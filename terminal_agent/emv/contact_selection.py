# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Which application of a contact card is used: directory or list, candidates, final selection. It starts no payment.

EMV 4.4 Book 1, 12. The card's directory (PSE) is asked first; where there is none, where it cannot be read or lists
nothing that the terminal takes, every application of the terminal's own list is selected in turn. Where the profile
says that the cardholder can be asked, he chooses among several, and confirms what needs it; else the one with the
highest priority is taken, and what needs confirmation is passed over (Book 1, 12.4, steps 2 to 5).
"""

from collections.abc import Generator
from typing import NamedTuple, TypeVar

from protocols.emv import apdu, status, tlv
from protocols.emv.apdu import Response
from protocols.emv.status import Status
from protocols.emv.tags import Tag
from protocols.errors import DecodeError
from terminal_agent.emv.card_data import response_objects
from terminal_agent.emv.contact_application import ContactApplication
from terminal_agent.emv.contact_run import Ask, AskApplication, Candidate, ContactRun, PinAnswer, Said, Selected, Turn
from terminal_agent.emv.entry_point import label_text
from terminal_agent.emv.outcome import Alert, Decision, Trail

T = TypeVar("T")
MOST_CANDIDATES = 16  # each costs a SELECT of some ten milliseconds
MOST_DIRECTORY_RECORDS = 16  # real directories have one or two
MOST_FOLLOWING = 8  # names that one identifier of the list may match
_CHIP_LISTS = range(1, 11)  # Book 1, 12.2.3: the directory is file 1 to 10
LONGEST_NAME = 16  # octets: Book 3, Annex A1, 9F12
CONFIRMATION = 0x80  # application priority indicator, bit 8 (Book 1, 12.2.3, table 48)
UNRANKED = 16  # ibid.: no priority assigned, behind 1 to 15


class CardBlocked(Exception):
    """The card says that it is blocked: nothing of it may be used."""


class _Fci(NamedTuple):
    df_name: bytes
    proprietary: tlv.Objects


def select_application(run: ContactRun) -> Generator[Ask, Said, Turn]:
    """Build the list of candidates at the first call, then select the next one of it (Book 1, 12.3 and 12.4)."""
    trail = run.trail
    if run.waiting is None:
        try:
            run.waiting = yield from _octets_only(candidates(run.terminal.contact, trail, run.terminal.code_tables))
        except CardBlocked:
            return run.stop(Decision.ENDED, "the card is blocked", "Book 1, 12.3.2 and 12.3.3")
    while run.waiting:
        candidate = yield from _next(run, run.waiting)
        if candidate is None:
            return run.stop(Decision.ENDED, "the cardholder chose none of the card's applications", "Book 1, 12.4")
        if candidate.confirmation and not run.terminal.cardholder_choice:
            trail.note("application", f"{_hex(candidate.name)} needs the cardholder's confirmation", "Book 1, 12.4")
            continue
        selected = yield from _octets_only(_final(candidate, trail, run.terminal.code_tables))
        if selected is not None:
            run.selected = selected
            return Turn.DONE
    return run.stop(Decision.ENDED, "card and terminal share no application", "Book 1, 12.4")


def _next(run: ContactRun, waiting: list[Candidate]) -> Generator[Ask, Said, Candidate | None]:
    """The next to be tried, taken out of the list; None where the cardholder wants none (Book 1, 12.4)."""
    if not run.terminal.cardholder_choice or (len(waiting) == 1 and not waiting[0].confirmation):
        return waiting.pop(0)
    labels = tuple(candidate.label or _hex(candidate.name) for candidate in waiting)
    said = yield AskApplication(labels)
    if isinstance(said, int) and 0 <= said < len(waiting):
        run.trail.note("application", f"the cardholder chose {labels[said]} among {len(labels)}", "Book 1, 12.4")
        return waiting.pop(said)
    if isinstance(said, PinAnswer) and said is not PinAnswer.ENTERED:
        return None
    raise ValueError(f"a place from 0 to {len(waiting) - 1}, or none, is expected of a cardholder who chooses")


def _octets_only(steps: Generator[bytes, bytes, T]) -> Generator[Ask, Said, T]:
    """Steps that talk to the card alone, among those that may ask a person."""
    try:
        command = next(steps)
        while True:
            said = yield command
            if not isinstance(said, bytes):
                raise TypeError("octets expected as the answer to a command")
            command = steps.send(said)
    except StopIteration as end:
        result: T = end.value
        return result


def candidates(
    known: tuple[ContactApplication, ...], trail: Trail, tables: frozenset[int] = frozenset()
) -> Generator[bytes, bytes, list[Candidate]]:
    """The card's applications that the terminal takes, best first; :class:`CardBlocked` where the card says so.

    ``tables``: the parts of ISO/IEC 8859 that the terminal's screens show, for names in other letters.
    """
    found = yield from _from_directory(known, trail, tables)
    if not found:
        found = yield from _from_list(known, trail, tables)
    # sorted() is stable: of one priority the order of discovery counts
    return sorted(found, key=lambda candidate: candidate.priority)[:MOST_CANDIDATES]


def _from_directory(
    known: tuple[ContactApplication, ...], trail: Trail, tables: frozenset[int]
) -> Generator[bytes, bytes, list[Candidate]]:
    """The directory's entries that match; none where the directory cannot be used (Book 1, 12.3.2)."""
    source = "Book 1, 12.3.2"
    response = Response.decode((yield apdu.select(apdu.PSE).encode()))
    if response.status == Status.FUNCTION_NOT_SUPPORTED:
        raise CardBlocked
    if not response.ok:
        trail.note("application", f"no payment directory: {status.words(response.status)}", source)
        return []
    found: list[Candidate] = []
    try:
        file = _fci(response.data, apdu.PSE).proprietary.first(Tag.DIRECTORY_SFI) or b""
        if len(file) != 1 or file[0] not in _CHIP_LISTS:
            raise DecodeError("directory", "object 88 with a file from 1 to 10 expected")
        for number in range(1, MOST_DIRECTORY_RECORDS + 1):
            record = Response.decode((yield apdu.read_record(file[0], number).encode()))
            if record.status == Status.RECORD_NOT_FOUND:
                return found
            if not record.ok:
                raise DecodeError("directory", f"record {number} cannot be read: {status.words(record.status)}")
            found += _matching(record.data, known, trail, tables)
    except DecodeError as fault:
        trail.note("application", f"the payment directory cannot be used: {fault}", source)
        return []
    return found


def _matching(
    data: bytes, known: tuple[ContactApplication, ...], trail: Trail, tables: frozenset[int]
) -> list[Candidate]:
    """The entries of one record that an application of the terminal takes (Book 1, 12.2.3)."""
    found: list[Candidate] = []
    for entry in response_objects(data, Tag.RECORD_TEMPLATE, "directory").every(Tag.DIRECTORY_ENTRY):
        name = entry.first(Tag.AID_CARD) if isinstance(entry, tlv.Objects) else None
        if name is None or not isinstance(entry, tlv.Objects) or not 5 <= len(name) <= 16:
            continue
        matching = [application for application in known if application.takes(name)]
        if not matching:
            trail.note("application", f"{_hex(name)} is not one of the terminal's", "Book 1, 12.3.2")
            continue
        found.append(_candidate(name, max(matching, key=lambda item: len(item.name)), entry, tables))
    return found


def _from_list(
    known: tuple[ContactApplication, ...], trail: Trail, tables: frozenset[int]
) -> Generator[bytes, bytes, list[Candidate]]:
    """Select everything that the terminal takes, and further names that begin alike (Book 1, 12.3.3)."""
    found: list[Candidate] = []
    for application in known:
        for turn in range(1 + MOST_FOLLOWING):
            response = Response.decode((yield apdu.select(application.name, following=turn > 0).encode()))
            if response.status == Status.FUNCTION_NOT_SUPPORTED and turn == 0:
                raise CardBlocked
            if response.status not in (Status.OK, Status.SELECTED_FILE_INVALIDATED):
                break
            try:
                fci = _fci(response.data, application.name) if response.data else None
            except DecodeError as fault:
                trail.note("application", f"{_hex(application.name)} passed over: {fault}", "Book 1, 12.3.3")
                break
            if fci is not None and response.ok and application.takes(fci.df_name):
                found.append(_candidate(fci.df_name, application, fci.proprietary, tables))
            if fci is None or fci.df_name == application.name or not application.partial:
                break
    return found


def _candidate(name: bytes, application: ContactApplication, objects: tlv.Objects, tables: frozenset[int]) -> Candidate:
    indicator = (objects.first(Tag.APPLICATION_PRIORITY) or b"\0")[0]
    label = _shown(objects, tables)
    return Candidate(name, application, indicator & 0x0F or UNRANKED, label, bool(indicator & CONFIRMATION))


def _final(candidate: Candidate, trail: Trail, tables: frozenset[int]) -> Generator[bytes, bytes, Selected | None]:
    """SELECT a candidate; None where the card refuses or answers for another, so that the next is tried (12.4)."""
    source, shown = "Book 1, 12.4", _hex(candidate.name)
    response = Response.decode((yield apdu.select(candidate.name).encode()))
    if not response.ok:
        trail.note("application", f"{shown} refuses: {status.words(response.status)}", source)
        return None
    try:
        fci = _fci(response.data, candidate.name)
    except DecodeError as fault:
        trail.alert(Alert.MALFORMED)
        trail.note("application", f"{shown} passed over: {fault}", source)
        return None
    label = _shown(fci.proprietary, tables) or candidate.label
    trail.note("application", f"{label or 'no label'}, {_hex(fci.df_name)}", source)
    return Selected(candidate, fci.df_name, label, fci.proprietary.first(Tag.PDOL) or b"")


def _fci(data: bytes, name: bytes) -> _Fci:
    """The answer to SELECT, whose name must begin with the one selected (Book 1, 11.3.4)."""
    where = "answer to SELECT"
    template = response_objects(data, Tag.FCI_TEMPLATE, where)
    df_name = template.first(Tag.DF_NAME) or b""
    if not (df_name.startswith(name) and len(df_name) <= 16):
        raise DecodeError(where, "DF name 84 is missing or is not the one selected")
    return _Fci(df_name, template.inside(Tag.FCI_PROPRIETARY) or tlv.Objects())


def _shown(objects: tlv.Objects, tables: frozenset[int]) -> str:
    """The preferred name where the terminal has its letters, else the label (Book 1, 12.2.4 and 12.4)."""
    table, preferred = objects.first(Tag.ISSUER_CODE_TABLE) or b"", objects.first(Tag.APPLICATION_PREFERRED_NAME) or b""
    if preferred and len(table) == 1 and table[0] in tables:
        text = preferred[:LONGEST_NAME].decode(f"iso8859-{table[0]}", "replace")
        return "".join(character if character.isprintable() else "?" for character in text).strip()
    return label_text(objects.first(Tag.APPLICATION_LABEL))


def _hex(name: bytes) -> str:
    return name.hex().upper()
