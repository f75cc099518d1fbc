# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Terminals that only talk: signed batches in the order and the lanes that a test wants. No spool, no connection."""

from protocols.mqtt.session import Message
from protocols.telemetry.batch import encode_batch, will
from protocols.telemetry.envelope import Report, encode, genesis, report_hash
from protocols.telemetry.events import KINDS, Lane, Value, make
from protocols.telemetry.topics import report_topic
from tests.protocols.telemetry.report_keys import signer

AT_MS = 1_800_000_000_000
_BY_LANE: dict[Lane, tuple[str, dict[str, Value]]] = {
    Lane.ALERT: ("payments.stopped", {"reason": "a test"}),
    Lane.ACK: ("order.done", {"order": "o-1", "command": "ping", "sequence": 1, "persons": "Ada", "result": "here"}),
    Lane.HEALTH: ("device.back", {"device": "reader"}),
    Lane.BULK: ("payment.step", {"payment": "p-1", "step": "select", "wire": "card", "ms": 12}),
}


class Teller:
    """One life of a terminal: what it tells, in its order."""

    def __init__(self, name: str, boot: int = AT_MS, prev: str | None = None, key: str | None = None) -> None:
        self.name, self.boot = name, boot
        self.signer = signer(key or name)
        self.first_prev = self.prev = prev or genesis(name)
        self.seq = 0

    def tell(self, lane: Lane = Lane.HEALTH) -> bytes:
        """The next report of a lane, as octets."""
        name, fields = _BY_LANE[lane]
        return self.event(name, **fields)

    def event(self, name: str, **fields: Value) -> bytes:
        """The next report: an event of that kind."""
        self.seq += 1
        octets = encode(Report(self.name, self.boot, self.seq, self.prev, make(name, AT_MS + self.seq, **fields)))
        self.prev = report_hash(octets)
        return octets

    def message(self, *reports: bytes, lane: Lane = Lane.HEALTH, topic: str | None = None) -> Message:
        """A signed batch as the broker would hand it over."""
        return message(topic or report_topic(self.name, lane), encode_batch(reports, self.signer))

    def says(self, name: str, **fields: Value) -> Message:
        """A batch of one event."""
        return self.message(self.event(name, **fields), lane=KINDS[name].lane)

    def will(self) -> Message:
        """What the broker publishes when the connection ends."""
        octets = will(self.name, self.boot, self.first_prev, AT_MS, self.signer)
        return message(report_topic(self.name, Lane.HEALTH), octets)

    def again(self) -> "Teller":
        """The next life."""
        return Teller(self.name, self.boot + 1, self.prev)


def message(topic: str, payload: bytes, *, retained: bool = False) -> Message:
    """A message of QoS 1."""
    return Message(topic, payload, 1, duplicate=False, retained=retained, connection=1)
