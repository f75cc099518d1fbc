# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Strict TOML: what does not fit is an error with file, path and hint, and no value is quoted."""

from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

import pytest

from tillguard.exits import Exit
from tillguard.settings import load
from tillguard.voice import Fault


class Mode(Enum):
    OPEN = "open"
    SHUT = "shut"


@dataclass(frozen=True)
class Port:
    number: int
    speed: float = 1.0


@dataclass(frozen=True)
class Shape:
    name: str
    port: Port
    key_file: Path
    mode: Mode = Mode.SHUT
    ports: tuple[Port, ...] = ()
    words: dict[str, str] = field(default_factory=dict)
    note: str | None = None

    def __post_init__(self) -> None:
        if self.name == "bad":
            raise ValueError("name: not that one")


GOOD = (
    'name = "x"\nkey-file = "a/b"\nmode = "open"\nnote = "n"\n[port]\nnumber = 1\nspeed = 2\n'
    '[[ports]]\nnumber = 3\n[words]\na = "b"\n'
)


def read(tmp_path: Path, text: str) -> Shape:
    path = tmp_path / "s.toml"
    path.write_text(text)
    return load(path, Shape)


def test_reads_every_kind_of_value(tmp_path: Path) -> None:
    assert read(tmp_path, GOOD) == Shape("x", Port(1, 2.0), tmp_path / "a/b", Mode.OPEN, (Port(3),), {"a": "b"}, "n")


@pytest.mark.parametrize(
    ("old", "new", "what", "hint"),
    [
        ("number = 1", "nomber = 1", "port.nomber: unknown key", "did you mean 'number'?"),
        ("number = 1", "", "port.number: missing", "add it (a whole number)"),
        ("number = 1", 'number = "S3CRET"', "port.number: text in quotes found", "a whole number expected"),
        ("number = 1", "number = true", "port.number: true or false found", "a whole number expected"),
        ('mode = "open"', 'mode = "S3CRET"', "mode: not one of the known values", "one of: open, shut"),
        ('key-file = "a/b"', "key-file = 3", "key-file: a path expected", "in quotes"),
        ("[[ports]]", "[ports]", "ports: a list expected", "[ … ]"),
        ('[words]\na = "b"', "[words]\na = 3", "words.a: a whole number found", "text in quotes expected"),
        ("[port]\nnumber = 1\nspeed = 2", "", "port: missing", "add it (a table)"),
        ('name = "x"', 'name = "bad"', "top level: name: not that one", ""),
        ("number = 3", "number = 3\nextra = 1", "ports[0].extra: unknown key", "known here: number, speed"),
        ('name = "x"', "name = ", "not valid TOML: syntax error at line 1, column 8", "mend"),
    ],
)
def test_says_where_and_what(tmp_path: Path, old: str, new: str, what: str, hint: str) -> None:
    assert old in GOOD
    with pytest.raises(Fault) as caught:
        read(tmp_path, GOOD.replace(old, new, 1))
    assert str(tmp_path / "s.toml") in caught.value.what
    assert what in caught.value.what
    assert hint in caught.value.hint
    assert caught.value.exit_code is Exit.USAGE
    assert "S3CRET" not in caught.value.what + caught.value.hint


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    for make in (lambda p: None, lambda p: p.mkdir(), lambda p: p.write_bytes(b"\xff\xfe")):
        path = tmp_path / f"f{len(list(tmp_path.iterdir()))}"
        make(path)
        with pytest.raises(Fault) as caught:
            load(path, Shape)
        assert str(path) in caught.value.what


def test_refuses_a_huge_file(tmp_path: Path) -> None:
    path = tmp_path / "big"
    path.write_bytes(b"#" * ((1 << 20) + 1))
    for huge in (path, Path("/dev/zero")):
        with pytest.raises(Fault, match="larger than 1 MiB"):
            load(huge, Shape)
