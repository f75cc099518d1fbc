# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The EMV machine of the terminal, sans-IO: it yields commands and receives responses. No reader, no pad."""

from terminal_agent.emv.contact import ContactTransaction
from terminal_agent.emv.contact_application import ContactApplication
from terminal_agent.emv.contact_run import AskPin, PinAnswer
from terminal_agent.emv.issuer_answer import IssuerAnswer
from terminal_agent.emv.outcome import Alert, Cvm, Decision, EmvOutcome, Note
from terminal_agent.emv.request import TransactionRequest
from terminal_agent.emv.terminal import Combination, EmvTerminal
from terminal_agent.emv.transaction import contactless

__all__ = [
    "Alert",
    "AskPin",
    "Combination",
    "ContactApplication",
    "ContactTransaction",
    "Cvm",
    "Decision",
    "EmvOutcome",
    "EmvTerminal",
    "IssuerAnswer",
    "Note",
    "PinAnswer",
    "TransactionRequest",
    "contactless",
]
