# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A checkout counter in one process: its pads, the one that is plugged in, and the agent's part. Attacks nothing.

Driver, opening and recording are the agent's own, put together as the agent does it; time is virtual where it can be.
"""

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from device_profiles.pinpad_load import PinpadLoad, load_pinpad
from device_profiles.twins.pinpad import PinpadTwin
from device_profiles.twins.pinpad_cardholder import Behaviour, Cardholder
from device_profiles.twins.pinpad_keys import PinEngine, PinpadKeys
from protocols.dukpt.ksn import TdesKsn
from protocols.dukpt.tdes import initial_key
from protocols.secret import ClearKey, Pin
from protocols.telemetry.events import Event
from terminal_agent.audit import AuditLog
from terminal_agent.clock import SystemClock
from terminal_agent.flows.devices import Attached, DeviceAway
from terminal_agent.flows.reporting import Recorder
from terminal_agent.pad.drivers import open_pad
from terminal_agent.pad.pinned import pinned
from terminal_agent.pad.port import PadAbsent, PadError, PinEntered, PinPad
from terminal_agent.report.outbox import Outbox
from tests.device_profiles.twins.pads import PROFILE, TEST_PAN, TEST_PIN
from tests.terminal_agent.line.twin_line import TwinLine

TERMINAL = "TG000001"
THIEFS_BDK = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")  # TEST; the thief's own, who can decipher under it
OTHER_KSN = "FFFF1111111110E00000"


def own_load() -> PinpadLoad:
    """What the shop's pad was loaded with."""
    return load_pinpad("test-bank")


def look_alike(serial: str, ksn: str = OTHER_KSN) -> PinpadLoad:
    """The same model with a thief's key in it."""
    initial = initial_key(ClearKey(THIEFS_BDK), TdesKsn.from_hex(ksn))
    return dataclasses.replace(
        own_load(), serial=serial, initial_ksn=TdesKsn.from_hex(ksn), test_initial_key=ClearKey(initial.reveal())
    )


class PluggedPad:
    """A pad with a customer in front of it."""

    def __init__(self, load: PinpadLoad, engine: type[PinEngine] | None = None) -> None:
        keys = PinpadKeys(load)
        customer = Cardholder(Pin.from_text(TEST_PIN), Behaviour.RIGHT_PIN, 0.001)
        made: PinEngine = engine(keys) if engine is not None else keys  # type: ignore[call-arg]  # engines take keys
        self.twin = PinpadTwin(PROFILE, load, keys, made, customer)


class Counter:
    """A :class:`tests.attacks.harness.Target`."""

    def __init__(self, folder: Path, pad: PluggedPad, serial: str, ksn: str) -> None:
        self._log = AuditLog.open(folder / "state", TERMINAL)
        self._outbox = Outbox.open(folder / "outbox.db", TERMINAL, opened_at_ms=SystemClock().now_ms())
        self._recorder = Recorder(self._log, self._outbox, SystemClock(), lambda words: None)
        self._recorder.listen(self._hear)
        self._told: list[str] = []
        self._pin_to = (serial, ksn)
        self.pad = pad
        self.line: TwinLine | None = None
        self.attached = Attached("pad", self._open, self._recorder, lambda: self.line is not None and self.line.ended)

    async def honest(self) -> bool:
        """A customer types the PIN, and the block is one."""
        await self.attached.open()
        return await self.pay() is not None

    def alerts(self) -> list[str]:
        """The reasons of alerts in the audit chain and on their way to head office, up to the colon."""
        return self._told

    async def pay(self) -> PinEntered | None:
        """What the agent gets of a PIN entry; None where there is no pad to ask."""
        try:
            driver = self.attached.driver()
        except DeviceAway:
            return None
        try:
            outcome = await driver.enter_pin(TEST_PAN, "EUR 42.00", 10.0)
        except PadAbsent as fault:
            await self.attached.drop(driver, fault.what)
            return None
        except PadError:
            return None
        return outcome if isinstance(outcome, PinEntered) else None

    async def plug_in(self, pad: PluggedPad) -> None:
        """Another pad, or the same, takes the line's end; the agent notices and opens what is there."""
        assert self.line is not None
        self.line.unplug()
        self.pad = pad
        if self.attached.present:
            await self.attached.drop(self.attached.driver(), "it was unplugged")
        await self.attached.open()

    async def close(self) -> None:
        """The shop closes."""
        await self.attached.close()
        self._outbox.close()
        self._log.close()

    async def _open(self) -> PinPad:
        self.line = TwinLine(self.pad.twin)
        return await pinned(await open_pad(PROFILE, self.line), *self._pin_to)

    def _hear(self, event: Event) -> None:
        if event.name == "device.lost":
            self._told.append(str(event.fields["reason"]).partition(":")[0])


@asynccontextmanager
async def counter(
    folder: Path, pad: PluggedPad | None = None, serial: str = "", ksn: str = ""
) -> AsyncIterator[Counter]:
    """A counter with the shop's pad unless another is given; ``serial`` and ``ksn`` as in a terminal's profile."""
    (folder / "state").mkdir()
    made = Counter(folder, pad or PluggedPad(own_load()), serial, ksn)
    try:
        yield made
    finally:
        with contextlib.suppress(asyncio.CancelledError):
            await made.close()
