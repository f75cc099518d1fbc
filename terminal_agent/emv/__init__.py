# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The EMV machine of the terminal, sans-IO: it yields commands and receives responses. No reader, no pad."""

from terminal_agent.emv.outcome import Alert, Cvm, Decision, EmvOutcome, Note
from terminal_agent.emv.request import TransactionRequest
from terminal_agent.emv.terminal import Combination, EmvTerminal
from terminal_agent.emv.transaction import contactless

__all__ = [
    "Alert",
    "Combination",
    "Cvm",
    "Decision",
    "EmvOutcome",
    "EmvTerminal",
    "Note",
    "TransactionRequest",
    "contactless",
]
