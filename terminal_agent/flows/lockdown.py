# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What the warden does becomes known: refusals and alarms are reported, its chain is anchored in ours. Orders nothing.

The warden decides alone, whether or not anybody listens. Heads of its chain stand in the agent's own chain, and through
it at head office: a warden's chain that was cut or made anew no longer holds what was anchored.
"""

import asyncio
from collections.abc import AsyncIterator, Callable

from protocols.audit_chain import ChainError, Head, Record
from protocols.errors import DecodeError
from protocols.telemetry.events import fit
from terminal_agent.errors import AgentError
from terminal_agent.flows.reporting import Recorder
from terminal_agent.usb.hearing import Heard, records

ANCHOR_EVERY_S = 60.0
AGAIN_AFTER_S = 5.0
ANCHORED = "warden.head"


class Lockdown:
    """One warden, listened to."""

    def __init__(
        self,
        socket: str,
        terminal: str,
        recorder: Recorder,
        anchored: Head | None,
        hear: Callable[[str, str], AsyncIterator[Heard]] = records,
    ) -> None:
        """``anchored``: the head that an earlier run anchored last; what is before it was reported then."""
        self._socket = socket
        self._terminal = terminal
        self._recorder = recorder
        self._hear = hear
        self._anchored = anchored
        self._known = anchored.seq if anchored else 0
        self._last: Head | None = None
        self._silent = False

    async def follow(self) -> None:
        """Runs for the agent's life; a warden that is away is told once, and tried again."""
        while True:
            try:
                async for heard in self._hear(self._socket, self._terminal):
                    self._silent = False
                    self.take(heard.record)
            except (ChainError, DecodeError) as fault:
                self._tell_once(f"the warden's chain does not hold: {fault}")
            except AgentError as fault:
                self._tell_once(fault.what)
            await asyncio.sleep(AGAIN_AFTER_S)

    async def anchor(self) -> None:
        """Runs for the agent's life: writes the end of the warden's chain into ours."""
        while True:
            await asyncio.sleep(ANCHOR_EVERY_S)
            self.anchor_now()

    def anchor_now(self) -> None:
        """Once, where there is anything new."""
        if self._last is not None and self._last != self._anchored:
            self._recorder.note(ANCHORED, records=self._last.seq, hash=self._last.hash.hex())
            self._anchored = self._last

    def take(self, record: Record) -> None:
        """One record: reported, unless an earlier run has done so."""
        before = self._anchored
        if before is not None and record.seq == before.seq and record.head.hash != before.hash:
            self._tell_once(
                f"record {record.seq} of the warden's chain is not the one that was anchored: it was made anew"
            )
        self._last = record.head
        if record.seq <= self._known:
            return
        self._known = record.seq
        fields = {name: str(value) for name, value in record.fields.items()}
        if record.name == "usb.verdict":
            name = "usb.allowed" if fields["target"].startswith("allow") and record.fields["done"] else "usb.blocked"
            why = fields.get("why_not") or fields["why"]
            self._recorder.note(
                name, port=fields["port"], device=fit(f"{fields['id']} {fields['name']}"), rule=fit(fields["rule"]),
                reason=fit(why),
            )  # fmt: skip
        elif record.name in ("warden.alarm", "usb.events_lost"):
            self._recorder.note(
                "usb.alarm", reason=fit(fields.get("words", "events were lost; all was looked at anew"))
            )

    def _tell_once(self, words: str) -> None:
        if not self._silent:
            self._silent = True
            self._recorder.note("usb.alarm", reason=fit(words))
