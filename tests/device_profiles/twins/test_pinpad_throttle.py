# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Invariant: however a pad is asked and switched off, PINs leave at most once per spacing on average."""

import dataclasses
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_profiles.model import AbecsProfile, PadProfile
from device_profiles.pinpad_load import PinpadLoad, ThrottleData, load_pinpad
from device_profiles.twins.abecs_pad import AbecsPadTwin
from device_profiles.twins.pinpad import PinpadTwin
from device_profiles.twins.pinpad_cardholder import Behaviour, Cardholder
from device_profiles.twins.pinpad_keys import PinpadKeys
from device_profiles.twins.pinpad_throttle import Throttle
from protocols.secret import Pin
from terminal_agent.pad.drivers import open_pad
from terminal_agent.pad.port import PadRefused, PinCancelled, PinEntered
from tests.device_profiles.twins.pads import ABECS, IDENTITIES, LOADS, PROFILE, TEST_PAN, TEST_PIN, VERIFONE
from tests.terminal_agent.line.twin_line import TwinLine
from tests.virtual_time import run

BURST = ThrottleData(burst=3, spacing_s=30.0)


def throttled(name: str) -> PinpadLoad:
    return dataclasses.replace(load_pinpad(LOADS[name]), throttle=BURST)


@given(st.lists(st.floats(0, 200), max_size=60), st.sets(st.integers(0, 60)))
def test_never_more_than_the_reserve_and_one_per_spacing(waits: list[float], cycles: set[int]) -> None:
    throttle, now, taken = Throttle(3, 30.0), 0.0, 0
    throttle.ready(now)
    for place, wait in enumerate(waits):
        now += wait
        if place in cycles:
            credit, throttle = throttle.credit, Throttle(3, 30.0)
            throttle.restore(credit)
        if throttle.ready(now):
            throttle.take(now)
            taken += 1
        assert taken <= 3 + now / 30.0


def test_the_reserve_fills_again() -> None:
    throttle = Throttle(2, 30.0)
    for _ in range(2):
        throttle.take(0.0)
    assert not throttle.ready(29.9)
    assert throttle.ready(30.0)
    throttle.take(1000.0)
    assert throttle.ready(1000.0)
    throttle.take(1000.0)
    assert not throttle.ready(1000.0)


def test_a_power_cycle_gives_nothing_back() -> None:
    keys = PinpadKeys(throttled("ipp-uic"))
    for _ in range(3):
        keys.throttle.take(0.0)
    again = PinpadKeys(throttled("ipp-uic"))
    again.remember(keys.memory())
    assert not again.throttle.ready(5000.0), "the time without power earns nothing"
    assert again.throttle.ready(5030.0)


def twin_of(profile: PadProfile) -> PinpadTwin | AbecsPadTwin:
    load = throttled(profile.model)
    keys = PinpadKeys(load)
    person = Cardholder(Pin.from_text(TEST_PIN), Behaviour.RIGHT_PIN)
    if isinstance(profile, AbecsProfile):
        return AbecsPadTwin(profile, load, keys, keys, person, random.Random(5).randbytes)
    return PinpadTwin(profile, load, keys, keys, person)


@pytest.mark.parametrize("profile", [PROFILE, VERIFONE, ABECS], ids=lambda profile: profile.model)
def test_the_driver_is_told(profile: PadProfile) -> None:
    async def main() -> None:
        pad = await open_pad(profile, TwinLine(twin_of(profile)), None, IDENTITIES.get(profile.model, ""))
        for _ in range(3):
            assert isinstance(await pad.enter_pin(TEST_PAN, "EUR 42.00", 30.0), PinEntered)
        with pytest.raises(PadRefused, match="follow one another too fast"):
            await pad.enter_pin(TEST_PAN, "EUR 42.00", 30.0)
        await pad.close()

    run(main())


def test_an_entry_that_is_given_up_costs_nothing() -> None:
    async def main() -> None:
        load = throttled("ipp-uic")
        keys = PinpadKeys(load)
        person = Cardholder(Pin.from_text(TEST_PIN), Behaviour.CANCEL)
        pad = await open_pad(PROFILE, TwinLine(PinpadTwin(PROFILE, load, keys, keys, person)))
        for _ in range(10):
            assert await pad.enter_pin(TEST_PAN, "EUR 42.00", 30.0) == PinCancelled()
        await pad.close()

    run(main())


def test_a_throttle_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match="burst"):
        ThrottleData(burst=0)
