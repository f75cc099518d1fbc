# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The guarded clock: never below its floor, every jump said once, and a wrong clock that is put right does no harm."""

from pathlib import Path

import pytest

from terminal_agent.clock import (
    JUMP_MS,
    KEPT_EVERY_MS,
    LONGEST_OFF_MS,
    STANDS_MS,
    GuardedClock,
    SystemClock,
    TimeFile,
    local_time,
    trusted_at_start,
)

NOW = 1_800_000_000_000
BUILT = NOW - 90 * 86_400_000
YEAR = 365 * 86_400_000


class Machine:
    """A machine's clocks; the wall clock can be set."""

    def __init__(self, wall: int = NOW) -> None:
        self.wall = wall
        self.steady = 50_000.0

    def now_ms(self) -> int:
        return self.wall

    def steady_ms(self) -> float:
        return self.steady

    def passes(self, milliseconds: int) -> None:
        self.wall += milliseconds
        self.steady += milliseconds


def looked(clock: GuardedClock, machine: Machine, seconds: int = 5) -> list[int]:
    """The jumps that are told over some seconds."""
    found = []
    for _ in range(seconds):
        machine.passes(1000)
        found.append(clock.look())
    return [jump for jump in found if jump]


def test_a_clock_that_goes_well_is_taken_as_it_is() -> None:
    machine = Machine()
    clock = GuardedClock(machine, NOW - 5000, BUILT)
    assert looked(clock, machine, 100) == []
    assert clock.now_ms() == machine.wall
    assert clock.trusted_ms == machine.wall


@pytest.mark.parametrize("back", [JUMP_MS + 1, 3_600_000, 5 * YEAR])
def test_set_back_while_running_it_is_said_once_and_time_goes_on(back: int) -> None:
    machine = Machine()
    clock = GuardedClock(machine, NOW - 5000, BUILT)
    looked(clock, machine)
    before = clock.now_ms()
    machine.wall -= back
    assert before <= clock.now_ms() <= before + 10, "no effect, not even before the next look"
    assert looked(clock, machine) == [-back]
    assert clock.now_ms() == before + 5000
    machine.wall += back
    assert looked(clock, machine) == [back]
    assert clock.now_ms() == machine.wall
    assert clock.trusted_ms == machine.wall


@pytest.mark.parametrize("ahead", [JUMP_MS + 1, 3_600_000, 5 * YEAR])
def test_set_ahead_it_is_followed_and_said_and_put_right_without_harm(ahead: int) -> None:
    machine = Machine()
    clock = GuardedClock(machine, NOW - 5000, BUILT)
    looked(clock, machine)
    machine.wall += ahead
    assert looked(clock, machine) == [ahead]
    assert clock.now_ms() == machine.wall
    assert clock.trusted_ms == machine.wall - ahead, "the floor does not follow at once"
    machine.wall -= ahead
    assert looked(clock, machine) == [-ahead]
    assert clock.now_ms() == machine.wall
    assert clock.trusted_ms == machine.wall


def test_a_jump_ahead_that_stands_for_a_day_is_trusted() -> None:
    machine = Machine()
    clock = GuardedClock(machine, NOW - 5000, BUILT)
    machine.wall += YEAR
    assert looked(clock, machine) == [YEAR]
    machine.passes(STANDS_MS)
    assert looked(clock, machine) == []
    assert clock.trusted_ms == machine.wall
    machine.wall -= YEAR
    assert looked(clock, machine) == [-YEAR]
    assert clock.now_ms() == machine.wall + YEAR


def test_below_the_time_of_the_last_run_it_is_said_at_the_first_look() -> None:
    machine = Machine(NOW - 5 * YEAR)
    clock = GuardedClock(machine, NOW, BUILT)
    assert clock.now_ms() == NOW
    assert clock.look() == -5 * YEAR
    assert looked(clock, machine) == []
    assert clock.now_ms() == NOW + 5000


def test_a_battery_that_is_flat_means_the_build_date_until_a_time_service_comes() -> None:
    machine = Machine(0)
    clock = GuardedClock(machine, None, BUILT)
    assert clock.now_ms() == BUILT
    assert clock.look() == -BUILT
    machine.wall = NOW
    assert looked(clock, machine, 1) == [NOW]
    assert clock.now_ms() == machine.wall


def test_after_a_rest_nothing_is_said_and_after_a_very_long_one_it_is() -> None:
    week = 7 * 86_400_000
    machine = Machine(NOW + week)
    clock = GuardedClock(machine, NOW, BUILT)
    assert clock.look() == 0
    assert clock.trusted_ms == machine.wall
    machine = Machine(NOW + LONGEST_OFF_MS + 1)
    clock = GuardedClock(machine, NOW, BUILT)
    assert clock.look() == LONGEST_OFF_MS + 1
    assert clock.now_ms() == machine.wall
    assert clock.trusted_ms == NOW, "not trusted until it has stood for a day"
    machine = Machine(NOW + 10 * LONGEST_OFF_MS)
    assert GuardedClock(machine, None, BUILT).look() == 0, "a first start has nothing to compare with"


def test_what_time_services_do_is_no_jump() -> None:
    machine = Machine()
    clock = GuardedClock(machine, NOW - 5000, BUILT)
    for step in (400, -400, JUMP_MS - 1, 1 - JUMP_MS, 30):
        machine.wall += step
        assert looked(clock, machine) == []
    last = clock.now_ms()
    for _ in range(20):
        machine.passes(100)
        assert clock.now_ms() >= last
        last = clock.now_ms()


def test_the_time_is_kept_from_run_to_run(tmp_path: Path) -> None:
    file = TimeFile(tmp_path / "time")
    assert file.read() is None
    file.keep(NOW)
    assert TimeFile(tmp_path / "time").read() == NOW
    for spoilt in ("", "yesterday", "9" * 40, "9" * 15, "-5"):
        (tmp_path / "time").write_text(spoilt)
        assert file.read() is None
    (tmp_path / "time").write_bytes(b"\xff")
    assert file.read() is None
    TimeFile(tmp_path / "absent" / "time").keep(NOW)  # a disk that takes nothing stops nobody


@pytest.mark.parametrize(
    ("kept", "recorded", "trusted"),
    [
        (None, None, None),
        (NOW, None, NOW),
        (None, NOW, NOW),
        (NOW, NOW + KEPT_EVERY_MS, NOW + KEPT_EVERY_MS),
        (NOW, NOW + YEAR, NOW),
        (NOW, NOW - 5, NOW),
    ],
)
def test_a_run_begins_with_the_latest_time_that_can_be_trusted(
    kept: int | None, recorded: int | None, trusted: int | None
) -> None:
    assert trusted_at_start(kept, recorded) == trusted


def test_the_machines_own_clocks() -> None:
    clock = SystemClock()
    guarded = GuardedClock(clock, None)
    assert guarded.look() == 0
    assert abs(guarded.now_ms() - clock.now_ms()) < 1000


def test_a_signed_time_raises_the_floor_and_never_lowers_it() -> None:
    machine = Machine(wall=0)  # 1970
    clock = GuardedClock(machine, None, BUILT)
    assert clock.now_ms() == BUILT
    clock.signed(NOW)
    assert clock.now_ms() == clock.trusted_ms == clock.judged_ms == NOW
    machine.passes(1_000)
    clock.signed(NOW - YEAR)  # held back by somebody
    assert clock.now_ms() == NOW + 1_000


def test_a_signed_time_that_no_calendar_has_is_not_taken() -> None:
    clock = GuardedClock(Machine(wall=NOW), None, BUILT)
    clock.signed((1 << 53) - 1)  # as far as a receipt's time goes
    assert local_time(clock.now_ms()) == local_time(NOW)


def test_ten_years_ahead_is_put_right_by_what_head_office_signs() -> None:
    machine = Machine(wall=NOW + 10 * YEAR)
    clock = GuardedClock(machine, NOW, BUILT)
    assert clock.now_ms() == NOW + 10 * YEAR  # nobody has said otherwise
    assert clock.judged_ms == NOW  # but certificates are not judged by it
    clock.signed(NOW + 60_000)
    assert clock.now_ms() == NOW + 60_000
    for _ in range(48):  # and however long it stands
        machine.passes(3_600_000)
        clock.signed(NOW + 60_000 + round(machine.steady - 50_000))
        clock.look()
    assert clock.now_ms() == NOW + 60_000 + 48 * 3_600_000


def test_a_credible_clock_is_not_held_back_by_a_time_that_was_held_back() -> None:
    machine = Machine()
    clock = GuardedClock(machine, NOW - 1_000, BUILT)
    clock.look()
    clock.signed(NOW - 3 * 3_600_000)
    assert clock.now_ms() == NOW
    machine.wall += 86_400_000  # put right, a day ahead, and what is signed agrees
    clock.look()
    clock.signed(machine.wall - 1_000)
    assert clock.now_ms() == machine.wall
