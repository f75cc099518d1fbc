# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Scripts are told from persons by how they type, and no person is taken for a script."""

import itertools
import random
from collections.abc import Iterator

import pytest

from protocols.usb.conditions import Cadence
from terminal_agent.usb.cadence import JUDGED_AFTER, CadenceWatch, scatter_percent
from terminal_agent.usb.keyboards import interrupt_pipes, newly_pressed

RATE, SCATTER = 30, 8  # keystroke-rate(30,8), as the shipped profiles have it


def person(seed: int, seconds: float) -> Iterator[float]:
    """Moments of key presses: words of letters, gaps of a log-normal spread, rolled keys, pauses."""
    fingers, now = random.Random(seed), 0.0
    speed, spread = fingers.uniform(0.09, 0.28), fingers.uniform(0.25, 0.6)
    while now < seconds:
        for _ in range(fingers.randint(2, 9)):
            rolled = fingers.random() < 0.08
            now += fingers.uniform(0.012, 0.05) if rolled else speed * fingers.lognormvariate(0, spread)
            yield now
        now += speed * fingers.lognormvariate(0.5, 0.5) if fingers.random() < 0.85 else fingers.uniform(1, 6)


def judged(moments: Iterator[float], most: int = 10_000) -> Cadence | None:
    watch = CadenceWatch()
    for moment in itertools.islice(moments, most):
        watch.press(moment)
    return watch.cadence


def injection(cadence: Cadence) -> bool:
    return cadence.keys_a_second > RATE or cadence.scatter_percent < SCATTER


def script(gap_s: float, jitter_s: float, seed: int = 1) -> Iterator[float]:
    noise, now = random.Random(seed), 0.0
    while True:
        now += gap_s + noise.uniform(-jitter_s, jitter_s)
        yield now


def test_no_person_is_taken_for_a_script_in_three_hours() -> None:
    found = [judged(person(seed, 60)) for seed in range(180)]
    told = [one for one in found if one is not None]
    assert len(told) >= 175
    assert [one for one in told if injection(one)] == []


@pytest.mark.parametrize(("gap_s", "jitter_s"), [(0.06, 0.002), (0.06, 0.004), (0.12, 0.004), (0.001, 0.0005), (0, 0)])
def test_a_script_is_caught_as_soon_as_it_is_judged(gap_s: float, jitter_s: float) -> None:
    for seed in range(20):
        assert judged(script(gap_s, jitter_s, seed), JUDGED_AFTER - 1) is None
        found = judged(script(gap_s, jitter_s, seed), JUDGED_AFTER)
        assert found is not None
        assert injection(found)


def test_a_script_that_begins_like_a_person_is_caught_later() -> None:
    watch = CadenceWatch()
    for moment in itertools.islice(person(5, 600), 200):
        watch.press(moment)
    assert watch.cadence is not None
    assert not injection(watch.cadence)
    for number in range(30):
        watch.press(moment + 0.06 * (number + 1))
    assert injection(watch.cadence)


def test_a_scanner_is_as_fast_and_regular_as_it_is() -> None:
    found = judged(script(0.004, 0.0002), 100)
    assert found is not None
    assert found.keys_a_second > 200
    assert found.scatter_percent < SCATTER  # so a scanner needs a rule without such limits, as the profiles give it


def test_pauses_belong_to_no_stretch() -> None:
    watch = CadenceWatch()
    for number in range(100):
        watch.press(number * 5.0)
    assert watch.cadence is None
    assert scatter_percent([1.0, 1.0, 1.0]) == 0
    assert scatter_percent([0.0, 0.0]) == 0


@pytest.mark.parametrize(
    ("before", "report", "pressed"),
    [
        ("", "0000040000000000", True),
        ("0000040000000000", "0000040000000000", False),
        ("0000040000000000", "0000040500000000", True),
        ("0000040500000000", "0000050000000000", False),  # the first was let go, the second moved up
        ("0000050000000000", "0000000000000000", False),
        ("0000000000000000", "0200000000000000", True),
        ("0200000000000000", "0000000000000000", False),
        ("", "0110", True),
        ("0110", "0130", True),
        ("0130", "0120", False),
        ("0110", "", False),
    ],
)
def test_what_counts_as_a_press(before: str, report: str, pressed: bool) -> None:
    assert newly_pressed(bytes.fromhex(before), bytes.fromhex(report)) is pressed


def test_pipes_of_input_devices_alone_are_held() -> None:
    device = bytes.fromhex("1201000200000008 0c2e0b610001 010203 01".replace(" ", ""))
    head = bytes.fromhex("0902000002010080 32".replace(" ", ""))
    keyboard = bytes.fromhex("0904000001030101 00 07058103080 00a".replace(" ", ""))
    disk = bytes.fromhex("0904010001080650 00 0705820240000 0".replace(" ", ""))
    whole = device + head + keyboard + disk
    assert interrupt_pipes(whole, [(1, 0), (1, 1)]) == [(0, 0x81, 8)]
    assert interrupt_pipes(whole, [(1, 1)]) == []
    assert interrupt_pipes(device + head + disk, [(1, 0), (1, 1)]) == []
