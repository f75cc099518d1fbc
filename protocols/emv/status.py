# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Status words of response APDUs, in words. Decides nothing: what a status means to a transaction is the kernel's."""

from enum import IntEnum
from typing import NamedTuple


class Status(IntEnum):
    """Status words with one meaning (ISO/IEC 7816-4:2020, 5.6; EMV 4.4 Book 3, 6.3.5)."""

    OK = 0x9000
    SELECTED_FILE_INVALIDATED = 0x6283
    AUTHENTICATION_FAILED = 0x6300
    MEMORY_FAILURE = 0x6581
    WRONG_LENGTH = 0x6700
    SECURITY_STATUS_NOT_SATISFIED = 0x6982
    AUTHENTICATION_METHOD_BLOCKED = 0x6983
    REFERENCED_DATA_INVALIDATED = 0x6984
    CONDITIONS_NOT_SATISFIED = 0x6985
    COMMAND_NOT_ALLOWED = 0x6986
    WRONG_DATA = 0x6A80
    FUNCTION_NOT_SUPPORTED = 0x6A81
    FILE_NOT_FOUND = 0x6A82
    RECORD_NOT_FOUND = 0x6A83
    INCORRECT_P1_P2 = 0x6A86
    REFERENCED_DATA_NOT_FOUND = 0x6A88
    WRONG_P1_P2 = 0x6B00
    INS_NOT_SUPPORTED = 0x6D00
    CLA_NOT_SUPPORTED = 0x6E00
    NO_DIAGNOSIS = 0x6F00


class _Row(NamedTuple):
    value: int
    mask: int
    words: str


_ROWS = (
    _Row(0x9000, 0xFFFF, "done"),
    _Row(0x6100, 0xFF00, "done, {low} octets more to fetch"),
    _Row(0x6200, 0xFFFF, "warning: no information given"),
    _Row(0x6281, 0xFFFF, "warning: part of the data may be corrupted"),
    _Row(0x6283, 0xFFFF, "the selected application is blocked"),
    _Row(0x6300, 0xFFFF, "authentication failed"),
    _Row(0x63C0, 0xFFF0, "verification failed, {nibble} tries left"),
    _Row(0x6400, 0xFFFF, "execution error, nothing changed"),
    _Row(0x6581, 0xFFFF, "memory failure"),
    _Row(0x6700, 0xFFFF, "wrong length"),
    _Row(0x6881, 0xFFFF, "logical channels are not supported"),
    _Row(0x6882, 0xFFFF, "secure messaging is not supported"),
    _Row(0x6982, 0xFFFF, "security status not satisfied"),
    _Row(0x6983, 0xFFFF, "authentication method blocked"),
    _Row(0x6984, 0xFFFF, "referenced data invalidated"),
    _Row(0x6985, 0xFFFF, "conditions of use not satisfied"),
    _Row(0x6986, 0xFFFF, "command not allowed"),
    _Row(0x6987, 0xFFFF, "secure messaging data missing"),
    _Row(0x6988, 0xFFFF, "secure messaging data incorrect"),
    _Row(0x6A80, 0xFFFF, "wrong data in the command"),
    _Row(0x6A81, 0xFFFF, "function not supported"),
    _Row(0x6A82, 0xFFFF, "no such file or application"),
    _Row(0x6A83, 0xFFFF, "no such record"),
    _Row(0x6A86, 0xFFFF, "incorrect P1 or P2"),
    _Row(0x6A88, 0xFFFF, "referenced data not found"),
    _Row(0x6B00, 0xFFFF, "wrong P1 or P2"),
    _Row(0x6C00, 0xFF00, "wrong Le, {low} octets are there"),
    _Row(0x6D00, 0xFFFF, "instruction not supported"),
    _Row(0x6E00, 0xFFFF, "class not supported"),
    _Row(0x6F00, 0xFFFF, "no precise diagnosis"),
    _Row(0x6200, 0xFF00, "warning, nothing changed"),
    _Row(0x6300, 0xFF00, "warning, the card's memory changed"),
    _Row(0x6400, 0xFF00, "execution error, nothing changed"),
    _Row(0x6500, 0xFF00, "execution error, the card's memory changed"),
    _Row(0x6900, 0xFF00, "command not allowed"),
    _Row(0x6A00, 0xFF00, "wrong parameters"),
)


def words(status: int) -> str:
    """A status word with its meaning: ``"6A82 no such file or application"`` (ISO/IEC 7816-4:2020, tables 5 and 6)."""
    for row in _ROWS:
        if status & row.mask == row.value:
            meaning = row.words.format(low=status & 0xFF or 256, nibble=status & 0x0F)
            return f"{status:04X} {meaning}"
    return f"{status:04X} not a status word that the standards define"
