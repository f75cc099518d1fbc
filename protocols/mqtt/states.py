# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A client's MQTT 5 connection as a table. Rule: every transition lives in this file; tests and diagrams read it."""

from collections.abc import Mapping
from enum import Enum


class State(Enum):
    """Where a connection is."""

    __hash__ = object.__hash__  # Enum's own hashes the name anew: with two lookups for each packet that shows

    IDLE = "idle"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    ENDED = "ended"


class Input(Enum):
    """What can happen to it."""

    __hash__ = object.__hash__  # as above

    CONNECT = "connect"
    ACCEPTED = "CONNACK, success"
    REFUSED = "CONNACK, refused"
    PUBLISH = "PUBLISH"
    PUBACK = "PUBACK"
    SUBACK = "SUBACK"
    PINGRESP = "PINGRESP"
    DISCONNECT = "DISCONNECT"
    OTHER = "a packet that a server never sends, or that was not asked for"
    GARBAGE = "octets that are no packet"
    SILENCE = "no answer in time"
    CLOSE = "the caller ends it"
    LOST = "the transport is gone"


TRANSITIONS: Mapping[tuple[State, Input], State] = {
    (State.IDLE, Input.CONNECT): State.CONNECTING,
    (State.ENDED, Input.CONNECT): State.CONNECTING,
    (State.CONNECTING, Input.ACCEPTED): State.CONNECTED,
    (State.CONNECTING, Input.REFUSED): State.ENDED,
    (State.CONNECTING, Input.GARBAGE): State.ENDED,
    (State.CONNECTING, Input.SILENCE): State.ENDED,
    (State.CONNECTING, Input.CLOSE): State.ENDED,
    (State.CONNECTING, Input.LOST): State.ENDED,
    (State.CONNECTED, Input.PUBLISH): State.CONNECTED,
    (State.CONNECTED, Input.PUBACK): State.CONNECTED,
    (State.CONNECTED, Input.SUBACK): State.CONNECTED,
    (State.CONNECTED, Input.PINGRESP): State.CONNECTED,
    (State.CONNECTED, Input.DISCONNECT): State.ENDED,
    (State.CONNECTED, Input.GARBAGE): State.ENDED,
    (State.CONNECTED, Input.SILENCE): State.ENDED,
    (State.CONNECTED, Input.CLOSE): State.ENDED,
    (State.CONNECTED, Input.LOST): State.ENDED,
}
"""Every transition. A packet that is not in here ends the connection as a protocol error (4.13)."""
