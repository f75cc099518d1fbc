# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A policy in force as octets, from the process that read it to the one that decides by it. Believes and reads nothing.

Signatures, TOML and the rules' text are read in a child that lives for milliseconds (processes/warden_reader.py). What
it believed crosses a pipe in this compiled form: only the shapes listed here, in Python's marshal, which knows no
classes and runs nothing. So the process that decides never holds a parser, and a parser that is deceived dies with
its child.
"""

import marshal
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

from protocols.audit_chain import Head
from protocols.errors import DecodeError
from protocols.usb.rules import Attribute, Condition, IdPattern, InterfacePattern, Operator, Rule, RuleSet, Target
from terminal_agent.usb.document import (
    Day,
    ExceptionFile,
    ExceptionText,
    Implicit,
    Need,
    PolicyFile,
    PolicyText,
    PortRole,
    Window,
)
from terminal_agent.usb.policy import Granted

LARGEST = 16 << 20  # a policy of 1 MiB and 32 exceptions, taken apart
SHAPES: tuple[type[Any], ...] = (
    *(PolicyFile, PolicyText, PortRole, Need, Window, ExceptionFile, ExceptionText, Granted),
    *(Rule, RuleSet, Attribute, Condition, IdPattern, InterfacePattern),
    *(Day, Implicit, Operator, Target, Head),
)
_NUMBER = {shape: place for place, shape in enumerate(SHAPES)}
_LIST, _TABLE = -1, -2


def pack(value: object) -> bytes:
    """What :func:`unpack` makes whole again; of the shapes above, tuples, tables, texts, octets and numbers."""
    return marshal.dumps(_apart(value))


def unpack(octets: bytes) -> Any:
    """The value; :class:`DecodeError` where the octets are cut short or of another making."""
    if len(octets) > LARGEST:
        raise DecodeError("handed over", f"{len(octets)} octets; at most {LARGEST} expected")
    try:
        return _whole(marshal.loads(octets))  # noqa: S302 - from a child of this very process
    except (ValueError, TypeError, EOFError, IndexError, KeyError):
        raise DecodeError("handed over", "a policy's shapes expected") from None


def _apart(value: Any) -> Any:
    if value is None or type(value) in (bool, int, float, str, bytes):
        return value
    kind = type(value)
    if kind in _NUMBER:
        if isinstance(value, Enum):
            return (_NUMBER[kind], value.value)
        if is_dataclass(value):
            return (_NUMBER[kind], *(_apart(getattr(value, one.name)) for one in fields(value)))
        return (_NUMBER[kind], *map(_apart, value))
    if isinstance(value, tuple | list):
        return (_LIST, *map(_apart, value))
    if hasattr(value, "items"):
        return (_TABLE, *(_apart(pair) for pair in value.items()))
    raise TypeError(f"{kind.__name__} is not handed over")


def _whole(value: Any) -> Any:
    if type(value) is not tuple:
        return value
    number, parts = value[0], [_whole(part) for part in value[1:]]
    if number == _LIST:
        return tuple(parts)
    if number == _TABLE:
        return dict(parts)
    if number < 0:
        raise ValueError
    return SHAPES[number](*parts)
