# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A tracer that lacks one defence: it shows packets as they are, as a developer in a hurry would have it."""

from protocols.serial.framer import Event, Packet


def raw_event(event: Event) -> str:
    """In place of :func:`protocols.serial.ipp_codec.redacted_event`."""
    return event.body.decode("ascii", "replace") if isinstance(event, Packet) else str(event)
