# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The ledger of a boot. Invariant: in whatever order reports come, what is here and missing is exactly that."""

import random
from hashlib import sha256

import pytest

from fleet_console import ledger
from fleet_console.ledger import Boot, Place


def own(seq: int) -> bytes:
    return sha256(b"%d" % seq).digest()


def add(boot: Boot, seq: int, prev: bytes | None = None) -> Place:
    return boot.add(seq, own(seq - 1) if prev is None else prev, own(seq))


@pytest.mark.parametrize("seed", range(40))
def test_any_order_against_a_set(seed: int) -> None:
    chance = random.Random(seed)
    boot, here = Boot(), set[int]()
    numbers = chance.choices(range(1, 40), k=60)
    for seq in numbers:
        assert add(boot, seq) is (Place.KNOWN if seq in here else Place.NEW)
        here.add(seq)
        held = [number for first, last in [(1, boot.upto), *boot.also()] for number in range(first, last + 1)]
        lacking = [number for first, last in boot.missing() for number in range(first, last + 1)]
        assert sorted(held) == sorted(here)
        assert lacking == [number for number in range(1, max(here)) if number not in here]
        assert boot.last_hash == own(max(here))
        assert boot.floor_hash == (own(boot.upto) if boot.upto else None)


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 1, 2), (2, 3, 1), (1, 3, 2), (3, 2, 1)])
def test_a_broken_link_shows_in_every_order(order: tuple[int, ...]) -> None:
    boot = Boot()
    places = [add(boot, seq, b"other" if seq == 2 else None) for seq in order]
    assert places.count(Place.UNLINKED) == 1
    assert boot.upto == 3


def test_a_boot_goes_on_where_it_was_left() -> None:
    boot = Boot(7, b"before", own(7))
    assert (boot.upto, boot.first_prev, boot.missing()) == (7, b"before", [])
    assert add(boot, 7) is Place.KNOWN
    assert add(boot, 8) is Place.NEW
    assert add(Boot(7, b"before", own(6)), 8) is Place.UNLINKED


def test_what_was_dropped_is_missed_no_longer() -> None:
    boot = Boot()
    for seq in (1, 2, 6, 10):
        add(boot, seq)
    assert boot.account(2, 7) == [(3, 5), (7, 7)]
    assert (boot.upto, boot.also(), boot.missing()) == (7, [(10, 10)], [(8, 9)])
    assert add(boot, 4) is Place.KNOWN
    assert add(boot, 8, b"anything") is Place.NEW  # what it links to was dropped
    assert boot.account(12, 13) == [(12, 13)]
    assert boot.also() == [(10, 10), (12, 13)]
    assert boot.account(12, 13) == []
    assert Boot().account(1, 3) == [(1, 3)]


@pytest.mark.parametrize("seed", range(20))
def test_dropped_ranges_against_a_set(seed: int) -> None:
    chance = random.Random(seed)
    boot, here = Boot(), set[int]()
    for _ in range(40):
        if chance.random() < 0.5:
            seq = chance.randrange(1, 60)
            boot.add(seq, own(seq - 1), own(seq))
            here.add(seq)
        else:
            first = chance.randrange(60)
            last = first + chance.randrange(12)
            fresh = [number for low, high in boot.account(first, last) for number in range(low, high + 1)]
            assert fresh == [number for number in range(max(first, 1), last + 1) if number not in here]
            here.update(fresh)
        held = [number for low, high in [(1, boot.upto), *boot.also()] for number in range(low, high + 1)]
        assert held == sorted(here)


def test_what_a_terminal_says_it_dropped_makes_no_more_gaps_than_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "MOST_RANGES", 10)
    boot = Boot()
    assert [bool(boot.account(2 * number, 2 * number)) for number in range(1, 13)] == [True] * 10 + [False] * 2
    assert boot.account(21, 21) == [(21, 21)]  # beside one that is kept: no gap more
    assert boot.account(1, 30) == [(number, number) for number in range(1, 21, 2)] + [(22, 30)]
    assert boot.also() == []


def test_receipts_are_bounded_and_so_is_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "MOST_RANGES", 100)
    boot = Boot()
    places = [add(boot, seq) for seq in range(2, 300, 2)]
    assert places.count(Place.NEW) == 100
    assert places.count(Place.NO_ROOM) == 49
    assert (len(boot.also()), len(boot.missing())) == (64, 64)
    assert boot.missing()[0] == (1, 1)
    assert add(boot, 1) is Place.NEW  # what closes a gap always has room
