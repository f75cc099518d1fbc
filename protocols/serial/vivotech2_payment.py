# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Payments that a ViVOtech2 reader does by its own kernel: begin, break off, fetch. Our driver never begins one.

In such a payment tracks and account number come over the line, and the decision is the reader's. A terminal that runs
the kernel itself needs none of it, but has to know these frames: a reader left in automatic polling pushes them unasked
whenever a card comes near. Source: NEO 2 Interface Developer's Guide (2019), commands 02-01, 03-00 and 05-01. What the
objects in a result mean is not read here.
"""

from dataclasses import dataclass
from typing import ClassVar

from protocols.emv import tlv
from protocols.errors import DecodeError, EncodeError
from protocols.serial.vivotech2 import Frame

ACTIVATE, RESULT, CANCEL = 0x02, 0x03, 0x05
REQUEST_ONLINE = 0x23
"""Status of a result that the reader wants authorised. 03 is what it says unasked in automatic polling."""
MOST_SECONDS = 255
MOST_OBJECTS = 1024  # octets; the guide's requests have some hundred


@dataclass(frozen=True, slots=True)
class Activate:
    """02-01: look for a card for so long, and pay with it on these terms. Prints without them."""

    name: ClassVar[tuple[int, int]] = (ACTIVATE, 0x01)
    seconds: int
    objects: bytes

    def data(self) -> bytes:
        """A second count and data objects."""
        if not 1 <= self.seconds <= MOST_SECONDS or len(self.objects) > MOST_OBJECTS:
            raise EncodeError(f"1 to {MOST_SECONDS} s and up to {MOST_OBJECTS} octets of objects expected")
        return bytes((self.seconds,)) + self.objects

    def __repr__(self) -> str:
        return f"Activate({self.seconds} s, {len(self.objects)} octets)"


@dataclass(frozen=True, slots=True)
class GetResult:
    """03-00: what the last payment came to, after automatic polling."""

    name: ClassVar[tuple[int, int]] = (RESULT, 0x00)

    def data(self) -> bytes:
        return b""


@dataclass(frozen=True, slots=True)
class CancelPayment:
    """05-01: break it off."""

    name: ClassVar[tuple[int, int]] = (CANCEL, 0x01)

    def data(self) -> bytes:
        return b""


PaymentRequest = Activate | GetResult | CancelPayment
NAMES = frozenset(one.name for one in (Activate, GetResult, CancelPayment))


def decode_payment_request(frame: Frame) -> PaymentRequest:
    """What a terminal asks: the reader's side."""
    where = f"{frame.command:02X}-{frame.detail:02X}"
    if (frame.command, frame.detail) == Activate.name:
        if len(frame.data) < 1 or not frame.data[0]:
            raise DecodeError(where, "seconds expected first")
        tlv.decode(frame.data[1:], where=where)
        return Activate(frame.data[0], frame.data[1:])
    if frame.data:
        raise DecodeError(where, "no data expected")
    if (frame.command, frame.detail) == GetResult.name:
        return GetResult()
    if (frame.command, frame.detail) == CancelPayment.name:
        return CancelPayment()
    raise DecodeError(where, "no request of a payment")
