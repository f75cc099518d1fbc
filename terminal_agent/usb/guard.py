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
from terminal_agent.usb.storms import MOST_APPEARANCES, OFF_S, STORM, WITHIN_S, Storm, StormWatch

Places = Sequence[tuple[int, int]]
"""Configuration and number of interfaces."""


class Duty(StrEnum):
    """What some verdicts ask for beyond writing to sysfs."""

    READ_ONLY = "its storage is kept from being written"
    PROBATION = "its keystrokes are held until its cadence is judged"


class Bus(Protocol):
    """What a guard may do."""

    def read_all(self) -> Sequence[Raw]: ...
    def read(self, port: str) -> Raw | None: ...
    def lock_roots(self) -> Sequence[str]: ...
    def lock_root(self, port: str) -> Sequence[str]: ...
    def authorise(self, port: str, allowed: bool) -> None: ...
    def interfaces(self, port: str) -> Places: ...
    def authorise_interface(self, port: str, place: tuple[int, int], allowed: bool) -> None: ...
    def find_driver(self, port: str, place: tuple[int, int]) -> None: ...
    def interface_lives(self, port: str, place: tuple[int, int]) -> bool: ...
    def remove(self, port: str) -> None: ...
    def disable_port(self, port: str, off: bool) -> None: ...


class Probation(Protocol):
    """Who holds keyboards until they are judged."""

    def over(self, port: str) -> bool: ...
    def hold(self, port: str) -> None: ...
    def end(self, port: str) -> None: ...
    def release(self, port: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """A verdict and what became of it."""

    verdict: Verdict
    carried_out: bool
    why_not: str = ""


class Guard:
    """Judges every device of a bus, and again whenever something changes."""

    def __init__(
        self, bus: Bus, policy: Policy, duties: frozenset[Duty] = frozenset(), probation: Probation | None = None
    ) -> None:
        self._bus = bus
        self._duties = duties
        self._probation = probation
        self._storms = StormWatch()
        self._watch = SequenceWatch()
        self._hashes: dict[str, str] = {}
        self._dead: dict[str, frozenset[tuple[int, int]]] = {}
        """Port to the interfaces that its verdict left dead."""
        self.policy = policy
        self.open_roots: tuple[str, ...] = ()
        """What could not be locked at start, in words: there a new device lives until it is judged. An alarm."""

    def start(self, now: Now) -> list[Outcome]:
        """Lock the root hubs, then judge what is there."""
        return self.rescan(now)

    def rescan(self, now: Now) -> list[Outcome]:
        """Judge all that is there, hubs first: at start, under a new policy, after lost events, when time is up."""
        self.open_roots = tuple(self._bus.lock_roots())
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
        if event.is_usb_interface and event.action == "add":
            return self._interface_came(event.port, now)
        if not event.is_usb_device or event.action not in ("add", "change"):
            return []
        if event.port.startswith("usb"):  # a host controller that came late
            self.open_roots += tuple(self._bus.lock_root(event.port))
        elif event.action == "add" and (storm := self._storms.appeared(event.port, now.steady_s)) is not Storm.NONE:
            return self._weather(event.port, storm)
        return self.look(event.port, now)

    def look(self, port: str, now: Now) -> list[Outcome]:
        """Judge what is at a port now."""
        raw = self._bus.read(port)
        if raw is None:
            self._forget(port)
            return []
        above = self._hashes.get(parent_port(raw.port))
        if above is None and not raw.port.startswith("usb"):
            return self.rescan(now)  # its hub was never seen: events came in another order than devices
        found = describe(raw, above or "", self.policy.text.file.ports)
        if isinstance(found, Device):
            self._hashes[found.port] = found.hash
        return [self._carry_out(self.policy.decide(found, now))]

    def anew(self, port: str, now: Now) -> list[Outcome]:
        """Bar what is at a port, then judge it as if it had just come: something of it came in another way."""
        with contextlib.suppress(AgentError):
            self._bus.authorise(port, False)
        self.policy.forget(port)
        return self.look(port, now)

    def _interface_came(self, name: str, now: Now) -> list[Outcome]:
        """An interface of a device that may live came to be after the verdict was carried out: it is carried out again.

        The kernel tells of a device before it configures it. Where the verdict is quicker than that, or somebody
        configures it anew, what was authorised (or held) is gone, and these are new interfaces.
        """
        port, _, tail = name.partition(":")
        if port.endswith("-0"):  # a root hub's own interface: 1-0:1.0 is of usb1
            port = f"usb{port.removesuffix('-0')}"
        configuration, _, number = tail.partition(".")
        if port not in self.policy.memory.allowed or not (configuration.isdecimal() and number.isdecimal()):
            return []
        place = int(configuration), int(number)
        if place in self._dead.get(port, ()) or self._bus.interface_lives(port, place):
            return []
        if self._probation is not None:
            self._probation.release(port)
        return self.look(port, now)

    def storms_over(self, now: Now) -> list[str]:
        """Switch ports on again whose storm is over; which."""
        found = self._storms.over(now.steady_s)
        for port in found:
            with contextlib.suppress(AgentError):  # a port that cannot be switched was never off
                self._bus.disable_port(port, False)
        return found

    def _weather(self, port: str, storm: Storm) -> list[Outcome]:
        """A device comes and goes too often to be judged each time: its port goes off, or it stays barred."""
        self._forget(port)
        if storm is Storm.GOES_ON:
            return []
        why = f"it came {MOST_APPEARANCES} times within {WITHIN_S} s: its port is off for {OFF_S} s"
        verdict = Verdict(Target.REJECT, STORM, Device(port, "", "", ()), why=why)
        try:
            self._bus.disable_port(port, True)
        except AgentError as fault:
            return [Outcome(verdict, False, f"{fault.what}; it stays barred")]
        return [Outcome(verdict, True)]

    def _forget(self, port: str) -> None:
        """A device is gone, and with a hub all that hung from it."""
        for known in [one for one in self._hashes if one == port or one.startswith(f"{port}.")]:
            self._hashes.pop(known)
            self._dead.pop(known, None)
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
            held = self._probation if verdict.keystrokes is not None and verdict.authorises else None
            if held is not None and not held.over(port):
                self._hold(port, held)
            else:
                if self._probation is not None and verdict.authorises:
                    self._probation.end(port)  # a new policy may ask for none
                self._dead[port] = frozenset(_WRITES[verdict.target](self._bus, verdict))
        except AgentError as fault:
            self.policy.forget(port)
            if verdict.authorises:  # half a verdict is none
                with contextlib.suppress(AgentError):
                    self._bus.authorise(port, False)
            return Outcome(verdict, False, fault.what)
        return Outcome(verdict, True)

    def _hold(self, port: str, probation: Probation) -> None:
        """A keyboard comes to the bus and no further: no driver is looked for."""
        self._bus.authorise(port, True)
        for place in self._bus.interfaces(port):
            self._bus.authorise_interface(port, place, True)
        probation.hold(port)


def _allow(bus: Bus, verdict: Verdict) -> Places:
    bus.authorise(verdict.device.port, True)
    return _let_live(bus, verdict.device.port, bus.interfaces(verdict.device.port))


def _allow_interfaces(bus: Bus, verdict: Verdict) -> Places:
    port = verdict.device.port
    live = {
        place for place, lives in zip(verdict.device.places, verdict.live or (), strict=True) if lives
    }  # what the kernel shows beyond the descriptors stays dead
    bus.authorise(port, True)
    return _let_live(bus, port, [place for place in bus.interfaces(port) if place in live])


def _let_live(bus: Bus, port: str, live: Places) -> Places:
    """Of all interfaces these; the others are left dead. All first, then their drivers: some take two at once (CDC)."""
    places = bus.interfaces(port)
    for place in places:
        bus.authorise_interface(port, place, place in live)
    for place in live:
        bus.find_driver(port, place)
    return [place for place in places if place not in live]


def _block(bus: Bus, verdict: Verdict) -> Places:
    if (
        not verdict.device.is_root or verdict.rule is not None
    ):  # the machine's own controllers stay, unless a rule says no
        bus.authorise(verdict.device.port, False)
    return ()


def _reject(bus: Bus, verdict: Verdict) -> Places:
    if not verdict.device.is_root:
        bus.authorise(verdict.device.port, False)
        bus.remove(verdict.device.port)
    return ()


_WRITES: dict[Target, Callable[[Bus, Verdict], Places]] = {
    Target.ALLOW: _allow,
    Target.ALLOW_INTERFACE: _allow_interfaces,
    Target.BLOCK: _block,
    Target.REJECT: _reject,
}
"""What each verdict writes; the interfaces that it leaves dead."""
