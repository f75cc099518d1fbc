# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What the agent's process has for head office, wired: reporter, presence, orders and their rooms. Decides nothing."""

import secrets
from collections.abc import Callable, Coroutine, Mapping
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from protocols.ed25519 import verify
from protocols.signed import Trust
from protocols.telemetry.orders import Room
from terminal_agent.audit import AuditLog
from terminal_agent.clock import GuardedClock
from terminal_agent.flows.books import Books
from terminal_agent.flows.order_identity import IdentityRoom, Renewals
from terminal_agent.flows.order_rooms import AgentRoom, ProfileRoom, ReportRoom, TillRoom, VaultRoom
from terminal_agent.flows.ordering import Act, Ordering
from terminal_agent.flows.presence import Presence
from terminal_agent.flows.reporting import Recorder
from terminal_agent.flows.trial import Trial
from terminal_agent.orders.ledger import Ledger
from terminal_agent.orders.profile_store import ProfileStore
from terminal_agent.orders.standing import Standing
from terminal_agent.processes.identity import enrolment_of, folder_of
from terminal_agent.processes.persons import at_rest, by_profile, ledger_path, usb_persons
from terminal_agent.processes.profile import TerminalProfile, load_text
from terminal_agent.report.keys import report_keys
from terminal_agent.report.outbox import Outbox
from terminal_agent.report.reporter import Reporter
from tillguard.exits import Exit
from tillguard.voice import Fault

if TYPE_CHECKING:
    from terminal_agent.flows.keys import KeyOffice

Trace = Callable[[str, str, str], None]


class HeadOffice:
    """One terminal's half of head office. ``reporter`` is made by :meth:`connect`."""

    reporter: Reporter

    def __init__(
        self,
        profile: TerminalProfile,
        path: Path,
        outbox: Outbox,
        log: AuditLog,
        recorder: Recorder,
        clock: GuardedClock,
        parts: Callable[[], Mapping[str, str]],
        keys: "KeyOffice | None",
    ) -> None:
        """``parts``: how everything else stands, in words, for diagnostics. ``keys``: of a vault, if there is one."""
        self._profile = profile
        self._outbox = outbox
        self._log = log
        self._recorder = recorder
        self._clock = clock
        terminal = profile.terminal.id
        self._ledger = Ledger.open(ledger_path(profile), terminal)
        self._till = TillRoom(self._ledger)
        self._renewals: Renewals | None = None
        self._orders = Ordering(
            terminal,
            self._ledger,
            by_profile(profile),
            verify,
            recorder,
            clock,
            {
                Room.AGENT: AgentRoom(recorder, lambda: {**self._own_parts(), **parts()}),
                Room.TILL: self._till,
                Room.REPORT: ReportRoom(outbox, lambda: self.reporter),
                Room.PROFILE: ProfileRoom(self._profiles(path), clock),
                **({Room.VAULT: VaultRoom(keys)} if keys is not None else {}),
                **self._usb(),
                **self._identity(),
            },
        )

    def bar(self, books: Books) -> None:
        """Payments begin only while the terminal's standing allows it."""
        books.barred = self._till.bar

    @property
    def standing(self) -> tuple[bool, str]:
        """Whether payments may begin, and what head office ordered, in words."""
        standing = self._till.standing
        words = "open" if standing is Standing.OPEN else f"{standing} by order of head office: no payments"
        return standing is Standing.OPEN, words

    def open(self) -> None:
        """At start: answer the order in which an earlier run died."""
        self._orders.open()

    def connect(self, trace: Trace | None) -> Reporter:
        """Make the reporter. aiomqtt and paho are loaded here, and only by the agent."""
        from terminal_agent.report.mqtt import connect

        settings, terminal = self._profile.report, self._profile.terminal.id
        chance = lambda: secrets.randbelow(1 << 53) / (1 << 53)  # noqa: E731
        folder = folder_of(self._profile)
        dial = partial(connect, passphrase=folder.passphrase)
        keys = partial(report_keys, passphrase=folder.passphrase)
        self.reporter = Reporter(settings, terminal, self._outbox, self._clock, dial, chance, trace, keys=keys)
        self.reporter.on_order, self.reporter.on_doubt = self._orders.take, self._orders.doubt
        trial = Trial(folder, self._recorder.note)
        self.reporter.choose, self.reporter.on_receipt, self.reporter.on_end = trial.settings, trial.heard, trial.ended
        return self.reporter

    def lasting(self) -> tuple[Coroutine[Any, Any, None], ...]:
        """What runs for the agent's life."""
        presence = Presence(
            self._outbox,
            self._clock,
            lambda: self._log.head,
            lambda: self.reporter.status.connected,
            lambda: self._till.standing.value,
            self._profile.report.heartbeat_s,
        )
        renewals = () if self._renewals is None else (self._renewals.run(),)
        return self.reporter.run(), self._orders.run(), presence.run(), *renewals

    def persons(self) -> Trust | None:
        """Whose signatures count here now, for orders and for grants; None: nobody's."""
        known = self._orders.trust()
        return known[0] if known else None

    def close(self) -> None:
        """Close the ledger."""
        self._ledger.close()

    def _own_parts(self) -> dict[str, str]:
        head, outbox, floor = self._log.head, self._outbox, self._ledger.floor
        lanes = ", ".join(f"{lane.value} {count}" for lane, count in outbox.unreceipted.items())
        persons = self._orders.trust()
        return {
            "standing": self._till.standing.value,
            "orders": f"last sequence {floor.version if floor else 0}; persons' list {persons[1].version}"
            if persons
            else "nobody may give any",
            "report": self.reporter.status.words,
            "outbox": f"without a receipt: {lanes}",
            "audit": f"{head.seq} records",
        }

    def _profiles(self, path: Path) -> ProfileStore:
        return _profile_store(self._profile, path, self.persons)

    def _identity(self) -> dict[Room, Act]:
        settings = self._profile.identity
        if settings is None:
            return {}
        enrolment = cache(lambda: enrolment_of(self._profile, settings, self._clock))
        model = self._profile.pad.model
        room = IdentityRoom(enrolment, model, self._recorder, lambda: self.reporter.reconnect())
        frozen = lambda: self._till.standing is Standing.FROZEN  # noqa: E731
        self._renewals = Renewals(enrolment, room.apply, frozen, self._recorder.note, self._clock)
        return {Room.IDENTITY: room}

    def _usb(self) -> dict[Room, Act]:
        orders, trust = self._profile.orders, usb_persons(self._profile)
        if orders is None or orders.usb is None or trust is None:
            return {}
        from terminal_agent.flows.order_usb import UsbRoom  # a language of rules, for those who want it
        from terminal_agent.usb.store import Store

        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        store = Store(orders.usb, self._profile.terminal.id, trust, verify, boot)
        return {Room.USB: UsbRoom(store, self._clock)}


def ordered(profile: TerminalProfile, path: Path) -> str | None:
    """The text of the profile that head office ordered last, where it ordered any; else the file counts.

    Raises :class:`AgentError` where one was ordered and is not to be believed any more: the agent does not start on
    older settings than it had.
    """
    if profile.orders is None:
        return None
    trust = at_rest(profile)
    return _profile_store(profile, path, lambda: trust).in_force()


def _profile_store(profile: TerminalProfile, path: Path, trust: Callable[[], Trust | None]) -> ProfileStore:
    def check(text: str) -> None:
        fresh = load_text(text, path)
        if (fresh.terminal.id, fresh.terminal.state) != (profile.terminal.id, profile.terminal.state):
            raise Fault("profile: another terminal or state folder", "those two stay as they are", Exit.REFUSED)
        if fresh.orders is None:
            raise Fault("profile: without [orders]", "no order could take it back", Exit.REFUSED)

    return ProfileStore(profile.terminal.state, profile.terminal.id, trust, verify, check)
