# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The key fields of every command, and the same command with another key in one of them. No test."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from hsm_sim.engine.key_types import KEY_TYPES
from hsm_sim.engine.key_usages import MODES, USAGES
from protocols.errors import EncodeError
from protocols.hsm.codes import KeyScheme
from protocols.hsm.commands import COMMANDS
from protocols.hsm.fields import Key, KeyField
from protocols.hsm.layout import Fields, Part, layout_of
from protocols.hsm.message import Request, decode_request
from tests.hsm_sim import oracle
from tests.hsm_sim.trials import load
from tests.hsm_sim.world import Form, World

TRIES = 40
TYPES = tuple(KEY_TYPES)
ALL_USAGES = (*USAGES, "X0", "10")
"""With two that no key of this unit has."""
ALL_MODES = "".join(sorted(MODES))
Path = tuple[str, ...]
DOUBLE = 16
NOTHING: Mapping[str, str | None] = {}
UNDER_A_TRANSPORT_KEY = frozenset(
    {(code, "key") for code in ("A6", "FC", "FK")} | {("DW", "bdk"), ("FA", "zpk"), ("MI", "tak")}
)
"""Fields whose key lies under another key than the LMK."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A command that a unit carries out, its fields, and the world that it was drawn in."""

    code: str
    world: World
    request: Request

    def key_fields(self) -> Iterator[Path]:
        """Where its key fields are: names from the outside in."""
        yield from _keys(self.request.fields, ())

    def key(self, path: Path) -> KeyField:
        """The key in a field."""
        found: Any = self.request.fields
        for name in path:
            found = getattr(found, name)
        if not isinstance(found, KeyField):
            raise AssertionError(f"{path} is no key")
        return found

    def with_fields(self, changes: dict[Path, Any]) -> bytes | None:
        """The command with other values in some fields; None where no such command can be written."""
        fields: Any = self.request.fields
        for path, value in changes.items():
            fields = _replaced(fields, path, value)
        tail = f"%{self.request.lmk}" if self.request.lmk and not getattr(fields, "lmk", None) else ""
        try:
            return self.code.encode() + layout_of(type(fields)).write(fields) + tail.encode()
        except EncodeError:
            return None


def _keys(fields: Fields, path: Path) -> Iterator[Path]:
    for slot in layout_of(type(fields)).slots:
        value = getattr(fields, slot.name)
        if value is None:
            continue
        if isinstance(slot.kind, Key):
            yield (*path, slot.name)
        elif isinstance(slot.kind, Part):
            yield from _keys(value, (*path, slot.name))


def _replaced(fields: Any, path: Path, value: Any) -> Any:
    name, *rest = path
    return replace(fields, **{name: _replaced(getattr(fields, name), tuple(rest), value) if rest else value})


def samples(code: str, form: Form) -> Iterator[Sample]:
    """Random cases that the unit answers without error."""
    for number in range(TRIES):
        world = World(form, f"sample {code} {form.name} {number}")
        command, _ = load()[code].case(world)
        octets = command.encode("latin-1") if isinstance(command, str) else command
        if world.ask(octets)[:2] == "00":
            yield Sample(code, world, decode_request(COMMANDS[code], octets[2:]))


def sample(code: str, form: Form, wanted: Path = (), where: Mapping[str, str | None] = NOTHING) -> Sample:
    """A case with a key of double length in the field ``wanted``, and other fields as ``where`` says.

    None there is an absent field, an empty text one that is there.
    """
    for found in samples(code, form):
        fields = found.request.fields
        there = all(_is(getattr(fields, name), value) for name, value in where.items())
        if there and (not wanted or (wanted in found.key_fields() and _double(found, wanted))):
            return found
    raise AssertionError(f"{code}: none of {TRIES} cases has what is wanted")


def _is(value: Any, wanted: str | None) -> bool:
    return (value is None) == (wanted is None) if not wanted else value == wanted


def _double(found: Sample, path: Path) -> bool:
    field = found.key(path)
    if field.scheme is KeyScheme.STORED:
        return True
    if field.scheme is KeyScheme.KEY_BLOCK:
        return len(oracle.key_in_block(found.world.form.kind, field.text)) == DOUBLE and field.algorithm == "T"
    return len(field.cryptogram) == DOUBLE


@cache
def key_paths(code: str, form: Form) -> tuple[Path, ...]:
    """All key fields that cases of a command have, components but the first left out."""
    found: set[Path] = set()
    for number in range(TRIES):
        world = World(form, f"paths {code} {form.name} {number}")
        command, _ = load()[code].case(world)
        octets = command.encode("latin-1") if isinstance(command, str) else command
        request = decode_request(COMMANDS[code], octets[2:])
        found |= set(Sample(code, world, request).key_fields())
    return tuple(sorted(path for path in found if not path[-1][-1].isdigit() or path[-1].endswith("_1")))


def as_type(clear: bytes, code: str) -> KeyField:
    """A clear key under the variant TEST LMK as one of a type."""
    return KeyField.from_text(oracle.under_lmk(code, clear))


def as_block(form: Form, clear: bytes, usage: str, mode: str, algorithm: str = "T") -> KeyField:
    """A clear key in a key block that says this of it."""
    return KeyField.from_text(oracle.key_block(form.kind, form.lmk, clear, usage, mode, algorithm))
