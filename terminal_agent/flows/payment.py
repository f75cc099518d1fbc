# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""One payment: card, EMV machine, PIN at the pad, acquirer, outcome. The order of steps, and what each failure means.

Declined, cancelled and failed are outcomes, not errors: every payment that was begun ends in exactly one
``payment.finished``, which is its point of no return: with any other outcome than approved, what it may have booked is
owed back (books.py). The PIN is typed at the pad and enciphered there; this process sees KSN, block and MAC.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence

from protocols.acquirer.account import AccountData, EncipheredAccount
from protocols.currency import Currency
from protocols.errors import ProtocolError
from protocols.pan import Pan, Track2
from protocols.telemetry.events import Event, Value, fit
from protocols.telemetry.fields import one_time_reference
from terminal_agent.card.chaining import Chaining
from terminal_agent.card.port import CardError, CardLost, CardMalformed, CardPresence, CardReader, ReaderAbsent
from terminal_agent.clock import Clock, local_time
from terminal_agent.emv import (
    Alert,
    AskApplication,
    Authorities,
    Cvm,
    Decision,
    EmvOutcome,
    EmvTerminal,
    IssuerAnswer,
    Note,
    PinAnswer,
    TransactionRequest,
)
from terminal_agent.emv.contact_application import ROLLS
from terminal_agent.emv.exception_file import ExceptionFile
from terminal_agent.emv.fallback import FallbackGuard, Interface
from terminal_agent.emv.request import NO_WISHES, Wishes
from terminal_agent.emv.unpredictable import PredictableNumbers, UnpredictableNumbers
from terminal_agent.errors import AgentError
from terminal_agent.flows.accepted import require_accepted
from terminal_agent.flows.acquiring import Acquiring
from terminal_agent.flows.card_pin import PinNotEntered, at_pad, at_reader
from terminal_agent.flows.card_present import Hands, InsertedCard, tap
from terminal_agent.flows.chips import Chips
from terminal_agent.flows.devices import Attached
from terminal_agent.flows.endings import SIGNATURE_OPTIONS, SIGNED, End, Ending, after_signature, chosen, end_of
from terminal_agent.flows.pin_entry import pin_for_acquirer
from terminal_agent.flows.ports import Accounts, Fallbacks, Notes, Numbers, ProveBinding, Timeouts, no_binding
from terminal_agent.flows.questions import About, Asking, Questions
from terminal_agent.host.advice import Offline
from terminal_agent.host.client import AuthorisationRequest, PinData, Reply
from terminal_agent.host.port import HostUnreachable
from terminal_agent.pad.port import PinPad, encipherer

Account = AccountData | EncipheredAccount
OFFLINE_APPROVED, UNABLE_APPROVED = "Y1", "Y3"  # EMV 4.4 Book 4, Annex A6: without asking, and after asking in vain


class Payment:
    """One payment from its first step to its outcome."""

    def __init__(self, till: "Till", identifier: str, amount: int, currency: Currency, wishes: Wishes) -> None:
        self.identifier = identifier
        self.amount = amount
        self.currency = currency
        self.wishes = wishes
        self.finished: Event | None = None
        self.over = False
        """Whether its steps have come to an end; ``finished`` stays None where that could not be written."""
        self._till = till
        self._began = till.clock.steady_ms()
        self._card = ""
        """First six and last four digits of the account number."""
        self._pin: PinData | None = None
        self._offline: Offline | None = None
        self._cvm = Cvm.NONE
        self._chips = Chips(till.fallbacks, lambda: self._alert((Alert.FALLBACK_RATE,)))

    async def run(self) -> Event:
        """Take all steps; the ``payment.finished`` event. Raises ``JournalError`` where the end cannot be written."""
        try:
            end = await self._signed(await self._steps())
        except End as reached:
            end = reached
        except asyncio.CancelledError:
            self._finish(End(Ending.FAILED, "the agent was stopped in mid-payment"))
            raise
        except (AgentError, ProtocolError) as fault:
            if isinstance(fault, CardMalformed):
                self._alert((Alert.MALFORMED,))
            end = End(Ending.FAILED, fault.what if isinstance(fault, AgentError) else str(fault))
        except Exception:
            self._finish(End(Ending.FAILED, "a fault of the agent; see what it printed"))
            raise
        return self._finish(end)

    def _finish(self, end: End) -> Event:
        self.over = True
        fields: dict[str, Value] = {"outcome": end.ending.value, "amount": self.amount}
        fields |= {"currency": self.currency.alpha, "ms": self._elapsed()}
        if end.reason:
            fields["reason"] = fit(end.reason)
        if end.response_code:
            fields["response_code"] = end.response_code
        if self._card:
            fields |= {"masked_pan": self._card, "pan_ref": one_time_reference(self._till.entropy(8))}
        if self._pin is not None:
            fields["ksn"] = self._pin.ksn.hex().upper()
        self.finished = self._till.books.conclude(self.identifier, fields, self._offline)
        return self.finished

    async def _steps(self) -> End:
        till = self._till
        driver = till.reader.driver()
        reader = Chaining(driver)
        try:
            presence = await self._present(reader)
            self._chips.presented(presence.interface)
            if presence.interface == "contact":
                return await self._inserted(reader)
            with self._chips.trying("contactless"):
                card = await tap(reader, till, self._request(), self._number, self._step, till.timeouts.card_s)
        except ReaderAbsent as fault:
            await till.reader.drop(driver, fault.what)
            raise
        finally:
            await self._release(driver)
        self._chips.ended("contactless", card)
        self._show(card)
        if card.decision is Decision.APPROVED:
            return await self._approved_offline(card, OFFLINE_APPROVED, "contactless")
        account = await self._account(card, card.track2)
        if card.cvm is Cvm.ONLINE_PIN and card.pan is not None:
            await self._enter_pin(card.pan)
        return End(*end_of(await self._authorise(card, account, "contactless")))

    async def _signed(self, end: End) -> End:
        """An approval that a signature was needed for counts when the cashier has looked at it."""
        if end.ending is not Ending.APPROVED or self._cvm not in SIGNED:
            return end
        receipt = f"{self.currency.words(self.amount)}, card {self._card}, signature x____________"
        self._step("receipt", "agent", f"approved, signature needed: {receipt}")
        questions = self._till.questions
        answer = await questions.ask(self.identifier, About.SIGNATURE, SIGNATURE_OPTIONS)
        judged = after_signature(end, answer, questions.patience_s)
        self._step("signature", "agent", judged.reason or SIGNATURE_OPTIONS[0])
        return judged

    async def _choose(self, asked: AskApplication) -> int | PinAnswer:
        """The cardholder chooses what to pay with."""
        questions = self._till.questions
        answer = await questions.ask(self.identifier, About.APPLICATION, asked.labels)
        return chosen(answer, questions.patience_s)

    async def _inserted(self, reader: CardReader) -> End:
        """A card with contacts stays until it has said its last word, on whatever the acquirer answers."""
        roll = ROLLS[int.from_bytes(self._till.entropy(8)) % len(ROLLS)]
        till = self._till
        inserted = InsertedCard(reader, till.terminal, self._request(), roll, till.authorities, till.exceptions)
        keys = None
        if till.terminal.offline_pin:
            keys = await at_reader(reader, till.timeouts.pin_s, lambda words: self._step("pin-entry", "reader", words))
        amount = self.currency.words(self.amount)
        vault = at_pad(till.pad, amount, till.timeouts.pin_s, lambda words: self._step("pin-entry", "pad", words))
        with self._chips.trying("contact"):
            try:
                card = await inserted.ask(Hands(self._pin_for_card, keys, vault, self._choose))
            except PinNotEntered as ended:
                raise End(Ending.CANCELLED, str(ended)) from None
        self._chips.ended("contact", card)
        self._show(card)
        if card.decision is Decision.APPROVED:
            return await self._approved_offline(card, OFFLINE_APPROVED)
        reply = await self._authorise_inserted(inserted, card)
        if isinstance(reply, End):
            return reply
        answer = IssuerAnswer.from_message(reply.response_code, approved=reply.approved, icc=reply.icc)
        try:
            final = await inserted.tell(answer)
        except CardLost:
            if reply.approved:
                raise
            return End(*end_of(reply))  # who declined need not hear the card
        self._tell(final.notes[len(card.notes) :])
        self._alert(final.alerts[len(card.alerts) :])
        return End(*end_of(reply, final))

    async def _authorise_inserted(self, inserted: InsertedCard, card: EmvOutcome) -> Reply | End:
        """Ask the acquirer; where that fails the card hears that nobody could be asked, and ends the payment too.

        It ends approved where the acquirer could not be reached, card and terminal approve, and it books such payments.
        """
        try:
            return await self._authorise(card, await self._account(card, card.track2), "contact")
        except AgentError as fault:
            books = isinstance(fault, HostUnreachable) and self._till.acquiring.takes_offline(self.amount)
            with contextlib.suppress(CardError):
                final = await inserted.tell(None, failed=not books)
                self._tell(final.notes[len(card.notes) :])
                if books and final.decision is Decision.APPROVED:
                    return await self._approved_offline(final, UNABLE_APPROVED)
            raise

    async def _approved_offline(self, card: EmvOutcome, code: str, interface: Interface = "contact") -> End:
        """Card and terminal approved without the acquirer, which hears of it in an advice with this ``code``."""
        account = await self._account(card, None)
        self._offline = Offline(await self._asked(card, account, interface), code)
        self._step("advice", "acquirer", f"approved offline ({code}): the acquirer is told as soon as it can be")
        return End(Ending.APPROVED, "", code)

    async def _present(self, reader: CardReader) -> CardPresence:
        wait = self._till.timeouts.card_s
        self._step("present", "reader", f"{self.currency.words(self.amount)}: present the card")
        presence = await reader.wait_for_card(wait)
        if presence is None:
            raise End(Ending.CANCELLED, f"no card within {wait:.0f} s")
        self._step("card", "reader", presence.identity)
        return presence

    async def _release(self, driver: CardReader) -> None:
        """Power the card down, whatever went before; what went before is what counts."""
        try:
            await driver.release()
        except ReaderAbsent as fault:
            await self._till.reader.drop(driver, fault.what)
        except CardError:
            return  # a card that is gone has no power

    def _request(self) -> TransactionRequest:
        now = local_time(self._till.clock.now_ms())
        return TransactionRequest(
            amount=self.amount,
            currency=f"{self.currency.numeric:03d}",
            date=now.date(),
            time=now.time(),
            unpredictable_number=self._number(),
            forced_online=self.wishes.online,
            earlier=self.wishes.earlier,
        )

    def _number(self) -> bytes:
        """9F37; a source that has become predictable ends every payment."""
        try:
            return self._till.numbers.next()
        except PredictableNumbers as fault:
            self._alert((Alert.WEAK_NUMBERS,))
            raise End(Ending.FAILED, f"no unpredictable number: {fault}; start the agent anew") from None

    def _show(self, card: EmvOutcome) -> None:
        """Tell what the machine found, and end here unless the acquirer is to be asked, or books what it was not."""
        self._card, self._cvm = card.pan.masked if card.pan else self._card, card.cvm
        self._tell(card.notes)
        self._alert(card.alerts)
        approved = card.decision is Decision.APPROVED
        if approved and not self._till.acquiring.takes_offline(self.amount):
            raise End(Ending.FAILED, "the card approved offline, and the acquirer books no such payment")
        if card.decision is not Decision.ONLINE and not approved:
            raise End(Ending.DECLINED if card.decision is Decision.DECLINED else Ending.FAILED, card.words)
        if card.pan is None:
            raise End(Ending.FAILED, "the card gave no account number")

    def _tell(self, notes: Sequence[Note]) -> None:
        for note in notes:
            self._step("emv", "reader", f"{note.subject}: {note.words}")

    def _alert(self, alerts: Sequence[Alert]) -> None:
        for alert in alerts:
            self._till.recorder.record("payment.alert", payment=self.identifier, alert=fit(alert.value))

    async def _pin_for_card(self, pan: Pan) -> PinAnswer:
        self._card = pan.masked
        await self._enter_pin(pan)
        return PinAnswer.ENTERED

    async def _enter_pin(self, pan: Pan) -> None:
        till, amount = self._till, self.currency.words(self.amount)
        self._pin = await pin_for_acquirer(
            till.pad, pan, amount, till.timeouts.pin_s, lambda step, words: self._step(step, "pad", words)
        )

    async def _account(self, card: EmvOutcome, track2: Track2 | None) -> Account:
        """What a message says of the account: enciphered here, as soon as it was read, where the profile says so.

        Once for each message, since a key serves once.
        """
        if card.pan is None:
            raise End(Ending.FAILED, "the card gave no account number")
        clear, encipher = AccountData(card.pan, track2, card.expiry), self._till.encipher
        if encipher is None:
            return clear
        sent = await encipher(clear)
        self._step("account", "vault", f"account data enciphered by the vault; KSN {sent.ksn.hex().upper()}")
        return sent

    async def _asked(self, card: EmvOutcome, account: Account, interface: Interface) -> AuthorisationRequest:
        return AuthorisationRequest(
            amount=self.amount,
            currency=f"{self.currency.numeric:03d}",
            account=account,
            sequence_number=card.sequence_number,
            icc_data=card.icc_data,
            interface=interface,
            pin=self._pin,
            binding=await self._till.prove(self.identifier),
        )

    async def _authorise(self, card: EmvOutcome, account: Account, interface: Interface) -> Reply:
        till = self._till
        request = await self._asked(card, account, interface)
        if not till.acquiring.signed_on:
            await till.acquiring.sign_on()
        key = f"session key check value {till.acquiring.check_value}"
        maker = encipherer(till.pad.driver())
        self._step("request", "acquirer", f"0100 recorded before sending, MACed by {maker}; {key}")
        reply = (await till.acquiring.authorise(request, self.identifier)).reply
        approval = f", approval code {reply.approval}" if reply.approval else ""
        words = f"0110 response code {reply.response_code}{approval}; MAC verified by {maker}"
        self._step("reply", "acquirer", words)
        return reply

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
        books: Accounts,
        recorder: Notes,
        clock: Clock,
        entropy: Callable[[int], bytes],
        timeouts: Timeouts,
        authorities: Authorities | None = None,
        exceptions: ExceptionFile | None = None,
        numbers: Numbers | None = None,
        fallbacks: Fallbacks | None = None,
        questions: Asking | None = None,
        prove: ProveBinding = no_binding,
        encipher: Callable[[AccountData], Awaitable[EncipheredAccount]] | None = None,
    ) -> None:
        """``numbers``, ``fallbacks`` and ``questions``: where somebody else has them from one payment to the next.

        ``encipher``: for account data, where the acquirer is to get them so.
        """
        self.terminal = terminal
        self.reader = reader
        self.pad = pad
        self.acquiring = acquiring
        self.books = books
        self.recorder = recorder
        self.clock = clock
        self.entropy = entropy
        self.numbers = numbers or UnpredictableNumbers(entropy)
        self.fallbacks = fallbacks or FallbackGuard()
        self.questions = questions or Questions(recorder, timeouts.answer_s)
        self.prove = prove
        self.encipher = encipher
        self.timeouts = timeouts
        self.authorities = authorities
        self.exceptions = exceptions
        self.current: Payment | None = None

    def begin(self, amount: int, currency: Currency, wishes: Wishes = NO_WISHES) -> Payment:
        """A new payment; raises :class:`AgentError` where none may begin: another one runs, the disk is full."""
        if self.current is not None and not self.current.over:
            raise AgentError("another payment is running", "wait for its outcome")
        require_accepted(self.terminal, currency)
        self.current = Payment(self, self.books.begin(amount, currency), amount, currency, wishes)
        return self.current
