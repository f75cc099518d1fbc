# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Why the engine refuses a request. Each wire face says it in its own codes; a failed verification is no refusal."""

from enum import Enum


class Reason(Enum):
    """A cause of refusal, with its words."""

    SOURCE_KEY_PARITY = "the source key has wrong parity"
    DESTINATION_KEY_PARITY = "the destination key has wrong parity"
    KEY_SCHEME = "the key scheme does not fit"
    KEY_LENGTH = "the key has a length that the operation does not take"
    KEY_TYPE = "there is no such key type"
    NOT_PERMITTED = "a key of this type must not be used so"
    SINGLE_LENGTH_POSING = "two parts of the key are equal"
    PIN_BLOCK = "the PIN block does not hold a PIN"
    PIN_BLOCK_FORMAT = "there is no such PIN block format"
    PIN_BLOCK_FORMAT_DISABLED = "the PIN block format, or this translation, is not enabled"
    DATA_LENGTH = "the data has a length that the operation does not take"
    INPUT = "the request is not consistent"


class Refused(Exception):
    """The engine refuses; the text never quotes data."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason
