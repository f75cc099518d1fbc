# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Receipts on their way: in which order they leave, what takes whose place, how long one is held back."""

import pytest

from fleet_console.receipts import HELD_S, Receipts, signed
from protocols.telemetry.ranges import Range
from protocols.telemetry.receipt import CONTEXT, LARGEST_RECEIPT, MOST_RANGES, Receipt, read_receipt, receipt
from protocols.telemetry.topics import receipt_topic
from tests.fleet_console.test_dispatch import Wire
from tests.protocols.telemetry.report_keys import public, signer

NAME, OTHER = "TG000001", "TG000002"
OFFICE = signer("head-office")


def made(serial: int, boot: int = 1, terminal: str = NAME) -> Receipt:
    return Receipt(terminal, boot, serial, 1, serial)


def read(octets: bytes) -> Receipt:
    sealed = read_receipt(octets)
    assert public("head-office").signed(sealed, CONTEXT)
    return receipt(sealed)


class Scene:
    """Receipts, the broker that they go to, and a clock."""

    def __init__(self) -> None:
        self.now_s = 1_000.0
        self.wire = Wire()
        self.receipts = Receipts(OFFICE, lambda: self.now_s)

    def send(self, *fresh: Receipt, busy: bool = False) -> list[tuple[str, int, int]]:
        """Terminal, boot and serial number of those that leave now."""
        self.receipts.keep(fresh)
        before = len(self.wire.published)
        count = self.receipts.send(self.wire, busy=busy)
        sent = self.wire.published[before:]
        assert len(sent) == count
        found = [read(octets) for _, octets, _ in sent]
        assert [topic for topic, _, _ in sent] == [receipt_topic(one.terminal) for one in found]
        return [(one.terminal, one.boot, one.serial) for one in found]


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_a_terminals_receipts_leave_in_the_order_of_their_serials(scene: Scene) -> None:
    scene.wire.free = 0
    assert scene.send(made(5, boot=1), made(6, boot=2)) == []
    assert scene.send(made(7, boot=1)) == []
    scene.wire.free = 2
    assert scene.send() == [(NAME, 2, 6), (NAME, 1, 7)]
    assert scene.send() == []


def test_while_more_waits_a_newer_one_takes_the_place_of_one_that_is_held_back(scene: Scene) -> None:
    assert scene.send(made(1), made(1, terminal=OTHER), busy=True) == []
    scene.now_s += HELD_S / 2
    assert scene.send(made(2), busy=True) == []
    scene.now_s += HELD_S
    assert scene.send(made(3), busy=True) == [(OTHER, 1, 1), (NAME, 1, 3)]
    assert scene.send(made(4), busy=True) == []
    assert scene.send(busy=False) == [(NAME, 1, 4)]


def test_what_was_held_back_long_enough_goes_on_as_soon_as_the_broker_takes_it(scene: Scene) -> None:
    scene.now_s += HELD_S
    scene.wire.free = 0
    assert scene.send(made(1), busy=True) == []
    scene.wire.free = 1
    assert scene.send(busy=True) == [(NAME, 1, 1)]


def test_what_is_forgotten_does_not_leave(scene: Scene) -> None:
    scene.receipts.keep([made(1)])
    scene.receipts.clear()
    assert scene.send() == []


def test_a_receipt_says_as_many_ranges_as_fit_the_lowest_first() -> None:
    far = 1 << 62
    also: tuple[Range, ...] = tuple((far + 4 * number, far + 4 * number + 1) for number in range(MOST_RANGES))
    missing: tuple[Range, ...] = tuple((first + 2, last + 2) for first, last in also)
    octets = signed(Receipt(NAME, 1, 1, 1, 1, also, missing), OFFICE)
    found = read(octets)
    assert len(octets) <= LARGEST_RECEIPT
    assert 0 < len(found.also) < MOST_RANGES
    assert (found.also, found.missing) == (also[: len(found.also)], missing[: len(found.missing)])
