# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The decision: a device and a situation in, a verdict out. Pure: reads no file, no clock, no sysfs, writes nothing.

A policy in force is a policy text, the exceptions that hold beside it, and what happened under it so far. Exceptions
are looked at before the policy, each under its own name; outside their time they are nothing. Where no policy could be
read, :func:`deny_all` is in force: no device is allowed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from protocols.usb.compiled import CompiledEvaluator
from protocols.usb.conditions import DAY_S, Cadence, Situation, day_time, until
from protocols.usb.device import Device
from protocols.usb.rules import Rule, RuleSet, Target
from protocols.usb.verdict import Verdict
from terminal_agent.usb.describe import Unreadable
from terminal_agent.usb.document import Day, ExceptionText, PolicyText, Window, policy_of

_DAYS = tuple(Day)
_WEEKDAY_OF_1970 = 3  # its first day was a Thursday, and the week begins on Monday
_NONE_OPEN: frozenset[str] = frozenset()
UNREADABLE = "unreadable"  # the rule id of a device whose descriptors do not add up
_TOUCHES_TIME = {"localtime", "rule-applied", "rule-evaluated"}


@dataclass(frozen=True, slots=True)
class Granted:
    """An exception that persons signed: its name, its text, and when it holds, in seconds since 1970."""

    name: str
    text: ExceptionText
    begins_s: int
    ends_s: int

    @property
    def rules(self) -> RuleSet:
        """Its rules, whose ids say whose they are."""
        return RuleSet(self.text.rules.rules, f"exception {self.name}, ")

    def holds(self, utc_s: int) -> bool:
        """Whether it holds at a moment."""
        return self.begins_s <= utc_s < self.ends_s


@dataclass(frozen=True, slots=True)
class Now:
    """The moment of a decision, as the one place that asks the clocks knows it."""

    utc_s: int
    offset_s: int = 0
    steady_s: float = 0.0
    chance: float = 0.5


@dataclass(slots=True)
class Memory:
    """What happened under a policy: when its rules decided and were looked at, and what is allowed now."""

    allowed: dict[str, Device] = field(default_factory=dict)
    applied: dict[str, float] = field(default_factory=dict)
    evaluated: dict[str, float] = field(default_factory=dict)
    cadences: dict[str, Cadence] = field(default_factory=dict)
    """Port to how the keyboard there has typed."""
    seen: dict[str, str] = field(default_factory=dict)
    """Port to the second hash of the device there."""


class Policy:
    """A policy in force."""

    def __init__(self, text: PolicyText, granted: Sequence[Granted] = ()) -> None:
        self.text = text
        self.granted = tuple(granted)
        self.opened: frozenset[str] = frozenset()
        """Windows that are taken to be open whatever the time: for trying a policy out, never set by the guard."""
        self.memory = Memory()
        self._main = CompiledEvaluator(text.rules, text.implicit)
        self._exceptions = [(one, CompiledEvaluator(one.rules)) for one in granted]
        conditions = {condition.name for _, rule in self.rules() for condition in rule.conditions}
        self._asks_evaluated = "rule-evaluated" in conditions
        self._asks_time = bool(conditions & _TOUCHES_TIME)
        self._asks_windows = "service-window" in conditions
        self._asks_others = "allowed-matches" in conditions

    def with_granted(self, granted: Sequence[Granted]) -> "Policy":
        """The same policy beside other exceptions; what happened under it stays known."""
        other = Policy(self.text, granted)
        other.memory = self.memory
        return other

    @property
    def digest(self) -> str:
        """Which rules: SHA-256 of their normal form."""
        return self.text.rules.digest

    def rules(self) -> tuple[tuple[str, Rule], ...]:
        """Every rule with its id in the order in which they are tried: exceptions first."""
        return tuple(
            pair
            for rules in (*(one.rules for one in self.granted), self.text.rules)
            for pair in zip(rules.ids, rules.rules, strict=True)
        )

    def windows(self, now: Now) -> frozenset[str]:
        """The service windows that are open."""
        found = {name for name, window in self.text.file.windows.items() if is_open(window, now)} | self.opened
        for one in self.granted:
            if one.holds(now.utc_s):
                found.update(one.text.file.windows)
        return frozenset(found)

    def situation(self, now: Now, port: str = "") -> Situation:
        """The world as the conditions see it, for a device at ``port``; what no rule asks for is left out."""
        memory = self.memory
        return Situation(
            now.utc_s,
            now.offset_s,
            now.steady_s,
            # others alone: no device stands for itself
            tuple([one for one in memory.allowed.values() if one.port != port]) if self._asks_others else (),
            memory.applied,
            memory.evaluated,
            self.windows(now) if self._asks_windows else _NONE_OPEN,
            memory.cadences.get(port) if memory.cadences else None,
            now.chance,
        )

    def judge(self, device: Device | Unreadable, now: Now) -> Verdict:
        """The verdict, without remembering it."""
        if isinstance(device, Unreadable):
            gone = Device(device.port, "", "", ())
            return Verdict(Target.REJECT, UNREADABLE, gone, why=f"its descriptors do not add up: {device.why}")
        situation = self.situation(now, device.port)
        for granted, evaluator in self._exceptions:
            if granted.holds(now.utc_s):
                found = evaluator.judge(device, situation)
                if found.rule is not None:
                    ends = min(granted.ends_s, found.until_s or granted.ends_s)
                    return replace(found, until_s=ends)
        return self._main.judge(device, situation)

    def decide(self, device: Device | Unreadable, now: Now) -> Verdict:
        """The verdict, remembered for later conditions."""
        memory = self.memory
        shows = device.hash2 if isinstance(device, Device) else ""
        if memory.seen.setdefault(device.port, shows) != shows:  # another device: how the one before typed is not its
            memory.seen[device.port] = shows
            memory.cadences.pop(device.port, None)
        found = self.judge(device, now)
        memory.allowed.pop(device.port, None)
        if found.rule is not None:
            memory.applied[found.rule_id] = now.steady_s
        if self._asks_evaluated:
            looked_at = [rule_id for rule_id, _ in self.rules()]
            if found.rule is not None:
                looked_at = looked_at[: looked_at.index(found.rule_id) + 1]
            memory.evaluated.update(dict.fromkeys(looked_at, now.steady_s))
        if found.authorises and isinstance(device, Device):
            memory.allowed[device.port] = device
        return found

    def judge_port(self, port: str, now: Now) -> Verdict | None:
        """The verdict on what is allowed at a port now, without remembering it; None where nothing is."""
        device = self.memory.allowed.get(port)
        return None if device is None else self.judge(device, now)

    def forget(self, port: str) -> None:
        """A device is gone."""
        self.memory.allowed.pop(port, None)
        self.memory.cadences.pop(port, None)
        self.memory.seen.pop(port, None)

    def next_change(self, now: Now) -> int | None:
        """The next moment, in seconds since 1970, at which a verdict may change with nothing plugged; None if never."""
        moments = [edge for one in self.granted for edge in (one.begins_s, one.ends_s)]
        moments += [ends for _, rule in self.rules() if (ends := until(rule)) is not None]
        clocks = {second for window in self.text.file.windows.values() for second in _edges(window)}
        if self._asks_time:
            moments.append(now.utc_s - (now.utc_s + now.offset_s) % 60 + 60)  # these hold to the minute
        midnight = now.utc_s - (now.utc_s + now.offset_s) % DAY_S
        moments += [midnight + day * DAY_S + second for second in clocks for day in (0, 1)]
        return min((one for one in moments if one > now.utc_s), default=None)


def deny_all(why: str) -> Policy:
    """The policy in force where none can be read: nothing is allowed."""
    return Policy(policy_of(RuleSet(()), f"nothing is allowed: {why}"))


def is_open(window: Window, now: Now) -> bool:
    """Whether a weekly window is open; over midnight it belongs to the day on which it opened."""
    local = now.utc_s + now.offset_s
    second, today = local % DAY_S, (local // DAY_S + _WEEKDAY_OF_1970) % 7
    opens, closes = _edges(window)
    if opens < closes:
        return opens <= second < closes and _DAYS[today] in window.days
    return (second >= opens and _DAYS[today] in window.days) or (second < closes and _DAYS[today - 1] in window.days)


def _edges(window: Window) -> tuple[int, int]:
    return day_time(window.opens) or 0, day_time(window.closes) or 0
