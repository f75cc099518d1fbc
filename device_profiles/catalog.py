# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Finds profiles: by model name among the data of this package, or by path of a user's own file. Interprets nothing."""

import fnmatch
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from device_profiles.model import (
    AbecsProfile,
    PadProfile,
    PinpadProfile,
    PinpadProtocol,
    ReaderProfile,
    ReaderProtocol,
)
from tillguard.exits import Exit
from tillguard.settings import load, parse, read
from tillguard.voice import Fault

T = TypeVar("T")
_DATA = Path(__file__).parent / "data"


def folder(kind: str) -> Path:
    """The package's folder of one kind of data: ``readers``, ``pinpads``, ``cards`` …"""
    return _DATA / kind


def names(kind: str) -> tuple[str, ...]:
    """The models of one kind that this package knows."""
    return tuple(sorted(path.stem for path in folder(kind).glob("*.toml")))


def find(kind: str, name_or_path: str) -> Path:
    """The file of a model; a name with a slash or ending in ``.toml`` is a path. :class:`Fault` lists what is known."""
    if _is_path(name_or_path):
        return Path(name_or_path)
    known = names(kind)
    if name_or_path not in known:
        raise _unknown(name_or_path, kind, known)
    return folder(kind) / f"{name_or_path}.toml"


def reader(name_or_path: str) -> ReaderProfile:
    """The profile of a card reader."""
    return load(find("readers", name_or_path), ReaderProfile)


def reader_of(name: str) -> ReaderProfile | None:
    """The profile of the model that a PC/SC reader's name says, the most telling one; None for one we do not know."""
    found: ReaderProfile | None = None
    for model in names("readers"):
        profile = reader(model)
        if profile.protocol is not ReaderProtocol.PCSC or profile.pcsc.name == "*":
            continue
        if named(profile.pcsc.name, name) and (found is None or len(profile.pcsc.name) > len(found.pcsc.name)):
            found = profile
    return found


def named(pattern: str, name: str) -> bool:
    """Whether a name contains the pattern, in any case; ``*`` and ``?`` are wildcards, brackets are themselves."""
    literal = pattern.replace("[", "[[]")
    return re.match(fnmatch.translate(f"*{literal}*"), name, re.IGNORECASE) is not None


def pinpad(name_or_path: str) -> PadProfile:
    """The profile of a PIN pad; its ``protocol`` says of which family."""
    path = find("pinpads", name_or_path)
    document = read(path)
    if document.get("protocol") == PinpadProtocol.ABECS.value:
        return parse(document, AbecsProfile, path)
    return parse(document, PinpadProfile, path)


def device(name_or_path: str) -> ReaderProfile | PadProfile:
    """The profile of a reader or a PIN pad: a model of either, or a path whose content says which it is."""
    known = {name: kind for kind in ("readers", "pinpads") for name in names(kind)}
    if _is_path(name_or_path):
        path = Path(name_or_path)
        kind = kind_of(read(path), path)
    elif name_or_path in known:
        kind = known[name_or_path]
    else:
        raise _unknown(name_or_path, "readers and pinpads", sorted(known))
    return pinpad(name_or_path) if kind == "pinpads" else reader(name_or_path)


def kind_of(document: Mapping[str, object], path: Path) -> str:
    """``readers`` or ``pinpads``, by the protocol of a device's profile; :class:`Fault` where it is neither."""
    known = {one.value: "readers" for one in ReaderProtocol} | {one.value: "pinpads" for one in PinpadProtocol}
    kind = known.get(str(document.get("protocol")))
    if kind is None:
        hint = f"a terminal has [terminal]; a device has protocol = one of: {', '.join(known)}"
        raise Fault(f"{path}: neither a terminal's profile nor a device's", hint, Exit.USAGE)
    return kind


def _is_path(name_or_path: str) -> bool:
    return "/" in name_or_path or name_or_path.endswith(".toml")


def _unknown(name: str, kind: str, known: Sequence[str]) -> Fault:
    from difflib import get_close_matches  # for a fault, which a daemon has none of

    near = get_close_matches(name, known, 1)
    hint = f"did you mean '{near[0]}'? " if near else ""
    listed = f"known here: {', '.join(known) or 'none'}; or give the path of a .toml"
    return Fault(f"no model '{name}' among the {kind}", hint + listed, Exit.USAGE)
