# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The shape of a kind of event: its lane, its fields, how it reads. Knows no kind; those are tables beside it."""

from dataclasses import dataclass
from enum import StrEnum

from protocols.telemetry import fields as of


class Lane(StrEnum):
    """How soon head office should have it; also the last level of the topic. In order of precedence."""

    ALERT = "alert"
    ACK = "ack"
    HEALTH = "health"
    BULK = "bulk"


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a kind of event."""

    name: str
    kind: of.Kind
    words: str
    optional: bool = False


@dataclass(frozen=True, slots=True)
class EventKind:
    """A kind of event: its lane, its fields, and how it reads."""

    name: str
    lane: Lane
    phrases: tuple[str, ...]
    fields: tuple[Field, ...] = ()


REASON = Field("reason", of.TEXT, "why, in words")
