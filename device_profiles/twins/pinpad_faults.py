# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Faults and attacks that a PIN pad's twin can be given. Each stands in for one part; the twin itself has no switch."""

from collections.abc import Callable

from device_profiles.twins.pinpad_keys import PinEngine
from protocols.pan import Pan
from protocols.secret import Pin


class ReplayingEngine:
    """A cloned pad: it answers every entry after the first with the KSN and block of the first."""

    def __init__(self, engine: PinEngine) -> None:
        self._engine = engine
        self._first: tuple[bytes, bytes] | None = None

    def encipher_pin(self, pin: Pin, pan: Pan) -> tuple[bytes, bytes] | None:
        """See :class:`device_profiles.twins.pinpad_keys.PinEngine`."""
        if self._first is None:
            self._first = self._engine.encipher_pin(pin, pan)
        return self._first


def _none(engine: PinEngine) -> PinEngine:
    return engine


PINPAD_FAULTS: dict[str, Callable[[PinEngine], PinEngine]] = {"none": _none, "replay": ReplayingEngine}
