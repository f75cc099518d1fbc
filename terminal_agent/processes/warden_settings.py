# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The warden's settings file, ``/etc/tillguard/warden.toml``: what it says. Reads none."""

import re
from dataclasses import dataclass
from pathlib import Path

from terminal_agent.usb.radios import KINDS

_TERMINAL = re.compile(r"[A-Z0-9]{8}", re.ASCII)
LONGEST_SOCKET = 107


@dataclass(frozen=True, slots=True)
class WardenSettings:
    """The whole file."""

    terminal: str
    """The terminal that policies must be signed for."""
    trust: Path
    """Whose signatures count: ``trust.toml`` (usb/trust.py)."""
    state: Path = Path("/var/lib/tillguard-warden/usb")
    """Where ``terminal-agent usb`` keeps signed policies and exceptions."""
    audit: Path = Path("/var/lib/tillguard-warden/audit")
    """Where the warden's own chain is."""
    socket: Path = Path("/run/tillguard-warden/warden.sock")
    """Where it tells what it does."""
    listeners: tuple[str, ...] = ()
    """Users, besides root, whose processes may listen."""
    radios: tuple[str, ...] = ()
    """Kinds of radio that stay on: ``wlan``, ``wwan``, ``bluetooth``. All others are switched off at the start."""

    def __post_init__(self) -> None:
        if not _TERMINAL.fullmatch(self.terminal):
            raise ValueError("terminal: 8 capital letters or digits expected")
        if unknown := sorted(set(self.radios) - KINDS.keys()):
            raise ValueError(f"radios: {', '.join(KINDS)} expected, not {', '.join(unknown)}")
        if len(bytes(self.socket)) > LONGEST_SOCKET:
            raise ValueError(f"socket: the whole path may have {LONGEST_SOCKET} octets at most (unix(7))")
