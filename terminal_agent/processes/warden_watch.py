# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What the warden waits for and does, from start to stop: events, policies, keyboards, listeners. Reads no policy text.

One thread, one wait. Whatever comes, the order is the same: judge, write, read back, then record; a verdict that could
not be recorded is taken back. Nobody is waited for: listeners are told from the chain's file as fast as they read, and
policies are read by a child while devices are judged by the one that is in force.
"""

import json
import os
import select
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from protocols.errors import DecodeError
from terminal_agent.errors import AgentError
from terminal_agent.processes.warden_fences import raise_fences
from terminal_agent.processes.warden_reader import NO_WORD, Reading, read_policy, stamps
from terminal_agent.processes.warden_records import Records
from terminal_agent.processes.warden_service import Service
from terminal_agent.usb.document import PolicyText
from terminal_agent.usb.guard import Duty, Guard, Outcome
from terminal_agent.usb.handover import unpack
from terminal_agent.usb.keyboards import Held, Keyboards
from terminal_agent.usb.ledger import SUFFIX, Ledger
from terminal_agent.usb.netlink import KernelEvents, Missed
from terminal_agent.usb.policy import Granted, Now, Policy, deny_all
from terminal_agent.usb.surroundings import look_around
from terminal_agent.usb.sysfs import Sysfs
from terminal_agent.usb.telling import Telling
from terminal_agent.usb.usbfs import DONE, Usbfs

LOOK_S = 0.5  # how often the folder of policies is looked at: an exception is withdrawn within that time
EVENTS_AT_ONCE = 64  # then everything else gets its turn
NO_ARGUMENT = (
    "the kernel argument usbcore.authorized_default=0 is missing: until this warden started, devices lived unjudged; "
    "see docs/usb.md"
)


def steady_s() -> float:
    """Seconds that go on while the machine sleeps (clock_gettime(2), CLOCK_BOOTTIME)."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Watch:
    """Everything that lives as long as the process, wired once."""

    def __init__(self, told: Mapping[str, Any], root: str, began_with: str, boot: str) -> None:
        """``told``: what the reader gave; ``began_with``: usbcore's default before the lock; ``boot``: this run."""
        self._told = told
        self._root = root
        self._stop = False
        self._steady, self._utc = steady_s(), time.time()
        self._boot = boot
        self._bus = Sysfs(root)
        self._events = KernelEvents()
        self._ledger = Ledger(f"{told['audit']}/{told['terminal']}{SUFFIX}", told["head"])
        self._records = Records(self._ledger)
        self._keyboards = Keyboards(self._bus, Usbfs, steady_s)
        self.guard = Guard(self._bus, deny_all("no policy was read yet"), frozenset({Duty.PROBATION}), self._keyboards)
        self._telling = Telling(told["socket"], told["users"], self._ledger, self._status)
        self._service = Service()
        self._read: Mapping[str, Any] = {}
        self._reading: Reading | None = None
        self._stamp: tuple[int, ...] = ()
        self._next_look = 0.0
        self._checked = self._now()
        """When it was last asked whether time alone changes a verdict."""
        self._missing_argument = began_with != "0"

    def run(self) -> None:
        """Until SIGTERM or SIGINT. What was locked stays locked."""
        wakeup, theirs = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(theirs)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._told_to_stop)
        self._take_policy(self._told["policy"])
        self._stamp = self._told["stamps"]
        self._begin(raise_fences(self._told, self._root))
        try:
            while not self._stop:
                self.turn(wakeup)
            self._records.add("warden.stopped", {})
        finally:
            self._telling.close()
            self._ledger.close()
            self._events.close()

    def _begin(self, fences: tuple[str, ...]) -> None:
        outcomes = self.guard.start(self._now())
        self._records.add("warden.started", {"kernel": os.uname().release, "fences": ", ".join(fences) or "all stand"})
        if self._told["torn"]:
            self._records.alarm(f"a torn last line of {self._told['torn']} octets was put aside: power was cut")
        if self._missing_argument:
            self._records.alarm(NO_ARGUMENT)
        for words in (*fences, *(one.words for one in look_around(self._root))):
            self._records.alarm(words)
        self._heard(outcomes)
        self._service.ready()

    def turn(self, wakeup: int) -> None:
        """Wait for the next thing, and see to it."""
        waiter = select.poll()
        keyboards, listeners = self._keyboards.descriptors(), self._telling.descriptors()
        for descriptor in (wakeup, self._events.fileno()):
            waiter.register(descriptor, select.POLLIN)
        for descriptor, held in keyboards.items():
            waiter.register(descriptor, DONE if held.device is not None else select.POLLIN)
        for descriptor, to_write in listeners.items():
            waiter.register(descriptor, select.POLLIN | (select.POLLOUT if to_write else 0))
        if self._reading is not None:
            waiter.register(self._reading.descriptor, select.POLLIN)
        ready = {descriptor for descriptor, _ in waiter.poll(1000 * self._patience())}
        if self._events.fileno() in ready:
            self._take_events()
        for descriptor in ready & keyboards.keys():
            self._typed(descriptor, keyboards[descriptor])
        if self._reading is not None and self._reading.descriptor in ready:
            self._child_said(self._reading.more())
        self._when_due()
        self._telling.turn(ready & listeners.keys())
        self._service.alive()

    def _now(self) -> Now:
        """This moment. The wall clock does not go back while this runs: an exception must not begin again."""
        steady, wall = steady_s(), time.time()
        self._utc, self._steady = max(wall, self._utc + steady - self._steady), steady
        chance = int.from_bytes(os.urandom(6), "big") / (1 << 48)
        return Now(int(self._utc), time.localtime(self._utc).tm_gmtoff, steady, chance)

    def _patience(self) -> float:
        """How long there is nothing to do but wait, in seconds."""
        now = self._now()
        change = self.guard.policy.next_change(self._checked)
        until_change = LOOK_S if change is None else change - self._utc
        return min(max(0.0, min(self._next_look - now.steady_s, until_change)), LOOK_S)

    def _when_due(self) -> None:
        now = self._now()
        change, self._checked = self.guard.policy.next_change(self._checked), now
        if (change is not None and change <= now.utc_s) or self.guard.storms_over(now):
            self._heard(self.guard.rescan(now))
        trial_ends_s = self._read.get("trial_ends_s")
        if trial_ends_s is not None and trial_ends_s <= now.steady_s:
            self._stamp = ()
        if self._next_look <= now.steady_s:
            self._next_look = now.steady_s + LOOK_S
            self._look_at_folder()
        if self._reading is not None and self._reading.ends_s <= now.steady_s:
            self._child_said(self._reading.give_up())

    def _take_events(self) -> None:
        lost = False
        for _ in range(EVENTS_AT_ONCE):
            event = self._events.receive()
            if event is Missed.NOTHING:
                break
            if event is Missed.LOSS:
                lost = True
            elif not isinstance(event, Missed):
                self._heard(self.guard.event(event, self._now()))
                if event.action == "add" and event.keys.get("SUBSYSTEM") == "input":
                    self._input_came(event.path)
                if event.action == "remove":
                    self._records.gone(event.port)
        if lost:
            self._records.add("usb.events_lost", {})
            self._heard(self.guard.rescan(self._now()))

    def _input_came(self, path: str) -> None:
        """An input device of a keyboard: after probation it is watched; during it there must be none."""
        for port, held in list(self._keyboards.held.items()):
            if f"/{port}:" in path and held.device is not None:
                self._keyboards.release(port)
                self._heard(self.guard.anew(port, self._now()))
            elif f"/{port}:" in path and path.rpartition("/")[2].startswith("event"):
                self._keyboards.watch(port, path.rpartition("/")[2])

    def _typed(self, descriptor: int, held: Held) -> None:
        """A key went down: judge how it types, once there is enough, and whenever that has changed."""
        if not self._keyboards.read(descriptor, held):
            return
        cadence = held.watch.cadence
        if cadence is None or cadence == held.judged_by:
            return
        held.judged_by = cadence
        self.guard.policy.memory.cadences[held.port] = cadence
        on_probation = held.device is not None
        if on_probation:
            verdict = self.guard.policy.judge_port(held.port, self._now())
            if verdict is not None and verdict.authorises:
                self._keyboards.end(held.port)
                rate, scatter = round(cadence.keys_a_second), round(cadence.scatter_percent)
                self._records.add("keyboard.released", {"port": held.port, "keys": rate, "scatter": scatter})
        self._heard(self.guard.look(held.port, self._now()))

    def _heard(self, outcomes: list[Outcome]) -> None:
        """Record what became of verdicts; what cannot be recorded must not stand."""
        for one in outcomes:
            device = one.verdict.device
            if not self._records.outcome(one) and one.verdict.authorises and not device.is_hub:
                with suppress(AgentError):
                    self._bus.authorise(device.port, False)
                self.guard.policy.forget(device.port)
        for port in [port for port in self._keyboards.held if port not in self.guard.policy.memory.allowed]:
            self._keyboards.release(port)
        for fault in self.guard.open_roots:
            self._records.alarm(f"not locked: {fault}")

    def _look_at_folder(self) -> None:
        """Read the policies anew where their folder, an exception or the list of persons has changed."""
        if self._reading is not None:
            return
        stamp = stamps(self._told)
        if stamp != self._stamp:
            self._stamp = stamp
            now = self._now()
            moment = (now.utc_s, now.offset_s, now.steady_s)
            self._reading = Reading(lambda: read_policy(self._told, self._boot, moment), now.steady_s)

    def _child_said(self, octets: bytes | None) -> None:
        if octets is not None and self._take_policy(octets):
            self._heard(self.guard.rescan(self._now()))

    def _take_policy(self, octets: bytes) -> bool:
        """Judge by what was read from now on; False where nothing could be read."""
        self._reading = None
        try:
            found: Mapping[str, Any] = unpack(octets) if octets else {"fault": NO_WORD}
        except DecodeError as fault:
            found = {"fault": str(fault)}
        if "fault" in found:
            self._records.alarm(f"the policy could not be read, the one before stays in force: {found['fault']}")
            return False
        text: PolicyText = found["text"]
        granted: tuple[Granted, ...] = found["granted"]
        before, policy = self.guard.policy, Policy(text, granted)
        same = (found["digest"], found["version"]) == (self._read.get("digest"), self._read.get("version"))
        policy.memory = before.memory  # the rules are others, the devices and how they typed are the same
        if not same:
            policy.memory.applied.clear()
            policy.memory.evaluated.clear()
        self.guard.policy, self._read = policy, found
        self._records.in_force(found, [one for one in granted if one not in before.granted], tell=not same)
        return True

    def _status(self) -> bytes:
        read, policy = self._read, self.guard.policy
        document = {
            "head": self._ledger.head.text(), "policy": self._records.version, "state": read.get("state", "none"),
            "digest": read.get("digest", ""), "allowed": sorted(policy.memory.allowed),
            "probation": sorted(port for port, held in self._keyboards.held.items() if held.device),
            "exceptions": [one.name for one in policy.granted], "alarms": sorted(self._records.alarms),
        }  # fmt: skip
        return json.dumps(document).encode()

    def _told_to_stop(self, *_: object) -> None:
        self._stop = True
