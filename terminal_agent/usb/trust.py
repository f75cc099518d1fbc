# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Whose signatures count on this terminal: ``trust.toml`` and the public keys that it names. Believes nothing."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from protocols.errors import DecodeError
from protocols.public_key import public_from_pem
from protocols.signed import Person, Trust, key_id
from tillguard import settings
from tillguard.exits import Exit
from tillguard.voice import Fault

MOST_PERSONS = 64
LARGEST_KEY = 4_096
_NAME = re.compile(r"[\w .'-]{1,64}")


@dataclass(frozen=True, slots=True)
class PersonEntry:
    """[[persons]]: a name, the file of a public key, and the kinds of statement that it may sign."""

    name: str
    key: Path
    may: tuple[str, ...]

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError("name: 1 to 64 letters, digits, blanks, points, hyphens expected")


@dataclass(frozen=True, slots=True)
class TrustFile:
    """The whole file."""

    persons: tuple[PersonEntry, ...]
    thresholds: Mapping[str, int]
    """Kind to how many different persons it takes."""

    def __post_init__(self) -> None:
        if not 1 <= len(self.persons) <= MOST_PERSONS:
            raise ValueError(f"persons: 1 to {MOST_PERSONS} expected")
        for kind, needed in self.thresholds.items():
            able = {one.name for one in self.persons if kind in one.may}
            if not 1 <= needed <= len(able):
                raise ValueError(f"thresholds: {needed} for a kind that {len(able)} may sign")


def load_trust(path: Path) -> Trust:
    """Read the file and the keys; :class:`Fault` names what is wrong with which."""
    file = settings.load(path, TrustFile)
    persons = []
    for entry in file.persons:
        try:
            text = entry.key.read_bytes()[:LARGEST_KEY].decode("ascii")
            persons.append(Person(entry.name, public_from_pem(text, str(entry.key)), frozenset(entry.may)))
        except OSError as fault:
            raise Fault(f"{entry.key}: {fault.strerror}", f"it is named in {path}", Exit.USAGE) from None
        except (DecodeError, UnicodeDecodeError):
            raise Fault(
                f"{entry.key}: not an Ed25519 public key in PEM", "openssl pkey -in NAME.key -pubout", Exit.USAGE
            ) from None
    ids = [key_id(person.public) for person in persons]
    owners = {(key, person.name) for key, person in zip(ids, persons, strict=True)}
    if len({key for key, _ in owners}) != len(owners):
        raise Fault(f"{path}: one key for two persons", "everybody has a key of their own", Exit.USAGE)
    return Trust(tuple(persons), file.thresholds)
