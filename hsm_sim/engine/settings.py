# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What an owner has set a unit to, by name and as text: to show, to change, to keep. Decides nothing by itself.

One value holds all of it; a change gives another value. A name is the place of a field, ``policy.clear-pins``, so a new
field of the policy can be set from the console without a line here.
"""

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, get_type_hints

from hsm_sim.engine.counters import Limits
from hsm_sim.engine.policy import Policy
from protocols.pin.iso9564 import Format

_TRUE, _FALSE = ("true", "yes", "on"), ("false", "no", "off")
UNSAID = frozenset({"policy.excluded-pins"})
"""Shown by their number only: even PINs that nobody may have need not be read over a shoulder."""


@dataclass(frozen=True, slots=True)
class Commands:
    """Host commands by code."""

    disabled: frozenset[str] = frozenset()
    """Answered as if they did not exist."""

    def __post_init__(self) -> None:
        if any(len(code) != 2 or not (code.isascii() and code.isalnum()) for code in self.disabled):
            raise ValueError("disabled: command codes of two characters expected")


@dataclass(frozen=True, slots=True)
class Operating:
    """All settings that may change while the unit runs."""

    policy: Policy = field(default_factory=Policy)
    fraud: Limits = field(default_factory=Limits)
    commands: Commands = field(default_factory=Commands)


def shown(operating: Operating) -> dict[str, str]:
    """Every setting by its name, as text."""
    return {
        name: f"{len(value)} of them" if name in UNSAID else _text(value) for name, value in _flat(operating).items()
    }


def changed(operating: Operating, name: str, text: str) -> Operating:
    """The same with one setting changed; :class:`ValueError` says what was expected and quotes nothing."""
    group, _, entry = name.partition(".")
    attribute = entry.replace("-", "_")
    if name not in _flat(operating):
        near = difflib.get_close_matches(name, _flat(operating), 1)
        raise ValueError("no setting of this name" + (f"; did you mean {near[0]}?" if near else ""))
    part = getattr(operating, group)
    value = _value(get_type_hints(type(part))[attribute], text)
    return replace(operating, **{group: replace(part, **{attribute: value})})


def packed(chosen: Mapping[str, str]) -> bytes:
    """What a person has set, by name, to be kept: that alone, so that the file's settings stay the file's."""
    return json.dumps(chosen, sort_keys=True).encode()


def unpacked(kept: bytes | bytearray) -> dict[str, str]:
    """What was kept."""
    named: dict[str, str] = json.loads(bytes(kept))
    return named


def overlaid(operating: Operating, chosen: Mapping[str, str]) -> Operating:
    """``operating`` with what a person has set on top."""
    for name, text in chosen.items():
        operating = changed(operating, name, text)
    return operating


def _flat(operating: Operating) -> dict[str, Any]:
    return {
        f"{group.name}.{entry.name.replace('_', '-')}": getattr(getattr(operating, group.name), entry.name)
        for group in fields(operating)
        for entry in fields(getattr(operating, group.name))
    }


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return _TRUE[0] if value else _FALSE[0]
    if isinstance(value, frozenset):
        return " ".join(sorted(str(int(item)) if isinstance(item, Format) else str(item) for item in value))
    return str(value)


def _value(kind: Any, text: str) -> Any:
    if kind is bool:
        if text.lower() not in (*_TRUE, *_FALSE):
            raise ValueError("true or false expected")
        return text.lower() in _TRUE
    if kind is int:
        if not (text.isascii() and text.isdecimal()) or len(text) > 9:
            raise ValueError("a whole number expected")
        return int(text)
    words = text.replace(",", " ").split()
    if kind == frozenset[Format]:
        known = {str(int(form)): form for form in Format}
        if any(word not in known for word in words):
            raise ValueError("numbers of PIN block formats expected")
        return frozenset(known[word] for word in words)
    if kind == frozenset[str]:
        return frozenset(word.upper() for word in words)
    raise ValueError("this setting cannot be changed while the unit runs")
