# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Vaults that lack one defence, put together from the real parts. Run as a program: ``vault.py ORDER``, the lack in it.

``full-throttle``: every start begins with a full burst of PINs. ``no-throttle``: none at all. ``forgetful``: the
counter kept elsewhere says whatever the store says, and a start steps over nothing. ``wrapping``: a DUKPT key that has
reached its end starts again. ``leaky``: what is typed is kept, as a program does that thinks of nothing.
"""

import json
import sys
from typing import Any

from protocols.vault import Reply
from terminal_agent.processes import vault as process
from terminal_agent.sealed.fences import LinuxKernel
from terminal_agent.sealed.keypad import Keypad
from terminal_agent.sealed.keys import counters
from terminal_agent.sealed.keys.counters import Counters, Transaction, UsedUp
from terminal_agent.sealed.keys.ring import Ring
from terminal_agent.sealed.pin.block import PinFormat
from terminal_agent.sealed.pin.entry import Entry
from terminal_agent.sealed.services import Services


class FullThrottleCounters(Counters):
    """Each start gives a full burst."""

    def begin(self) -> None:
        super().begin()
        self.fill_throttle()


class NoThrottleCounters(Counters):
    """As fast as one types."""

    def pin_wait_ms(self) -> int:
        self.fill_throttle()
        return 0


class AgreeableElsewhere:
    """The number kept elsewhere, by someone who asks the store."""

    words = "nowhere"

    def __init__(self, ring: Ring) -> None:
        self._ring = ring

    def value(self) -> int:
        return self._ring.generation

    def advance(self) -> None:
        pass


class ForgetfulCounters(Counters):
    """No second counter, no stepping over."""

    def __init__(self, ring: Ring, *rest: Any) -> None:
        super().__init__(ring, rest[0], AgreeableElsewhere(ring), *rest[2:])

    def begin(self) -> None:
        self._ring.used = dict.fromkeys(self._ring.used, counters.BLOCK)
        super().begin()


class NeverEndingCounters(Counters):
    """At the end of a key's life it begins again, from an image taken at the start."""

    _image: bytes = b""

    def take(self, slot: str) -> Transaction:
        held = self._ring.serving[slot]
        self._image = self._image or bytes(held.octets)
        try:
            return super().take(slot)
        except UsedUp:
            held.put(bytearray(self._image))
            return super().take(slot)


KEPT: list[object] = []


class LeakyKeypad(Keypad):
    """Reads what is typed as text and keeps it."""

    def type_into(self, entry: Entry) -> None:
        before = entry.count
        super().type_into(entry)
        if entry.count > before:
            KEPT.append("".join(map(str, entry.pin)))


class LeakyServices(Services):
    """Keeps what a transaction was about."""

    def pin_block(self, form: PinFormat, pin: memoryview, pan: memoryview, field: memoryview) -> Reply:
        KEPT.append(bytes(pan).decode())
        return super().pin_block(form, pin, pan, field)


def serve_soft_vault() -> None:
    """Compose, with one part changed, and serve."""
    order = json.loads(sys.argv[1])
    lack = order.pop("lack")
    kinds: dict[str, type[Counters]] = {
        "full-throttle": FullThrottleCounters,
        "no-throttle": NoThrottleCounters,
        "forgetful": ForgetfulCounters,
        "wrapping": NeverEndingCounters,
    }
    process.Counters = kinds.get(lack, Counters)  # type: ignore[misc]
    if lack == "leaky":
        from terminal_agent.processes import vault_inputs
        from terminal_agent.sealed import vault

        vault_inputs.Keypad = LeakyKeypad  # type: ignore[misc]
        vault.Services = LeakyServices  # type: ignore[misc]
    process.compose(order, LinuxKernel()).run()


if __name__ == "__main__":
    serve_soft_vault()
