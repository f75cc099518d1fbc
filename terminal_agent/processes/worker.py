# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A worker's process: card, EMV, pad and acquirer for at most one payment, then it ends. Keeps no books, opens nothing.

All that sees an account number is here: the card's answers, the EMV machine, what goes to the pad and to the acquirer.
Lines, connections and the seal's key are lent by the agent; journal, log, clock and unpredictable numbers are asked of
it. A fresh worker waits with its devices open; after its payment, and after advices whose card data it had to unseal,
it ends, and the memory with it.
"""

import asyncio
import contextlib
import os
import secrets
import socket
import ssl
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from device_profiles.model import LineSettings
from protocols.acquirer.account import AccountData, EncipheredAccount
from protocols.acquirer.dialects import DIALECTS
from protocols.currency import BY_ALPHA
from protocols.worker_pipe import Question, Values, Verb
from terminal_agent.card.port import CardReader, Remembering
from terminal_agent.card.serial import open_reader
from terminal_agent.emv.request import Wishes
from terminal_agent.errors import AgentError
from terminal_agent.flows.acquiring import Acquiring, NotSignedOn, Session
from terminal_agent.flows.devices import Attached, DeviceAway
from terminal_agent.flows.payment import Till
from terminal_agent.flows.ports import Timeouts
from terminal_agent.flows.remote import (
    Asker,
    LentKey,
    RemoteBooks,
    RemoteClock,
    RemoteFallbacks,
    RemoteLedger,
    RemoteNotes,
    RemoteNumbers,
    RemoteProver,
    RemoteQuestions,
)
from terminal_agent.host.client import HostClient
from terminal_agent.host.port import AcquirerPort, HostError, HostUntrusted
from terminal_agent.host.seal import Seal, seal_key
from terminal_agent.host.tcp import AcquirerLink, Endpoint, TlsFiles, context
from terminal_agent.line.port import Line
from terminal_agent.line.url import Claimed, Kind, adopt
from terminal_agent.pad.account import VaultBeside
from terminal_agent.pad.drivers import open_pad
from terminal_agent.pad.pinned import pinned
from terminal_agent.pad.port import PadAbsent, PadError, PinPad
from terminal_agent.pad.software import SoftwarePad
from terminal_agent.pad.vault_link import VaultLink
from terminal_agent.processes.profile import Keypad, Models, TerminalProfile
from terminal_agent.processes.worker_ends import WorkerEnd
from terminal_agent.processes.worker_fences import fenced
from terminal_agent.sealed.fences import LinuxKernel

if TYPE_CHECKING:
    from terminal_agent.card.pcsc_service import PcscService

Trace = Callable[[str, str, str], None]


class Lender(Asker, Protocol):
    """The agent, as a worker has it: see :class:`terminal_agent.processes.worker_ends.WorkerEnd`."""

    def listen(self, on_told: Callable[[Question], None]) -> None:
        """From now on call ``on_told`` with what the agent tells."""
        ...

    async def fetch(self, what: str) -> tuple[Values, int]:
        """What the agent has open: name and kind, and the descriptor."""
        ...


class Worker:
    """Everything that lives as long as the process, wired once."""

    def __init__(self, profile: TerminalProfile, found: Models, agent: Lender, hello: Values, *, trace: bool) -> None:
        self._profile = profile
        self._found = found
        self._agent = agent
        self._first: bool = hello["first"]
        self._pause_s: float = hello["pause_ms"] / 1000
        self._visit: int = hello["visit"]
        self._trace = self._traffic if trace else None
        self._begun: Values | None = None
        self._news = asyncio.Event()
        """A payment, or nothing more to do."""
        self._payment: asyncio.Task[object] | None = None
        self._lines: dict[str, Line | VaultLink] = {}
        self._pcsc: PcscService | None = None
        seal = Seal(LentKey(agent, "advice-key", str(seal_key(profile.terminal.state))), secrets.token_bytes)
        self._books = RemoteBooks(agent, seal)
        self._ledger = RemoteLedger(agent, seal)
        notes, clock = RemoteNotes(agent, Tracers().watch), RemoteClock(agent)
        self._reader = Attached[CardReader](
            "reader",
            self._open_reader,
            notes,
            lambda: self._ended("reader"),
            self._tell_parts,
            was_there=hello["reader"],
            reason=hello["reader_lost"],
        )
        self._pad = Attached[PinPad](
            "pad",
            self._open_pad,
            notes,
            lambda: self._ended("pad"),
            self._tell_parts,
            was_there=hello["pad"],
            reason=hello["pad_lost"],
        )
        endpoint = profile.acquirer.endpoint()
        self._acquiring = Acquiring(
            HostClient(DIALECTS[endpoint.dialect], profile.terminal.id, profile.terminal.merchant),
            self._link(endpoint),
            self._ledger,
            self._books,
            self._pad,
            notes,
            clock,
            profile.timeouts.acquirer,
            profile.acquirer.offline_limit,
            Session(hello["key"], hello["check_value"]) if hello["key"] else None,
            self._remember,
        )
        self._till = Till(
            profile.emv,
            self._reader,
            self._pad,
            self._acquiring,
            self._books,
            notes,
            clock,
            secrets.token_bytes,
            Timeouts(profile.timeouts.card, profile.timeouts.pin, profile.timeouts.answer),
            found.authorities,
            found.exceptions,
            RemoteNumbers(agent),
            RemoteFallbacks(agent),
            RemoteQuestions(agent, profile.timeouts.answer),
            RemoteProver(agent),
            self._encipher if profile.acquirer.encipher_account else None,
        )

    async def run(self) -> None:
        """Open the devices, wait for a payment, take its steps, end. What is owed is settled meanwhile."""
        self._agent.listen(self._told)
        await asyncio.gather(self._reader.open(), self._pad.open())
        lasting: list[asyncio.Task[None]] = []
        try:
            if self._first:
                await self._try_sign_on()
            self._agent.tell(Verb.READY)
            parts = (self._reader.keep(), self._pad.keep(), self._acquiring.settle(self._pause_s, self._settled))
            lasting += [asyncio.create_task(part) for part in parts]
            await self._one_payment()
        finally:
            for task in lasting:
                task.cancel()
            await asyncio.gather(*lasting, return_exceptions=True)
            await self._close()

    async def _one_payment(self) -> None:
        await self._news.wait()
        begun = self._begun
        if begun is None:
            return
        self._books.begun = begun["payment"]
        wishes = Wishes(begun["online"], begun["earlier"])
        payment = self._till.begin(begun["amount"], BY_ALPHA[begun["currency"]], wishes)
        self._payment = asyncio.create_task(payment.run())
        with contextlib.suppress(AgentError, asyncio.CancelledError):  # the agent knows: it wrote the end, or could not
            await self._payment

    async def _try_sign_on(self) -> None:
        try:
            await self._acquiring.sign_on()
        except (HostError, PadError, DeviceAway, NotSignedOn) as fault:
            self._agent.tell(Verb.TELL, text=f"not signed on at the acquirer yet: {fault.what}")

    async def _close(self) -> None:
        driver = self._reader.driver() if self._reader.present else None
        self._agent.tell(Verb.VISIT, number=driver.visit if isinstance(driver, Remembering) else self._visit)
        async with contextlib.AsyncExitStack() as closing:
            closing.push_async_callback(self._acquiring.close)
            closing.push_async_callback(self._pad.close)
            closing.push_async_callback(self._reader.close)

    def _told(self, question: Question) -> None:
        match question.verb:
            case Verb.BEGIN:
                self._begun = question.values
                self._news.set()
            case Verb.OWING:
                self._books.owing.set()
            case Verb.CANCEL if self._payment is not None:
                self._payment.cancel()
            case Verb.STOP | Verb.CANCEL:
                self._news.set()

    def _settled(self, pause_s: float) -> None:
        """After an attempt at what is owed: how long the next one waits; who has seen card data goes."""
        self._agent.tell(Verb.PAUSE, ms=round(pause_s * 1000))
        if self._ledger.unsealed:
            self._news.set()

    def _remember(self, session: Session | None) -> None:
        key, check_value = (session.key, session.check_value) if session else (b"", "")
        self._agent.tell(Verb.SESSION, key=key, check_value=check_value)

    def _tell_parts(self) -> None:
        for part in (self._reader, self._pad):
            self._agent.tell(Verb.PART, name=part.name, up=part.present, words=part.reason)

    def _traffic(self, wire: str, direction: str, text: str) -> None:
        self._agent.tell(Verb.TRACE, wire=wire, direction=direction, text=text)

    async def _open_reader(self) -> CardReader:
        model, line = self._found.reader, self._profile.reader.line
        if model.line is None:
            from terminal_agent.card import pcsc, pcsc_service  # only where a reader needs them

            self._pcsc = self._pcsc or pcsc_service.PcscService()  # one: it knows what threads hang
            return await pcsc.open_reader(model, line, self._trace, self._pcsc, self._visit)
        return await open_reader(model, await self._line("reader", model.line), self._trace)

    async def _open_pad(self) -> PinPad:
        model, own = self._found.pad, self._profile.pad
        if isinstance(model, Keypad):
            _, descriptor = await self._agent.fetch("pad")
            link = VaultLink(socket.socket(fileno=descriptor), first_number=_first_number())
            self._lines["pad"] = link
            pad = SoftwarePad(link, None, self._trace)  # the vault is the agent's to end, and no thread starts here
            await pad.settle()
            return pad
        line = await self._line("pad", model.line)
        return await pinned(await open_pad(model, line, self._trace, own.identity), own.serial, own.ksn)

    async def _encipher(self, account: AccountData) -> EncipheredAccount:
        """Account data by the vault: the one that stands in for the pad, or else the one beside it."""
        if not isinstance(self._found.pad, Keypad):
            return await VaultBeside(self._vault, _first_number).encipher(account)
        pad = self._pad.driver()
        if not isinstance(pad, SoftwarePad):
            raise TypeError("a keypad's driver is a SoftwarePad")
        try:
            return await pad.encipher(account)
        except PadAbsent as fault:
            await self._pad.drop(pad, fault.what)
            raise

    async def _vault(self) -> socket.socket:
        _, descriptor = await self._agent.fetch("vault")
        return socket.socket(fileno=descriptor)

    async def _line(self, name: str, settings: LineSettings) -> Line:
        lent, descriptor = await self._agent.fetch(name)
        line = await adopt(Claimed(descriptor, lent["name"], Kind(lent["kind"])), settings)
        self._lines[name] = line
        return line

    def _link(self, endpoint: Endpoint) -> AcquirerPort:
        return AcquirerLink(endpoint, self._trace, self._dial, _secured(endpoint.tls))

    async def _dial(self) -> socket.socket:
        _, descriptor = await self._agent.fetch("acquirer")
        return socket.socket(fileno=descriptor)

    def _ended(self, name: str) -> bool:
        return name in self._lines and self._lines[name].ended


def _first_number() -> int:
    """Of a worker's questions to the vault, on a pipe that other workers had before it."""
    return 1 + secrets.randbelow(200)


class Tracers:
    """Whether this process is traced, as the kernel says. Opened before the fences, read behind them."""

    def __init__(self) -> None:
        self._status = os.open("/proc/self/status", os.O_RDONLY | os.O_CLOEXEC)

    def watch(self) -> bool:
        """Whether somebody is attached (proc(5), status: TracerPid)."""
        _, _, rest = os.pread(self._status, 4096, 0).partition(b"TracerPid:")
        return rest.split(b"\n", 1)[0].strip() != b"0"


def _secured(files: TlsFiles | None) -> Callable[[TlsFiles], ssl.SSLContext]:
    """Our side of the TLS, read now: later this process can read no file. What is wrong is said when it is needed."""
    fault: HostUntrusted | None = None
    made: ssl.SSLContext | None = None
    try:
        made = context(files) if files is not None else None
    except HostUntrusted as refused:
        fault = refused

    def secured(_: TlsFiles) -> ssl.SSLContext:
        if made is None:
            raise fault or HostUntrusted("no TLS in the profile", "see [acquirer.tls]", sent=False)
        return made

    return secured


def work(descriptor: int, profile: TerminalProfile, found: Models, *, trace: bool) -> int:
    """One worker at an inherited pipe, to its end; the process' exit code."""
    agent = WorkerEnd(descriptor)
    hello = agent.hear()

    async def run() -> None:
        worker = Worker(profile, found, agent, hello.values, trace=trace)
        missing = [fence for fence in fenced(LinuxKernel(), pcsc=found.reader.line is None) if not fence.stands]
        for fence in missing if hello.values["first"] else ():
            agent.tell(Verb.TELL, text=f"WARNING: fence {fence.name} of the payment's process {fence.words}")
        await worker.run()

    try:
        asyncio.run(run())
    except Exception as fault:  # a bug: where it happened helps, what it says might quote a card
        places = "".join(traceback.format_tb(fault.__traceback__))[-4000:]
        agent.tell(Verb.BUG, kind=type(fault).__name__, places=places)
        return 70
    return 0
