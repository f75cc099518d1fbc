# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The numbers on the vault's pipe: what is asked, what is answered, why not. No message and no octet is here."""

from enum import IntEnum


class Verb(IntEnum):
    """What the vault can be asked."""

    STATUS = 1
    INVENTORY = 2
    CHALLENGE = 3
    LOAD = 4
    ROTATE = 9
    ZEROISE = 10
    TAMPER = 11
    ENTER_PIN = 12
    CANCEL_PIN = 13
    MAC = 14
    ENCRYPT = 15
    PROVE = 16
    VERIFY = 17
    STOP = 18
    ENTER_CARD_PIN = 19
    REQUEST_CREDENTIAL = 20
    CERTIFY = 21
    ANNOUNCE = 22
    BIND = 23
    ASK_HOST = 24
    LOAD_TOKEN = 25
    RENEW = 26


class Answer(IntEnum):
    """What the vault says."""

    DONE = 64
    RESULT = 65
    PIN_MADE = 66
    PIN_ENDED = 67
    REFUSED = 68
    EVENT = 69


class Refusal(IntEnum):
    """Why the vault refused; the words of the reply say it for a person."""

    PHASE = 1  # not in this phase
    THROTTLED = 2
    MALFORMED = 3
    NOT_AUTHENTIC = 4
    POLICY = 5
    NO_KEY = 6
    EXHAUSTED = 7
    APPROVAL = 8
    STORE = 9
    KEYPAD = 10
    BUSY = 11


class Ended(IntEnum):
    """How a PIN entry ended without a PIN."""

    CANCELLED = 1
    TIMED_OUT = 2


class Binding(IntEnum):
    """What a TR-34 token does to the vault's bond with a key distribution host."""

    BIND = 1
    REBIND = 2
    UNBIND = 3
