# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The agent's process: which driver, link and store serve which port, from start to clean stop. Decides no payment."""

import asyncio
import contextlib
import json
import os
import secrets
import signal
import sys
import traceback
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from pathlib import Path

from device_profiles.model import LineSettings
from protocols.acquirer.dialects import DIALECTS
from protocols.currency import currency as by_code
from protocols.errors import DecodeError
from protocols.telemetry.events import Event, fit, words
from terminal_agent.api.methods import Method, Methods, Parameter
from terminal_agent.api.rpc import BUSY, INVALID_PARAMS, NOT_FOUND, UNAVAILABLE, RpcError
from terminal_agent.api.server import SUBSCRIBE, ApiServer
from terminal_agent.audit import AuditBroken, AuditLog
from terminal_agent.card.port import CardReader
from terminal_agent.card.serial import open_reader
from terminal_agent.clock import GuardedClock, SystemClock, TimeFile, trusted_at_start
from terminal_agent.errors import AgentError
from terminal_agent.flows.acquiring import Acquiring, NotSignedOn
from terminal_agent.flows.books import Books
from terminal_agent.flows.devices import Attached, DeviceAway
from terminal_agent.flows.payment import Payment, Till, Timeouts
from terminal_agent.flows.reporting import Recorder
from terminal_agent.flows.timekeeping import Timekeeper
from terminal_agent.host.client import HostClient
from terminal_agent.host.journal import Journal
from terminal_agent.host.port import HostError
from terminal_agent.host.tcp import AcquirerLink
from terminal_agent.line.port import Line
from terminal_agent.line.url import open_line
from terminal_agent.pad.drivers import open_pad
from terminal_agent.pad.pinned import pinned
from terminal_agent.pad.port import PadError, PinPad
from terminal_agent.processes.profile import Keypad, Models, TerminalProfile, load, models, vault_settings
from terminal_agent.processes.vault_alarm import destroy_keys
from terminal_agent.processes.vault_keeper import VaultKeeper
from terminal_agent.processes.vault_settings import VaultSettings
from terminal_agent.report.outbox import Outbox
from tillguard.exits import Exit
from tillguard.voice import Fault

Trace = Callable[[str, str, str], None]
DRAIN_S = 1.0  # a stop waits so long for its own last report to be heard
LARGEST_AMOUNT = 10**12 - 1  # ISO 8583:1987, data element 4


def serve(profile_path: Path, *, as_json: bool, trace: bool) -> int:
    """Run the agent in the foreground until SIGTERM or SIGINT; exit code 0 after a clean stop."""
    profile = load(profile_path)
    mouth = _Mouth(as_json)
    found = models(profile, profile_path)
    own = vault_settings(profile, profile_path) if profile.vault is not None else None
    try:
        asyncio.run(Agent(profile, found, mouth, mouth.traffic if trace else None, own).run())
    except AuditBroken as fault:
        if own is not None and "audit" in own.tamper_on:
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


class _Mouth:
    """Where the daemon's own output goes: JSON lines for a program, words for a person. Nobody there: it goes on."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json

    def say(self, document: dict[str, object], text: str) -> None:
        with contextlib.suppress(OSError):  # a full disk, a closed pipe: no payment may depend on them
            sys.stdout.write((json.dumps(document, ensure_ascii=False) if self._as_json else text) + "\n")
            sys.stdout.flush()

    def tell(self, text: str) -> None:
        with contextlib.suppress(OSError):
            sys.stderr.write(f"terminal-agent: {text}\n")

    def event(self, event: Event) -> None:
        document = {"event": "event", "name": event.name, "at_ms": event.at_ms, "fields": dict(event.fields)}
        self.say(document, f"{event.name}: {words(event)}")

    def traffic(self, wire: str, direction: str, text: str) -> None:
        document: dict[str, object] = {"event": "traffic", "wire": wire, "direction": direction, "text": text}
        self.say(document, f"{wire} {direction} {text}")


class Agent:
    """Everything that lives as long as the process, wired once."""

    def __init__(
        self,
        profile: TerminalProfile,
        found: Models,
        mouth: _Mouth,
        trace: Trace | None,
        vault: VaultSettings | None = None,
    ) -> None:
        """``vault``: stands in for a PIN pad where that is a keypad, and else keeps keys beside it."""
        self.profile = profile
        self._mouth = mouth
        self._stop = asyncio.Event()
        self._payment: asyncio.Task[Event] | None = None
        state, terminal = profile.terminal.state, profile.terminal.id
        self._log = AuditLog.open(state, terminal)
        time_file = TimeFile(state / "time")
        self._clock = GuardedClock(SystemClock(), trusted_at_start(time_file.read(), self._log.last_ms))
        self._outbox = Outbox.open(state / "outbox.db", terminal, opened_at_ms=self._clock.now_ms())
        self._recorder = Recorder(self._log, self._outbox, self._clock, mouth.tell)
        self._recorder.listen(mouth.event)
        self._lines: dict[str, Line] = {}
        self._keeper, self._keypad = None, found.pad if isinstance(found.pad, Keypad) else None
        if vault is not None:
            keys = {"keys": self._keypad.codes} if self._keypad is not None else {}
            self._keeper = VaultKeeper(vault, keys, self._recorder, trace)
            self._recorder.listen(self._keeper.heard)
        self._reader = Attached(
            "reader", self._reader_opener(found, trace), self._recorder, lambda: self._line_ended("reader")
        )
        self._pad = Attached("pad", self._pad_opener(found, trace), self._recorder, lambda: self._line_ended("pad"))
        endpoint = profile.acquirer.endpoint()
        journal = Journal.open(state / "journal.db")
        self._books = Books(journal, self._recorder, self._clock, mouth.tell)
        self._timekeeper = Timekeeper(self._clock, time_file, self._recorder)
        self._acquiring = Acquiring(
            HostClient(DIALECTS[endpoint.dialect], terminal, profile.terminal.merchant),
            AcquirerLink(endpoint, trace),
            journal,
            self._books,
            self._pad,
            self._recorder,
            self._clock,
            profile.timeouts.acquirer,
            profile.acquirer.offline_limit,
        )
        waits = Timeouts(profile.timeouts.card, profile.timeouts.pin)
        self._till = Till(
            profile.emv,
            self._reader,
            self._pad,
            self._acquiring,
            self._books,
            self._recorder,
            self._clock,
            secrets.token_bytes,
            waits,
            found.authorities,
            found.exceptions,
        )
        self._api = ApiServer(profile.terminal.socket, Methods(self._methods()))
        self._recorder.listen(self._publish)
        self._trace = trace
        self._open_books()

    async def run(self) -> None:
        """Open everything, say ready, serve until told to stop, close everything."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        self._make_reporter()
        try:
            await self._api.start()
            async with asyncio.TaskGroup() as group:
                await asyncio.gather(self._reader.open(), self._pad.open())
                self._started()
                parts = (self.reporter.run(), self._reader.keep(), self._pad.keep(), self._acquiring.settle())
                watches = (self._books.keep(), self._timekeeper.watch())
                beside = [self._keeper.keep()] if self._keeper is not None and self._keypad is None else []
                lasting: list[asyncio.Task[None]] = [group.create_task(part) for part in (*parts, *watches, *beside)]
                await self._try_sign_on()
                self._say_ready()
                await self._stop.wait()
                await self._wind_down()
                for task in lasting:
                    task.cancel()
        finally:
            await self._close()

    def _make_reporter(self) -> None:
        from terminal_agent.report.mqtt import Reporter  # aiomqtt and paho are loaded here, and only by the agent

        self.reporter = Reporter(
            self.profile.report,
            self.profile.terminal.id,
            self._outbox,
            lambda: secrets.randbelow(1 << 53) / (1 << 53),
            self._trace,
        )

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

    def _started(self) -> None:
        self._recorder.note(
            "agent.started", version=version("tillguard"), reader=self.profile.reader.model, pad=self.profile.pad.model
        )

    async def _try_sign_on(self) -> None:
        try:
            await self._acquiring.sign_on()
        except (HostError, PadError, DeviceAway, NotSignedOn) as fault:
            self._mouth.tell(f"not signed on at the acquirer yet: {fault.what}")

    def _say_ready(self) -> None:
        path = str(self.profile.terminal.socket)
        said = {"event": "ready", "socket": path, "terminal": self.profile.terminal.id, "pid": os.getpid()}
        self._mouth.say(said, f"ready {path}")

    async def _wind_down(self) -> None:
        """No new payment is taken any more: end the running one, say that this agent stops, and let that be heard."""
        if self._payment is not None:
            self._payment.cancel()
            await asyncio.gather(self._payment, return_exceptions=True)
        self._recorder.note("agent.stopping")
        if self.reporter.status.connected:
            await self.reporter.drained(DRAIN_S)

    async def _close(self) -> None:
        """Close everything, the last opened first; what one part raises keeps no other from closing."""
        self._stop.set()
        async with contextlib.AsyncExitStack() as closing:
            closing.callback(self._log.close)
            closing.callback(self._outbox.close)
            closing.push_async_callback(self._acquiring.close)
            closing.push_async_callback(self._pad.close)
            if self._keeper is not None:
                closing.push_async_callback(self._keeper.close)
            closing.push_async_callback(self._reader.close)
            closing.push_async_callback(self._api.stop)
            closing.callback(self._timekeeper.keep)

    def _publish(self, event: Event) -> None:
        self._api.publish({"name": event.name, "at_ms": event.at_ms, "fields": dict(event.fields)})

    def _reader_opener(self, found: Models, trace: Trace | None) -> Callable[[], Awaitable[CardReader]]:
        model, line = found.reader, self.profile.reader.line
        if model.line is None:
            from terminal_agent.card import pcsc, pcsc_service, scard  # only where a reader needs them

            scard.must_be_installed()
            service = pcsc_service.PcscService()
            return lambda: pcsc.open_reader(model, line, trace, service)
        settings = model.line

        async def opener() -> CardReader:
            return await open_reader(model, await self._line("reader", line, settings), trace)

        return opener

    def _pad_opener(self, found: Models, trace: Trace | None) -> Callable[[], Awaitable[PinPad]]:
        model = found.pad
        if isinstance(model, Keypad):
            if self._keeper is not None:
                return self._keeper.open
            raise Fault("a keypad without a vault", "add [vault] to the profile", Exit.USAGE)

        async def opener() -> PinPad:
            own = self.profile.pad
            pad = await open_pad(model, await self._line("pad", own.line, model.line), trace)
            return await pinned(pad, own.serial, own.ksn)

        return opener

    async def _line(self, name: str, spec: str, settings: LineSettings) -> Line:
        self._lines[name] = await open_line(spec, settings)
        return self._lines[name]

    def _line_ended(self, name: str) -> bool:
        if name == "pad" and self._keypad is not None and self._keeper is not None:
            return self._keeper.ended
        return name in self._lines and self._lines[name].ended

    def _methods(self) -> dict[str, Method]:
        return {
            "system.hello": Method("version, terminal and the state of every part", {}, self._hello),
            "payment.start": Method(
                "begin a payment",
                {"amount": Parameter(int, LARGEST_AMOUNT), "currency": Parameter(str, 3)},
                self._start_payment,
            ),
            "payment.status": Method("how a payment stands", {"payment": Parameter(str, 32)}, self._payment_status),
            SUBSCRIBE: Method("events on this connection from now on", {}, self._subscribed),
            **(self._keeper.methods() if self._keeper is not None else {}),
        }

    async def _hello(self) -> object:
        def part(up: bool, said: str) -> dict[str, object]:
            return {"up": up, "words": said}

        report = self.reporter.status
        reader, pad, signed_on = self._reader, self._pad, self._acquiring.signed_on
        return {
            "version": version("tillguard"),
            "terminal": self.profile.terminal.id,
            "parts": {
                "reader": part(reader.present, f"{self.profile.reader.model}: {reader.reason or 'present'}"),
                "pad": part(pad.present, f"{self.profile.pad.model}: {pad.reason or 'present'}"),
                "acquirer": part(signed_on, "signed on" if signed_on else "not signed on"),
                "report": part(report.connected, report.words),
            },
        }

    async def _start_payment(self, amount: int, currency: str) -> object:
        try:
            money = by_code(currency)
        except DecodeError as error:
            raise RpcError(INVALID_PARAMS, str(error), "for example EUR") from None
        if amount == 0:
            raise RpcError(INVALID_PARAMS, "amount: more than zero expected")
        if self._stop.is_set():
            raise RpcError(UNAVAILABLE, "the agent is stopping", "start it again")
        if self._payment is not None and not self._payment.done():
            raise RpcError(BUSY, "another payment is running", "wait for its outcome")
        payment = self._till.begin(amount, money)
        self._payment = asyncio.create_task(payment.run())
        self._payment.add_done_callback(self._payment_ended)
        return {"payment": payment.identifier}

    def _payment_ended(self, task: "asyncio.Task[Event]") -> None:
        if task.cancelled() or (fault := task.exception()) is None:
            return
        if isinstance(fault, AgentError):
            self._mouth.tell(f"payment not recorded: {fit(fault.what)}")
        else:  # a bug: where it happened helps, what it says might quote a card
            places = "".join(traceback.format_tb(fault.__traceback__))
            self._mouth.tell(f"bug: {type(fault).__name__} in a payment\n{places}")
        current = self._till.current
        if current is not None and current.finished is None:
            self._api.publish(_unrecorded(current, fault, self._clock.now_ms()))

    async def _payment_status(self, payment: str) -> object:
        current = self._till.current
        if current is None or current.identifier != payment:
            raise RpcError(NOT_FOUND, "no such payment in this run", "see the audit log for earlier ones")
        if current.finished is None:
            return {"payment": payment, "state": "running" if self._payment and not self._payment.done() else "failed"}
        return {"payment": payment, "state": "finished", **current.finished.fields}

    async def _subscribed(self) -> object:
        return {"subscribed": True}


def _unrecorded(payment: Payment, fault: BaseException, at_ms: int) -> dict[str, object]:
    """What listeners hear of a payment whose end could not be recorded: it failed, whatever else happened."""
    reason = fit(fault.what) if isinstance(fault, AgentError) else "a fault of the agent; see what it printed"
    fields = {
        "payment": payment.identifier, "outcome": "failed", "reason": reason,
        "amount": payment.amount, "currency": payment.currency.alpha, "ms": 0,
    }  # fmt: skip
    return {"name": "payment.finished", "at_ms": at_ms, "fields": fields}
