# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A whole terminal around a contact card, in process: only reader, pad and line are stubs. Tests nothing itself.

Card twin, EMV machine, flow, journal, books, audit log, outbox, host client, acquirer twin and HSM engine are the real
ones. The pad's DUKPT and MACs are made by foreign libraries, see :mod:`tests.device_profiles.acquirer_bench`.
"""

import asyncio
import contextlib
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from psec import des, mac

from device_profiles.card_profile import load_card
from device_profiles.twins.card import CardTorn
from device_profiles.twins.card_faults import Fault
from device_profiles.twins.card_t0 import ContactCard, T0View
from device_profiles.twins.contact_card import ContactCardTwin
from device_profiles.twins.contact_faults import FaultyContactCard
from protocols.acquirer.dialects import DIALECTS
from protocols.currency import BY_ALPHA
from protocols.emv.oda import PublicKey
from protocols.pan import Pan
from protocols.pcsc.features import PinVerify
from protocols.telemetry.events import Event
from terminal_agent.audit import AuditLog
from terminal_agent.card.port import CardLost, CardPresence, CardReader, ReaderAbsent
from terminal_agent.emv import Combination, ContactApplication, EmvTerminal
from terminal_agent.emv.request import Wishes
from terminal_agent.errors import AgentError
from terminal_agent.flows.acquiring import Acquiring
from terminal_agent.flows.books import Books
from terminal_agent.flows.devices import Attached
from terminal_agent.flows.payment import Till
from terminal_agent.flows.ports import Timeouts
from terminal_agent.flows.reporting import Recorder
from terminal_agent.host.client import HostClient
from terminal_agent.host.journal import Journal
from terminal_agent.host.port import HostError
from terminal_agent.pad.port import CardPinEntered, CardPinOutcome, PadRefused, PinEntered, PinOutcome
from terminal_agent.report.outbox import Outbox
from tests.device_profiles.acquirer_bench import NOW, TERMINAL, Bench, Pad, test_key
from tests.terminal_agent.emv.contact_session import authorities

PROFILE = load_card("test-visa-contact")
ACCOUNT = "test-contact-cardholder"


class FixedClock:
    """The time of the acquirer's bench, moving a little with every look."""

    def __init__(self) -> None:
        self._ms = int(NOW.timestamp() * 1000)

    def now_ms(self) -> int:
        return self._ms

    def steady_ms(self) -> float:
        self._ms += 1
        return float(self._ms)


class BenchReader:
    """A slot with a card in it."""

    def __init__(self, card: ContactCard) -> None:
        self.card = card
        self.commands: list[bytes] = []
        self.pulled_at = 10_000
        self.released = 0
        self.typed: list[str] = []
        """What is typed at the reader's own keys; a reader without any has none."""

    async def wait_for_card(self, timeout_s: float) -> CardPresence | None:
        self.card.power_on()
        return CardPresence("contact", "a card with contacts")

    async def transmit(self, command: bytes) -> bytes:
        self.commands.append(command)
        if len(self.commands) >= self.pulled_at:
            raise ReaderAbsent("reader: unplugged")
        try:
            return self.card.apdu(command)
        except CardTorn:
            raise CardLost("the card was pulled out") from None

    async def takes_pins(self) -> bool:
        return bool(self.typed)

    async def enter_pin(self, asked: PinVerify) -> bytes:
        """The reader's own keys: the next PIN, or the reader's own status word."""
        typed = self.typed.pop(0)
        if len(typed) == 2 + 4 and typed.startswith("SW"):
            return bytes.fromhex(typed[2:])
        return self.card.apdu(asked.template[:5] + bytes.fromhex(f"2{len(typed):X}{typed}".ljust(16, "F")))

    async def release(self) -> None:
        self.released += 1
        self.card.power_off()

    async def close(self) -> None:
        pass


class BenchPad:
    """A pad whose cardholder enters ``pin``, or that gives ``outcome`` instead."""

    def __init__(self) -> None:
        self.pin = PROFILE.cardholder.test_pin
        self.outcome: PinOutcome | AgentError | None = None
        self.asked: list[Pan] = []
        self._keys = Pad()

    async def enter_pin(self, pan: Pan, amount_words: str, timeout_s: float) -> PinOutcome:
        self.asked.append(pan)
        if isinstance(self.outcome, AgentError):
            raise self.outcome
        if self.outcome is not None:
            return self.outcome
        ksn, block = self._keys.enter(self.pin, pan.digits)
        return PinEntered(ksn, block, 0)

    async def mac(self, session_key: bytes, data: bytes) -> bytes:
        clear = des.decrypt_tdes_ecb(test_key("TMK-MAC"), session_key)
        made: bytes = mac.generate_retail_mac(clear[:8], clear[8:], data, 1)
        return made

    async def close(self) -> None:
        pass


class CardPinPad(BenchPad):
    """A pad that can encipher for the card as well; ``card_outcomes`` one after the other, a text is what is typed."""

    def __init__(self, *card_outcomes: str | PinOutcome | AgentError) -> None:
        super().__init__()
        self.card_outcomes = list(card_outcomes)
        self.shown: list[str] = []

    async def enter_card_pin(
        self, key: PublicKey, challenge: bytes, amount_words: str, timeout_s: float
    ) -> CardPinOutcome:
        self.shown.append(amount_words)
        outcome = self.card_outcomes.pop(0)
        if isinstance(outcome, AgentError):
            raise outcome
        if not isinstance(outcome, str):
            assert not isinstance(outcome, PinEntered)
            return outcome
        block = bytes.fromhex(f"2{len(outcome):X}{outcome}".ljust(16, "F"))  # EMV 4.4 Book 2, 7.2
        clear = b"\x7f" + block + challenge + bytes(key.octets - 17)
        return CardPinEntered(pow(int.from_bytes(clear), key.exponent, key.modulus).to_bytes(key.octets))

    async def show(self, text: str) -> None:
        raise PadRefused("it shows its own words")

    async def cancel(self) -> None:
        pass


class BenchLine:
    """The line to the acquirer twin; ``fault`` is raised for a card message, after the bank had it or before."""

    def __init__(self, bank: Bench) -> None:
        self.bank = bank
        self.fault: HostError | None = None
        self.sent: list[str] = []

    async def exchange(self, octets: bytes, timeout_s: float, answers: Callable[[bytes], bool] | None = None) -> bytes:
        kind = octets[:4].decode("ascii")
        self.sent.append(kind)
        if kind == "0100" and self.fault is not None:
            if self.fault.sent:
                self.bank.send(octets)
            raise self.fault
        for answer in self.bank.send(octets):
            if answers is None or answers(answer):
                return answer
        raise AssertionError("the bank does not answer")

    async def close(self) -> None:
        pass


class Shop:
    """Everything of one terminal in ``folder``."""

    def __init__(
        self,
        folder: Path,
        *faults: Fault,
        t0: bool = False,
        contact: bool = True,
        card: str = PROFILE.name,
        offline_limit: int = 0,
        pad: BenchPad | None = None,
        slot: "Callable[[ContactCard], BenchReader]" = BenchReader,
        driver: CardReader | None = None,
        **settings: Any,
    ) -> None:
        terminal_settings = settings.pop("terminal", {})
        profile = load_card(card)
        self._account = ACCOUNT if card == PROFILE.name else f"{card}-card"
        self.twin = ContactCardTwin(profile)
        inserted: ContactCard = self.twin
        if t0:
            assert profile.contact is not None
            inserted = T0View(inserted, bytes.fromhex(profile.contact.atr_t0))
        self.reader = slot(FaultyContactCard(inserted, *faults))
        self.pad = pad or BenchPad()
        self.bank = Bench()
        self.line = BenchLine(self.bank)
        self.clock = FixedClock()
        self.events: list[Event] = []
        self.log = AuditLog.open(folder, TERMINAL)
        self.outbox = Outbox.open(folder / "outbox.db", TERMINAL, opened_at_ms=self.clock.now_ms())
        self.recorder = Recorder(self.log, self.outbox, self.clock, lambda text: None)
        self.recorder.listen(self.events.append)
        self.recorder.listen(self._asked)
        self.answers: list[int] = []
        """What people at the till answer, one after the other; to a question without an answer they are silent."""
        self.journal = Journal.open(folder / "journal.db")
        self.books = Books(self.journal, self.recorder, self.clock, lambda text: None)
        self.books.open()
        self._reader: Attached[Any] = Attached("reader", self._opener(driver or self.reader), self.recorder)
        self._pad: Attached[Any] = Attached("pad", self._opener(self.pad), self.recorder)
        client = HostClient(DIALECTS["ascii-1987"], TERMINAL, "TILLGUARD-0001")
        self.acquiring = Acquiring(
            client, self.line, self.journal, self.books, self._pad, self.recorder, self.clock, 1.0, offline_limit
        )
        visa = "A0000000031010"
        terminal = EmvTerminal(
            country="276",
            currency="978",
            serial_number=TERMINAL,
            aids=(Combination(visa, 500_000, 2_500),),
            contact=(
                ContactApplication(visa, application_version="0096", **settings),
                ContactApplication("A0000000041010", application_version="0002", **settings),
            )
            if contact
            else (),
            **terminal_settings,
        )
        entropy = random.Random(8).randbytes
        self.till = Till(
            terminal,
            self._reader,
            self._pad,
            self.acquiring,
            self.books,
            self.recorder,
            self.clock,
            entropy,
            Timeouts(answer_s=0.05),
            authorities(),
        )

    @staticmethod
    def _opener(driver: object) -> Callable[[], Any]:
        async def opener() -> object:
            return driver

        return opener

    def _asked(self, event: Event) -> None:
        if event.name == "payment.question" and self.answers:
            self.till.questions.answer(str(event.fields["payment"]), self.answers.pop(0))

    async def pay(self, amount: int = 4_200, **wishes: Any) -> dict[str, Any]:
        """One payment to its end; what ``payment.finished`` says."""
        await self._reader.open()
        await self._pad.open()
        finished = await self.till.begin(amount, BY_ALPHA["EUR"], Wishes(**wishes)).run()
        told = str([dict(event.fields) for event in self.events])
        assert self.twin.profile.application.pan not in told
        return dict(finished.fields)

    async def settle(self) -> None:
        """Send what is owed until nothing is."""
        task = asyncio.create_task(self.acquiring.settle())
        for _ in range(200):
            await asyncio.sleep(0)
            if not self.journal.reversals():
                break
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    @property
    def held(self) -> int:
        """What the bank holds on the card's account."""
        return self.bank.ledger.held.get(self._account, 0)

    def words(self, subject: str) -> list[str]:
        """What the EMV steps said of a subject, in order."""
        said = [str(event.fields["words"]) for event in self.events if event.fields.get("step") == "emv"]
        return [text.removeprefix(f"{subject}: ") for text in said if text.startswith(f"{subject}: ")]

    def close(self) -> None:
        """Let go of the files."""
        self.journal.close()
        self.outbox.close()
        self.log.close()
