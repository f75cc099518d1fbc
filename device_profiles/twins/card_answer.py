# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What every virtual card has in common: how a command ends. It knows no command and no interface."""

from collections.abc import Callable

from protocols.emv.apdu import Response
from protocols.emv.status import Status
from protocols.errors import DecodeError

LAST_ATC = 0xFFFF  # EMV 4.4 Book 3, Annex A1: the counter has two octets and never starts again


class CardTorn(Exception):
    """The card is not there: no answer comes."""


class Refused(Exception):
    """A command that ends in a status word and changes nothing more."""

    def __init__(self, status: Status | int) -> None:
        super().__init__(status)
        self.status = int(status)


def answered(work: Callable[[bytes], bytes], command: bytes) -> bytes:
    """The answer's octets: what ``work`` gives with 9000, or the status word that it is refused with."""
    try:
        data = work(command)
    except Refused as refused:
        return Response(b"", refused.status).encode()
    except DecodeError:
        return Response(b"", Status.WRONG_LENGTH).encode()
    return Response(data, Status.OK).encode()
