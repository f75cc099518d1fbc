# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Response codes (DE39) in words, and which of them approve. Decides nothing."""

APPROVED = "00"

WORDS: dict[str, str] = {
    "00": "approved",
    "01": "refer to card issuer",
    "03": "invalid merchant",
    "04": "keep the card",
    "05": "do not honour",
    "06": "error",
    "08": "approved with identification",
    "10": "approved in part",
    "12": "invalid transaction",
    "13": "invalid amount",
    "14": "no such card number",
    "15": "no such issuer",
    "17": "cancelled by the customer",
    "19": "enter the transaction again",
    "21": "no action taken",
    "22": "suspected malfunction",
    "25": "original transaction not found",
    "30": "format error",
    "41": "lost card",
    "43": "stolen card",
    "51": "not sufficient funds",
    "54": "expired card",
    "55": "incorrect PIN",
    "57": "not permitted to the cardholder",
    "58": "not permitted to the terminal",
    "59": "suspected fraud",
    "61": "exceeds the amount limit",
    "62": "restricted card",
    "63": "security violation",
    "65": "exceeds the frequency limit",
    "68": "response received too late",
    "75": "PIN tries exceeded",
    "91": "issuer or switch not available",
    "94": "duplicate transmission",
    "96": "system malfunction",
}
"""ISO 8583:1987, table of response codes: the ones in use here, in our words."""


def words(code: str) -> str:
    """What a response code says; an unlisted one is named as such (never guessed)."""
    return WORDS.get(code, "declined for a reason this table does not list")
