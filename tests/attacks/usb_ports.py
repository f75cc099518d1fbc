# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A counter till's USB ports as a target: virtual bus, shipped guard, policy, store and records. Makes no attack.

What the same guard does on a real kernel is proven in tests/qemu; here it is the decisions that are attacked.
"""

import contextlib
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

from device_profiles import catalog
from device_profiles.twins.usb_descriptors import Model
from device_profiles.twins.usbbus import UsbBus
from protocols.audit_chain import genesis
from protocols.ed25519 import verify
from protocols.signed import Envelope, Statement, Trust
from protocols.usb.conditions import Cadence
from protocols.usb.uevent import decode
from terminal_agent.processes.warden_records import Records
from terminal_agent.usb.guard import Duty, Guard
from terminal_agent.usb.ledger import Ledger
from terminal_agent.usb.policy import Now
from terminal_agent.usb.store import Store
from tests.attacks.harness import Opener
from tests.protocols.persons import sealed, trust

sys.path.append(str(Path(__file__).resolve().parents[2] / "scripts/lib"))

from usb_story import TwinBus  # the demonstration's own bus

TERMINAL = "TG000001"
NOON = Now(utc_s=1_764_000_000, steady_s=100.0)
TILL = (catalog.folder("usb") / "counter-till.toml").read_text()
PAD = Model("11ca", "0220", (((2, 2, 1),), ((0x0A, 0, 0),)), "PIN pad", "P0001")
KEYBOARD = Model("046d", "c31c", (((3, 1, 1),), ((3, 0, 0),)), "USB Keyboard")  # the shop's own
HUB = Model("05e3", "0608", (((9, 0, 0),),), "USB2.0 Hub")
BLOCKED = "usb.verdict: block"
REJECTED = "usb.verdict: reject"
ALARM = "warden.alarm"
TOLD = "whoever listens to the warden"


class Ports:
    """One till. ``guarded`` is False where the kernel is left to itself."""

    def __init__(self, folder: Path, policy: str, believed: Trust, guarded: bool = True) -> None:
        self.bus = UsbBus()
        self.folder = folder / "usb"
        self._ledger = Ledger(str(folder / f"{TERMINAL}.warden.jsonl"), genesis(f"warden/{TERMINAL}"))
        self._records = Records(self._ledger)
        self._told: list[str] = []
        self._store = Store(self.folder, TERMINAL, believed, verify, "a boot")
        self.now = NOON
        self.guard: Guard | None = None
        self._store.offer(by(1, policy, "anna", "ben"), NOON, 60)
        self._store.confirm(NOON)
        if guarded:
            self.guard = Guard(TwinBus(self.bus), self._store.in_force(NOON).policy, frozenset(Duty))
            self._heard(self.guard.start(NOON))

    async def honest(self) -> bool:
        """The till's own pad works."""
        self.plug("1-2", HUB)
        self.plug("1-2.1", PAD)
        return len(self.bus.devices["1-2.1"].live()) == len(PAD.interfaces)

    def alerts(self) -> Sequence[str]:
        """What the warden's chain has of refusals and alarms, as whoever listens to it is told."""
        return [*self._told, *(ALARM for _ in self._records.alarms)]

    def plug(self, port: str, model: Model) -> None:
        """A device goes into a port."""
        self._event(self.bus.plug(port, model))

    def change(self, port: str, model: Model) -> None:
        """The device in a port becomes another without being touched."""
        for one in self.bus.change(port, model):
            self._event(one)

    def types(self, port: str, keys_a_second: float, scatter_percent: float) -> None:
        """The keyboard in a port has typed so."""
        if self.guard is not None:
            self.guard.policy.memory.cadences[port] = Cadence(keys_a_second, scatter_percent)
            self._heard(self.guard.rescan(self.now))

    def put(self, name: str, envelope: Envelope) -> None:
        """Somebody with a shell as root puts a signed file into the policies' folder, past every command."""
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(envelope.encode())
        found = self._store.in_force(self.now)
        for alarm in found.alarms:
            self._records.alarm(alarm)
        if self.guard is not None:
            self.guard.policy = found.policy
            self._heard(self.guard.rescan(self.now))

    def close(self) -> None:
        """Let go of the chain."""
        self._ledger.close()

    def _event(self, datagram: bytes) -> None:
        if self.guard is not None:
            self._heard(self.guard.event(decode(datagram), self.now))

    def _heard(self, outcomes: Sequence[object]) -> None:
        from terminal_agent.usb.guard import Outcome

        for one in outcomes:
            assert isinstance(one, Outcome)
            before = self._ledger.head
            self._records.outcome(one)
            if self._ledger.head != before and not one.verdict.authorises:
                self._told.append(f"usb.verdict: {one.verdict.target}")


def by(version: int, policy: str, *names: str) -> Envelope:
    """A policy, signed by these."""
    return sealed(Statement("usb-policy", TERMINAL, version, 0, 1 << 33, policy), *names)


def till(policy: Callable[[str], str] = str, believed: Trust | None = None, guarded: bool = True) -> Opener[Ports]:
    """A till with the shipped policy, or with what ``policy`` makes of it."""

    @contextlib.asynccontextmanager
    async def opened(folder: Path) -> AsyncIterator[Ports]:
        found = Ports(folder, policy(TILL), believed or trust("anna", "ben", "carl"), guarded)
        try:
            yield found
        finally:
            found.close()

    return opened
