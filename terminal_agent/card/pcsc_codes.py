# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Return codes of PC/SC: which of them means what to a payment, in words and with a cure. Calls nothing.

Codes are those of PC/SC part 5 (2.01.11, 3) as pcsc-lite's pcsclite.h numbers them. What matters to a caller is the
kind: the card went, the reader went, the service went, somebody else has the card, or none of these.
"""

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType

from terminal_agent.card.port import CardError, CardLost, ReaderAbsent

START_THE_SERVICE = "start it: systemctl start pcscd.socket, or pcscd --foreground (Debian: pcscd, libccid)"
HOLD_STILL = "insert the card again and leave it in until the payment has ended"


class Code(IntEnum):
    """Return codes that are told apart here."""

    SUCCESS = 0x00000000
    CANCELLED = 0x80100002
    INVALID_HANDLE = 0x80100003
    UNKNOWN_READER = 0x80100009
    TIMEOUT = 0x8010000A
    SHARING_VIOLATION = 0x8010000B
    NO_SMARTCARD = 0x8010000C
    PROTO_MISMATCH = 0x8010000F
    SYSTEM_CANCELLED = 0x80100012
    COMM_ERROR = 0x80100013
    NOT_TRANSACTED = 0x80100016
    READER_UNAVAILABLE = 0x80100017
    SHUTDOWN = 0x80100018
    NO_SERVICE = 0x8010001D
    SERVICE_STOPPED = 0x8010001E
    NO_READERS_AVAILABLE = 0x8010002E
    COMM_DATA_LOST = 0x8010002F
    UNSUPPORTED_FEATURE = 0x80100022
    UNSUPPORTED_CARD = 0x80100065
    UNRESPONSIVE_CARD = 0x80100066
    UNPOWERED_CARD = 0x80100067
    RESET_CARD = 0x80100068
    REMOVED_CARD = 0x80100069
    SECURITY_VIOLATION = 0x8010006A


HANGING = -1
"""Our own mark for a service that does not come back from a call; no return code."""

RESTART = "restart it: systemctl restart pcscd"

CARD_GONE = frozenset(
    {
        Code.NO_SMARTCARD,
        Code.NOT_TRANSACTED,
        Code.COMM_DATA_LOST,
        Code.UNPOWERED_CARD,
        Code.RESET_CARD,
        Code.REMOVED_CARD,
        Code.INVALID_HANDLE,
    }
)
"""The card, or our hold on it, is gone: what it made of the last command is unknown."""

CARD_MUTE = frozenset({Code.UNRESPONSIVE_CARD, Code.UNSUPPORTED_CARD, Code.PROTO_MISMATCH})
"""Something is in the reader that cannot be talked to: a card the wrong way round, or no chip card."""

READER_GONE = frozenset({Code.UNKNOWN_READER, Code.READER_UNAVAILABLE, Code.NO_READERS_AVAILABLE})

SERVICE_GONE = frozenset({Code.NO_SERVICE, Code.SERVICE_STOPPED, Code.COMM_ERROR, Code.SHUTDOWN, Code.SYSTEM_CANCELLED})

_WORDS: Mapping[int, str] = MappingProxyType(
    {
        HANGING: "the PC/SC service does not answer",
        Code.SHARING_VIOLATION: "another program holds the card",
        Code.NO_SMARTCARD: "no card is in the reader",
        Code.PROTO_MISMATCH: "the card speaks none of the protocols of the profile",
        Code.NOT_TRANSACTED: "the exchange with the card failed",
        Code.COMM_DATA_LOST: "the exchange with the card failed",
        Code.UNKNOWN_READER: "the reader was unplugged",
        Code.READER_UNAVAILABLE: "the reader was unplugged",
        Code.NO_READERS_AVAILABLE: "no reader is plugged in",
        Code.UNSUPPORTED_FEATURE: "the reader has no such feature",
        Code.NO_SERVICE: "the PC/SC service does not run",
        Code.SERVICE_STOPPED: "the PC/SC service was stopped",
        Code.COMM_ERROR: "the PC/SC service was lost",
        Code.SHUTDOWN: "the PC/SC service was stopped",
        Code.UNSUPPORTED_CARD: "the card's answer to reset is not understood",
        Code.UNRESPONSIVE_CARD: "the card does not answer the reset",
        Code.UNPOWERED_CARD: "the card lost its power",
        Code.RESET_CARD: "another program reset the card",
        Code.REMOVED_CARD: "the card was taken out",
        Code.INVALID_HANDLE: "the hold on the card was lost",
        Code.SECURITY_VIOLATION: "the PC/SC service refuses this user",
    }
)


def words(code: int) -> str:
    """A return code in words, with its number where we know no words."""
    return _WORDS.get(code, f"PC/SC error {code:08X}")


class PcscFault(Exception):
    """A call failed with ``code``; meant for this room, which turns it into an error of the port."""

    def __init__(self, code: int) -> None:
        super().__init__(words(code))
        self.code = code


def as_card_error(code: int) -> CardError:
    """The port's error for a failed exchange with a card."""
    if code in CARD_GONE:
        return CardLost(f"the card was lost: {words(code)}", HOLD_STILL)
    if code in SERVICE_GONE:
        return ReaderAbsent(words(code), START_THE_SERVICE)
    if code == HANGING:
        return ReaderAbsent(words(code), RESTART)
    if code in READER_GONE:
        return ReaderAbsent(words(code), "plug it in again; it is opened again by itself")
    if code in CARD_MUTE:
        return CardError(words(code), "is it a chip card, chip first and the right way up?")
    if code == Code.SHARING_VIOLATION:
        return CardError(words(code), "stop it: often scdaemon, or a browser's card module")
    if code == Code.SECURITY_VIOLATION:
        return CardError(words(code), "polkit: allow org.debian.pcsc-lite.access_pcsc and access_card for this user")
    return CardError(f"the reader failed: {words(code)}")
