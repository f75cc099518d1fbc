# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Plays a story of the USB bus against the agent's own guard, on any rung; says what happened. Expects nothing itself.

A rung is a place where the story happens: the virtual bus in memory, a tree of files that stands for sysfs, or that
tree behind umockdev, where libudev and the kernel's socket are real. The guard, the policy and what they read and write
are the same on all of them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from device_profiles import catalog
from device_profiles.serve.sysfs import Tree
from device_profiles.twins.usbbus import UsbBus
from device_profiles.twins.usbstory import Step, Story
from protocols.usb.conditions import Cadence
from protocols.usb.rule_text import parse_rules
from protocols.usb.rules import RuleSet
from protocols.usb.uevent import Uevent, decode
from terminal_agent.usb.describe import Raw
from terminal_agent.usb.document import ExceptionFile, ExceptionText, PolicyFile, PolicyText, PortRole
from terminal_agent.usb.document_text import parse_policy
from terminal_agent.usb.guard import Bus, Duty, Guard, Outcome
from terminal_agent.usb.policy import Granted, Now, Policy
from terminal_agent.usb.sysfs import Sysfs


class Rung(Protocol):
    """Where a story happens."""

    twin: UsbBus
    bus: Bus
    """What the guard may touch."""

    def show(self) -> None:
        """The twin changed: make the guard's side see it."""

    def settle(self) -> None:
        """The guard wrote: make the twin see it."""

    def events(self, sent: Sequence[bytes]) -> list[Uevent]:
        """What the guard receives of the events that the twin sent."""

    def lose(self) -> None:
        """Send an event that the guard does not receive."""


class TwinBus:
    """The virtual bus as the guard's bus, without a file between them."""

    def __init__(self, twin: UsbBus) -> None:
        self._twin = twin

    def read(self, port: str) -> Raw | None:
        one = self._twin.devices.get(port)
        if one is None:
            return None
        return Raw(
            port=port,
            vendor=one.model.vendor,
            product=one.model.product,
            descriptors=one.model.descriptors,
            name=one.model.name,
            serial=one.model.serial,
            connect_type=one.connect_type,
            controller_path=str(Path(self._twin.path("usb1")).parent),
            authorized=one.authorized,
        )

    def read_all(self) -> list[Raw]:
        return [raw for port in self._twin.devices if (raw := self.read(port)) is not None]

    def lock_roots(self) -> list[str]:
        self._twin.authorized_default = self._twin.interface_authorized_default = False
        return []

    def lock_root(self, port: str) -> list[str]:
        return self.lock_roots()

    def disable_port(self, port: str, off: bool) -> None:
        """This bus has no such switch: a device in a storm stays as it comes."""

    def authorise(self, port: str, allowed: bool) -> None:
        self._twin.authorise(port, allowed)

    def interfaces(self, port: str) -> list[tuple[int, int]]:
        return [(1, number) for number in self._twin.devices[port].interfaces]

    def authorise_interface(self, port: str, place: tuple[int, int], allowed: bool) -> None:
        self._twin.authorise_interface(port, place[1], allowed)

    def find_driver(self, port: str, place: tuple[int, int]) -> None:
        """The twin's drivers are there at once."""

    def interface_lives(self, port: str, place: tuple[int, int]) -> bool:
        return self._twin.devices[port].interfaces.get(place[1], False)

    def remove(self, port: str) -> None:
        self._twin.remove(port)


class OnFiles:
    """The agent's own sysfs code on a tree of files in a folder; events are handed over as octets."""

    def __init__(self, root: Path) -> None:
        self.twin = UsbBus()
        self.bus = Sysfs(root)
        self._tree = Tree(root, self.twin)

    def show(self) -> None:
        """The files say what the bus has."""
        self._tree.show()

    def settle(self) -> None:
        """The bus does what was written."""
        self._tree.settle()

    def events(self, sent: Sequence[bytes]) -> list[Uevent]:
        """The kernel's datagrams, read."""
        return [decode(one) for one in sent]

    def lose(self) -> None:
        """One goes astray."""
        self.twin.lose()


class InMemory:
    """The lowest rung: no file, no socket."""

    def __init__(self) -> None:
        self.twin = UsbBus()
        self.bus: Bus = TwinBus(self.twin)

    def show(self) -> None:
        """The guard sees the twin itself."""

    def settle(self) -> None:
        """The twin was written itself."""

    def events(self, sent: Sequence[bytes]) -> list[Uevent]:
        return [decode(one) for one in sent]

    def lose(self) -> None:
        self.twin.lose()


@dataclass(frozen=True, slots=True)
class Happened:
    """One step, what came of it, and what the step expected that is not so."""

    step: Step
    outcomes: tuple[Outcome, ...]
    missed: str = ""


def policy_text(story: Story, *, without: str = "") -> PolicyText:
    """The policy of a story: its own rules, then its profile's; ``without`` one rule, by its id."""
    own = parse_rules("\n".join(story.rules))
    roles = tuple(PortRole(role, patterns) for role, patterns in story.ports)
    if not story.policy:
        base = PolicyText(PolicyFile(story.title, "", ports=roles), RuleSet(()), (), "")
    else:
        path = catalog.find("usb", story.policy)
        base = parse_policy(path.read_text(), path)
    rules = (*own.rules, *base.rules.rules)
    kept = RuleSet(tuple(rule for rule in rules if rule.label != without or not without))
    return PolicyText(base.file, kept, base.needs, base.text)


class Player:
    """One story on one rung."""

    def __init__(self, story: Story, policy: PolicyText, rung: Rung, without: str = "") -> None:
        self.story = story
        self.rung = rung
        self.now = Now(story.begins_s, story.offset_s)
        self.guard = Guard(rung.bus, Policy(policy), frozenset(Duty))
        self.last: dict[str, Outcome] = {}
        self._where: dict[str, str] = {}
        self._without = without

    def play(self) -> Iterator[Happened]:
        """Step by step."""
        self.rung.show()
        self._heard(self.guard.start(self.now))
        for step in self.story.steps:
            done = getattr(self, f"_{step.word}")(*step.rest)
            if isinstance(done, str):
                yield Happened(step, (), done)
            else:
                yield Happened(step, tuple(done))

    def _heard(self, outcomes: list[Outcome]) -> list[Outcome]:
        self.rung.settle()
        self.last |= {one.verdict.device.port: one for one in outcomes}
        return outcomes

    def _sent(self, datagrams: Sequence[bytes]) -> list[Outcome]:
        self.rung.show()
        found = []
        for event in self.rung.events(datagrams):
            found += self._heard(self.guard.event(event, self.now))
        return found

    def _plug(self, name: str, port: str, connect_type: str = "hotplug") -> list[Outcome]:
        self._where[name] = port
        return self._sent([self.rung.twin.plug(port, self.story.devices[name], connect_type)])

    def _change(self, name: str, other: str) -> list[Outcome]:
        port = self._where[other] = self._where[name]
        return self._sent(self.rung.twin.change(port, self.story.devices[other]))

    def _unplug(self, name: str) -> list[Outcome]:
        return self._sent(self.rung.twin.unplug(self._where[name]))

    def _lose(self) -> list[Outcome]:
        self.rung.lose()
        return []

    def _wait(self, seconds: str) -> list[Outcome]:
        end = self.now.utc_s + int(seconds)
        found: list[Outcome] = []
        while (change := self.guard.policy.next_change(self.now)) is not None and change <= end:
            self._pass(change)
            found = self._heard(self.guard.rescan(self.now))
        self._pass(end)
        return found

    def _pass(self, utc_s: int) -> None:
        steady_s = self.now.steady_s + utc_s - self.now.utc_s
        self.now = Now(utc_s, self.now.offset_s, steady_s)

    def _grant(self, name: str, minutes: str, rules: str) -> list[Outcome]:
        return self._granted(name, minutes, ExceptionText(ExceptionFile(name, rules), parse_rules(rules)))

    def _open(self, window: str, minutes: str) -> list[Outcome]:
        return self._granted(window, minutes, ExceptionText(ExceptionFile(window, "", (window,)), RuleSet(())))

    def _granted(self, name: str, minutes: str, text: ExceptionText) -> list[Outcome]:
        kept = RuleSet(tuple(rule for rule in text.rules.rules if f"exception {name}, {rule.label}" != self._without))
        begins = self.now.utc_s
        granted = Granted(name, ExceptionText(text.file, kept), begins, begins + 60 * int(minutes))
        self.guard.policy = self.guard.policy.with_granted([*self.guard.policy.granted, granted])
        return self._heard(self.guard.rescan(self.now))

    def _types(self, name: str, rate: str, scatter: str) -> list[Outcome]:
        self.guard.policy.memory.cadences[self._where[name]] = Cadence(float(rate), float(scatter))
        return self._heard(self.guard.rescan(self.now))

    def _expect(self, name: str, target: str, rule_id: str, words: str = "") -> str:
        outcome = self.last.get(self._where[name])
        if outcome is None:
            return "no verdict was given"
        verdict = outcome.verdict
        if (str(verdict.target), verdict.rule_id) != (target, rule_id):
            return f"{verdict.target} by {verdict.rule_id}; {target} by {rule_id} expected"
        if not outcome.carried_out:
            return f"not carried out: {outcome.why_not}"
        return "" if words in verdict.reason else f"the reason lacks the expected words: {verdict.reason}"

    def _live(self, name: str, *expected: str) -> str:
        one = self.rung.twin.devices.get(self._where[name])
        found = [f"{base:02x}:{sub:02x}:{protocol:02x}" for base, sub, protocol in (one.live() if one else [])]
        wanted = [shown for shown in expected if shown != "-"]
        return "" if sorted(found) == sorted(wanted) else f"live: {found}; {wanted} expected"

    def _inputs(self, count: str) -> str:
        return _counted("input devices", self.rung.twin.inputs(), count)

    def _disks(self, count: str) -> str:
        return _counted("disks", self.rung.twin.disks(), count)


def _counted(what: str, found: int, expected: str) -> str:
    return "" if found == int(expected) else f"{found} {what}; {expected} expected"
