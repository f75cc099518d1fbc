# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Which certificate the next connection shows: the one in use, or a new one on trial. Connects to nothing itself.

A new certificate is in use only when head office's signed receipt came over a connection that was made with it. Where
it fails, the next connection is made with the one in use; if head office is heard over that one, the new one is given
up, since it was not the line that failed. While both fail they take turns, and nothing is decided.

A folder that cannot be read or written decides nothing either: the next connection asks it again and says why. It ends
no agent, whose payments need no identity.
"""

import contextlib
from collections.abc import Callable
from dataclasses import replace

from protocols.telemetry.events import Event, fit
from terminal_agent.identity.folder import Folder, IdentityError
from terminal_agent.report.settings import ReportSettings

Note = Callable[..., Event | None]
"""Records an event of the registry as soon as it can be recorded."""


class Trial:
    """The certificates of one terminal's reports."""

    def __init__(self, folder: Folder, note: Note) -> None:
        self._folder = folder
        self._note = note
        self._shown = ""
        self._failed = ""
        """Why the candidate failed last, where the one in use has not been heard since."""
        folder.tidy()

    def settings(self, settings: ReportSettings) -> ReportSettings:
        """For the next connection; as they are where the terminal was never enrolled."""
        record = self._folder.read()
        self._shown = record.candidate if record.candidate and not self._failed else record.in_use
        if not self._shown:
            return settings
        slot = self._folder.slot(self._shown)
        return replace(settings, certificate=slot.certificate, key=slot.key)

    def heard(self) -> None:
        """A receipt of head office came over this connection."""
        with contextlib.suppress(IdentityError):
            self._decide()

    def _decide(self) -> None:
        record = self._folder.read()
        if not record.candidate:
            return
        if self._shown == record.candidate:
            self._folder.promote()
            self._note("certificate.promoted", slot=self._shown)
        elif self._failed and self._shown == record.in_use:
            self._folder.give_up()
            self._note("certificate.refused", reason=self._failed)
        self._failed = ""

    def ended(self, why: str) -> None:
        """The connection could not be made, or ended."""
        with contextlib.suppress(IdentityError):
            record = self._folder.read()
            turn = bool(record.candidate) and self._shown == record.candidate
            self._failed = fit(why) if turn else ""
