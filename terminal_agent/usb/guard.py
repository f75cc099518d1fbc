# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""From an event to a verdict that is carried out: who is judged when, in which order, and what is written. No clock.

What it may touch is a port of few methods, which sysfs.py implements. Whatever goes wrong ends in a device that is not
authorised: a verdict that cannot be carried out, duties (a disk that may only be read, a keyboard on probation) that
nobody here can see to, an event that was lost.
"""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from protocols.usb.device import Device
from protocols.usb.rules import Target
from protocols.usb.uevent import SequenceWatch, Uevent
from protocols.usb.verdict import Verdict
from terminal_agent.errors import AgentError
from terminal_agent.usb.describe import Raw, describe, describe_all, parent_port
from terminal_agent.usb.policy import Now, Policy


class Duty(StrEnum):
    """What some verdicts ask for beyond writing to sysfs."""

    READ_ONLY = "its storage is kept from being written"
    PROBATION = "its keystrokes are held until its cadence is judged"


class Bus(Protocol):
    """What a guard may do."""

    def read_all(self) -> Sequence[Raw]: ...
    def read(self, port: str) -> Raw | None: ...
    def lock_roots(self) -> Sequence[str]: ...
    def authorise(self, port: str, allowed: bool) -> None: ...
    def interfaces(self, port: str) -> Sequence[tuple[int, int]]: ...
    def authorise_interface(self, port: str, place: tuple[int, int], allowed: bool) -> None: ...
    def remove(self, port: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """A verdict and what became of it."""

    verdict: Verdict
    carried_out: bool
    why_not: str = ""


class Guard:
    """Judges every device of a bus, and again whenever something changes."""

    def __init__(self, bus: Bus, policy: Policy, duties: frozenset[Duty] = frozenset()) -> None:
        self._bus = bus
        self._duties = duties
        self._watch = SequenceWatch()
        self._hashes: dict[str, str] = {}
        self.policy = policy
        self.open_roots: tuple[str, ...] = ()
        """What could not be locked at start, in words: there a new device lives until it is judged. An alarm."""

    def start(self, now: Now) -> list[Outcome]:
        """Lock the root hubs, then judge what is there."""
        self.open_roots = tuple(self._bus.lock_roots())
        return self.rescan(now)

    def rescan(self, now: Now) -> list[Outcome]:
        """Judge all that is there, hubs first: at start, under a new policy, after lost events, when time is up."""
        described = describe_all(self._bus.read_all(), self.policy.text.file.ports)
        present = {one.port for one in described}
        for port in [port for port in self._hashes if port not in present]:
            self._forget(port)
        outcomes = []
        for one in described:
            if isinstance(one, Device):
                self._hashes[one.port] = one.hash
            outcomes.append(self._carry_out(self.policy.decide(one, now)))
        return outcomes

    def event(self, event: Uevent, now: Now) -> list[Outcome]:
        """What an event brings: one verdict, none, or after a gap in the events all of them."""
        if self._watch.lost_before(event):
            return self.rescan(now)
        if event.action == "remove":  # who goes need not say what it was: that a port of ours is named is enough
            self._forget(event.port)
            return []
        if not event.is_usb_device or event.action not in ("add", "change"):
            return []
        raw = self._bus.read(event.port)
        if raw is None:
            self._forget(event.port)
            return []
        above = self._hashes.get(parent_port(raw.port))
        if above is None and not raw.port.startswith("usb"):
            return self.rescan(now)  # its hub was never seen: events came in another order than devices
        found = describe(raw, above or "", self.policy.text.file.ports)
        if isinstance(found, Device):
            self._hashes[found.port] = found.hash
        return [self._carry_out(self.policy.decide(found, now))]

    def _forget(self, port: str) -> None:
        """A device is gone, and with a hub all that hung from it."""
        for known in [one for one in self._hashes if one == port or one.startswith(f"{port}.")]:
            self._hashes.pop(known)
            self.policy.forget(known)

    def _carry_out(self, verdict: Verdict) -> Outcome:
        port = verdict.device.port
        lacking = [
            duty
            for duty, asked in ((Duty.READ_ONLY, verdict.read_only), (Duty.PROBATION, verdict.keystrokes is not None))
            if asked and verdict.authorises and duty not in self._duties
        ]
        try:
            if lacking:
                self._bus.authorise(port, False)
                self.policy.forget(port)
                return Outcome(verdict, False, f"blocked instead: nobody here sees to it that {lacking[0]}")
            _WRITES[verdict.target](self._bus, verdict)
        except AgentError as fault:
            self.policy.forget(port)
            if verdict.authorises:  # half a verdict is none
                with contextlib.suppress(AgentError):
                    self._bus.authorise(port, False)
            return Outcome(verdict, False, fault.what)
        return Outcome(verdict, True)


def _allow(bus: Bus, verdict: Verdict) -> None:
    port = verdict.device.port
    bus.authorise(port, True)
    for place in bus.interfaces(port):
        bus.authorise_interface(port, place, True)


def _allow_interfaces(bus: Bus, verdict: Verdict) -> None:
    port = verdict.device.port
    live = {
        place for place, lives in zip(verdict.device.places, verdict.live or (), strict=True) if lives
    }  # what the kernel shows beyond the descriptors stays dead
    bus.authorise(port, True)
    for place in bus.interfaces(port):
        bus.authorise_interface(port, place, place in live)


def _block(bus: Bus, verdict: Verdict) -> None:
    if (
        not verdict.device.is_root or verdict.rule is not None
    ):  # the machine's own controllers stay, unless a rule says no
        bus.authorise(verdict.device.port, False)


def _reject(bus: Bus, verdict: Verdict) -> None:
    if not verdict.device.is_root:
        bus.authorise(verdict.device.port, False)
        bus.remove(verdict.device.port)


_WRITES: dict[Target, Callable[[Bus, Verdict], None]] = {
    Target.ALLOW: _allow,
    Target.ALLOW_INTERFACE: _allow_interfaces,
    Target.BLOCK: _block,
    Target.REJECT: _reject,
}
