# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A profile that persons signed, kept for the next start. Judges who signed it, and its version; runs nothing.

The statement's kind is ``profile``, its body the whole profile. The file is verified again each time it is read: the
folder is not believed. Its floor only rises, so that an older profile, signed in its time, cannot be brought back.
"""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from protocols.errors import DecodeError
from protocols.signed import LARGEST, Envelope, Floor, Refused, Trust, Verify, believe, read, vouched
from protocols.telemetry.orders import PROFILE_KIND
from terminal_agent.durable import replace_whole
from terminal_agent.errors import AgentError

Check = Callable[[str], None]
"""Raises what is wrong with a profile's text."""


class ProfileNotTaken(AgentError):
    """A profile is not believed, not usable, or cannot be kept."""


class ProfileStore:
    """The folder of one terminal. ``trust`` gives who may sign a profile now."""

    def __init__(
        self, folder: Path, terminal: str, trust: Callable[[], Trust | None], verify: Verify, check: Check
    ) -> None:
        self._folder = folder
        self._terminal = terminal
        self._trust = trust
        self._verify = verify
        self._check = check

    def take(self, envelope: Envelope, now_s: int) -> int:
        """Believe, check and keep a profile; its version. Nothing is changed where it raises."""
        trust = self._trust()
        if trust is None:
            raise ProfileNotTaken("profile: nobody may sign one", "name who may in [orders] trust")
        floor = self._floor()
        try:
            found = believe(
                envelope, trust, self._verify, kind=PROFILE_KIND, terminal=self._terminal, now_s=now_s, floor=floor
            )
        except (Refused, DecodeError) as fault:
            raise ProfileNotTaken(f"profile: {fault}", "see who signed it, and its version") from None
        if floor is not None and found.statement.version == floor.version:
            raise ProfileNotTaken(f"profile: version {floor.version} is in force already", "a higher version expected")
        self._check(found.statement.body)
        self._write("profile.signed", envelope.encode())
        self._write("profile.floor", json.dumps(asdict(found.floor)).encode())
        return found.statement.version

    def in_force(self) -> str | None:
        """The text of the profile that was taken last; None where none was. Raises where it is not to be believed."""
        trust, floor = self._trust(), self._floor()
        try:
            with (self._folder / "profile.signed").open("rb") as file:
                octets = file.read(LARGEST + 1)
        except FileNotFoundError:
            if floor is None:
                return None
            raise ProfileNotTaken("profile.signed is gone", "put it back, or have it ordered anew") from None
        except OSError as fault:
            raise ProfileNotTaken(f"profile.signed: {fault.strerror}", "check the state folder") from None
        if trust is None:
            raise ProfileNotTaken("profile.signed: nobody may sign one", "name who may in [orders] trust")
        try:
            found = vouched(read(octets), trust, self._verify, kind=PROFILE_KIND, terminal=self._terminal)
        except (Refused, DecodeError) as fault:
            raise ProfileNotTaken(f"profile.signed: {fault}", "it was changed; have it ordered anew") from None
        if floor is not None and found.statement.version < floor.version:
            raise ProfileNotTaken(
                "profile.signed: older than what was in force", "it was put back; have it ordered anew"
            )
        return found.statement.body

    def _floor(self) -> Floor | None:
        """A floor that is there and cannot be read stops everything: it would be a way around it."""
        try:
            document = json.loads((self._folder / "profile.floor").read_bytes())
            return Floor(int(document["version"]), str(document["digest"]))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError):
            raise ProfileNotTaken(
                f"{self._folder / 'profile.floor'}: cannot be read", "restore it; without it old profiles would pass"
            ) from None

    def _write(self, name: str, octets: bytes) -> None:
        """Whole or not at all, and on the disk."""
        path = self._folder / name
        try:
            replace_whole(path, octets)
        except OSError as fault:
            raise ProfileNotTaken(f"{path}: {fault.strerror}", "check the state folder's rights and space") from None
