# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A terminal's enrolment, put together from its profile, for commands that may run beside the agent."""

import os
from dataclasses import dataclass
from pathlib import Path

from protocols.identity.binding import Binding
from terminal_agent.clock import GuardedClock, SystemClock, TimeFile
from terminal_agent.flows.enrolment import Enrolment
from terminal_agent.identity.folder import Folder
from terminal_agent.processes import profile
from tillguard.exits import Exit
from tillguard.voice import Fault


@dataclass(frozen=True, slots=True)
class Applicant:
    """A terminal's enrolment, and what it applies with."""

    enrolment: Enrolment
    contract: Binding
    model: str


def folder_of(terminal: profile.TerminalProfile) -> Folder:
    """Where a terminal's identity lies."""
    return Folder(terminal.terminal.state / "identity", terminal.terminal.id)


def applicant(path: Path) -> Applicant:
    """From a profile's file; :class:`Fault` where it has no [identity], or the authority cannot be read."""
    found = profile.load(path)
    settings = found.identity
    if settings is None:
        raise Fault(f"{path}: there is no [identity]", "see docs/identity.md for what to write there", Exit.USAGE)
    try:
        authority = settings.authority.read_bytes()
    except OSError as fault:
        raise Fault(f"{settings.authority}: {fault.strerror}", f"it is named in {path}", Exit.USAGE) from None
    state, name = found.terminal.state, found.terminal.id
    clock = GuardedClock(SystemClock(), TimeFile(state / "time").read())
    enrolment = Enrolment(folder_of(found), name, authority, clock.now_ms, os.urandom)
    return Applicant(enrolment, settings.binding(found.terminal.merchant), found.pad.model)
