# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Receipts on their way: the newest of each boot, signed when it leaves. Commits nothing and knows no connection.

Of one boot the newest receipt says all that those before it said. So while more reports wait than are committed, a
receipt is held back for a moment, for a newer one to take its place: signing and sending one costs as much as taking a
report.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Protocol

from protocols.errors import EncodeError
from protocols.telemetry.receipt import MOST_RANGES, Receipt, encode_receipt
from protocols.telemetry.seal import Signer
from protocols.telemetry.topics import receipt_topic

HELD_S = 0.1  # the longest that a receipt waits for a newer one


class Sender(Protocol):
    """The part of a feed that is needed here."""

    @property
    def free(self) -> int:
        """How many messages :meth:`publish` takes now."""

    def publish(self, topic: str, payload: bytes, expiry_s: int | None = None) -> int | None:
        """Publish with QoS 1."""


class Receipts:
    """Those of a shard group's terminals."""

    def __init__(self, signer: Signer, clock_s: Callable[[], float]) -> None:
        """``clock_s``: seconds of any steady clock."""
        self._signer = signer
        self._clock_s = clock_s
        self._waiting: OrderedDict[tuple[str, int], Receipt] = OrderedDict()
        self._sent_s = clock_s()

    def clear(self) -> None:
        """Forget all: their reports come again, and receipts with them."""
        self._waiting.clear()

    def keep(self, fresh: Iterable[Receipt]) -> None:
        """These reports are committed."""
        for one in fresh:
            self._waiting[one.terminal, one.boot] = one
            self._waiting.move_to_end((one.terminal, one.boot))  # a terminal believes no serial below one it has seen

    def send(self, feed: Sender, *, busy: bool) -> int:
        """Publish as many as the broker takes now; returns how many. ``busy``: more reports wait to be committed."""
        now = self._clock_s()
        if busy and now - self._sent_s < HELD_S:
            return 0
        count = 0
        while self._waiting and feed.free:
            _, receipt = self._waiting.popitem(last=False)
            feed.publish(receipt_topic(receipt.terminal), signed(receipt, self._signer))
            count += 1
        if not self._waiting:
            self._sent_s = now
        return count


def signed(receipt: Receipt, signer: Signer) -> bytes:
    """A receipt's octets, with as many ranges as fit into them, the lowest first."""
    most = MOST_RANGES
    while True:
        try:
            return encode_receipt(receipt, signer)
        except EncodeError:
            most //= 2
            if not most:
                raise
            receipt = replace(receipt, also=receipt.also[:most], missing=receipt.missing[:most])
