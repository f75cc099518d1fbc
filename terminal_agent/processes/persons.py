# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Whose signatures count on a terminal: the list that was exchanged last, or the profile's. Believes no statement.

One list for orders, profiles and technicians' grants: where its root has rotated, it has rotated for all of them.
"""

from pathlib import Path

from protocols.signed import Trust
from protocols.telemetry.orders import trust_fault
from terminal_agent.errors import AgentError
from terminal_agent.orders.ledger import Ledger
from terminal_agent.processes.profile import TerminalProfile
from terminal_agent.usb.trust import load_trust
from tillguard.exits import Exit
from tillguard.voice import Fault


def ledger_path(profile: TerminalProfile) -> Path:
    """Where a terminal's ledger of orders lies."""
    return profile.terminal.state / "orders.db"


def by_profile(profile: TerminalProfile) -> Trust | None:
    """The profile's list, None where it has none; :class:`Fault` for one that nobody may rely on."""
    if profile.orders is None:
        return None
    trust = load_trust(profile.orders.trust)
    if fault := trust_fault(trust):
        raise Fault(f"{profile.orders.trust}: {fault}", "see docs/reporting.md", Exit.USAGE)
    return trust


def usb_persons(profile: TerminalProfile) -> Trust | None:
    """Who signs policies of the USB ports, where orders may bring them; :class:`Fault` as above."""
    orders = profile.orders
    return load_trust(orders.usb_trust) if orders is not None and orders.usb_trust is not None else None


def at_rest(profile: TerminalProfile) -> Trust | None:
    """The list that counts, of a terminal whose agent is not running; :class:`Fault` where it runs."""
    path = ledger_path(profile)
    if not path.exists():
        return by_profile(profile)
    try:
        ledger = Ledger.open(path, profile.terminal.id)
    except AgentError as fault:
        raise Fault(fault.what, fault.hint) from None
    try:
        kept = ledger.trust
    finally:
        ledger.close()
    return kept[0] if kept else by_profile(profile)
