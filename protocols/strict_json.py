# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""One JSON object with exactly the members that are expected, read without any library. Judges no member's value."""

import json
from collections.abc import Sequence, Set
from typing import Any

from protocols.errors import DecodeError


def strict_object(octets: bytes, where: str, names: Set[str]) -> dict[str, Any]:
    """The object in ``octets`` (RFC 8259), each of ``names`` once and nothing else; else :class:`DecodeError`."""
    document = any_object(octets, where)
    if document.keys() != names:
        raise DecodeError(where, f"an object of {', '.join(sorted(names))} expected")
    return document


def any_object(octets: bytes, where: str) -> dict[str, Any]:
    """An object with members of any name, each once."""
    try:
        document = json.loads(octets.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_constant)
    except (UnicodeDecodeError, ValueError, RecursionError):
        raise DecodeError(where, "not a JSON document") from None
    if not isinstance(document, dict):
        raise DecodeError(where, "a JSON object expected")
    return document


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _no_constant(_: str) -> None:
    raise ValueError("not a number of JSON")
