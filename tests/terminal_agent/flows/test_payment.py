# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Every way a payment can go ends in exactly one outcome, and no event carries card data."""

import asyncio
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from device_profiles.card_profile import load_card
from device_profiles.twins.card import CardTwin
from device_profiles.twins.card_faults import CARD_FAULTS, CardTorn, FaultyCard
from protocols.currency import BY_ALPHA
from protocols.pan import Pan
from protocols.telemetry.events import Event
from terminal_agent.card.port import CardLost, CardPresence, ReaderAbsent
from terminal_agent.emv import EmvTerminal
from terminal_agent.emv.terminal import Combination
from terminal_agent.errors import AgentError
from terminal_agent.flows.acquiring import Authorised
from terminal_agent.flows.books import Books
from terminal_agent.flows.devices import Attached
from terminal_agent.flows.payment import Payment, Till
from terminal_agent.flows.ports import Timeouts
from terminal_agent.flows.reporting import Recorder
from terminal_agent.host.journal import Journal
from terminal_agent.host.port import HostGarbled, HostSilent, HostUnreachable
from terminal_agent.pad.port import PadAbsent, PadRefused, PinCancelled, PinEntered, PinOutcome, PinTimedOut
from tests.terminal_agent.flows.paper import FakeClock, PaperChain, PaperOutbox

EUR = BY_ALPHA["EUR"]
Make = Callable[..., "Bench"]
KSN = bytes.fromhex("FFFF9876543210E00001")


@dataclass
class StubReader:
    card: Any
    absent: bool = False
    comes: bool = True

    async def wait_for_card(self, timeout_s: float) -> CardPresence | None:
        if self.absent:
            raise ReaderAbsent("reader: unplugged")
        self.card.power_on()
        return CardPresence("contactless", "ISO 14443-A") if self.comes else None

    async def transmit(self, command: bytes) -> bytes:
        try:
            answer: bytes = self.card.apdu(command)
        except CardTorn:
            raise CardLost("the card left the field") from None
        return answer

    async def release(self) -> None:
        pass

    async def close(self) -> None:
        self.absent = True


@dataclass
class StubPad:
    outcome: PinOutcome | AgentError | None = None
    asked: list[Pan] = field(default_factory=list)
    hang: bool = False

    async def enter_pin(self, pan: Pan, amount_words: str, timeout_s: float) -> PinOutcome:
        self.asked.append(pan)
        if self.hang:
            await asyncio.Event().wait()
        if isinstance(self.outcome, AgentError):
            raise self.outcome
        return self.outcome or PinEntered(KSN, bytes(8), 0)

    async def close(self) -> None:
        pass


@dataclass
class StubAcquiring:
    code: str = "00"
    fault: AgentError | None = None
    requests: list[Any] = field(default_factory=list)
    signed_on: bool = True
    check_value: str = "1A2B3C"
    offline_limit: int = 0

    def takes_offline(self, amount: int) -> bool:
        return amount <= self.offline_limit

    async def authorise(self, request: Any, payment: str) -> Authorised:
        self.requests.append(request)
        if self.fault is not None:
            raise self.fault
        words = {"00": "approved", "55": "incorrect PIN"}[self.code]
        reply: Any = SimpleNamespace(
            approved=self.code == "00", response_code=self.code, words=words, approval="A1B2C3", mac=bytes(8), icc=b""
        )
        return Authorised(reply, 1)


class Bench:
    """A till with stubs for everything but the flow itself and the EMV machine."""

    def __init__(self, folder: Path, **changes: Any) -> None:
        card: Any = CardTwin(load_card("test-visa-like"), random.Random(7).randbytes)
        if fault := changes.get("card_fault"):
            card = FaultyCard(card, CARD_FAULTS[fault]())
        self.chain = PaperChain(takes=changes.get("takes", 1_000_000))
        self.clock = FakeClock()
        self.told: list[str] = []
        self.recorder = Recorder(self.chain, PaperOutbox(), self.clock, self.told.append)
        self.journal = Journal.open(folder / "journal.db")
        self.books = Books(self.journal, self.recorder, self.clock, self.told.append)
        self.heard: list[Event] = []
        self.recorder.listen(self.heard.append)
        self.reader_driver = StubReader(card, changes.get("reader_absent", False), changes.get("comes", True))
        self.pad_driver = StubPad(changes.get("pin"), hang=changes.get("hang", False))
        self.acquiring = StubAcquiring(changes.get("code", "00"), changes.get("host_fault"))
        self.reader = Attached("reader", self._opener(self.reader_driver, changes.get("no_reader")), self.recorder)
        self.pad = Attached("pad", self._opener(self.pad_driver, changes.get("no_pad")), self.recorder)
        terminal = EmvTerminal(
            country="276",
            currency="978",
            serial_number="TG000001",
            aids=(Combination(aid="A0000000031010", transaction_limit=500000, cvm_limit=2500),),
        )
        acquiring: Any = self.acquiring
        entropy = random.Random(8).randbytes
        self.till = Till(
            terminal, self.reader, self.pad, acquiring, self.books, self.recorder, self.clock, entropy, Timeouts()
        )

    @staticmethod
    def _opener(driver: Any, missing: bool | None) -> Callable[[], Any]:
        async def opener() -> Any:
            if missing:
                raise AgentError("/dev/ttyUSB0: no such port", "plug it in")
            return driver

        return opener

    async def begin(self, amount: int = 4200) -> Payment:
        await self.reader.open()
        await self.pad.open()
        return self.till.begin(amount, EUR)

    async def pay(self, amount: int = 4200) -> dict[str, Any]:
        payment = await self.begin(amount)
        finished = await payment.run()
        assert self.chain.named("payment.finished") == [finished]
        assert self.chain.events[-1] == finished
        assert "4000009999990016" not in str(self.chain.events)
        return dict(finished.fields)


@pytest.fixture
def bench_with(tmp_path: Path) -> Iterator[Make]:
    """Makes a bench; its journal is closed at the end."""
    made: list[Bench] = []

    def make(**changes: Any) -> Bench:
        made.append(Bench(tmp_path, **changes))
        return made[-1]

    yield make
    for bench in made:
        bench.journal.close()


async def test_approved_with_online_pin(bench_with: Make) -> None:
    bench = bench_with()
    fields = await bench.pay()
    assert fields["outcome"] == "approved"
    assert fields["masked_pan"] == "400000******0016"
    assert fields["ksn"] == KSN.hex().upper()
    request = bench.acquiring.requests[0]
    assert request.pin.ksn == KSN
    assert (request.amount, request.currency, request.interface) == (4200, "978", "contactless")
    steps = [event.fields["step"] for event in bench.chain.named("payment.step")]
    assert steps[0] == "present"
    assert [step for step in steps if step in ("card", "pin-entry", "pin-block", "request", "reply")] == [
        "card",
        "pin-entry",
        "pin-block",
        "request",
        "reply",
    ]


async def test_below_the_cvm_limit_no_pin_is_asked(bench_with: Make) -> None:
    bench = bench_with()
    fields = await bench.pay(1800)
    assert fields["outcome"] == "approved"
    assert "ksn" not in fields
    assert bench.pad_driver.asked == []
    assert bench.acquiring.requests[0].pin is None


@pytest.mark.parametrize(
    ("changes", "outcome", "reason"),
    [
        ({"code": "55"}, "declined", "incorrect PIN"),
        ({"pin": PinCancelled()}, "cancelled", "the cardholder cancelled PIN entry"),
        ({"pin": PinTimedOut()}, "cancelled", "no PIN within 60 s"),
        ({"pin": PadRefused("key missing")}, "failed", "key missing"),
        ({"pin": PadAbsent("pad: unplugged")}, "failed", "pad: unplugged"),
        ({"comes": False}, "cancelled", "no card within 30 s"),
        ({"reader_absent": True}, "failed", "reader: unplugged"),
        ({"no_reader": True}, "failed", "reader: /dev/ttyUSB0: no such port"),
        ({"no_pad": True}, "failed", "pad: /dev/ttyUSB0: no such port"),
        ({"card_fault": "torn"}, "failed", "the card left the field"),
        ({"host_fault": HostUnreachable("no route", "check", sent=False)}, "failed", "no route"),
        ({"host_fault": HostSilent("no answer in 15 s", "", sent=True)}, "failed", "no answer in 15 s"),
        ({"host_fault": HostGarbled("MAC wrong", "", sent=True)}, "failed", "MAC wrong"),
    ],
)
async def test_every_other_way_is_an_outcome(
    bench_with: Make, changes: dict[str, Any], outcome: str, reason: str
) -> None:
    bench = bench_with(**changes)
    fields = await bench.pay()
    assert fields["outcome"] == outcome
    assert reason in fields["reason"]


@pytest.mark.parametrize("fault", ["truncated-gpo", "wrong-status", "brand-mixup"])
async def test_a_strange_card_never_reaches_the_acquirer(bench_with: Make, fault: str) -> None:
    bench = bench_with(card_fault=fault)
    fields = await bench.pay()
    assert fields["outcome"] in ("failed", "declined")
    assert bench.acquiring.requests == []


async def test_a_device_that_failed_is_dropped_and_comes_back(bench_with: Make) -> None:
    bench = bench_with(reader_absent=True)
    await bench.pay()
    assert not bench.reader.present
    bench.reader_driver.absent = False
    await bench.reader.open()
    assert bench.reader.present
    names = [event.name for event in bench.chain.events]
    assert names.count("device.lost") == 1
    assert names[-1] == "device.back"


async def test_stopping_in_mid_payment_is_an_outcome(bench_with: Make) -> None:
    bench = bench_with(hang=True)
    payment = await bench.begin()
    task = asyncio.create_task(payment.run())
    while not bench.pad_driver.asked:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert bench.chain.events[-1].fields["reason"] == "the agent was stopped in mid-payment"


@pytest.mark.parametrize("takes", range(16))
async def test_a_payment_whose_steps_cannot_be_recorded_fails_and_its_end_is_recorded_later(
    bench_with: Make, takes: int
) -> None:
    bench = bench_with(takes=takes)
    payment = await bench.begin()
    finished = await payment.run()
    steps = [event.fields["step"] for event in bench.chain.named("payment.step")]
    assert finished.fields["outcome"] == ("approved" if "reply" in steps else "failed")
    assert bench.heard[-1] == finished, "the cashier hears of it although it is not in the log"
    if not bench.chain.named("payment.finished"):
        with pytest.raises(AgentError, match="No space left"):
            bench.till.begin(100, EUR)
    bench.chain.takes = 100
    bench.books.catch_up()
    assert bench.chain.named("payment.finished") == [finished]
    assert bench.journal.untold() == ()
    assert bench.heard.count(finished) == 1
    assert bench.till.begin(100, EUR) is not None


async def test_one_payment_at_a_time_and_in_the_terminals_currency(bench_with: Make) -> None:
    bench = bench_with()
    await bench.begin()
    with pytest.raises(AgentError, match="another payment is running"):
        bench.till.begin(100, EUR)
    bench.till.current = None
    with pytest.raises(AgentError, match="takes EUR, not USD"):
        bench.till.begin(100, BY_ALPHA["USD"])


async def test_what_the_emv_machine_noticed_is_an_alert(tmp_path: Path) -> None:
    bench = Bench(tmp_path, card_fault="brand-mixup")
    await bench.pay()
    alerts = [event.fields["alert"] for event in bench.chain.events if event.name == "payment.alert"]
    assert "card.brand-mismatch" in alerts
