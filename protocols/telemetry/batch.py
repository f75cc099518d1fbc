# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A batch: 1 to 32 reports of one terminal, one life and one lane, signed once. Bytes only; decides on no key.

The payload of a lane's topic: the line of :mod:`protocols.telemetry.seal`, then each report on a line of its own, in
the order of their sequence numbers. Signed is the body behind :data:`CONTEXT`. An alert travels alone.

The will is a batch as well. The terminal signs it before it connects, for the broker to publish should the connection
end without a word: one report ``agent.lost`` with the boot of this life and sequence number 0, outside the chain.
"""

from collections.abc import Sequence
from typing import NamedTuple

from protocols.errors import DecodeError, EncodeError
from protocols.telemetry.envelope import WILL_SEQ, Report, decode, encode
from protocols.telemetry.events import Lane, make
from protocols.telemetry.seal import Sealed, Signer, open_seal, seal

CONTEXT = b"tillguard reports, version 2\n"
MOST_REPORTS = 32
LARGEST_BATCH = 65_536  # octets of the whole payload, the signature's line included
LARGEST_BODY = LARGEST_BATCH - 160  # leaves room for that line


class Line(NamedTuple):
    """A report of a batch, and the octets that its successor's ``prev`` is the hash of."""

    report: Report
    octets: bytes


def encode_batch(reports: Sequence[bytes], signer: Signer) -> bytes:
    """A signed payload from reports as :func:`protocols.telemetry.envelope.encode` wrote them; the terminal's side."""
    if not 1 <= len(reports) <= MOST_REPORTS:
        raise EncodeError(f"batch of {len(reports)} reports, 1 to {MOST_REPORTS} expected")
    body = b"".join(octets + b"\n" for octets in reports)
    if len(body) > LARGEST_BODY:
        raise EncodeError(f"batch of {len(body)} octets, at most {LARGEST_BODY} expected")
    return seal(CONTEXT, body, signer)


def read_batch(octets: bytes) -> Sealed:
    """A payload's signature and body; verify it (``PublicKey.signed(sealed, CONTEXT)``) before :func:`lines`."""
    return open_seal(octets, "batch", LARGEST_BATCH)


def lines(sealed: Sealed) -> tuple[Line, ...]:
    """The reports of a batch whose signature fits; :class:`DecodeError` where they are not of one batch."""
    parts = sealed.body.split(b"\n")
    if parts.pop():
        raise DecodeError("batch", "a line's end after the last report expected")
    if not 1 <= len(parts) <= MOST_REPORTS:
        raise DecodeError("batch", f"1 to {MOST_REPORTS} reports expected")
    found = tuple(Line(decode(part), part) for part in parts)
    if len(found) > 1:
        first = found[0].report
        terminal, boot, lane, before = first.terminal, first.boot, first.lane, first.seq
        if lane is Lane.ALERT:
            raise DecodeError("batch", "an alert alone expected")
        for report, _ in found[1:]:
            if report.terminal != terminal or report.boot != boot or report.lane is not lane:
                raise DecodeError("batch", "reports of one terminal, boot and lane expected")
            if report.seq <= before or before == WILL_SEQ:
                raise DecodeError("batch", "rising sequence numbers, a will alone, expected")
            before = report.seq
    return found


def will(terminal: str, boot: int, prev: str, at_ms: int, signer: Signer) -> bytes:
    """The payload of the will of one life; ``prev``: the chain's head when that life began."""
    return encode_batch([encode(Report(terminal, boot, WILL_SEQ, prev, make("agent.lost", at_ms)))], signer)
