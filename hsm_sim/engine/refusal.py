# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Why the engine refuses a request. Each wire face says it in its own codes; a failed verification is no refusal."""

from enum import Enum


class Reason(Enum):
    """A cause of refusal, with its words."""

    SOURCE_KEY_PARITY = "the source key has wrong parity"
    DESTINATION_KEY_PARITY = "the destination key has wrong parity"
    IMPORTED_KEY_PARITY = "the imported key has wrong parity"
    WEAK_KEY = "the key is a weak one"
    KEY_SCHEME = "the key scheme does not fit"
    KEY_LENGTH = "the key has a length that the operation does not take"
    KEY_TYPE = "there is no such key type"
    NOT_PERMITTED = "a key of this type must not be used so"
    NOT_AUTHORISED = "the unit is not in the state that this takes"
    SINGLE_LENGTH_POSING = "two parts of the key are equal"
    NOT_STORED = "there is no key at that place in user storage"
    NO_OLD_LMK = "there is no old LMK to translate from"
    PIN_BLOCK = "the PIN block does not hold a PIN"
    PIN_BLOCK_FORMAT = "there is no such PIN block format"
    PIN_BLOCK_FORMAT_DISABLED = "the PIN block format, or this translation, is not enabled"
    PIN_UNDER_LMK = "the PIN under the LMK is not valid for this account"
    PIN_LENGTH = "the PIN has a length that the unit or the operation does not take"
    PIN_LENGTH_MISMATCH = "the PIN is shorter than the digits to check"
    EXCLUDED_PIN = "the PIN is one that no cardholder may have"
    DECIMALISATION_TABLE = "the decimalisation table is not valid"
    TOO_MANY_GUESSES = "too many PIN verifications have failed"
    NOT_KEPT = "what must be kept first cannot be kept: the disk is full or faulty"
    DATA_LENGTH = "the data has a length that the operation does not take"
    INPUT = "the request is not consistent"
    DIGEST_INFO = "the data is not a DigestInfo of a known hash function"
    ALGORITHM = "the algorithm is not one of this unit's"
    PRIVATE_KEY = "the private key is not one of this unit's"
    PRIVATE_KEY_LENGTH = "the private key has a length that none of this unit's has"
    PUBLIC_KEY = "the public key is not one that this unit takes, or its MAC is wrong"
    KEY_BLOCK_FORMAT = "the key block is not well formed"
    KEY_BLOCK_AUTHENTICATION = "the key block does not authenticate"
    KEY_BLOCK_HEADER = "the key block's header says what this unit does not take"
    KEY_BLOCK_USAGE = "the key block's usage is another one"
    KEY_BLOCK_LENGTH = "the key has a length that its key block's usage and algorithm do not take"
    KEY_BLOCK_ALGORITHM = "the key block's algorithm is another one"
    KEY_BLOCK_MODE = "the key block's mode of use forbids this"
    KEY_BLOCK_EXPORT = "the key block forbids export"
    LMK_SCHEME = "the key is not of the kind that this LMK wraps"
    LMK_IDS = "the key is under another LMK"


class Refused(Exception):
    """The engine refuses; the text never quotes data."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason
