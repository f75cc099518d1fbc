# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Faults on purpose, scripted by file: which commands are met by which fault, and when. Sends nothing, has no clock.

The injector stands between the wire and the unit. It sees command codes and finished answers; no check inside the unit
knows of it, so none can come out otherwise because of it. Rules count the commands of their kind over all hosts, so a
script with one host plays the same way every time.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from protocols.hsm.codes import ErrorCode
from protocols.hsm.frame import LARGEST_FRAME

LONGEST_MS = 600_000  # ten minutes: longer than any host waits
MOST_RULES = 1000
ANY_COMMAND = "*"


class Action(StrEnum):
    """What goes wrong."""

    DELAY = "delay"
    """The answer leaves `ms` later; those behind it wait too, so the order stays."""
    DROP = "drop"
    """The command is carried out and its answer never sent."""
    CLOSE = "close"
    """So many `octets` of the framed answer are sent (default half), then the connection is closed."""
    WRONG_HEADER = "wrong-header"
    """Every octet of the header comes back inverted."""
    WRONG_LENGTH = "wrong-length"
    """The length in front says so many `octets` more than follow (default 1)."""
    ERROR = "error"
    """The command is not carried out; the answer is the code in `error` (default 41)."""
    REORDER = "reorder"
    """The answer is sent behind the next one on its connection, or alone after `ms` (default 100)."""
    BUSY = "busy"
    """The whole unit answers nobody for `ms`, this command included."""


TIMED = {Action.DELAY: 1000, Action.REORDER: 100, Action.BUSY: 1000}
"""Actions that take `ms`, with what is taken where the script says none."""
SIZED = frozenset({Action.CLOSE, Action.WRONG_LENGTH})


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of a script; :class:`ValueError` where its parts do not fit together."""

    action: Action
    command: str = ANY_COMMAND
    """Two characters, or `*`."""
    after: int = 0
    """So many commands of this kind pass first."""
    count: int | None = None
    """So many are hit then; all where it is left out."""
    every: int = 1
    """Of those in reach, the first and each so-manieth is hit."""
    ms: int | None = None
    octets: int | None = None
    error: str | None = None

    def __post_init__(self) -> None:
        if self.command != ANY_COMMAND and not (len(self.command) == 2 and self.command.isalnum()):
            raise ValueError("command: two letters or digits, or *, expected")
        for name, value, least in (("after", self.after, 0), ("count", self.count, 1), ("every", self.every, 1)):
            if value is not None and value < least:
                raise ValueError(f"{name}: at least {least} expected")
        if self.ms is not None and (self.action not in TIMED or not 0 <= self.ms <= LONGEST_MS):
            raise ValueError(f"ms: 0 to {LONGEST_MS} expected, and only with {', '.join(sorted(TIMED))}")
        if self.octets is not None and (self.action not in SIZED or not 0 <= self.octets <= LARGEST_FRAME):
            raise ValueError(f"octets: 0 to {LARGEST_FRAME} expected, and only with {', '.join(sorted(SIZED))}")
        if self.error is not None and (self.action is not Action.ERROR or self.error not in list(ErrorCode)):
            raise ValueError("error: a listed error code expected, and only with the action error")

    @property
    def wait_s(self) -> float:
        """How long the action takes."""
        return (TIMED.get(self.action, 0) if self.ms is None else self.ms) / 1000


@dataclass(frozen=True, slots=True)
class Script:
    """A script as its file says it."""

    faults: tuple[Rule, ...] = ()

    def __post_init__(self) -> None:
        if len(self.faults) > MOST_RULES:
            raise ValueError(f"faults: at most {MOST_RULES} expected")


@dataclass(slots=True)
class _Running:
    rule: Rule
    seen: int = 0
    hits: int = 0

    def reaches(self, code: str) -> bool:
        """Count a command; whether the rule would hit it."""
        rule = self.rule
        if rule.command not in (ANY_COMMAND, code):
            return False
        place = self.seen - rule.after
        self.seen += 1
        return place >= 0 and place % rule.every == 0 and (rule.count is None or self.hits < rule.count)


@dataclass(slots=True)
class Injector:
    """A script under way."""

    rules: Sequence[Rule]
    _running: list[_Running] = field(init=False)

    def __post_init__(self) -> None:
        self._running = [_Running(rule) for rule in self.rules]

    def next(self, code: str) -> Rule | None:
        """What hits this command: the first rule in the script that reaches it; the others only count it."""
        reaching = [running for running in self._running if running.reaches(code)]
        if not reaching:
            return None
        reaching[0].hits += 1
        return reaching[0].rule

    @property
    def hits(self) -> dict[str, int]:
        """How often each action struck."""
        found: dict[str, int] = {}
        for running in self._running:
            found[running.rule.action.value] = found.get(running.rule.action.value, 0) + running.hits
        return found


@dataclass(frozen=True, slots=True)
class Sending:
    """What leaves for one answer: after a wait, these octets; then perhaps the end of the connection."""

    octets: bytes
    wait_s: float = 0.0
    close: bool = False
    busy_s: float = 0.0
    """Nobody else is answered for so long either."""


def spoilt(framed: bytes, rule: Rule, header_octets: int) -> Sending:
    """A framed answer as ``rule`` lets it leave; an error or a change of order is not for here to make."""
    if rule.action is Action.DELAY:
        return Sending(framed, rule.wait_s)
    if rule.action is Action.BUSY:
        return Sending(framed, rule.wait_s, busy_s=rule.wait_s)
    if rule.action is Action.DROP:
        return Sending(b"")
    if rule.action is Action.CLOSE:
        return Sending(framed[: len(framed) // 2 if rule.octets is None else rule.octets], close=True)
    if rule.action is Action.WRONG_HEADER:
        end = 2 + header_octets
        return Sending(framed[:2] + bytes(octet ^ 0xFF for octet in framed[2:end]) + framed[end:])
    if rule.action is Action.WRONG_LENGTH:
        said = len(framed) - 2 + (1 if rule.octets is None else rule.octets)
        return Sending(min(said, LARGEST_FRAME).to_bytes(2, "big") + framed[2:])
    return Sending(framed)
