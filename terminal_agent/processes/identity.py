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
from terminal_agent.identity.settings import IdentitySettings
from terminal_agent.processes.profile import TerminalProfile, load
from tillguard.exits import Exit
from tillguard.voice import Fault


@dataclass(frozen=True, slots=True)
class Applicant:
    """A terminal's enrolment, and what it applies with."""

    enrolment: Enrolment
    contract: Binding
    model: str


def folder_of(terminal: TerminalProfile) -> Folder:
    """Where a terminal's identity lies."""
    return Folder(terminal.terminal.state / "identity", terminal.terminal.id)


def clock_of(terminal: TerminalProfile) -> GuardedClock:
    """The terminal's clock, for a command: never below the time that the agent trusted last."""
    return GuardedClock(SystemClock(), TimeFile(terminal.terminal.state / "time").read())


def settings_of(terminal: TerminalProfile, path: Path) -> IdentitySettings:
    """[identity]; :class:`Fault` where there is none."""
    if terminal.identity is None:
        raise Fault(f"{path}: there is no [identity]", "see docs/identity.md for what to write there", Exit.USAGE)
    return terminal.identity


def applicant(path: Path) -> Applicant:
    """From a profile's file; :class:`Fault` where it has no [identity], or the authority cannot be read."""
    found = load(path)
    settings = settings_of(found, path)
    try:
        authority = settings.authority.read_bytes()
    except OSError as fault:
        raise Fault(f"{settings.authority}: {fault.strerror}", f"it is named in {path}", Exit.USAGE) from None
    enrolment = Enrolment(folder_of(found), found.terminal.id, authority, clock_of(found).now_ms, os.urandom)
    return Applicant(enrolment, settings.binding(found.terminal.merchant), found.pad.model)
