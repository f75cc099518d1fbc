# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The EMV machine of the terminal, sans-IO: it yields commands and receives responses. No reader, no pad."""

from terminal_agent.emv.authorities import Authorities, TrustedKey, Withdrawn
from terminal_agent.emv.combination import Combination
from terminal_agent.emv.contact import ContactTransaction
from terminal_agent.emv.contact_application import ContactApplication
from terminal_agent.emv.contact_run import AskApplication, AskPin, PinAnswer, PinAtReader, PinToEncipher
from terminal_agent.emv.contactless_run import Means
from terminal_agent.emv.issuer_answer import IssuerAnswer
from terminal_agent.emv.outcome import Alert, Cvm, Decision, EmvOutcome, Note
from terminal_agent.emv.request import TransactionRequest
from terminal_agent.emv.terminal import EmvTerminal
from terminal_agent.emv.torn import TornLog
from terminal_agent.emv.transaction import contactless

__all__ = [
    "Alert",
    "AskApplication",
    "AskPin",
    "Authorities",
    "Combination",
    "ContactApplication",
    "ContactTransaction",
    "Cvm",
    "Decision",
    "EmvOutcome",
    "EmvTerminal",
    "IssuerAnswer",
    "Means",
    "Note",
    "PinAnswer",
    "PinAtReader",
    "PinToEncipher",
    "TornLog",
    "TransactionRequest",
    "TrustedKey",
    "Withdrawn",
    "contactless",
]
