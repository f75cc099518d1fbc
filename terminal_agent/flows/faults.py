# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Which error of the agent becomes which at the other end of a worker's pipe: one table, read in both directions."""

from collections.abc import Callable

from terminal_agent.emv.unpredictable import PredictableNumbers
from terminal_agent.errors import AgentError
from terminal_agent.host.port import HostUnreachable, JournalError, JournalFull
from terminal_agent.host.seal import SealBroken
from terminal_agent.line.port import LineAbsent, LineBusy, LineError
from terminal_agent.pad.port import PadAbsent

Made = Callable[[str, str], Exception]

_KINDS: tuple[tuple[str, type[Exception], Made], ...] = (
    ("predictable", PredictableNumbers, lambda what, hint: PredictableNumbers(what)),
    ("journal-full", JournalFull, lambda what, hint: JournalFull(what, hint, sent=False)),
    ("seal", SealBroken, lambda what, hint: SealBroken(what, hint, sent=False)),
    ("journal", JournalError, lambda what, hint: JournalError(what, hint, sent=False)),
    ("unreachable", HostUnreachable, lambda what, hint: HostUnreachable(what, hint, sent=False)),
    ("line-absent", LineAbsent, LineAbsent),
    ("line-busy", LineBusy, LineBusy),
    ("line", LineError, LineError),
    ("pad-absent", PadAbsent, PadAbsent),
    ("agent", AgentError, AgentError),
)
"""Name on the pipe, class, how it is made anew. The first class that fits names an error."""
_BY_NAME = {name: made for name, _, made in _KINDS}


def named(fault: AgentError | PredictableNumbers) -> tuple[str, str, str]:
    """Name, what and hint of an error."""
    name = next(name for name, kind, _ in _KINDS if isinstance(fault, kind))
    return (name, fault.what, fault.hint) if isinstance(fault, AgentError) else (name, str(fault), "")


def made(name: str, what: str, hint: str) -> Exception:
    """The error that a fault names; an unknown one is the plainest."""
    return _BY_NAME.get(name, AgentError)(what, hint)
