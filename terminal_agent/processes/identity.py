# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A terminal's enrolment, put together from its profile, for commands that may run beside the agent."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from protocols.errors import DecodeError
from protocols.identity.binding import Binding
from terminal_agent.clock import Clock, GuardedClock, SystemClock, TimeFile
from terminal_agent.identity.folder import Folder, IdentityError
from terminal_agent.identity.settings import IdentitySettings
from terminal_agent.processes.key_guard import guard_of
from terminal_agent.processes.profile import TerminalProfile, load
from tillguard.exits import Exit
from tillguard.voice import Fault

if TYPE_CHECKING:
    from terminal_agent.flows.enrolment import Enrolment


@dataclass(frozen=True, slots=True)
class Applicant:
    """A terminal's enrolment, and what it applies with."""

    enrolment: "Enrolment"
    contract: Binding
    model: str


def folder_of(terminal: TerminalProfile) -> Folder:
    """Where a terminal's identity lies."""
    path = terminal.terminal.state / "identity"
    return Folder(path, terminal.terminal.id, guard_of(terminal.identity, path / "guard"))


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
        enrolment = enrolment_of(found, settings, clock_of(found))
    except IdentityError as fault:
        raise Fault(fault.what, fault.hint, Exit.USAGE) from None
    return Applicant(enrolment, settings.binding(found.terminal.merchant), found.pad.model)


def enrolment_of(terminal: TerminalProfile, settings: IdentitySettings, clock: Clock) -> "Enrolment":
    """A terminal's enrolment; :class:`IdentityError` where the authority cannot be read."""
    from terminal_agent.flows.enrolment import Enrolment  # certificates: 2 MB that an agent can mostly do without

    try:
        authority = settings.authority.read_bytes()
        return Enrolment(folder_of(terminal), terminal.terminal.id, authority, clock.now_ms, os.urandom)
    except OSError as fault:
        raise IdentityError(f"{settings.authority}: {fault.strerror}", "it is named in [identity]") from None
    except DecodeError as fault:
        raise IdentityError(f"{settings.authority}: {fault}", "it is named in [identity]") from None
