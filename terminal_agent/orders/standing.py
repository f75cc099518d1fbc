# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What a terminal may do, as persons have ordered it: a table. Keeps nothing, orders nothing.

A frozen terminal is kept as it is for an inquiry: it answers, and pays what it owes the acquirer, since that is a debt
and no new act. Thawing it takes two persons and leaves it locked; unlocking it takes two again.
"""

from enum import StrEnum

from terminal_agent.errors import AgentError


class Standing(StrEnum):
    """What the terminal may do."""

    OPEN = "open"
    LOCKED = "locked"
    """No payments."""
    FROZEN = "frozen"
    """No payments, and no change of keys, policies or profile."""


TRANSITIONS = {
    (Standing.OPEN, "lock"): Standing.LOCKED,
    (Standing.OPEN, "freeze"): Standing.FROZEN,
    (Standing.LOCKED, "unlock"): Standing.OPEN,
    (Standing.LOCKED, "freeze"): Standing.FROZEN,
    (Standing.FROZEN, "thaw"): Standing.LOCKED,
}
"""Every change of standing; whatever is not here is refused."""

_ANSWERS = frozenset({"ping", "diagnostics", "resend"})
_ACTS = frozenset({"policy", "profile", "exception", "rotate-keys", "renew-certificate", "certificate"})
PERMITTED = {
    Standing.OPEN: _ANSWERS | _ACTS | {"lock", "freeze"},
    Standing.LOCKED: _ANSWERS | _ACTS | {"unlock", "freeze"},
    Standing.FROZEN: _ANSWERS | {"thaw"},
}
"""The orders that are carried out in each standing."""


class NotPermitted(AgentError):
    """The terminal's standing does not permit it."""


def step(standing: Standing, command: str) -> Standing:
    """The standing after an order; :class:`NotPermitted` where it is not carried out in this one."""
    if command not in PERMITTED[standing]:
        raise NotPermitted(f"the terminal is {standing}", f"permitted now: {', '.join(sorted(PERMITTED[standing]))}")
    return TRANSITIONS.get((standing, command), standing)


def bar(standing: Standing) -> str | None:
    """Why no payment may begin; None where one may."""
    return None if standing is Standing.OPEN else f"this terminal is {standing} by order of head office"
