# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The strict evaluator, fast: a policy turned into tables, then a few look-ups a device. Verdicts are evaluate.py's.

Every set of rules is one number with a bit for each rule, the first rule lowest. For each attribute a table says which
rules a value suits, so a device is met by all rules at once: the numbers are combined, and the lowest bit that stays
is the first rule that fits. Only what a table cannot say is asked rule by rule: pairing off several interfaces,
conditions, and the end of a rule's time.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from protocols.usb.conditions import Situation, combined, until
from protocols.usb.device import Device
from protocols.usb.evaluate import decided
from protocols.usb.matching import TEXTS, as_matched, interfaces_fit, single_value
from protocols.usb.rules import Attribute, Dialect, InterfacePattern, Operator, Rule, RuleSet, Target
from protocols.usb.verdict import Verdict, implicit

Check = Callable[[Device, Situation], bool]
_PAIRED = (Operator.EQUALS, Operator.EQUALS_ORDERED, Operator.ALL_OF)


@dataclass(slots=True)
class _Table:
    """For one attribute: the rules that any value suits, and those that a value suits or bars."""

    free: int = 0
    suits: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    bars: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def add(self, bit: int, attribute: Attribute | None, values: tuple[str, ...]) -> None:
        if attribute is None:
            self.free |= bit
            return
        can, forbidden = single_value(attribute)
        self.free |= bit if forbidden else 0
        table = self.bars if forbidden else self.suits
        for value in values if can else ():
            table[value] |= bit

    def asks(self, everything: int) -> bool:
        """Whether any rule cares for this attribute."""
        return self.free != everything or bool(self.bars)


@dataclass(slots=True)
class _Interfaces:
    """``with-interface``: which rules have a pattern that covers an interface, and which operator they ask by."""

    free: int = 0
    some: int = 0
    none: int = 0
    every: int = 0
    by_count: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    """Number of interfaces to the rules that want exactly so many."""
    covering: dict[tuple[int | None, ...], int] = field(default_factory=lambda: defaultdict(int))

    def add(self, bit: int, attribute: Attribute | None) -> None:
        if attribute is None:
            self.free |= bit
            return
        if attribute.operator in (Operator.ONE_OF, Operator.ALL_OF):
            self.some |= bit
        elif attribute.operator is Operator.NONE_OF:
            self.none |= bit
        elif attribute.operator is Operator.MATCH_ALL:
            self.every |= bit
        else:
            self.by_count[len(attribute.values)] |= bit
        for pattern in attribute.values:
            assert isinstance(pattern, InterfacePattern)
            self.covering[pattern if pattern.sub is not None and pattern.protocol is not None else _shape(pattern)] |= (
                bit
            )

    def suited(self, shown: tuple[InterfacePattern, ...]) -> int:
        covering = self.covering
        found, every = 0, -1
        for one in shown:
            base, sub, _ = one
            mask = covering.get(one, 0) | covering.get((base, sub), 0) | covering.get((base,), 0)
            found |= mask
            every &= mask
        wanted = self.by_count.get(len(shown), 0) | (self.every if shown else 0)
        return self.free | found & self.some | every & wanted | self.none & ~found


def _shape(pattern: InterfacePattern) -> tuple[int | None, ...]:
    """A pattern without its asterisks."""
    return tuple(part for part in pattern if part is not None)


class CompiledEvaluator:
    """The rules of one set as tables; in our dialect only."""

    def __init__(self, rules: RuleSet, implicit_target: Target = Target.BLOCK) -> None:
        self.rules = rules
        self.implicit_target = implicit_target
        self._ids = _Table()
        self._hash = _Table()
        self._interfaces = _Interfaces()
        self._checks: list[Check | None] = []
        texts = {name: _Table() for name in TEXTS}
        for place, rule in enumerate(rules.rules):
            bit = 1 << place
            attributes = {one.name: one for one in as_matched(rule)}
            for name, table in (*texts.items(), ("hash", self._hash)):
                found = attributes.get(name)
                table.add(bit, found, tuple(map(str, found.values)) if found else ())
            ids = attributes.get("id")
            self._ids.add(bit, ids, tuple(str(one).lower() for one in ids.values) if ids else ())
            interfaces = attributes.get("with-interface")
            self._interfaces.add(bit, interfaces)
            self._checks.append(_check(rule, interfaces, rules.ids[place]))
        everything = (1 << len(rules.rules)) - 1
        self._texts = [(TEXTS[name], table) for name, table in texts.items() if table.asks(everything)]
        self._asks_hash = self._hash.asks(everything)

    def judge(self, device: Device, situation: Situation) -> Verdict:
        """The verdict on a device in a situation."""
        left = self._interfaces.suited(device.interfaces)
        ids = self._ids
        vendor, both = f"{device.vendor}:*", f"{device.vendor}:{device.product}"
        left &= _masked(ids.free, ids.suits, ids.bars, ("*:*", vendor, both))
        for of, table in self._texts:
            value = of(device)
            left &= (table.free | table.suits.get(value, 0)) & ~table.bars.get(value, 0)
        if self._asks_hash:
            left &= _masked(self._hash.free, self._hash.suits, self._hash.bars, (device.hash, device.hash2))
        while left:
            bit = left & -left
            place = bit.bit_length() - 1
            check = self._checks[place]
            if check is None or check(device, situation):
                return decided(self.rules, place, device)
            left ^= bit
        return implicit(device, self.implicit_target)


def _masked(free: int, suits: Mapping[str, int], bars: Mapping[str, int], values: tuple[str, ...]) -> int:
    barred = 0
    for value in values:
        free |= suits.get(value, 0)
        barred |= bars.get(value, 0)
    return free & ~barred


def _check(rule: Rule, interfaces: Attribute | None, rule_id: str) -> Check | None:
    """What is left to ask of one rule once the tables let it through; None where that is nothing."""
    asked: list[Check] = []
    ends = until(rule)
    if ends is not None:
        asked.append(lambda device, situation: situation.utc_s < ends)
    if interfaces is not None and len(interfaces.values) > 1 and interfaces.operator in _PAIRED:
        operator = interfaces.operator
        patterns = tuple(one for one in interfaces.values if isinstance(one, InterfacePattern))
        asked.append(lambda device, situation: interfaces_fit(operator, patterns, device.interfaces))
    if rule.conditions:
        holds = combined(rule, Dialect.TILLGUARD)
        asked.append(lambda device, situation: holds(situation, device, rule_id))
    if len(asked) <= 1:
        return asked[0] if asked else None
    return lambda device, situation: all(one(device, situation) for one in asked)
