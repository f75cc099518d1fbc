# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Strict TOML: a file becomes a frozen dataclass, and what does not fit is an error with file, path and hint.

Unknown keys are errors, missing keys are errors unless the field has a default, a type is never guessed. A field may
be bool, int, float, str, Path (relative paths are taken from the file's folder), an Enum of strings, another
dataclass, a tuple of these, a mapping of str to these, or one of them ``| None`` where absence is meant.
"""

import enum
import os
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from tillguard.exits import Exit
from tillguard.voice import Fault

T = TypeVar("T")
LARGEST_FILE = 1 << 20  # a settings file of more than 1 MiB is a mistake


def load(path: Path, shape: type[T]) -> T:
    """Read ``path`` into ``shape``; raises :class:`Fault` that names the file, the key's path and the cure."""
    return parse(read(path), shape, path)


def read(path: Path) -> dict[str, Any]:
    """The document of a TOML file, of whatever shape; raises :class:`Fault` that names the file and the cure."""
    try:
        with open(path, "rb", opener=without_waiting) as file:
            octets = file.read(LARGEST_FILE + 1)  # a device says that it is empty and never ends
        return document(octets, path)
    except FileNotFoundError:
        raise Fault(f"{path}: no such file", "check the path", Exit.USAGE) from None
    except OSError as fault:
        raise Fault(
            f"{path}: cannot be read: {fault.strerror}", "check the file's type and rights", Exit.USAGE
        ) from None


def without_waiting(path: str, flags: int) -> int:
    """A pipe that nobody writes to reads as empty: to open it would wait for good, and no signal would end that."""
    descriptor = os.open(path, flags | os.O_NONBLOCK)
    os.set_blocking(descriptor, True)
    return descriptor


def document(octets: bytes, path: Path) -> dict[str, Any]:
    """The document in the octets of a TOML file; ``path`` is for the errors."""
    if len(octets) > LARGEST_FILE:
        raise Fault(f"{path}: larger than 1 MiB", "is this the right file?", Exit.USAGE)
    try:
        return tomllib.loads(octets.decode("utf-8"))
    except UnicodeDecodeError:
        raise Fault(f"{path}: cannot be read: not UTF-8 text", "check the file's type and rights", Exit.USAGE) from None
    except tomllib.TOMLDecodeError as fault:
        raise Fault(f"{path}: not valid TOML: {_without_content(str(fault))}", "mend that line", Exit.USAGE) from None
    except RecursionError:
        raise Fault(f"{path}: lists within lists without end", "is this the right file?", Exit.USAGE) from None


def parse(document: Mapping[str, Any], shape: type[T], path: Path) -> T:
    """Turn a parsed document into ``shape``; ``path`` is for the errors and for relative paths in it."""
    return _table(document, shape, path, "")  # type: ignore[no-any-return]


def _without_content(text: str) -> str:
    """tomllib's message may quote a value's character; keep the position only."""
    _, found, place = text.rpartition("(at ")
    return f"syntax error at {place.rstrip(')')}" if found else "syntax error"


def _fault(path: Path, key: str, what: str, hint: str) -> Fault:
    return Fault(f"{path}: {key or 'top level'}: {what}", hint, Exit.USAGE)


def _table(value: object, shape: Any, path: Path, key: str) -> Any:
    if not isinstance(value, Mapping):
        raise _fault(path, key, "a table expected", f"write it as [{key}]")
    hints = get_type_hints(shape)
    known = {field.name.replace("_", "-"): field for field in fields(shape)}
    known |= {field.name: field for field in fields(shape)}
    names = [field.name.replace("_", "-") for field in fields(shape)]
    taken: dict[str, Any] = {}
    for name, item in value.items():
        here = f"{key}.{name}" if key else name
        if name not in known:
            from difflib import get_close_matches  # for a fault, which a daemon has none of

            near = get_close_matches(name, names, 1)
            hint = f"did you mean '{near[0]}'?" if near else f"known here: {', '.join(sorted(names))}"
            raise _fault(path, here, "unknown key", hint)
        if known[name].name in taken:
            raise _fault(path, here, "given twice, once with '-' and once with '_'", "keep one of them")
        taken[known[name].name] = _value(item, hints[known[name].name], path, here)
    for field in fields(shape):
        if field.name not in taken and field.default is MISSING and field.default_factory is MISSING:
            here = f"{key}.{field.name}" if key else field.name
            raise _fault(path, here, "missing", f"add it ({_words(hints[field.name])})")
    try:
        return shape(**taken)
    except ValueError as fault:  # a dataclass checks its ranges in __post_init__ and says them without quoting secrets
        raise _fault(path, key, str(fault), "correct it; the words before say what is taken") from None


def _value(value: object, kind: Any, path: Path, key: str) -> Any:
    origin = get_origin(kind)
    if origin in (Union, UnionType):
        inner = [option for option in get_args(kind) if option is not NoneType]
        return _value(value, inner[0], path, key)
    if origin is tuple:
        if not isinstance(value, list):
            raise _fault(path, key, "a list expected", f"write it as {key.rpartition('.')[2]} = [ … ]")
        return tuple(_value(item, get_args(kind)[0], path, f"{key}[{i}]") for i, item in enumerate(value))
    if origin in (dict, Mapping) or (isinstance(origin, type) and issubclass(origin, Mapping)):
        if not isinstance(value, Mapping):
            raise _fault(path, key, "a table expected", f"write it as [{key}]")
        return {name: _value(item, get_args(kind)[1], path, f"{key}.{name}") for name, item in value.items()}
    if is_dataclass(kind):
        return _table(value, kind, path, key)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        choices = [str(member.value) for member in kind]
        if value not in choices:
            raise _fault(path, key, "not one of the known values", f"one of: {', '.join(choices)}")
        return kind(value)
    if kind is Path:
        if not isinstance(value, str) or not value or "\0" in value:
            raise _fault(path, key, "a path expected", "write it in quotes")
        return path.parent / value
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise _fault(path, key, f"{_words(type(value))} found", f"{_words(kind)} expected")
    return value


def _words(kind: Any) -> str:
    plain = {bool: "true or false", int: "a whole number", float: "a number", str: "text in quotes", Path: "a path"}
    if kind in plain:
        return plain[kind]
    if kind in (list,) or get_origin(kind) is tuple:
        return "a list"
    return "a table" if kind is dict or is_dataclass(kind) else "a value"
