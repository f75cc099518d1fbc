# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Entry point: limits before the tap, the card's directory, the list of candidates. Runs no kernel, decides no payment.

EMV Contactless Book B 2.10, 3.1 (pre-processing) and 3.3 (combination selection). The directory comes from the card and
is believed in nothing but names: which kernel, limits and abilities apply is the terminal's own configuration.
"""

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from protocols.currency import BY_NUMERIC
from protocols.emv import apdu, status, tlv
from protocols.emv.apdu import Response
from protocols.emv.tags import Tag
from protocols.errors import DecodeError
from terminal_agent.emv.combination import Combination
from terminal_agent.emv.outcome import Trail
from terminal_agent.emv.request import TransactionRequest
from terminal_agent.emv.terminal import EmvTerminal

MOST_CANDIDATES = 16  # a directory of 254 octets lists at most 28; each costs a SELECT, and the field is up for seconds

DEFAULT_KERNELS: Mapping[bytes, int] = MappingProxyType(
    {
        bytes.fromhex("A000000003"): 3,
        bytes.fromhex("A000000004"): 2,
        bytes.fromhex("A000000025"): 4,
        bytes.fromhex("A000000065"): 5,
        bytes.fromhex("A000000152"): 6,
        bytes.fromhex("A000000333"): 7,
    }
)
"""Book B 2.10, table 3-6: the kernel that an application provider's cards mean when they name none."""


class Limits(NamedTuple):
    """What the amount means to one combination (Book B 2.10, 3.1.1)."""

    allowed: bool
    cvm_required: bool
    over_floor: bool
    words: str
    status_check: bool = False
    """Nothing is paid: whether the card is there and its account open. Only the issuer can say (Book B 3.1.1)."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An application of the card that a combination of the terminal takes."""

    name: bytes
    combination: Combination
    limits: Limits
    priority: int
    label: str


@dataclass(frozen=True, slots=True)
class Selected:
    """The application that is selected, with what its answer to SELECT says."""

    candidate: Candidate
    df_name: bytes
    label: str
    pdol: bytes | None


def limits(combination: Combination, terminal: EmvTerminal, request: TransactionRequest) -> Limits:
    """Compare the amount with a combination's limits (Book B 2.10, 3.1.1.5 to 3.1.1.9).

    Stricter than the book: limits say nothing about another currency, so there the cardholder is always verified and
    the payment always goes online (Emms and others, CCS 2014).
    """
    if not request.amount:
        if not combination.zero_amount:
            return Limits(False, True, True, "an amount of nothing is not taken here")
        return Limits(True, False, True, "an amount of nothing: the issuer is asked about the card", True)
    if request.currency != terminal.currency:
        return Limits(True, True, True, "another currency than the limits': CVM and online required")
    unit = 10 ** BY_NUMERIC[int(terminal.currency)].decimals
    if combination.status_check and request.amount == unit:
        return Limits(True, False, True, "one unit of the currency: the issuer is asked about the card", True)
    allowed = request.amount < combination.most
    cvm = request.amount >= combination.cvm_limit
    over_floor = request.amount > combination.floor_limit
    money = BY_NUMERIC[int(terminal.currency)].words
    words = (
        f"{money(request.amount)} is {'under' if allowed else 'not under'} the contactless limit of "
        f"{money(combination.most)}, "
        f"{'at or above' if cvm else 'under'} the CVM limit of {money(combination.cvm_limit)}, "
        f"{'above' if over_floor else 'not above'} the floor limit of {money(combination.floor_limit)}"
    )
    return Limits(allowed, cvm, over_floor, words)


def read_directory(trail: Trail) -> Generator[bytes, bytes, tuple[tlv.Objects, ...]]:
    """SELECT the proximity payment system environment and give its entries (Book B 2.10, 3.3.2.2 to 3.3.2.4)."""
    response = Response.decode((yield apdu.select(apdu.PPSE).encode()))
    if not response.ok:
        trail.note("application", f"no payment directory: {status.words(response.status)}", "Book B 3.3.2.3")
        return ()
    where = "directory"
    listed = tlv.decode(response.data, where=where).inside(
        Tag.FCI_TEMPLATE, Tag.FCI_PROPRIETARY, Tag.FCI_ISSUER_DISCRETIONARY
    )
    if listed is None:
        raise DecodeError(where, "templates 6F, A5 and BF0C expected")
    return tuple(entry for entry in listed.every(Tag.DIRECTORY_ENTRY) if isinstance(entry, tlv.Objects))


def candidates(
    entries: tuple[tlv.Objects, ...], allowed: Mapping[Combination, Limits], trail: Trail
) -> tuple[Candidate, ...]:
    """The entries that a combination takes, in the order to try (Book B 2.10, 3.3.2.5 and 3.3.3.2)."""
    found: list[Candidate] = []
    for entry in entries:
        name = entry.first(Tag.AID_CARD)
        if name is None or not 5 <= len(name) <= 16:
            continue
        combination = _combination(name, entry.first(Tag.KERNEL_IDENTIFIER), tuple(allowed))
        if combination is None:
            trail.note("application", f"{name.hex().upper()} is not one of the terminal's", "Book B 3.3.2.5")
            continue
        priority = (entry.first(Tag.APPLICATION_PRIORITY) or b"\0")[0] & 0x0F
        label = label_text(entry.first(Tag.APPLICATION_LABEL))
        found.append(Candidate(name, combination, allowed[combination], priority or 16, label))
    # sorted() is stable: of one priority the card's own order counts
    return tuple(sorted(found, key=lambda candidate: candidate.priority)[:MOST_CANDIDATES])


def _combination(name: bytes, kernel: bytes | None, known: tuple[Combination, ...]) -> Combination | None:
    """The combination with the longest identifier that ``name`` begins with, if its kernel is the one meant."""
    wanted = _requested_kernel(name, kernel)
    matching = [item for item in known if name.startswith(item.name) and wanted in (0, item.kernel)]
    return max(matching, key=lambda item: len(item.name), default=None)


def _requested_kernel(name: bytes, kernel: bytes | None) -> int:
    """The kernel that the card wants; 0 for the terminal's choice, -1 for a domestic one (Book B 3.3.2.5, C)."""
    if not kernel:
        return DEFAULT_KERNELS.get(name[:5], 0)
    return -1 if kernel[0] & 0x80 else kernel[0]


def select(candidate: Candidate, trail: Trail) -> Generator[bytes, bytes, Selected | None]:
    """SELECT a candidate; None where the card refuses, so that the next may be tried (Book B 2.10, 3.3.3.5)."""
    response = Response.decode((yield apdu.select(candidate.name).encode()))
    shown = candidate.name.hex().upper()
    if not response.ok:
        trail.note("application", f"{shown} refuses: {status.words(response.status)}", "Book B 3.3.3.5")
        return None
    where = "answer to SELECT"
    template = tlv.decode(response.data, where=where).inside(Tag.FCI_TEMPLATE)
    if template is None:
        raise DecodeError(where, "template 6F expected")
    df_name = template.first(Tag.DF_NAME) or b""
    if not (df_name.startswith(candidate.name) and len(df_name) <= 16):
        raise DecodeError(where, "DF name 84 is missing or is not the one selected")
    proprietary = template.inside(Tag.FCI_PROPRIETARY) or tlv.Objects()
    label = label_text(proprietary.first(Tag.APPLICATION_LABEL)) or candidate.label
    trail.note("application", f"{label or 'no label'}, {df_name.hex().upper()}, kernel {candidate.combination.kernel}")
    return Selected(candidate, df_name, label, proprietary.first(Tag.PDOL))


def label_text(value: bytes | None) -> str:
    """A label for a screen: printable ASCII only, 16 characters at most (EMV 4.4 Book 1, 12.2.4)."""
    if not value:
        return ""
    return "".join(chr(octet) if 0x20 <= octet < 0x7F else "?" for octet in value[:16]).strip()
