# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The report: one event, who tells it, its place in the terminal's story. Bytes only; the one file that knows msgspec.

A report is JSON with these members in this order::

    {"v":2,"terminal":"TG000001","boot":…,"seq":…,"prev":"…","lane":"health","at":…,"event":"device.back","fields":{…}}

``boot`` is the epoch of one life of the terminal's outbox and only grows; ``seq`` counts from 1 within it, over all
lanes. ``prev`` is SHA-256 over the octets of the report before it, across lanes and boots, so that a gap, a change and
a swap show at the receiver. Lanes may overtake each other: whoever receives knows a report by (terminal, boot, seq).

Number 0 is the will's: ``agent.lost`` of this life, made before it and outside the chain; its ``prev`` is the hash that
report 1 has too. Reports travel in signed batches: see :mod:`protocols.telemetry.batch`.
"""

import hashlib
import re
from typing import Any, NamedTuple

import msgspec

from protocols.errors import DecodeError, EncodeError
from protocols.telemetry.events import KINDS, Event, Lane, Value, check
from protocols.telemetry.topics import is_terminal_name

VERSION = 2
LARGEST_REPORT = 8_192  # octets; the longest event of the registry takes under 6,500
LARGEST_COUNT = (1 << 63) - 1  # boot and seq: what SQLite and every JSON library in use keep exact
WILL_SEQ = 0
WILL_EVENT = "agent.lost"
_HASH = re.compile("[0-9a-f]{64}")
_GENESIS = b"tillguard report chain 1\x00"


class Report(NamedTuple):
    """One event as a terminal reports it."""

    terminal: str
    boot: int
    seq: int
    prev: str
    event: Event

    @property
    def lane(self) -> Lane:
        """The lane of the event's kind."""
        return KINDS[self.event.name].lane


class _Wire(msgspec.Struct, forbid_unknown_fields=True):
    v: int
    terminal: str
    boot: int
    seq: int
    prev: str
    lane: str
    at: int
    event: str
    fields: dict[str, Value]


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(_Wire, strict=True)


def genesis(terminal: str) -> str:
    """``prev`` of the first report that a terminal's outbox ever holds."""
    return hashlib.sha256(_GENESIS + terminal.encode("utf-8")).hexdigest()


def report_hash(octets: bytes) -> str:
    """What the next report's ``prev`` says about this one: SHA-256 over its octets as sent."""
    return hashlib.sha256(octets).hexdigest()


def encode(report: Report) -> bytes:
    """The octets of a report; raises :class:`EncodeError` for what :func:`decode` would refuse."""
    fault = check(report.event) or _place(report.terminal, report.boot, report.seq, report.prev, report.event.name)
    if fault:
        raise EncodeError(f"report: {fault}")
    event = report.event
    return _ENCODER.encode(
        _Wire(
            VERSION,
            report.terminal,
            report.boot,
            report.seq,
            report.prev,
            report.lane.value,
            event.at_ms,
            event.name,
            dict(event.fields),
        )
    )


def decode(octets: bytes) -> Report:
    """A report from the wire, every member checked; :class:`DecodeError` says what is wrong and quotes nothing."""
    if len(octets) > LARGEST_REPORT:
        raise DecodeError("report", f"{len(octets)} octets, at most {LARGEST_REPORT} expected")
    try:
        wire = _DECODER.decode(octets)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # `from None`: the inner message may quote a member's name as the sender wrote it.
        raise DecodeError("report", "not the JSON object of a report with exactly its members and types") from None
    if wire.v != VERSION:
        raise DecodeError("report", f"version {VERSION} expected")
    event = Event(wire.event, wire.at, wire.fields)
    fault = check(event) or _place(wire.terminal, wire.boot, wire.seq, wire.prev, wire.event)
    if fault is None and wire.lane != KINDS[wire.event].lane:
        fault = "the lane is not that of the event"
    if fault:
        raise DecodeError("report", fault)
    return Report(wire.terminal, wire.boot, wire.seq, wire.prev, event)


def schema() -> dict[str, Any]:
    """JSON Schema of the members (not of each kind's fields), for documents and other languages."""
    return msgspec.json.schema(_Wire)


def _place(terminal: str, boot: int, seq: int, prev: str, event: str) -> str | None:
    if not is_terminal_name(terminal):
        return "terminal: 1 to 32 letters, digits and hyphens expected"
    if not 0 <= boot <= LARGEST_COUNT or not WILL_SEQ <= seq <= LARGEST_COUNT:
        return "boot and seq: 0 to 2**63-1 expected"
    if (seq == WILL_SEQ) != (event == WILL_EVENT):
        return f"seq: {WILL_SEQ} for {WILL_EVENT} and for nothing else expected"
    if not _HASH.fullmatch(prev):
        return "prev: 64 hexadecimal digits expected"
    return None
