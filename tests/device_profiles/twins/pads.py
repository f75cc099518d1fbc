# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A pad twin with TEST keys, and an engine that remembers what it enciphered."""

import random

from device_profiles import catalog
from device_profiles.model import AbecsProfile, PadProfile, PinpadProfile
from device_profiles.pinpad_load import load_pinpad
from device_profiles.twins.abecs_pad import AbecsPadTwin
from device_profiles.twins.pinpad import PinpadTwin
from device_profiles.twins.pinpad_cardholder import Behaviour, Cardholder
from device_profiles.twins.pinpad_keys import PinEngine, PinpadKeys
from protocols.pan import Pan
from protocols.secret import Pin

TEST_PAN = Pan("4000009999990016")
TEST_PIN = "7391"


def _ipp(name: str) -> PinpadProfile:
    profile = catalog.pinpad(name)
    assert isinstance(profile, PinpadProfile)
    return profile


PROFILE = _ipp("ipp-uic")
VERIFONE = _ipp("ipp-verifone")
_ABECS = catalog.pinpad("abecs")
assert isinstance(_ABECS, AbecsProfile)
ABECS = _ABECS
ABECS_IDENTITY = "97A54285930C027A97C2C291D8E91F09BDE9442B2957A35F49C3DFC401DF06C3"
"""The public half of the TEST key in the pad's load: what a terminal's profile would name."""
IDENTITIES = {"abecs": ABECS_IDENTITY}
LOADS = {"ipp-uic": "test-bank", "ipp-verifone": "test-bank-verifone", "abecs": "test-bank-abecs"}


class RecordingEngine:
    """Passes through and remembers."""

    def __init__(self, engine: PinEngine) -> None:
        self._engine = engine
        self.made: list[tuple[bytes, bytes] | None] = []

    def encipher_pin(self, pin: Pin, pan: Pan) -> tuple[bytes, bytes] | None:
        self.made.append(self._engine.encipher_pin(pin, pan))
        return self.made[-1]


def pad(behaviour: Behaviour | None = Behaviour.RIGHT_PIN, profile: PinpadProfile = PROFILE) -> PinpadTwin:
    return recorded_pad(behaviour, profile)[0]


def recorded_pad(
    behaviour: Behaviour | None = Behaviour.RIGHT_PIN, profile: PinpadProfile = PROFILE
) -> tuple[PinpadTwin, RecordingEngine]:
    load = load_pinpad(LOADS[profile.model])
    keys = PinpadKeys(load)
    engine = RecordingEngine(keys)
    person = None if behaviour is None else Cardholder(Pin.from_text(TEST_PIN), behaviour)
    return PinpadTwin(profile, load, keys, engine, person), engine


def abecs_pad(
    behaviour: Behaviour | None = Behaviour.RIGHT_PIN, profile: AbecsProfile = ABECS
) -> tuple[AbecsPadTwin, RecordingEngine]:
    load = load_pinpad(LOADS["abecs"])
    keys = PinpadKeys(load)
    engine = RecordingEngine(keys)
    person = None if behaviour is None else Cardholder(Pin.from_text(TEST_PIN), behaviour)
    return AbecsPadTwin(profile, load, keys, engine, person, random.Random(5).randbytes), engine


def any_pad(profile: PadProfile) -> tuple[PinpadTwin | AbecsPadTwin, RecordingEngine]:
    return abecs_pad(profile=profile) if isinstance(profile, AbecsProfile) else recorded_pad(profile=profile)
