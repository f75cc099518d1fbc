# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The errors of every codec. Their text says what, where and what was expected; it never quotes the data."""


class ProtocolError(Exception):
    """Root of all errors raised by this package."""


class DecodeError(ProtocolError):
    """The bytes received are not what the format demands: the sender is to blame.

    ``where`` names the field or octet offset, ``why`` what was found and expected, without quoting content.
    """

    def __init__(self, where: str, why: str) -> None:
        super().__init__(where, why)
        self.where = where
        self.why = why

    def __str__(self) -> str:
        return f"{self.where}: {self.why}"


class EncodeError(ProtocolError):
    """The values given cannot be expressed in the format: the caller is to blame."""


class IntegrityError(ProtocolError):
    """A check value, MAC, hash or signature does not match what it covers."""
