# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What the warden writes into its chain, and what it leaves out because it stands there already. Judges nothing.

================== ==============================================================================================
usb.verdict        port, ids, name and hash of a device, target, rule, policy's version and digest, whether done, why
usb.gone           a device that had a verdict is gone
usb.events_lost    the kernel's events came too fast: everything was looked at anew
keyboard.released  a keyboard's probation is over: keys a second, scatter in per cent
policy.in_force    version, digest, state, who signed
exception.granted  name, until when, why
warden.alarm       what somebody must see to; once a run
================== ==============================================================================================
"""

import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from protocols.audit_chain import Value
from protocols.usb.rules import printable
from terminal_agent.usb.guard import Outcome
from terminal_agent.usb.ledger import Ledger, LedgerError
from terminal_agent.usb.policy import Granted

LONGEST_WORDS = 300
MOST_ALARMS = 256


class Records:
    """The chain's writer."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._last: dict[str, tuple[object, ...]] = {}
        self.alarms: set[str] = set()
        self.version = 0
        self._digest = ""

    def add(self, name: str, fields: Mapping[str, Value]) -> bool:
        """One record; False, and said aloud, where it could not be committed."""
        try:
            self._ledger.append(time.time_ns() // 1_000_000, name, fields)
        except LedgerError as fault:
            with suppress(OSError):
                sys.stderr.write(f"tillguard-warden: {fault.what}\n")
            return False
        return True

    def alarm(self, words: str) -> None:
        """Once a run: what is said again and again is not heard."""
        if words not in self.alarms and len(self.alarms) < MOST_ALARMS:
            self.alarms.add(words)
            self.add("warden.alarm", {"words": words[:LONGEST_WORDS]})

    def outcome(self, one: Outcome) -> bool:
        """A verdict and what became of it, unless the same stands there already; False where it was not committed."""
        device, verdict = one.verdict.device, one.verdict
        key = (device.hash2, verdict.target, verdict.rule_id, one.carried_out, one.why_not, self.version, self._digest)
        if self._last.get(device.port) == key:
            return True
        fields: dict[str, Value] = {
            "port": device.port, "id": f"{device.vendor}:{device.product}",
            "name": printable(device.name)[:LONGEST_WORDS], "hash": device.hash2,
            "target": str(verdict.target), "rule": verdict.rule_id, "policy": self.version,
            "digest": self._digest, "done": one.carried_out, "why": verdict.reason[:LONGEST_WORDS],
        }  # fmt: skip
        if one.why_not:
            fields["why_not"] = one.why_not[:LONGEST_WORDS]
        if not self.add("usb.verdict", fields):
            return False
        self._last[device.port] = key
        return True

    def gone(self, port: str) -> None:
        """A device that had a verdict is gone, and with a hub all that hung from it."""
        known = [one for one in self._last if one == port or one.startswith(f"{port}.")]
        for one in known:
            del self._last[one]
        if known:
            self.add("usb.gone", {"port": port})

    def in_force(self, read: Mapping[str, Any], granted: Sequence[Granted], *, tell: bool) -> None:
        """What is judged by from now on; ``granted`` are the exceptions that are new."""
        self.version, self._digest = int(read["version"]), str(read["digest"])
        if tell:
            names = ", ".join(read["persons"])
            said = {"version": self.version, "digest": self._digest, "state": read["state"], "persons": names}
            self.add("policy.in_force", {**said, "stale": bool(read["stale"])})
        for one in granted:
            self.add("exception.granted", {"name": one.name, "until_s": one.ends_s, "reason": one.text.file.reason})
        for alarm in read["alarms"]:
            self.alarm(alarm)
