# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Head office's screen, fed by hand in place of a broker. Attacks nothing."""

import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fleet_console.watch import GAP_S, Watch
from protocols.mqtt.session import Message
from protocols.telemetry.batch import CONTEXT, encode_batch
from protocols.telemetry.envelope import Report, encode, genesis
from protocols.telemetry.events import Lane, make
from protocols.telemetry.seal import Sealed
from protocols.telemetry.topics import report_topic
from terminal_agent.report.outbox import Outbox
from tests.brokers import TERMINALS
from tests.protocols.telemetry.report_keys import public, signer
from tillguard.voice import Voice

AT_MS = 1_800_000_000_000


def report(terminal: str, device: str, by: str = "", seq: int = 1) -> bytes:
    """A report of a terminal's first life, a device is back; signed by that terminal or by another one."""
    made = Report(terminal, AT_MS, seq, genesis(terminal), make("device.back", AT_MS, device=device))
    return encode_batch([encode(made)], signer(by or terminal))


class Keys:
    """The terminals' TEST keys; a :class:`fleet_console.watch.Certificates`."""

    def signed(self, terminal: str, sealed: Sealed) -> bool:
        """Whether it is signed with that terminal's key."""
        return public(terminal).signed(sealed, CONTEXT)


class Office:
    """`fleet-console watch` and what stands on its screen; a :class:`tests.attacks.harness.Target`."""

    def __init__(self, kind: type[Watch] = Watch) -> None:
        self._screen = io.StringIO()
        self._now = 0.0
        voice = Voice("fleet-console", as_json=True, out=self._screen, err=io.StringIO())
        self._watch = kind(voice, Keys(), lambda: self._now)

    def take(self, topic: str, payload: bytes) -> None:
        """A message arrives."""
        self._watch.show(Message(topic, payload, 1, duplicate=False, retained=False, connection=1))

    def take_all(self, outbox: Outbox) -> None:
        """Everything that a terminal has not sent yet arrives, and stands for a while."""
        for lane in Lane:
            for row in outbox.unsent(lane, 1_000_000):
                payload = encode_batch([row.octets], signer(outbox.terminal))
                self.take(report_topic(outbox.terminal, lane), payload)
                outbox.sent(lane, row.place)
        self._now += GAP_S
        self._watch.settle()

    async def honest(self) -> bool:
        """Each terminal's report on its own topic is shown."""
        for terminal in TERMINALS:
            self.take(report_topic(terminal, Lane.HEALTH), report(terminal, "reader"))
        return all(self.shows(terminal, "device.back", device="reader") == 1 for terminal in TERMINALS)

    @property
    def lines(self) -> list[dict[str, Any]]:
        """What was shown, as data."""
        return [json.loads(line) for line in self._screen.getvalue().splitlines()]

    def shows(self, terminal: str, name: str, **fields: object) -> int:
        """How many reports of that terminal with those fields stand on the screen."""
        return sum(
            line["event"] == "report"
            and (line["terminal"], line["name"]) == (terminal, name)
            and line["fields"].items() >= fields.items()
            for line in self.lines
        )

    def alerts(self) -> list[str]:
        """What stands there that is no report."""
        return [f"head office: {line['event']}" for line in self.lines if line["event"] != "report"]


@asynccontextmanager
async def office(_: Path, kind: type[Watch] = Watch) -> AsyncIterator[Office]:
    """Head office with the shipped screen, or another."""
    yield Office(kind)
