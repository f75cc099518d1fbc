# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A contactless card transaction from entry point to outcome, sans-IO. It owns no reader, pad, clock or randomness.

The generator yields command APDUs and is sent response APDUs. Whatever a card answers, it ends in an outcome: this is
the one place where :class:`DecodeError` is caught.
"""

from collections.abc import Generator, Mapping
from types import MappingProxyType

from protocols.errors import DecodeError
from terminal_agent.emv import entry_point, kernel2, kernel3
from terminal_agent.emv.contactless_run import Kernel, Means, TapRun, follow
from terminal_agent.emv.outcome import NOTHING_SHARED, Alert, Decision, EmvOutcome, Trail
from terminal_agent.emv.request import TransactionRequest, terminal_objects
from terminal_agent.emv.terminal import EmvTerminal

KERNELS: Mapping[int, Kernel] = MappingProxyType({2: kernel2.STEPS, 3: kernel3.STEPS})
"""The kernels that are built, by number (EMV Contactless Book B 2.10, table 3-6)."""


def contactless(
    terminal: EmvTerminal,
    request: TransactionRequest,
    means: Means | None = None,
    kernels: Mapping[int, Kernel] = KERNELS,
) -> Generator[bytes, bytes, EmvOutcome]:
    """Run a contactless transaction: yields commands, is sent responses, returns the outcome.

    ``means``: keys, lists and clock. Without the payment system's keys nothing is approved offline.

    It may return before the first command, for an amount above every contactless limit. No answer of a card makes it
    raise. When the card leaves the field, close the generator: nothing has been decided.
    """
    trail = Trail()
    try:
        return (yield from _transaction(terminal, request, trail, means or Means(), kernels))
    except DecodeError as fault:
        trail.alert(Alert.MALFORMED)
        trail.note("fault", str(fault))
        return trail.end(Decision.ENDED, "the card's answer cannot be read", "EMV 4.4 Book 3, 7.5")


def _transaction(
    terminal: EmvTerminal, request: TransactionRequest, trail: Trail, means: Means, kernels: Mapping[int, Kernel]
) -> Generator[bytes, bytes, EmvOutcome]:
    compared = {combination: entry_point.limits(combination, terminal, request) for combination in terminal.aids}
    allowed = {combination: limits for combination, limits in compared.items() if limits.allowed}
    if not allowed:
        trail.note("limits", next(iter(compared.values())).words, "Book B 3.1.1.5")
        return trail.end(Decision.OTHER_INTERFACE, "the amount is too high for contactless", "Book B 3.1.1.13")
    entries = yield from entry_point.read_directory(trail)
    for candidate in entry_point.candidates(entries, allowed, trail):
        selected = yield from entry_point.select(candidate, trail)
        if selected is None:
            continue
        combination = candidate.combination
        given = terminal_objects(terminal, combination.name, combination.application_version, request)
        tap = TapRun(terminal, request, selected, trail, means, given)
        outcome = yield from follow(tap, kernels[combination.kernel])
        if outcome is not None:
            return outcome
    why = "card and terminal share no application here" if entries else "this card is not for payment"
    return trail.end(Decision.OTHER_INTERFACE, why, NOTHING_SHARED)
