# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Message type identifiers of ISO 8583:1987 and what each message must carry, as data. Reads no octets."""

from enum import IntEnum
from typing import Self

from protocols.errors import DecodeError


class Mti(IntEnum):
    """Message types (ISO 8583:1987, 4.1), as the number their four digits spell in hexadecimal."""

    AUTHORISATION_REQUEST = 0x0100
    AUTHORISATION_REQUEST_REPEAT = 0x0101
    AUTHORISATION_RESPONSE = 0x0110
    FINANCIAL_REQUEST = 0x0200
    FINANCIAL_REQUEST_REPEAT = 0x0201
    FINANCIAL_RESPONSE = 0x0210
    FINANCIAL_ADVICE = 0x0220
    FINANCIAL_ADVICE_REPEAT = 0x0221
    FINANCIAL_ADVICE_RESPONSE = 0x0230
    REVERSAL_REQUEST = 0x0400
    REVERSAL_REQUEST_REPEAT = 0x0401
    REVERSAL_RESPONSE = 0x0410
    REVERSAL_ADVICE = 0x0420
    REVERSAL_ADVICE_REPEAT = 0x0421
    REVERSAL_ADVICE_RESPONSE = 0x0430
    NETWORK_REQUEST = 0x0800
    NETWORK_RESPONSE = 0x0810

    @classmethod
    def from_digits(cls, digits: str) -> Self:
        """The type that four digits spell; one we do not know is a :class:`DecodeError`."""
        number = int(digits, 16)
        if number not in cls._value2member_map_:
            raise DecodeError("message type", "not one that this wire uses")
        return cls(number)

    @property
    def digits(self) -> str:
        """The four digits."""
        return f"{self:04X}"

    @property
    def original(self) -> "Mti":
        """The type of the first sending: a repeat's number without its 1."""
        return Mti(self & ~0x1)

    @property
    def repeat(self) -> "Mti":
        """The type of a repeated sending of this request or advice (ISO 8583:1987, 4.1, origin 1)."""
        return Mti(self | 0x1)

    @property
    def is_repeat(self) -> bool:
        """Whether this is a repeated sending."""
        return bool(self & 0x1)

    @property
    def is_response(self) -> bool:
        """Whether this answers another message."""
        return bool(self & 0x10)

    @property
    def response(self) -> "Mti":
        """The type of the answer to this request or advice, or to its repeat."""
        return Mti(self.original | 0x10)

    @property
    def is_network(self) -> bool:
        """Whether this is network management (sign-on, echo, keys)."""
        return self >> 8 == 0x08


class NetworkCode(IntEnum):
    """What a network management message asks for (ISO 8583:1987, DE70)."""

    SIGN_ON = 1
    SIGN_OFF = 2
    KEY_CHANGE = 101
    ECHO = 301


_REQUEST = ("processing_code", "amount", "transmitted", "stan", "terminal", "merchant", "currency")
_CARD_REQUEST = (*_REQUEST, "pan", "local_time", "local_date", "entry_mode", "condition_code")
_ADVICE = (*_REQUEST, "local_time", "local_date", "entry_mode")
_REVERSAL = (*_REQUEST, "response_code", "original")
_ANSWER = ("transmitted", "stan", "response_code", "terminal")

REQUIRED: dict[Mti, tuple[str, ...]] = {
    Mti.AUTHORISATION_REQUEST: _CARD_REQUEST,
    Mti.AUTHORISATION_RESPONSE: (*_ANSWER, "reference"),
    Mti.FINANCIAL_REQUEST: _CARD_REQUEST,
    Mti.FINANCIAL_RESPONSE: (*_ANSWER, "reference"),
    Mti.FINANCIAL_ADVICE: _ADVICE,
    Mti.FINANCIAL_ADVICE_RESPONSE: _ANSWER,
    Mti.REVERSAL_REQUEST: _REVERSAL,
    Mti.REVERSAL_RESPONSE: _ANSWER,
    Mti.REVERSAL_ADVICE: _REVERSAL,
    Mti.REVERSAL_ADVICE_RESPONSE: _ANSWER,
    Mti.NETWORK_REQUEST: ("transmitted", "stan", "terminal", "network_code"),
    Mti.NETWORK_RESPONSE: (*_ANSWER, "network_code"),
}
"""The attributes without which a message of a type means nothing here; a repeat needs what its original needs."""
