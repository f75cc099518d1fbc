# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Conditions of the policy language: what ``if`` may say, and whether it holds. Asks no clock: the situation says.

Two meanings. The strict one is what the words promise. The other is that of usbguard 1.1.2, where ``localtime`` is UTC,
its seconds are taken for seconds since 1970, a range over midnight is refused, ``rule-applied`` and ``rule-evaluated``
are never true, and ``random`` takes any number; it is there to read and compare files of that program.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from protocols.errors import DecodeError
from protocols.usb.rules import Condition, Dialect, Operator, Rule

if TYPE_CHECKING:
    from protocols.usb.device import Device

MOST_CONDITIONS = 64  # as in usbguard, which keeps their state in 64 bits
DAY_S = 86_400
MOST_KEYS_A_SECOND = 1000
_NO_TIMES: Mapping[str, float] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Cadence:
    """How a keyboard has typed: keys a second over its fastest stretch, and how much its gaps differ, in per cent."""

    keys_a_second: float
    scatter_percent: float


@dataclass(frozen=True, slots=True)
class Situation:
    """The world at the moment of a decision; whoever decides fills it in."""

    utc_s: int
    """Seconds since 1970 by the trusted clock."""
    offset_s: int = 0
    """Local time less UTC, in seconds."""
    steady_s: float = 0.0
    """A clock that never jumps; its zero means nothing."""
    allowed: "tuple[Device, ...]" = ()
    """The devices that are allowed now (``allowed-matches``)."""
    applied: Mapping[str, float] = field(default_factory=lambda: _NO_TIMES)
    """Rule id to the steady time at which the rule last decided."""
    evaluated: Mapping[str, float] = field(default_factory=lambda: _NO_TIMES)
    """Rule id to the steady time at which the rule was last looked at."""
    windows: frozenset[str] = frozenset()
    """The service windows that are open."""
    cadence: Cadence | None = None
    """How the device under judgement has typed so far; None while it has not."""
    chance: float = 0.5
    """A number drawn from [0, 1) for ``random``."""


Test = Callable[["Situation", "Device", str], bool]
"""Whether a condition holds: situation, device, id of the rule it stands in."""


def tests(rule: Rule, dialect: Dialect) -> tuple[Test, ...]:
    """The meaning of each of a rule's conditions; :class:`DecodeError` where a parameter says nothing."""
    return tuple(meaning(one, dialect) for one in rule.conditions)


def combined(rule: Rule, dialect: Dialect) -> Test:
    """The meaning of the whole ``if`` of a rule."""
    each = tests(rule, dialect)
    found = rule.attribute("if")
    operator = found.operator if found else Operator.ALL_OF
    if len(each) == 1 and operator is not Operator.NONE_OF:
        return each[0]
    if operator is Operator.ONE_OF:
        return lambda situation, device, rule_id: any(test(situation, device, rule_id) for test in each)
    if operator is Operator.NONE_OF:
        return lambda situation, device, rule_id: not any(test(situation, device, rule_id) for test in each)
    return lambda situation, device, rule_id: all(test(situation, device, rule_id) for test in each)


def meaning(condition: Condition, dialect: Dialect) -> Test:
    """What one condition asks; :class:`DecodeError` for an unknown name or a parameter that says nothing."""
    makers = _STRICT if dialect is Dialect.TILLGUARD else _COMPATIBLE
    if condition.name not in makers:
        raise DecodeError("condition", f"unknown; one of {', '.join(makers)} expected")
    if condition.parameter == "":
        raise DecodeError(f"condition {condition.name}", "empty parentheses; a parameter, or none, expected")
    test = makers[condition.name](condition.parameter)
    if not condition.negated:
        return test
    return lambda situation, device, rule_id: not test(situation, device, rule_id)


def day_time(text: str) -> int | None:
    """``HH:MM`` or ``HH:MM:SS`` as seconds of the day; None for anything else."""
    found = _DAY_TIME.fullmatch(text)
    if not found:
        return None
    hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return hours * 3600 + minutes * 60 + seconds


def moment(text: str) -> int:
    """``2026-12-24T18:00:00Z`` or with an offset such as ``+01:00``, as seconds since 1970; else DecodeError."""
    if _MOMENT.fullmatch(text):
        from datetime import UTC, datetime  # where no rule has an end, the warden does without half a megabyte

        try:
            return int(datetime.fromisoformat(text).astimezone(UTC).timestamp())
        except (ValueError, OverflowError):
            pass
    raise DecodeError("until", "a moment with its zone, such as 2026-12-24T18:00:00Z or …+01:00, expected")


def until(rule: Rule) -> int | None:
    """When a rule ends, as seconds since 1970; None for one without ``until``."""
    found = rule.attribute("until")
    return moment(str(found.values[0])) if found else None


_DAY_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?", re.ASCII)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d)?(?:Z|[+-]\d\d:\d\d)", re.ASCII)
_WINDOW = re.compile(r"[a-z0-9][a-z0-9-]{0,31}", re.ASCII)


def window_name(text: str) -> bool:
    """Whether a service window may be called so: 1 to 32 small letters, digits and hyphens."""
    return _WINDOW.fullmatch(text) is not None


def _constant(value: bool) -> Callable[[str | None], Test]:
    return lambda parameter: lambda situation, device, rule_id: value


def _bare(name: str, value: bool) -> Callable[[str | None], Test]:
    def make(parameter: str | None) -> Test:
        if parameter is not None:
            raise DecodeError(f"condition {name}", "takes no parameter")
        return lambda situation, device, rule_id: value

    return make


def _localtime(parameter: str | None) -> Test:
    first, dash, last = (parameter or "").partition("-")
    begin = day_time(first)
    end = day_time(last) if dash else begin
    if begin is None or end is None:
        raise DecodeError("condition localtime", "HH:MM, HH:MM:SS or a range such as 22:00-06:00 expected")
    if last.count(":") < 2 and first.count(":") < 2:
        end += 59  # a range of minutes holds to the end of its last minute

    def test(situation: Situation, device: "Device", rule_id: str) -> bool:
        now = (situation.utc_s + situation.offset_s) % DAY_S
        return begin <= now <= end if begin <= end else now >= begin or now <= end

    return test


def _past(which: str) -> Callable[[str | None], Test]:
    def make(parameter: str | None) -> Test:
        within = None if parameter is None else day_time(parameter)
        if parameter is not None and within is None and re.fullmatch(r"\d{1,9}", parameter, re.ASCII):
            within = int(parameter)
        if parameter is not None and within is None:
            raise DecodeError(f"condition rule-{which}", "a duration expected: seconds, HH:MM or HH:MM:SS")

        def test(situation: Situation, device: "Device", rule_id: str) -> bool:
            times = situation.applied if which == "applied" else situation.evaluated
            at = times.get(rule_id)
            return at is not None and (within is None or situation.steady_s - at <= within)

        return test

    return make


def _random(parameter: str | None) -> Test:
    chance = 0.5
    if parameter is not None:
        if not re.fullmatch(r"[01](?:\.\d{1,9})?", parameter, re.ASCII) or float(parameter) > 1:
            raise DecodeError("condition random", "a probability of 0 to 1, such as 0.25, expected")
        chance = float(parameter)
    return lambda situation, device, rule_id: situation.chance < chance


def _allowed_matches(dialect: Dialect) -> Callable[[str | None], Test]:
    def make(parameter: str | None) -> Test:
        from protocols.usb.matching import matcher  # the query is a rule: the modules need one another here
        from protocols.usb.rule_text import parse_query

        fits = matcher(parse_query(parameter or "", dialect), dialect)
        return lambda situation, device, rule_id: any(fits(other) for other in situation.allowed)

    return make


def _service_window(parameter: str | None) -> Test:
    name = parameter or ""
    if not window_name(name):
        raise DecodeError("condition service-window", "the name of a window: small letters, digits, hyphens")
    return lambda situation, device, rule_id: name in situation.windows


def keystroke_limits(parameter: str | None) -> tuple[int, int]:
    """``keystroke-rate(30)`` or ``(30,15)``: most keys a second; how many per cent the gaps must differ at least."""
    found = re.fullmatch(r"(\d{1,4})(?:,(\d{1,3}))?", parameter or "", re.ASCII)
    if not found or not 1 <= int(found[1]) <= MOST_KEYS_A_SECOND or int(found[2] or 0) > 100:
        raise DecodeError("condition keystroke-rate", "keys a second, 1 to 1000, and perhaps ,per cent of scatter")
    return int(found[1]), int(found[2] or 0)


def _keystroke_rate(parameter: str | None) -> Test:
    fastest, scatter = keystroke_limits(parameter)

    def test(situation: Situation, device: "Device", rule_id: str) -> bool:
        seen = situation.cadence
        return seen is None or (seen.keys_a_second <= fastest and seen.scatter_percent >= scatter)

    return test


# What usbguard 1.1.2 reads with strptime and strtod of the C library.
_C_HOURS = r"\s*([01]\d|2[0-3]|\d):\s*([0-5]\d|\d)"
_C_WITH_EPOCH = re.compile(_C_HOURS + r":(\d+)", re.ASCII)
_C_MINUTES = re.compile(_C_HOURS, re.ASCII)
_C_EPOCH = re.compile(r"(\d+)", re.ASCII)
_C_NUMBER = re.compile(r"\s*[+-]?(?:(?:\d+\.?\d*|\.\d+)|inf|nan)", re.ASCII | re.IGNORECASE)


def _c_day_time(text: str, *, alone: bool = False) -> int | None:
    """``%H:%M:%s`` else ``%H:%M`` else, where ``alone``, ``%s``; what follows is passed over. Its zone taken as UTC."""
    if found := _C_WITH_EPOCH.match(text):
        return int(found[3]) % DAY_S
    if found := _C_MINUTES.match(text):
        return int(found[1]) * 3600 + int(found[2]) * 60
    if alone and (found := _C_EPOCH.match(text)):
        return int(found[1]) % DAY_S
    return None


def _c_localtime(parameter: str | None) -> Test:
    first, _, last = (parameter or "").partition("-")
    begin = _c_day_time(first)
    end = _c_day_time(last) if last else begin
    if begin is None or end is None or begin > end:
        raise DecodeError("condition localtime", "HH:MM or a range HH:MM-HH:MM within one day expected")
    return lambda situation, device, rule_id: begin <= situation.utc_s % DAY_S <= end


def _c_past(parameter: str | None) -> Test:
    if parameter is not None and _c_day_time(parameter, alone=True) is None:
        raise DecodeError("condition rule-applied or rule-evaluated", "seconds, HH:MM or HH:MM:SS expected")
    return lambda situation, device, rule_id: False


def _c_random(parameter: str | None) -> Test:
    found = _C_NUMBER.match(parameter) if parameter is not None else None
    if parameter is not None and not found:
        raise DecodeError("condition random", "a number expected")
    chance = float(found[0]) if found else 0.5
    return lambda situation, device, rule_id: situation.chance < chance


_STRICT: Mapping[str, Callable[[str | None], Test]] = {
    "localtime": _localtime,
    "allowed-matches": _allowed_matches(Dialect.TILLGUARD),
    "rule-applied": _past("applied"),
    "rule-evaluated": _past("evaluated"),
    "random": _random,
    "true": _bare("true", True),
    "false": _bare("false", False),
    "service-window": _service_window,
    "keystroke-rate": _keystroke_rate,
}
_COMPATIBLE: Mapping[str, Callable[[str | None], Test]] = {
    "localtime": _c_localtime,
    "allowed-matches": _allowed_matches(Dialect.USBGUARD),
    "rule-applied": _c_past,
    "rule-evaluated": _c_past,
    "random": _c_random,
    "true": _constant(True),
    "false": _constant(False),
}
