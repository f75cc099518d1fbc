# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Codes of the host protocol with their words: errors, key schemes, PIN block formats. Data only.

The lists are those on which the open clients and simulators agree; some codes mean something else in one command,
which :mod:`protocols.hsm.commands` says there.
"""

from enum import StrEnum
from typing import Self


class ErrorCode(StrEnum):
    """The two characters behind the response code, each with its words."""

    words: str

    def __new__(cls, code: str, words: str) -> Self:
        member = str.__new__(cls, code)
        member._value_ = code
        member.words = words
        return member

    NO_ERROR = "00", "no error"
    VERIFICATION_FAILED = "01", "verification failed, or advice that parity was corrected"
    COMMAND_SPECIFIC_02 = "02", "command specific"
    COMMAND_SPECIFIC_03 = "03", "command specific"
    INVALID_TYPE_CODE = "04", "invalid key type code"
    INVALID_LENGTH_FLAG = "05", "invalid key length flag"
    COMMAND_SPECIFIC_06 = "06", "command specific"
    COMMAND_SPECIFIC_07 = "07", "command specific"
    COMMAND_SPECIFIC_08 = "08", "command specific"
    COMMAND_SPECIFIC_09 = "09", "command specific"
    SOURCE_KEY_PARITY = "10", "source key parity error"
    DESTINATION_KEY_PARITY = "11", "destination key parity error, or key all zeros"
    USER_STORAGE_EMPTY = "12", "user storage is empty"
    INVALID_LMK_ID = "13", "invalid LMK identifier"
    INVALID_PIN_UNDER_LMK = "14", "PIN under LMK pair 02-03 is invalid"
    INVALID_INPUT = "15", "invalid input data"
    PRINTER_NOT_READY = "16", "console or printer not ready"
    NOT_AUTHORISED = "17", "not in the authorised state"
    NO_PRINT_FORMAT = "18", "document format not loaded"
    INVALID_DIEBOLD_TABLE = "19", "Diebold table is invalid"
    INVALID_PIN_BLOCK = "20", "PIN block does not contain valid values"
    INVALID_INDEX = "21", "invalid index"
    INVALID_ACCOUNT = "22", "invalid account number"
    INVALID_PIN_BLOCK_FORMAT = "23", "invalid PIN block format code"
    INVALID_PIN_LENGTH = "24", "PIN has fewer than 4 or more than 12 digits"
    DECIMALISATION_TABLE = "25", "decimalisation table error"
    INVALID_KEY_SCHEME = "26", "invalid key scheme"
    INCOMPATIBLE_KEY_LENGTH = "27", "incompatible key length"
    INVALID_KEY_TYPE = "28", "invalid key type"
    FUNCTION_NOT_PERMITTED = "29", "key function not permitted"
    INVALID_REFERENCE_NUMBER = "30", "invalid reference number"
    BATCH_ENTRIES = "31", "insufficient solicitation entries for the batch"
    LMK_CHANGE_STORAGE = "33", "LMK key change storage is corrupted"
    ILLEGAL_MESSAGE_FORMAT = "35", "illegal message format"
    FRAUD_DETECTION = "39", "fraud detection"
    INVALID_CHECKSUM = "40", "invalid checksum"
    INTERNAL = "41", "internal hardware or software error"
    DES_FAILURE = "42", "DES failure"
    ALGORITHM_NOT_LICENSED = "47", "algorithm not licensed"
    PRIVATE_KEY = "49", "private key error"
    INVALID_HEADER = "51", "invalid message header"
    BRANCH_HEIGHT = "52", "invalid branch and height, or number of commands"
    NO_TRANSACTION_KEY_SCHEME = "65", "transaction key scheme set to none"
    COMMAND_NOT_LICENSED = "67", "command not licensed"
    COMMAND_DISABLED = "68", "command has been disabled, or is not known here"
    PIN_BLOCK_FORMAT_DISABLED = "69", "PIN block format has been disabled"
    DIGEST_INFO = "74", "invalid digest info syntax"
    SINGLE_LENGTH_POSING = "75", "single-length key masquerading as double or triple length"
    PRIVATE_KEY_LENGTH = "78", "private key length error"
    DATA_LENGTH = "80", "data length error"
    ZERO_LENGTH = "81", "zero length, or PIN length mismatch"
    CHECK_VALUE_LENGTH = "82", "invalid check value length"
    KEY_BLOCK_FORMAT = "83", "key block format error"
    KEY_BLOCK_CHECK_VALUE = "84", "key block check value error"
    EXCLUDED_PIN = "86", "PIN is in the excluded PIN table"
    LMK_SCHEMES_DIFFER = "A1", "incompatible LMK schemes"
    LMK_IDS_DIFFER = "A2", "incompatible LMK identifiers"
    KEY_BLOCK_AUTHENTICATION = "A4", "key block authentication failure"
    KEY_BLOCK_LENGTH = "A5", "incompatible key length"
    KEY_BLOCK_USAGE = "A6", "invalid key usage"
    KEY_BLOCK_ALGORITHM = "A7", "invalid algorithm"
    KEY_BLOCK_MODE = "A8", "invalid mode of use"
    KEY_BLOCK_VERSION = "A9", "invalid key version number"
    KEY_BLOCK_EXPORT = "AA", "invalid exportability, or export not permitted"
    KEY_BLOCK_MISCELLANEOUS = "B2", "key block error"


_WORDS = {member.value: member.words for member in ErrorCode}


def error_words(code: str) -> str:
    """The general words of an error code, also of one that is not listed here."""
    return _WORDS.get(code, "not a listed error code")


class KeyScheme(StrEnum):
    """How a key lies under another key; the tag in front of the key's hexadecimal digits."""

    SINGLE = "Z"
    """Single length; usually written without its tag."""
    DOUBLE = "U"
    """Double length, variant method: each half under its own variant of the wrapping key."""
    TRIPLE = "T"
    """Triple length, variant method."""
    DOUBLE_X917 = "X"
    """Double length, ANSI X9.17: each half in ECB mode under the wrapping key."""
    TRIPLE_X917 = "Y"
    """Triple length, ANSI X9.17."""
    KEY_BLOCK = "S"
    """Thales key block: key, header and authenticator in one."""
    TR31 = "R"
    """X9.143 (TR-31) key block."""
    STORED = "K"
    """No key but its place in the unit's user storage."""

    @property
    def octets(self) -> int:
        """Length of the key in octets; 0 where the scheme does not fix it."""
        return SCHEME_OCTETS.get(self, 0)


SCHEME_OCTETS = {
    KeyScheme.SINGLE: 8,
    KeyScheme.DOUBLE: 16,
    KeyScheme.TRIPLE: 24,
    KeyScheme.DOUBLE_X917: 16,
    KeyScheme.TRIPLE_X917: 24,
}

LEGACY_SINGLE = "0"
"""In scheme fields of older hosts: single length, written without a tag."""


class PinBlockCode(StrEnum):
    """PIN block format codes of the host protocol."""

    ISO_0 = "01"
    DOCUTEL = "02"
    DIEBOLD = "03"
    PLUS = "04"
    ISO_1 = "05"
    ISO_2 = "34"
    MASTERCARD_PAY_NOW_PAY_LATER = "35"
    VISA_PIN_CHANGE = "41"
    VISA_PIN_CHANGE_WITH_OLD = "42"
    ISO_3 = "47"
    ISO_4 = "48"


USUAL_KSN_DESCRIPTOR = "605"
"""BDK identifier of 6, sub-key identifier of 0 and device identifier of 5 digits; the KSN itself has 20 digits."""
