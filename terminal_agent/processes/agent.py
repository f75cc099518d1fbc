# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The agent's process: which driver, link and store serve which port, from start to clean stop. Decides no payment."""

import asyncio
import contextlib
import os
import secrets
import signal
from collections.abc import Awaitable, Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from protocols.audit_chain import Head, genesis
from protocols.currency import currency as by_code
from protocols.errors import DecodeError
from protocols.telemetry.events import Event, fit
from terminal_agent.api.methods import Method, Methods, Parameter
from terminal_agent.api.rpc import BUSY, INVALID_PARAMS, NOT_FOUND, UNAVAILABLE, RpcError
from terminal_agent.api.server import SUBSCRIBE, ApiServer
from terminal_agent.audit import AuditBroken, AuditLog
from terminal_agent.card import scard
from terminal_agent.clock import GuardedClock, SystemClock, TimeFile, trusted_at_start
from terminal_agent.emv.fallback import FallbackGuard
from terminal_agent.emv.request import Wishes
from terminal_agent.emv.unpredictable import UnpredictableNumbers
from terminal_agent.errors import AgentError
from terminal_agent.flows.books import Books
from terminal_agent.flows.clerk import Clerk, Underway
from terminal_agent.flows.lockdown import ANCHORED, Lockdown
from terminal_agent.flows.questions import NotAsked, Questions
from terminal_agent.flows.reporting import Recorder
from terminal_agent.flows.timekeeping import Timekeeper
from terminal_agent.host.journal import Journal
from terminal_agent.host.seal import seal_key
from terminal_agent.host.tcp import reached
from terminal_agent.processes import worker_child
from terminal_agent.processes.door import door_methods, doorkeeper
from terminal_agent.processes.footprint import code_in_memory, settle
from terminal_agent.processes.identity import folder_of
from terminal_agent.processes.mouth import Mouth
from terminal_agent.processes.office import HeadOffice, ordered
from terminal_agent.processes.profile import Keypad, Models, TerminalProfile, load, load_text, models, vault_settings
from terminal_agent.processes.vault_settings import VaultSettings
from terminal_agent.processes.worker_child import SourceChild
from terminal_agent.processes.workers import Lent, Workers, line_lender, seal_key_lender, unproven, unrecorded
from terminal_agent.report.outbox import Outbox
from tillguard.exits import Exit
from tillguard.version import installed
from tillguard.voice import Fault

if TYPE_CHECKING:
    from terminal_agent.flows.doorkeeping import Doorkeeper
    from terminal_agent.processes.vault_keeper import VaultKeeper

Trace = Callable[[str, str, str], None]
DRAIN_S = 1.0  # a stop waits so long for its own last report to be heard
LARGEST_AMOUNT = 10**12 - 1  # ISO 8583:1987, data element 4
MOST_OPTIONS = 99  # of a question: more than any card has applications


def serve(profile_path: Path, *, as_json: bool, trace: bool, source: SourceChild | None = None) -> int:
    """Run the agent in the foreground until SIGTERM or SIGINT; exit code 0 after a clean stop.

    ``source`` of its workers, where it was started before this module was loaded.
    """
    source = source or worker_child.start(profile_path, trace=trace)
    try:
        profile = load(profile_path)
        if (text := _ordered(profile, profile_path)) is not None:
            source.stop()
            source = worker_child.start(profile_path, trace=trace, text=text)
            profile = load_text(text, profile_path)
        return _served(profile, profile_path, source, as_json=as_json, trace=trace)
    finally:
        source.stop()


def _ordered(profile: TerminalProfile, path: Path) -> str | None:
    try:
        return ordered(profile, path)
    except AgentError as fault:
        raise Fault(fault.what, fault.hint) from None


def _served(profile: TerminalProfile, profile_path: Path, source: SourceChild, *, as_json: bool, trace: bool) -> int:
    mouth = Mouth(as_json)
    found = models(profile, profile_path)
    own = vault_settings(profile, profile_path) if profile.vault is not None else None
    try:
        agent = Agent(profile, profile_path, found, mouth, source, mouth.traffic if trace else None, own)
        asyncio.run(agent.run())
    except AuditBroken as fault:
        if own is not None and "audit" in own.tamper_on:
            from terminal_agent.processes.vault_alarm import destroy_keys

            gone = destroy_keys(own, "integrity alarm: audit log")
            mouth.tell(f"the vault's keys are {'destroyed' if gone else 'NOT destroyed: it did not answer'}")
        raise Fault(fault.what, fault.hint, Exit.INTEGRITY) from None
    except AgentError as fault:
        raise Fault(fault.what, fault.hint) from None
    except ExceptionGroup as group:
        known, unknown = group.split(AgentError)
        if unknown is not None or known is None:
            raise
        first = known.exceptions[0]
        raise Fault(str(first), getattr(first, "hint", "")) from None
    return 0


class Agent:
    """Everything that lives as long as the process, wired once."""

    def __init__(
        self,
        profile: TerminalProfile,
        path: Path,
        found: Models,
        mouth: Mouth,
        source: SourceChild,
        trace: Trace | None,
        vault: VaultSettings | None = None,
    ) -> None:
        """``vault``: stands in for a PIN pad where that is a keypad, and else keeps keys beside it."""
        self.profile = profile
        self._mouth = mouth
        self._stop = asyncio.Event()
        self._watched: asyncio.Task[None] | None = None
        state, terminal = profile.terminal.state, profile.terminal.id
        self._log = AuditLog.open(state, terminal)
        time_file = TimeFile(state / "time")
        self._clock = GuardedClock(SystemClock(), trusted_at_start(time_file.read(), self._log.last_ms))
        self._outbox = Outbox.open(
            state / "outbox.db",
            terminal,
            opened_at_ms=self._clock.now_ms(),
            bounds=profile.report.lanes,
            receipts=profile.report.receipt_key is not None,
        )
        self._recorder = Recorder(self._log, self._outbox, self._clock, mouth.tell)
        self._recorder.listen(mouth.event)
        self._keypad = found.pad if isinstance(found.pad, Keypad) else None
        self._keeper = self._vault(vault, trace) if vault is not None else None
        self._journal = Journal.open(state / "journal.db")
        self._books = Books(self._journal, self._recorder, self._clock, mouth.tell)
        self._timekeeper = Timekeeper(self._clock, time_file, self._recorder)
        keys = self._keeper.office if self._keeper is not None else None
        self._office = HeadOffice(
            profile, path, self._outbox, self._log, self._recorder, self._clock, self._diagnostics, keys
        )
        self._office.bar(self._books)
        numbers, fallbacks = UnpredictableNumbers(secrets.token_bytes), FallbackGuard()
        self._workers = Workers(
            source,
            lambda: Clerk(self._journal, self._books, self._recorder, self._clock, numbers, fallbacks),
            self._lenders(found),
            profile.emv,
            self._books,
            self._clock,
            Questions(self._recorder, profile.timeouts.answer),
            self._proof(),
            mouth.tell,
            trace or (lambda *said: None),
        )
        self._api = ApiServer(profile.terminal.socket, Methods(self._methods()))
        self._recorder.listen(self._publish)
        self._trace = trace
        self._lockdown = (
            Lockdown(str(profile.warden), terminal, self._recorder, self._anchored())
            if profile.warden is not None
            else None
        )
        self._open_books()

    def _anchored(self) -> Head | None:
        """The end of the warden's chain that an earlier run has anchored."""
        found = None
        for event, _ in self._log.after(genesis(self._log.head.chain)):
            if event.name == ANCHORED:
                terminal = self.profile.terminal.id
                found = Head(
                    f"warden/{terminal}", int(event.fields["records"]), bytes.fromhex(str(event.fields["hash"]))
                )
        return found

    async def run(self) -> None:
        """Open everything, say ready, serve until told to stop, close everything."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop_now)
        self.reporter = self._office.connect(self._trace)
        try:
            await self._api.start()
            async with asyncio.TaskGroup() as group:
                self._started()
                parts = (self._workers.run(), *self._office.lasting(), self._books.keep(), self._timekeeper.watch())
                warden = () if self._lockdown is None else (self._lockdown.follow(), self._lockdown.anchor())
                beside = [self._keeper.keep()] if self._keeper is not None and self._keypad is None else []
                lasting: list[asyncio.Task[None]] = [group.create_task(one) for one in (*parts, *warden, *beside)]
                await self._workers.ready.wait()
                if not self._stop.is_set():
                    self._say_ready()
                settle(code_in_memory())
                await self._stop.wait()
                await self._wind_down()
                for task in lasting:
                    task.cancel()
        finally:
            await self._close()

    def _open_books(self) -> None:
        """Before anything can be asked of this agent: bring the files of an earlier run to one story."""
        owed = self._books.open()
        if owed:
            self._mouth.tell(f"{owed} payments of an earlier run are owed a reversal")
        if self._log.torn_octets:
            self._recorder.note(
                "audit.fault", reason=f"a torn last line of {self._log.torn_octets} octets was put aside: power was cut"
            )
        self._timekeeper.look()
        self._office.open()

    def _started(self) -> None:
        self._recorder.note(
            "agent.started", version=installed(), reader=self.profile.reader.model, pad=self.profile.pad.model
        )

    def _stop_now(self) -> None:
        self._stop.set()
        self._workers.ready.set()  # whoever waits for the first worker waits no more

    def _say_ready(self) -> None:
        path = str(self.profile.terminal.socket)
        said = {"event": "ready", "socket": path, "terminal": self.profile.terminal.id, "pid": os.getpid()}
        self._mouth.say(said, f"ready {path}")

    async def _wind_down(self) -> None:
        """No new payment is taken any more: end the running one, say that this agent stops, and let that be heard."""
        await self._workers.stop()
        if self._watched is not None:
            await self._watched
        self._recorder.note("agent.stopping")
        if self.reporter.status.connected:
            await self.reporter.drained(DRAIN_S)

    async def _close(self) -> None:
        """Close everything, the last opened first; what one part raises keeps no other from closing."""
        self._stop.set()
        async with contextlib.AsyncExitStack() as closing:
            closing.callback(self._log.close)
            closing.callback(self._outbox.close)
            closing.callback(self._office.close)
            closing.callback(self._journal.close)
            if self._keeper is not None:
                closing.push_async_callback(self._keeper.close)
            closing.push_async_callback(self._api.stop)
            closing.callback(self._timekeeper.keep)
            if self._lockdown is not None:
                closing.callback(self._lockdown.anchor_now)

    def _publish(self, event: Event) -> None:
        self._api.publish({"name": event.name, "at_ms": event.at_ms, "fields": dict(event.fields)})

    def _lenders(self, found: Models) -> dict[str, Callable[[], Awaitable[Lent]]]:
        """What a worker may ask to have opened."""
        reader, pad, endpoint = found.reader, found.pad, self.profile.acquirer.endpoint()

        async def acquirer() -> Lent:
            return (await reached(endpoint)).detach(), endpoint.address, "socket"

        lenders = {"acquirer": acquirer, "advice-key": seal_key_lender(seal_key(self.profile.terminal.state))}
        if reader.line is None:
            scard.must_be_installed()
        else:
            lenders["reader"] = line_lender(self.profile.reader.line, reader.line)
        if not isinstance(pad, Keypad):
            lenders["pad"] = line_lender(self.profile.pad.line, pad.line)
        elif self._keeper is not None:
            lenders["pad"] = self._keeper.lend
        else:
            raise Fault("a keypad without a vault", "add [vault] to the profile", Exit.USAGE)
        if self._keeper is not None and self._keypad is None and self.profile.acquirer.encipher_account:
            lenders["vault"] = self._keeper.lend
        return lenders

    def _vault(self, settings: VaultSettings, trace: Trace | None) -> "VaultKeeper":
        from terminal_agent.processes.vault_keeper import VaultKeeper

        codes = {"keys": self._keypad.codes} if self._keypad is not None else {}
        keeper = VaultKeeper(settings, codes, self._recorder, trace)
        self._recorder.listen(keeper.heard)
        return keeper

    def _proof(self) -> Callable[[], Awaitable[str]]:
        if self._keeper is None:
            return unproven
        from terminal_agent.flows.proving import Prover

        return Prover(folder_of(self.profile).read, self._keeper.office.prove, secrets.token_bytes).proof

    def _methods(self) -> dict[str, Method]:
        def door() -> "Doorkeeper":
            return doorkeeper(self.profile, self._office.persons, self._recorder.record, self._clock)

        return {
            "system.hello": Method("version, terminal and the state of every part", {}, self._hello),
            "payment.start": Method(
                "begin a payment",
                {
                    "amount": Parameter(int, LARGEST_AMOUNT),
                    "currency": Parameter(str, 3),
                    "online": Parameter(bool, 1, optional=True),
                    "earlier": Parameter(int, LARGEST_AMOUNT, optional=True),
                },
                self._start_payment,
            ),
            "payment.answer": Method(
                "answer what a payment asks: a number of its options, 0 for none of them",
                {"payment": Parameter(str, 32), "answer": Parameter(int, MOST_OPTIONS)},
                self._answer_payment,
            ),
            "payment.status": Method("how a payment stands", {"payment": Parameter(str, 32)}, self._payment_status),
            SUBSCRIBE: Method("events on this connection from now on", {}, self._subscribed),
            **(self._keeper.methods() if self._keeper is not None else {}),
            **door_methods(cache(door)),
        }

    async def _hello(self) -> object:
        def part(up: bool, said: str) -> dict[str, object]:
            return {"up": up, "words": said}

        report = self.reporter.status
        reader, pad = self._workers.parts.values()
        return {
            "version": installed(),
            "terminal": self.profile.terminal.id,
            "parts": {
                "standing": part(*self._office.standing),
                "reader": part(reader.up, f"{self.profile.reader.model}: {reader.words or 'present'}"),
                "pad": part(pad.up, f"{self.profile.pad.model}: {pad.words or 'present'}"),
                "acquirer": part(bool(self._workers.carried.key), self._signed_on),
                "report": part(report.connected, report.words),
            },
        }

    def _diagnostics(self) -> dict[str, str]:
        """How everything but reporting stands, in words without card data."""
        reader, pad = (one.words or "present" for one in self._workers.parts.values())
        return {"version": installed(), "reader": reader, "pad": pad, "acquirer": self._signed_on}

    @property
    def _signed_on(self) -> str:
        return "signed on" if self._workers.carried.key else "not signed on"

    async def _start_payment(self, amount: int, currency: str, online: bool = False, earlier: int = 0) -> object:
        try:
            money = by_code(currency)
        except DecodeError as error:
            raise RpcError(INVALID_PARAMS, str(error), "for example EUR") from None
        if amount == 0:
            raise RpcError(INVALID_PARAMS, "amount: more than zero expected")
        if self._stop.is_set():
            raise RpcError(UNAVAILABLE, "the agent is stopping", "start it again")
        current = self._workers.current
        if current is not None and not current.over:
            raise RpcError(BUSY, "another payment is running", "wait for its outcome")
        begun = self._workers.begin(amount, money, Wishes(online, earlier))
        self._watched = asyncio.create_task(self._see_through(begun))
        return {"payment": begun.identifier}

    async def _see_through(self, payment: Underway) -> None:
        await payment.ended.wait()
        if payment.finished is None:
            why = payment.fault.what if payment.fault is not None else "a fault of the agent; see what it printed"
            self._mouth.tell(f"payment not recorded: {fit(why)}")
            self._api.publish(unrecorded(payment, why, self._clock.now_ms()))

    async def _payment_status(self, payment: str) -> object:
        current = self._workers.current
        if current is None or current.identifier != payment:
            raise RpcError(NOT_FOUND, "no such payment in this run", "see the audit log for earlier ones")
        asked = self._workers.questions.open
        if asked is not None and asked.payment == payment:
            return {"payment": payment, "state": "asking", "about": asked.about, "options": list(asked.options)}
        if current.finished is None:
            return {"payment": payment, "state": "failed" if current.over else "running"}
        return {"payment": payment, "state": "finished", **current.finished.fields}

    async def _answer_payment(self, payment: str, answer: int) -> object:
        try:
            self._workers.questions.answer(payment, answer)
        except NotAsked as fault:
            raise RpcError(INVALID_PARAMS, fault.what, fault.hint) from None
        return {"answered": answer}

    async def _subscribed(self) -> object:
        return {"subscribed": True}
