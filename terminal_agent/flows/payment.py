# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""One payment: card, EMV machine, PIN at the pad, acquirer, outcome. The order of steps, and what each failure means.

Declined, cancelled and failed are outcomes, not errors: every payment that was begun ends in exactly one
``payment.finished``, which is its point of no return: with any other outcome than approved, what it may have booked is
owed back (books.py). The PIN is typed at the pad and enciphered there; this process sees KSN, block and MAC.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from protocols.currency import BY_NUMERIC, Currency
from protocols.errors import ProtocolError
from protocols.pan import Pan
from protocols.telemetry.events import Event, Value, fit
from terminal_agent.card.port import CardReader, ReaderAbsent
from terminal_agent.clock import Clock, local_time
from terminal_agent.emv import Cvm, Decision, EmvOutcome, EmvTerminal, TransactionRequest, contactless
from terminal_agent.errors import AgentError
from terminal_agent.flows.acquiring import Acquiring, Authorised
from terminal_agent.flows.books import Books
from terminal_agent.flows.devices import Attached
from terminal_agent.flows.reporting import Recorder
from terminal_agent.host.client import AuthorisationRequest, PinData
from terminal_agent.pad.port import PadAbsent, PinCancelled, PinEntered, PinPad, PinTimedOut

UNPREDICTABLE_OCTETS = 4  # EMV 4.3 Book 3, Annex A: tag 9F37


class Ending(StrEnum):
    """How a payment ends."""

    APPROVED = "approved"
    DECLINED = "declined"
    CANCELLED = "cancelled"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long each side may take, in seconds."""

    card_s: float = 30.0
    pin_s: float = 60.0


class _End(Exception):  # not an error: the way out of the steps, with the outcome in it
    def __init__(self, ending: Ending, reason: str, response_code: str = "") -> None:
        super().__init__(reason)
        self.ending = ending
        self.reason = reason
        self.response_code = response_code


class Payment:
    """One payment from its first step to its outcome."""

    def __init__(self, till: "Till", identifier: str, amount: int, currency: Currency) -> None:
        self.identifier = identifier
        self.amount = amount
        self.currency = currency
        self.finished: Event | None = None
        self.over = False
        """Whether its steps have come to an end; ``finished`` stays None where that could not be written."""
        self._till = till
        self._began = till.clock.steady_ms()
        self._pan: Pan | None = None
        self._ksn: bytes = b""

    async def run(self) -> Event:
        """Take all steps; the ``payment.finished`` event. Raises ``JournalError`` where the end cannot be written."""
        try:
            end = await self._steps()
        except _End as reached:
            end = reached
        except asyncio.CancelledError:
            self._finish(_End(Ending.FAILED, "the agent was stopped in mid-payment"))
            raise
        except (AgentError, ProtocolError) as fault:
            end = _End(Ending.FAILED, fault.what if isinstance(fault, AgentError) else str(fault))
        except Exception:
            self._finish(_End(Ending.FAILED, "a fault of the agent; see what it printed"))
            raise
        return self._finish(end)

    def _finish(self, end: _End) -> Event:
        self.over = True
        fields: dict[str, Value] = {"outcome": end.ending.value, "amount": self.amount}
        fields |= {"currency": self.currency.alpha, "ms": self._elapsed()}
        if end.reason:
            fields["reason"] = fit(end.reason)
        if end.response_code:
            fields["response_code"] = end.response_code
        if self._pan is not None:
            fields["masked_pan"] = self._pan.masked
        if self._ksn:
            fields["ksn"] = self._ksn.hex().upper()
        self.finished = self._till.books.conclude(self.identifier, **fields)
        return self.finished

    async def _steps(self) -> _End:
        card = await self._read_card()
        pin = await self._ask_pin(card)
        authorised = await self._authorise(card, pin)
        reply = authorised.reply
        approval = f", approval code {reply.approval}" if reply.approval else ""
        words = f"0110 response code {reply.response_code}{approval}; MAC verified by the pad"
        self._step("reply", "acquirer", words)
        ending = Ending.APPROVED if reply.approved else Ending.DECLINED
        return _End(ending, "" if reply.approved else reply.words, reply.response_code or "")

    async def _read_card(self) -> EmvOutcome:
        till = self._till
        reader = till.reader.driver()
        self._step("present", "reader", f"{self.currency.words(self.amount)}: present the card")
        try:
            presence = await reader.wait_for_card(till.timeouts.card_s)
            if presence is None:
                raise _End(Ending.CANCELLED, f"no card within {till.timeouts.card_s:.0f} s")
            self._step("card", "reader", presence.identity)
            outcome = await self._run_kernel(reader)
            await reader.release()
        except ReaderAbsent as fault:
            await till.reader.drop(fault.what)
            raise
        self._pan = outcome.pan
        for note in outcome.notes:
            self._step("emv", "reader", f"{note.subject}: {note.words}")
        if outcome.decision is not Decision.ONLINE:
            words = outcome.notes[-1].words if outcome.notes else outcome.decision.value
            ending = Ending.DECLINED if outcome.decision is Decision.DECLINED else Ending.FAILED
            raise _End(ending, words)
        if outcome.pan is None:
            raise _End(Ending.FAILED, "the card gave no account number")
        return outcome

    async def _run_kernel(self, reader: CardReader) -> EmvOutcome:
        till = self._till
        now = local_time(till.clock.now_ms())
        request = TransactionRequest(
            amount=self.amount,
            currency=f"{self.currency.numeric:03d}",
            date=now.date(),
            time=now.time(),
            unpredictable_number=till.entropy(UNPREDICTABLE_OCTETS),
        )
        machine = contactless(till.terminal, request)
        try:
            command = next(machine)
            while True:
                command = machine.send(await reader.transmit(command))
        except StopIteration as stop:
            outcome: EmvOutcome = stop.value
            return outcome
        finally:
            machine.close()

    async def _ask_pin(self, card: EmvOutcome) -> PinEntered | None:
        if card.cvm is not Cvm.ONLINE_PIN or card.pan is None:
            return None
        till = self._till
        pad = till.pad.driver()
        self._step("pin-entry", "pad", "asks for the PIN")
        try:
            entered = await pad.enter_pin(card.pan, self.currency.words(self.amount), till.timeouts.pin_s)
        except PadAbsent as fault:
            await till.pad.drop(fault.what)
            raise
        if isinstance(entered, PinCancelled):
            raise _End(Ending.CANCELLED, "the cardholder cancelled PIN entry")
        if isinstance(entered, PinTimedOut):
            raise _End(Ending.CANCELLED, f"no PIN within {till.timeouts.pin_s:.0f} s")
        self._ksn = entered.ksn
        ksn = entered.ksn.hex().upper()
        self._step("pin-block", "pad", f"PIN block of format {entered.block_format}, enciphered by the pad; KSN {ksn}")
        return entered

    async def _authorise(self, card: EmvOutcome, pin: PinEntered | None) -> Authorised:
        till = self._till
        if card.pan is None:
            raise _End(Ending.FAILED, "the card gave no account number")
        request = AuthorisationRequest(
            amount=self.amount,
            currency=f"{self.currency.numeric:03d}",
            pan=card.pan,
            track2=card.track2,
            expiry=card.expiry,
            sequence_number=card.sequence_number,
            icc_data=card.icc_data,
            interface="contactless",
            pin=PinData(pin.block, pin.ksn) if pin is not None else None,
        )
        if not till.acquiring.signed_on:
            await till.acquiring.sign_on()
        key = f"session key check value {till.acquiring.check_value}"
        self._step("request", "acquirer", f"0100 recorded before sending, MACed by the pad; {key}")
        return await till.acquiring.authorise(request, self.identifier)

    def _step(self, step: str, wire: str, words: str) -> None:
        self._till.recorder.record(
            "payment.step", payment=self.identifier, step=step, wire=wire, words=fit(words), ms=self._elapsed()
        )

    def _elapsed(self) -> int:
        return round(self._till.clock.steady_ms() - self._began)


class Till:
    """What a payment needs, and the rule that there is one at a time."""

    def __init__(
        self,
        terminal: EmvTerminal,
        reader: Attached[CardReader],
        pad: Attached[PinPad],
        acquiring: Acquiring,
        books: Books,
        recorder: Recorder,
        clock: Clock,
        entropy: Callable[[int], bytes],
        timeouts: Timeouts,
    ) -> None:
        self.terminal = terminal
        self.reader = reader
        self.pad = pad
        self.acquiring = acquiring
        self.books = books
        self.recorder = recorder
        self.clock = clock
        self.entropy = entropy
        self.timeouts = timeouts
        self.current: Payment | None = None

    def begin(self, amount: int, currency: Currency) -> Payment:
        """A new payment; raises :class:`AgentError` where none may begin: another one runs, the disk is full."""
        if self.current is not None and not self.current.over:
            raise AgentError("another payment is running", "wait for its outcome")
        accepted = BY_NUMERIC.get(int(self.terminal.currency))
        if accepted is not currency:
            name = accepted.alpha if accepted else self.terminal.currency
            raise AgentError(f"this terminal takes {name}, not {currency.alpha}", "see [emv] currency in its profile")
        self.current = Payment(self, self.books.begin(amount, currency), amount, currency)
        return self.current
