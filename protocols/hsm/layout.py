# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A command's layout is a dataclass: its annotations, in order, are the fields on the wire. Reads and writes by them.

    class CM(Fields):
        bdk: Annotated[KeyField, Key()]
        ksn: Annotated[bytes, Hex(20)]
        iv: Annotated[Annotated[bytes, Hex(16)] | None, When("mode", "2", "3")] = None
        options: Annotated[Options | None, Introduced(b";")] = None

``When`` makes a field present exactly if an earlier one has one of the values; ``Introduced`` exactly if the literal is
there (with ``When`` it must be there); ``IfLonger`` (responses) exactly if more than so many octets are left. A field
may itself be a :class:`Fields`.
"""

from dataclasses import dataclass, fields
from types import NoneType
from typing import Annotated, Any, Generic, TypeVar, cast, dataclass_transform, get_args, get_origin, get_type_hints

from protocols.errors import EncodeError
from protocols.hsm.fields import FieldError, Kind, Source


class Fields:
    """The fields of a request, a response or a part of one. Prints only what a trace may show."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({layout_of(type(self)).shown(self)})"


F = TypeVar("F", bound=Fields)


@dataclass_transform(frozen_default=True, kw_only_default=True)
def layout(shape: type[F]) -> type[F]:
    """Make a frozen dataclass with slots and keyword arguments of a :class:`Fields` class."""
    return cast(type[F], dataclass(frozen=True, slots=True, kw_only=True, repr=False)(shape))


@dataclass(frozen=True, slots=True)
class When:
    """Present exactly if the earlier field ``field`` has one of ``values``."""

    field: str
    values: tuple[str, ...]

    def __init__(self, field: str, *values: str) -> None:
        object.__setattr__(self, "field", field)
        object.__setattr__(self, "values", values)


@dataclass(frozen=True, slots=True)
class Introduced:
    """Present exactly if ``by`` stands here; it is consumed."""

    by: bytes


@dataclass(frozen=True, slots=True)
class IfLonger:
    """Present exactly if more than ``than`` octets are left: for responses whose request decides."""

    than: int


@dataclass(frozen=True, slots=True)
class Slot:
    """One field of a layout."""

    name: str
    kind: Kind[Any]
    when: When | None
    introduced: Introduced | None
    if_longer: IfLonger | None

    @property
    def condition(self) -> str:
        """What makes the field present, in words; empty if it always is."""
        conditions = []
        if self.when is not None:
            conditions.append(f"{self.when.field} {'/'.join(self.when.values)}")
        if self.introduced is not None:
            conditions.append(f"`{self.introduced.by.decode('ascii')}`")
        if self.if_longer is not None:
            conditions.append("where asked for")
        return ", ".join(conditions)

    def words(self) -> str:
        """Name and kind, in brackets with its condition where it has one."""
        plain = f"{self.name} {self.kind.words()}"
        return f"[{self.condition}: {plain}]" if self.condition else plain


class Layout(Generic[F]):
    """Reads and writes one :class:`Fields` class."""

    __slots__ = ("_slots", "shape", "slots")

    def __init__(self, shape: type[F]) -> None:
        self.shape = shape
        hints = get_type_hints(shape, include_extras=True)
        self.slots = tuple(_slot(field.name, hints[field.name]) for field in fields(cast(Any, shape)))
        # What the reading loop needs, unpacked: it runs once for every command.
        self._slots = [(slot.name, slot.kind.read, slot.when, slot.introduced, slot.if_longer) for slot in self.slots]

    def read(self, source: Source) -> F:
        """The fields from the source's place on; raises :class:`protocols.hsm.fields.FieldError`."""
        values: dict[str, Any] = {}
        for name, read, when, introduced, if_longer in self._slots:
            if when is not None and values.get(when.field) not in when.values:
                continue
            if introduced is not None:
                if not source.data.startswith(introduced.by, source.at):
                    if when is None:
                        continue
                    raise FieldError(name, f"the delimiter {introduced.by.decode('ascii')} expected in front")
                source.at += len(introduced.by)
            if if_longer is not None and len(source.data) - source.at <= if_longer.than:
                continue
            values[name] = read(source, name)
        return self.shape(**values)

    def write(self, values: F) -> bytes:
        """The octets of the fields; raises :class:`EncodeError` where one is missing or has no place."""
        pieces: list[bytes] = []
        for slot in self.slots:
            value = getattr(values, slot.name)
            if slot.when is not None and (value is not None) != (getattr(values, slot.when.field) in slot.when.values):
                raise EncodeError(f"{slot.name}: present exactly with {slot.condition}")
            if value is None:
                continue
            if slot.introduced is not None:
                pieces.append(slot.introduced.by)
            pieces.append(slot.kind.write(value, slot.name))
        return b"".join(pieces)

    def words(self) -> str:
        """The layout in the trade's notation, optional fields in brackets."""
        if not self.slots:
            return "nothing"
        return ", ".join(slot.words() for slot in self.slots)

    def shown(self, values: F) -> str:
        """The fields for a trace, redacted by kind."""
        there = ((slot, getattr(values, slot.name)) for slot in self.slots)
        return ", ".join(f"{slot.name} {slot.kind.shown(value)}" for slot, value in there if value is not None)


class Part(Kind[F], Generic[F]):
    """A group of fields inside a layout."""

    __slots__ = ("_layout",)

    def __init__(self, shape: type[F]) -> None:
        self._layout = layout_of(shape)

    def read(self, source: Source, where: str) -> F:
        return self._layout.read(source)

    def write(self, value: F, where: str) -> bytes:
        return self._layout.write(value)

    def words(self) -> str:
        return f"({self._layout.words()})"

    def shown(self, value: F) -> str:
        return f"({self._layout.shown(value)})"


_MADE: dict[type[Fields], Layout[Any]] = {}


def layout_of(shape: type[F]) -> Layout[F]:
    """The layout of a :class:`Fields` class, made at its first use."""
    made = _MADE.get(shape)
    if made is None:
        made = _MADE[shape] = Layout(shape)
    return made


def _slot(name: str, hint: Any) -> Slot:
    marks = _marks(hint)
    kinds = [mark for mark in marks if isinstance(mark, Kind)]
    if not kinds:
        inner = [option for option in _plain(hint) if isinstance(option, type) and issubclass(option, Fields)]
        if len(inner) != 1:
            raise TypeError(f"{name}: a field kind or a group of fields expected in its annotation")
        kinds = [Part(inner[0])]
    return Slot(
        name,
        kinds[0],
        next((mark for mark in marks if isinstance(mark, When)), None),
        next((mark for mark in marks if isinstance(mark, Introduced)), None),
        next((mark for mark in marks if isinstance(mark, IfLonger)), None),
    )


def _marks(hint: Any) -> list[Any]:
    """Everything that ``Annotated`` hangs on a hint and on the options of its union, outermost first."""
    if get_origin(hint) is Annotated:
        inner, *marks = get_args(hint)
        return marks + _marks(inner)
    return [mark for option in get_args(hint) for mark in _marks(option)]


def _plain(hint: Any) -> list[Any]:
    """The types of a hint without ``Annotated`` and ``None``."""
    if get_origin(hint) is Annotated:
        return _plain(get_args(hint)[0])
    if options := get_args(hint):
        return [kind for option in options for kind in _plain(option)]
    return [] if hint is NoneType else [hint]
