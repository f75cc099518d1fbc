# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The rule of relay resistance at its edges: times in hundreds of microseconds, the bits of TVR, malformed answers."""

import pytest

from protocols.emv.bits import Tvr
from protocols.errors import DecodeError
from terminal_agent.emv.relay import Exchanged, Pace, RelayTimes, findings, pace, processing_time

TIMES = RelayTimes()
GOOD = bytes.fromhex("800A" + "A1B2C3D4" + "0032" + "0064" + "0018")  # 5 to 10 ms, 2.4 ms to transmit the answer
CARD = Exchanged.decode(bytes(4), GOOD)
WIRE = 0x12 + 0x18
PERFORMED, LATE, SUSPECT = Tvr.RELAY_PERFORMED, Tvr.RELAY_TIME_EXCEEDED, Tvr.RELAY_THRESHOLD_EXCEEDED


def test_the_answer() -> None:
    assert (CARD.card, CARD.least, CARD.most, CARD.estimate) == (bytes.fromhex("A1B2C3D4"), 50, 100, 24)
    assert CARD.signed == bytes(4) + GOOD[2:]


@pytest.mark.parametrize("length", range(12))
def test_a_truncated_answer(length: int) -> None:
    with pytest.raises(DecodeError):
        Exchanged.decode(bytes(4), GOOD[:length])


@pytest.mark.parametrize("data", [GOOD + b"\0", b"\x77" + GOOD[1:], b"\x80\x0b" + GOOD[2:], b""])
def test_another_answer(data: bytes) -> None:
    with pytest.raises(DecodeError):
        Exchanged.decode(bytes(4), data)


@pytest.mark.parametrize(
    ("needed", "expected"),
    [
        (0, Pace.TOO_FAST),
        (29, Pace.TOO_FAST),
        (30, Pace.IN_TIME),
        (50, Pace.IN_TIME),
        (150, Pace.IN_TIME),
        (151, Pace.TOO_SLOW),
        (60_000, Pace.TOO_SLOW),
    ],
)
def test_pace_at_its_edges(needed: int, expected: Pace) -> None:
    taken = (needed + WIRE) * 100.0
    assert processing_time(TIMES, CARD, taken) == needed
    assert pace(TIMES, CARD, taken) is expected
    assert (LATE in findings(TIMES, CARD, taken)) is (expected is Pace.TOO_SLOW)


def test_a_time_shorter_than_the_transmission_counts_as_none() -> None:
    assert processing_time(TIMES, CARD, 0.0) == 0


@pytest.mark.parametrize(
    ("estimate", "near"), [(0, False), (11, False), (12, True), (24, True), (48, True), (49, False)]
)
def test_the_card_and_the_terminal_expect_alike(estimate: int, near: bool) -> None:
    card = CARD._replace(estimate=estimate)
    taken = (50 + 0x12 + min(estimate, 0x18)) * 100.0
    assert findings(TIMES, card, taken) == (PERFORMED if near else PERFORMED | SUSPECT)


def test_far_above_its_least_time_is_suspect() -> None:
    card = CARD._replace(most=1_000)
    assert findings(TIMES, card, (350 + WIRE) * 100.0) == PERFORMED
    assert findings(TIMES, card, (351 + WIRE) * 100.0) == PERFORMED | SUSPECT


@pytest.mark.parametrize("change", [{"command_time": -1}, {"accuracy": 65_536}, {"mismatch_percent": 101}])
def test_settings_that_cannot_be(change: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"expected"):
        RelayTimes(**change)
