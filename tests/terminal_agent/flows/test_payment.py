# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Every way a payment can go ends in exactly one outcome, and no event carries card data."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
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
from terminal_agent.flows.devices import Attached
from terminal_agent.flows.payment import Payment, Till, Timeouts
from terminal_agent.flows.reporting import Recorder
from terminal_agent.host.port import HostGarbled, HostSilent, HostUnreachable
from terminal_agent.pad.port import PadAbsent, PadRefused, PinCancelled, PinEntered, PinOutcome, PinTimedOut

EUR = BY_ALPHA["EUR"]
KSN = bytes.fromhex("FFFF9876543210E00001")


class FakeClock:
    def __init__(self) -> None:
        self.now = 1_800_000_000_000

    def now_ms(self) -> int:
        return self.now

    def steady_ms(self) -> float:
        self.now += 5
        return float(self.now)


@dataclass
class Book:
    """Chain and outbox in one: keeps events, or fails from the n-th on."""

    events: list[Event] = field(default_factory=list)
    full_after: int = 10_000

    def append(self, event: Event) -> None:
        if len(self.events) >= self.full_after:
            raise AgentError("audit log: No space left on device", "free space")
        self.events.append(event)

    def put(self, event: Event) -> None:
        assert event in self.events, "the outbox must not be ahead of the chain"


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
    completed: int = 0
    revoked: int = 0
    signed_on: bool = True
    check_value: str = "1A2B3C"

    async def authorise(self, request: Any) -> Authorised:
        self.requests.append(request)
        if self.fault is not None:
            raise self.fault
        words = {"00": "approved", "55": "incorrect PIN"}[self.code]
        reply: Any = SimpleNamespace(
            approved=self.code == "00", response_code=self.code, words=words, approval="A1B2C3", mac=bytes(8)
        )
        return Authorised(reply, 1)

    def complete(self, authorised: Authorised) -> None:
        self.completed += 1

    def revoke(self, authorised: Authorised) -> None:
        self.revoked += 1


class Bench:
    """A till with stubs for everything but the flow itself and the EMV machine."""

    def __init__(self, **changes: Any) -> None:
        card: Any = CardTwin(load_card("test-visa-like"), random.Random(7).randbytes)
        if fault := changes.get("card_fault"):
            card = FaultyCard(card, CARD_FAULTS[fault]())
        self.book = Book(full_after=changes.get("full_after", 10_000))
        self.clock = FakeClock()
        self.told: list[str] = []
        self.recorder = Recorder(self.book, self.book, self.clock, self.told.append)
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
        self.till = Till(terminal, self.reader, self.pad, acquiring, self.recorder, self.clock, entropy, Timeouts())

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
        assert [event.name for event in self.book.events].count("payment.finished") == 1
        assert self.book.events[-1] is finished
        assert "4000009999990016" not in str(self.book.events)
        return dict(finished.fields)


async def test_approved_with_online_pin() -> None:
    bench = Bench()
    fields = await bench.pay()
    assert fields["outcome"] == "approved"
    assert fields["masked_pan"] == "400000******0016"
    assert fields["ksn"] == KSN.hex().upper()
    assert (bench.acquiring.completed, bench.acquiring.revoked) == (1, 0)
    request = bench.acquiring.requests[0]
    assert request.pin.ksn == KSN
    assert (request.amount, request.currency, request.interface) == (4200, "978", "contactless")
    steps = [event.fields["step"] for event in bench.book.events if event.name == "payment.step"]
    assert steps[0] == "present"
    assert [step for step in steps if step in ("card", "pin-entry", "pin-block", "request", "reply")] == [
        "card",
        "pin-entry",
        "pin-block",
        "request",
        "reply",
    ]


async def test_below_the_cvm_limit_no_pin_is_asked() -> None:
    bench = Bench()
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
async def test_every_other_way_is_an_outcome(changes: dict[str, Any], outcome: str, reason: str) -> None:
    bench = Bench(**changes)
    fields = await bench.pay()
    assert fields["outcome"] == outcome
    assert reason in fields["reason"]


@pytest.mark.parametrize("fault", ["truncated-gpo", "wrong-status", "brand-mixup"])
async def test_a_strange_card_never_reaches_the_acquirer(fault: str) -> None:
    bench = Bench(card_fault=fault)
    fields = await bench.pay()
    assert fields["outcome"] in ("failed", "declined")
    assert bench.acquiring.requests == []


async def test_a_device_that_failed_is_dropped_and_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(reader_absent=True)
    await bench.pay()
    assert not bench.reader.present
    bench.reader_driver.absent = False
    await bench.reader.open()
    assert bench.reader.present
    names = [event.name for event in bench.book.events]
    assert names.count("device.lost") == 1
    assert names[-1] == "device.back"


async def test_stopping_in_mid_payment_is_an_outcome() -> None:
    bench = Bench(hang=True)
    payment = await bench.begin()
    task = asyncio.create_task(payment.run())
    while not bench.pad_driver.asked:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert bench.book.events[-1].fields["reason"] == "the agent was stopped in mid-payment"


@pytest.mark.parametrize("full_after", range(14))
async def test_a_full_disk_never_leaves_an_approval_behind(full_after: int) -> None:
    bench = Bench(full_after=full_after)
    try:
        payment = await bench.begin()
        await payment.run()
    except AgentError as fault:
        assert "No space left" in fault.what
    acquiring = bench.acquiring
    assert acquiring.completed + acquiring.revoked <= len(acquiring.requests)
    finished = bench.till.current and bench.till.current.finished
    assert not (acquiring.revoked and finished)


async def test_one_payment_at_a_time_and_in_the_terminals_currency() -> None:
    bench = Bench()
    await bench.begin()
    with pytest.raises(AgentError, match="another payment is running"):
        bench.till.begin(100, EUR)
    bench = Bench()
    with pytest.raises(AgentError, match="takes EUR, not USD"):
        bench.till.begin(100, BY_ALPHA["USD"])
