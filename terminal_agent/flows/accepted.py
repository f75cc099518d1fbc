# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Which money this terminal takes. Begins no payment."""

from protocols.currency import BY_NUMERIC, Currency
from terminal_agent.emv import EmvTerminal
from terminal_agent.errors import AgentError


def require_accepted(terminal: EmvTerminal, currency: Currency) -> None:
    """Raises :class:`AgentError` for a currency that this terminal does not take."""
    accepted = BY_NUMERIC.get(int(terminal.currency))
    if accepted is not currency:
        name = accepted.alpha if accepted else terminal.currency
        raise AgentError(f"this terminal takes {name}, not {currency.alpha}", "see [emv] currency in its profile")
