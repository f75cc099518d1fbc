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

Every kind reads and writes its own octets, says what is wrong with them, and that alone decides. Most kinds can say the
same as a regular expression; a message of such kinds is first read by one match, as if every field under a condition
were absent, and written so. Where that does not match, or a condition turns out to hold, its fields are read one by
one, neighbours that are always there again by one match. Each group is atomic, so no match splits the octets in a way
that field by field reading would not.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import MISSING, dataclass, fields, make_dataclass
from operator import attrgetter
from types import NoneType
from typing import Annotated, Any, Generic, TypeVar, cast, dataclass_transform, get_args, get_origin, get_type_hints

from protocols.errors import DecodeError, EncodeError
from protocols.hsm.fields import FieldError, Kind, Shortcut, Source


class Fields:
    """The fields of a request, a response or a part of one. Prints only what a trace may show."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({layout_of(type(self)).shown(self)})"


F = TypeVar("F", bound=Fields)


@dataclass_transform(frozen_default=True, kw_only_default=True)
def layout(shape: type[F]) -> type[F]:
    """Make a dataclass with slots and keyword arguments of a :class:`Fields` class; frozen to the type checker.

    Not at run time: that triples the cost of making one, and one is made for every command and every answer.
    """
    return cast(type[F], dataclass(slots=True, kw_only=True, repr=False)(shape))


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
    def always(self) -> bool:
        """Whether the field is always there."""
        return self.when is None and self.introduced is None and self.if_longer is None

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


Step = Callable[[Source, Any], None]
"""Reads one or more fields from the source's place into the message under way."""


class Layout(Generic[F]):
    """Reads and writes one :class:`Fields` class."""

    __slots__ = ("read", "shape", "slots", "write")

    read: Callable[[Source], F]
    """The fields from the source's place on; raises :class:`protocols.hsm.fields.FieldError`."""
    write: Callable[[F], bytes]
    """The octets of the fields; raises :class:`EncodeError` where one is missing or has no place."""

    def __init__(self, shape: type[F]) -> None:
        if hasattr(shape, "__post_init__"):
            raise TypeError(f"{shape.__name__}: reading goes past __init__, so nothing may hang on it")
        self.shape = shape
        hints = get_type_hints(shape, include_extras=True)
        declared = fields(cast(Any, shape))
        self.slots = tuple(_slot(field.name, hints[field.name]) for field in declared)
        absent = {field.name: None if field.default is MISSING else field.default for field in declared}
        self.read = _reader(shape, self.slots, absent)
        self.write = _writer(self.slots)

    def words(self) -> str:
        """The layout in the trade's notation, optional fields in brackets."""
        if not self.slots:
            return "nothing"
        return ", ".join(slot.words() for slot in self.slots)

    def shown(self, values: F) -> str:
        """The fields for a trace, redacted by kind."""
        there = ((slot, getattr(values, slot.name)) for slot in self.slots)
        return ", ".join(f"{slot.name} {slot.kind.shown(value)}" for slot, value in there if value is not None)


def _reader(shape: type[F], slots: tuple[Slot, ...], absent: dict[str, Any]) -> Callable[[Source], F]:
    """Reads a message by one match if it can, else step by step."""
    new = cast(Callable[[type[F]], F], object.__new__)
    steps = tuple(_steps(shape, slots, absent))

    def read_stepwise(source: Source) -> F:
        made = new(shape)
        for step in steps:
            step(source, made)
        return made

    def read_nothing(source: Source) -> F:
        return new(shape)

    if not slots:
        return read_nothing
    always = [slot for slot in slots if slot.always]
    if not always or any(slot.kind.shortcut() is None for slot in always) or any(slot.if_longer for slot in slots):
        return read_stepwise
    match = _pattern(slots).match
    fill = _filler([slot.name for slot in always] + [slot.name for slot in slots if not slot.always])
    absences = tuple(absent[slot.name] for slot in slots if not slot.always)
    parses = _parses(always)
    conditions = [(slot.when.field, slot.when.values) for slot in slots if slot.when is not None]

    def read(source: Source) -> F:
        found = match(source.text, source.at)
        if found is None:
            return read_stepwise(source)
        made = new(shape)
        values: list[Any] = [*found.groups(), *absences]
        try:
            for place, parse in parses:
                values[place] = parse(values[place])
        except DecodeError:
            return read_stepwise(source)
        fill(made, *values)
        for field, there in conditions:
            if getattr(made, field) in there:
                return read_stepwise(source)
        source.at = found.end()
        return made

    return read


def _filler(names: list[str]) -> Callable[..., None]:
    """Assigns all fields at once, to any object that has them: the initialiser of a plain dataclass does just that."""
    plain: Any = make_dataclass("Fill", names)
    return cast(Callable[..., None], plain.__init__)


def _parses(slots: Sequence[Slot]) -> list[tuple[int, Callable[[str], Any]]]:
    found = ((place, _shortcut(slot).parse) for place, slot in enumerate(slots))
    return [(place, parse) for place, parse in found if parse is not None]


def _steps(shape: type[Fields], slots: tuple[Slot, ...], absent: dict[str, Any]) -> Iterator[Step]:
    """The fields in order, neighbours that make a run as one step."""
    run: list[Slot] = []
    for slot in slots:
        if slot.always and slot.kind.shortcut() is not None:
            run.append(slot)
            continue
        if run:
            yield _run(shape, tuple(run))
            run = []
        yield _single(shape, slot, absent[slot.name])
    if run:
        yield _run(shape, tuple(run))


def _run(shape: type[Fields], slots: tuple[Slot, ...]) -> Step:
    """One match for all of ``slots``; field by field where it fails."""
    match = _pattern(slots).match
    fill = _filler([slot.name for slot in slots])
    parses = _parses(slots)
    singles = [_single(shape, slot, None) for slot in slots]

    def step(source: Source, made: Any) -> None:
        found = match(source.text, source.at)
        if found is None:
            for single in singles:
                single(source, made)
            return
        source.at = found.end()
        values: list[Any] = list(found.groups())
        for place, parse in parses:
            values[place] = parse(values[place])
        fill(made, *values)

    return step


def _single(shape: type[Fields], slot: Slot, absent: Any) -> Step:
    """One field by its kind, if its condition holds; otherwise ``absent`` stands for it."""
    name, read, put = slot.name, slot.kind.read, _put(shape, slot)
    when, introduced, if_longer = slot.when, slot.introduced, slot.if_longer

    def always(source: Source, made: Any) -> None:
        put(made, read(source, name))

    def step(source: Source, made: Any) -> None:
        if when is not None and getattr(made, when.field) not in when.values:
            return put(made, absent)
        if introduced is not None:
            if not source.data.startswith(introduced.by, source.at):
                if when is None:
                    return put(made, absent)
                raise FieldError(name, f"the delimiter {introduced.by.decode('ascii')} expected in front")
            source.at += len(introduced.by)
        if if_longer is not None and len(source.data) - source.at <= if_longer.than:
            return put(made, absent)
        return put(made, read(source, name))

    return always if slot.always else step


def _writer(slots: tuple[Slot, ...]) -> Callable[[Any], bytes]:
    """Writes a message whose fields are always there at once, any other field by field."""

    def write_stepwise(values: Any) -> bytes:
        pieces: list[bytes] = []
        for slot in slots:
            value = getattr(values, slot.name)
            if slot.when is not None and (value is not None) != (getattr(values, slot.when.field) in slot.when.values):
                raise EncodeError(f"{slot.name}: present exactly with {slot.condition}")
            if value is None:
                continue
            if slot.introduced is not None:
                pieces.append(slot.introduced.by)
            pieces.append(slot.kind.write(value, slot.name))
        return b"".join(pieces)

    if not slots or not all(slot.always and slot.kind.shortcut() is not None for slot in slots):
        return write_stepwise
    fits = _pattern(slots).fullmatch
    names = [slot.name for slot in slots]
    get = attrgetter(*names) if len(names) > 1 else lambda values: (getattr(values, names[0]),)
    found = ((place, _shortcut(slot).text) for place, slot in enumerate(slots))
    forms = [(place, form) for place, form in found if form is not None]

    def write(values: Any) -> bytes:
        texts = list(get(values))
        try:
            for place, form in forms:
                texts[place] = form(texts[place])
            text = "".join(texts)
        except (AttributeError, TypeError):
            return write_stepwise(values)
        return text.encode("latin-1") if fits(text) else write_stepwise(values)

    return write


def _pattern(slots: Sequence[Slot]) -> re.Pattern[str]:
    """A group for each field that is always there; of the others, that what introduces them is not there."""
    pieces = []
    for slot in slots:
        if slot.always:
            shortcut = _shortcut(slot)
            pieces.append(f"((?>{shortcut.pattern}))" + "?+" * shortcut.optional)
        elif slot.introduced is not None and slot.when is None:
            pieces.append(f"(?!{re.escape(slot.introduced.by.decode('latin-1'))})")
    return re.compile("".join(pieces), re.DOTALL)


def _shortcut(slot: Slot) -> Shortcut:
    found = slot.kind.shortcut()
    if found is None:
        raise TypeError(f"{slot.name}: a kind without a shortcut is no part of a run")
    return found


def _put(shape: type[Fields], slot: Slot) -> Callable[[Any, Any], None]:
    return cast(Callable[[Any, Any], None], getattr(shape, slot.name).__set__)


class Part(Kind[F], Generic[F]):
    """A group of fields inside a layout."""

    __slots__ = ("_layout", "shape")

    def __init__(self, shape: type[F]) -> None:
        self.shape = shape
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
