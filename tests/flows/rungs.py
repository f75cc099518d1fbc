# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The same terminal on four kinds of wire, for one set of tests: in process, over PTYs, over real daemons.

In process: the agent's own composition, with the card twin behind the reader's port, the pad twin behind a line that is
a function call, and bank and HSM as objects. Over PTYs: every part a process, serial twins on pseudo terminals.
Service: our own PC/SC service behind libpcsclite. Real daemons: pcscd, vpcd and pyscard, and mosquitto. Tests nothing
itself.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from device_profiles import catalog
from device_profiles.acquirer_profile import load_acquirer
from device_profiles.card_profile import CardProfile, load_card
from device_profiles.pinpad_load import load_pinpad
from device_profiles.twins.card import CardTorn
from device_profiles.twins.card_faults import CARD_FAULTS, FaultyCard
from device_profiles.twins.contact_card import ContactCardTwin
from device_profiles.twins.contact_faults import CONTACT_FAULTS, FaultyContactCard
from device_profiles.twins.contactless_card import contactless_card
from device_profiles.twins.pinpad import PinpadTwin
from device_profiles.twins.pinpad_cardholder import Behaviour, Cardholder
from device_profiles.twins.pinpad_keys import PinpadKeys
from protocols.currency import BY_ALPHA
from protocols.secret import Pin
from terminal_agent.card.port import CardLost, CardPresence, CardReader
from terminal_agent.host.port import AcquirerPort
from terminal_agent.pad.ipp import open_pad
from terminal_agent.pad.port import PinPad
from terminal_agent.processes import agent as composition
from terminal_agent.processes.office import HeadOffice
from terminal_agent.processes.profile import load, models
from terminal_agent.processes.worker import Worker
from terminal_agent.processes.workers import Workers
from terminal_agent.report.settings import ReportStatus
from tests.flows.lab_stage import LabStage, ServiceStage, planted_contact_card, with_contact
from tests.flows.pipe_in_process import Wire
from tests.flows.shop import Hsm, TestBank
from tests.flows.stage import PROFILE, TERMINAL, Stage
from tests.patience import PATIENCE_S
from tests.secrets.twins import planted_profiles
from tests.terminal_agent.line.twin_line import TwinLine

KINDS = {
    "contactless-in-process": ("in-process", "contactless"),
    "contactless-pty": ("pty", "contactless"),
    "contactless-service": ("service", "contactless"),
    "contactless-daemons": ("daemons", "contactless"),
    "contact-in-process": ("in-process", "contact"),
    "contact-service": ("service", "contact"),
    "contact-daemons": ("daemons", "contact"),
}
"""By test id. No reader twin on a PTY has contacts."""


@dataclass(frozen=True)
class Scene:
    """What is wrong with the card and who stands at the pad."""

    interface: str
    fault: str = "none"
    behaviour: str = "right-pin"


class Rung(Protocol):
    """What a test can do with a terminal, whatever it is made of."""

    async def pay(self, amount: str = "42.00") -> dict[str, Any]:
        """One payment; the fields of its end. For the next one the customer presents the card anew."""
        ...

    def decisions(self) -> list[dict[str, Any]]:
        """What the acquirer decided so far."""
        ...


def opened(kind: str, folder: Path, **scene: str) -> contextlib.AbstractAsyncContextManager[Rung]:
    """The terminal of that kind, ready to pay."""
    wires, interface = KINDS[kind]
    return _OPENERS[wires](folder, Scene(interface, **scene))


class Staged:
    """A stage of processes."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage

    async def pay(self, amount: str = "42.00") -> dict[str, Any]:
        return await asyncio.to_thread(self.stage.pay, amount)

    def decisions(self) -> list[dict[str, Any]]:
        return self.stage.decisions()


@contextlib.asynccontextmanager
async def _over_ptys(folder: Path, scene: Scene) -> AsyncIterator[Rung]:
    with Stage(folder) as stage:
        await asyncio.to_thread(_everything, stage, scene)
        yield Staged(stage)


@contextlib.asynccontextmanager
async def _over_daemons(folder: Path, scene: Scene) -> AsyncIterator[Rung]:
    with LabStage(folder) as stage:
        stage.interface = scene.interface
        _everything(stage, scene)
        yield Staged(stage)


@contextlib.asynccontextmanager
async def _over_service(folder: Path, scene: Scene) -> AsyncIterator[Rung]:
    with ServiceStage(folder) as stage:
        stage.interface = scene.interface
        await asyncio.to_thread(_everything, stage, scene)
        yield Staged(stage)


def _everything(stage: Stage, scene: Scene) -> None:
    stage.reader("--fault", scene.fault)
    stage.pad("--behaviour", scene.behaviour)
    stage.acquirer()
    stage.broker()
    stage.agent()


class PortReader:
    """A card twin behind the reader's port."""

    def __init__(self, card: FaultyCard | FaultyContactCard, interface: str) -> None:
        self._card = card
        self._contact = interface == "contact"

    async def wait_for_card(self, timeout_s: float) -> CardPresence | None:
        self._card.power_on()
        return CardPresence("contact" if self._contact else "contactless", "a card in this process")

    async def transmit(self, command: bytes) -> bytes:
        try:
            return self._card.apdu(command)
        except CardTorn:
            raise CardLost("the card left") from None

    async def release(self) -> None:
        self._card.power_off()

    async def close(self) -> None:
        self._card.power_off()


class BankInProcess:
    """The acquirer's port, with the bank and its HSM behind it."""

    def __init__(self, bank: TestBank) -> None:
        self._bank = bank
        self._hsm = Hsm()

    async def exchange(self, octets: bytes, timeout_s: float, *more: object) -> bytes:
        dialogue = self._bank.handle(octets, datetime.now(UTC))
        try:
            request = next(dialogue)
            while True:
                request = dialogue.send(await self._hsm.ask(request))
        except StopIteration as end:
            self._bank.told += end.value.events
            (sending,) = end.value.sendings
            answer: bytes = sending.octets
            return answer

    async def close(self) -> None:
        pass


class WorkerInProcess(Worker):
    """The worker as it is, with other devices opened."""

    def __init__(self, devices: tuple[CardReader, PinpadTwin], bank: TestBank, *more: Any) -> None:
        self._devices = devices
        self._bank = bank
        super().__init__(*more, trace=False)

    def _link(self, endpoint: object) -> AcquirerPort:
        return BankInProcess(self._bank)

    async def _open_reader(self) -> CardReader:
        return self._devices[0]

    async def _open_pad(self) -> PinPad:
        return await open_pad(catalog.pinpad("ipp-uic"), TwinLine(self._devices[1]))


class NoSource:
    """In place of the process that forks workers."""

    def stop(self) -> None:
        """There is none."""


class WorkersInProcess(Workers):
    """They work as tasks of this process."""

    make: Callable[[Wire], WorkerInProcess]

    async def _hire(self) -> Wire:
        wire = Wire(self._asked)
        self._working = asyncio.create_task(self._work(wire))
        return wire

    async def _work(self, wire: Wire) -> None:
        try:
            await self.make(wire).run()
        finally:
            wire.gone.set()


class AgentInProcess(composition.Agent):
    """The agent as it is, with nobody to report to."""

    async def run(self) -> None:
        """See the agent."""
        nobody: Any = NobodyListens()
        self._office.connect = lambda _trace: _installed(self._office, nobody)  # type: ignore[method-assign]
        await super().run()


def _installed(office: HeadOffice, reporter: Any) -> Any:
    office.reporter = reporter
    return reporter


class NobodyListens:
    """In place of the reporter: there is no broker on this rung."""

    status = ReportStatus(False, "no broker")

    async def run(self) -> None:
        await asyncio.Event().wait()


class Mouth:
    """Keeps what the agent says, so that it is searched with everything that the suite stores."""

    def __init__(self, folder: Path) -> None:
        self._kept = folder / "agent.printed"

    def say(self, document: object, text: str) -> None:
        self.tell(f"{document} {text}")

    def tell(self, text: str) -> None:
        with self._kept.open("a") as kept:
            kept.write(f"{text}\n")

    def event(self, event: object) -> None:
        self.tell(str(event))


class InProcess:
    """The agent's composition in this process."""

    def __init__(self, agent: AgentInProcess, bank: TestBank) -> None:
        self._agent = agent
        self._bank = bank

    async def pay(self, amount: str = "42.00") -> dict[str, Any]:
        payment = self._agent._workers.begin(int(amount.replace(".", "")), BY_ALPHA["EUR"])
        await payment.ended.wait()
        assert payment.finished is not None
        return dict(payment.finished.fields)

    def decisions(self) -> list[dict[str, Any]]:
        return [event for event in self._bank.told if event.get("event") == "decision"]


@contextlib.asynccontextmanager
async def _in_process(folder: Path, scene: Scene) -> AsyncIterator[Rung]:
    planted = planted_profiles()
    path = folder / "terminal.toml"
    places = {"reader": "/dev/null", "pad": "/dev/zero", "acquirer": "127.0.0.1:9", "broker": "127.0.0.1:9"}
    waits = {"card_s": 3.0, "pin_s": 3.0, "acquirer_s": 2.0}
    path.write_text(with_contact(PROFILE.format(terminal=TERMINAL, tls="", **places, **waits)))
    (folder / "pki").mkdir()
    for name in ("ca.pem", f"{TERMINAL}.pem", f"{TERMINAL}.key"):  # named by the profile, asked for by nobody here
        (folder / "pki" / name).touch()
    bank = TestBank(load_acquirer(str(planted.acquirer)))
    contact = scene.interface == "contact"
    card = load_card(str(planted_contact_card(planted) if contact else planted.card))
    terminal = load(path)
    mouth: Any = Mouth(folder)
    load_ = load_pinpad(str(planted.pad_load))
    keys = PinpadKeys(load_)
    person = Cardholder(Pin.from_text(card.cardholder.test_pin), Behaviour(scene.behaviour), 0.001)
    pad = PinpadTwin(catalog.pinpad("ipp-uic"), load_, keys, keys, person)
    devices = (PortReader(_card(card, scene), scene.interface), pad)
    found = models(terminal, path)
    nobody: Any = NoSource()
    kept, composition.Workers = composition.Workers, WorkersInProcess  # type: ignore[misc]
    try:
        agent = AgentInProcess(terminal, path, found, mouth, nobody, None)
    finally:
        composition.Workers = kept  # type: ignore[misc]
    workers: Any = agent._workers
    workers.make = lambda wire: WorkerInProcess(devices, bank, terminal, found, wire, wire.told.pop(0).values)
    running = asyncio.create_task(agent.run())
    try:
        async with asyncio.timeout(PATIENCE_S):
            await agent._workers.ready.wait()
        yield InProcess(agent, bank)
    finally:
        agent._stop.set()
        await running


def _card(profile: CardProfile, scene: Scene) -> FaultyCard | FaultyContactCard:
    faults = CONTACT_FAULTS if scene.interface == "contact" else CARD_FAULTS
    wrong = [] if scene.fault == "none" else [faults[scene.fault]()]
    if scene.interface == "contact":
        return FaultyContactCard(ContactCardTwin(profile), *wrong)
    return FaultyCard(contactless_card(profile, os.urandom), *wrong)


_OPENERS = {"in-process": _in_process, "pty": _over_ptys, "service": _over_service, "daemons": _over_daemons}
