# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The terminal's dealings with its acquirer: sign-on, authorisation, reversals. Every MAC is made by the pad.

The order that loses nothing: number, MAC, **journal**, send, read, check the reply's MAC, journal the answer. What may
have reached the acquirer without a trustworthy answer is owed a reversal, which is repeated until it is answered.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from protocols.acquirer.message import Draft
from protocols.errors import ProtocolError
from protocols.telemetry.events import fit
from terminal_agent.clock import Clock, local_time
from terminal_agent.errors import AgentError
from terminal_agent.flows.devices import Attached, DeviceAway
from terminal_agent.flows.ports import Accounts, Ledger, Notes
from terminal_agent.host.advice import Advice
from terminal_agent.host.client import AuthorisationRequest, HostClient, Reply
from terminal_agent.host.port import AcquirerPort, HostError, HostGarbled, JournalError
from terminal_agent.host.reversal import ReversalReason
from terminal_agent.host.seal import SealBroken
from terminal_agent.pad.port import PadAbsent, PadError, PinPad

REVERSAL_PAUSE_S = 2.0  # after an attempt at an owed reversal that failed; the acquirer may be restarting
LONGEST_PAUSE_S = 60.0  # each further failure doubles the pause up to here


class NotSignedOn(AgentError):
    """There is no session key, so nothing can be MACed."""


@dataclass(frozen=True, slots=True)
class Session:
    """A MAC session key as the acquirer gave it, under the pad's master key, and its check value in hex."""

    key: bytes = field(repr=False)
    check_value: str


@dataclass(frozen=True, slots=True)
class Authorised:
    """The acquirer's trustworthy answer, and where the journal keeps the request."""

    reply: Reply
    reference: int


class Acquiring:
    """One terminal's session with its acquirer."""

    def __init__(
        self,
        client: HostClient,
        link: AcquirerPort,
        journal: Ledger,
        books: Accounts,
        pad: Attached[PinPad],
        recorder: Notes,
        clock: Clock,
        timeout_s: float,
        offline_limit: int = 0,
        session: Session | None = None,
        remember: Callable[[Session | None], None] = lambda session: None,
    ) -> None:
        """``offline_limit``: up to which amount, in minor units, the acquirer books what it was not asked about.

        ``session``: one that a worker before this one had; ``remember`` is told whenever it changes.
        """
        self._client = client
        self._link = link
        self._journal = journal
        self._books = books
        self._pad = pad
        self._recorder = recorder
        self._clock = clock
        self._timeout_s = timeout_s
        self._offline_limit = offline_limit
        self._stuck = False
        self._session = session
        self._remember = remember
        self._turn = asyncio.Lock()

    @property
    def signed_on(self) -> bool:
        """Whether there is a session key."""
        return self._session is not None

    @property
    def check_value(self) -> str:
        """Of the session key, in hex: the only thing about it that may be shown."""
        return self._session.check_value if self._session else ""

    async def sign_on(self) -> str:
        """Fetch a MAC session key; its check value in hex. The reply must be MACed under the very key it brings."""
        async with self._turn:
            return await self._sign_on()

    async def _sign_on(self) -> str:
        draft = self._client.sign_on(self._journal.next_stan(), self._now())
        octets = await self._link.exchange(draft.without_mac(), self._timeout_s, self._client.answers(draft))
        reply = self._client.read_reply(draft, octets)
        if not reply.approved or reply.session_key is None:
            raise NotSignedOn(f"the acquirer refused the sign-on: {reply.words}", "check terminal and merchant number")
        key = reply.session_key
        reply.require_mac(await self._mac(key.cryptogram, reply.octets_to_mac))
        self._begin(Session(key.cryptogram, key.check_value.hex().upper()))
        self._recorder.note("host.signed_on", kcv=self.check_value)
        return self.check_value

    def _begin(self, session: Session | None) -> None:
        self._session = session
        self._remember(session)

    async def authorise(self, request: AuthorisationRequest, payment: str) -> Authorised:
        """Ask for an authorisation; raises :class:`HostError`, after which a reversal is owed where one must be.

        An approval that comes back is owed back all the same unless ``payment`` is concluded as approved.
        """
        async with self._turn:
            if self._session is None:
                await self._sign_on()
            draft = self._client.authorise(request, self._journal.next_stan(), self._now())
            octets = draft.with_mac(await self._mac(self._key(), draft.octets_to_mac))
            reference = self._journal.record(draft, payment)
            try:
                reply = await self._trusted_reply(draft, octets)
            except HostError as fault:
                self._give_up(reference, fault)
                raise
            except BaseException:
                # The pad failed while checking, or this task was cancelled: the answer is not known to be true.
                self._books.owe(reference, ReversalReason.TERMINAL)
                raise
            self._journal.answered(reference, reply)
            return Authorised(reply, reference)

    def takes_offline(self, amount: int) -> bool:
        """Whether the acquirer books a payment of ``amount`` that card and terminal approved without it."""
        return amount <= self._offline_limit

    async def settle(self, after_s: float = 0.0, paused: Callable[[float], None] = lambda pause: None) -> None:
        """Runs for the process' life: sends every owed reversal, then every owed advice, until it is answered.

        ``after_s``: a pause that is left from a worker before this one; ``paused`` is told of the one to come.
        """
        pause = max(REVERSAL_PAUSE_S, after_s)
        await asyncio.sleep(after_s)
        while True:
            await self._books.owing.wait()
            self._books.owing.clear()  # before the look into the journal: what comes to be owed meanwhile sets it again
            try:
                if self._session is None:
                    await self.sign_on()
                settled = await self._send_reversals()
                settled = await self._send_advices() and settled
            except (HostError, PadError, DeviceAway, NotSignedOn) as fault:
                settled = False
                if isinstance(fault, HostGarbled):
                    self._begin(None)  # the acquirer may hold a newer one, whose sign-on answer was lost
            if settled:
                pause = REVERSAL_PAUSE_S
                paused(0.0)
                continue
            self._books.owing.set()  # it stays owed
            paused(pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_S)

    async def close(self) -> None:
        """Drop the line."""
        await self._link.close()

    async def _send_reversals(self) -> bool:
        """Send what is owed, oldest first; False where one of them is not settled. None of them holds up the others."""
        settled = True
        for owed in self._journal.reversals():
            async with self._turn:
                if self._session is None:
                    await self._sign_on()
                try:
                    draft = self._client.reverse(owed)
                    octets = draft.with_mac(await self._mac(self._key(), draft.octets_to_mac))
                except ProtocolError as fault:  # a row that cannot be written as a message: say so, go on with the rest
                    self._recorder.note("host.refused", reason=fit(f"a reversal cannot be sent: {fault}"))
                    settled = False
                    continue
                self._journal.reversal_sending(owed.ref)
                reply = await self._trusted_reply(draft, octets)
                settled = self._books.settled(owed.ref, reply.response_code) and settled
        return settled

    async def _send_advices(self) -> bool:
        """Tell what was approved without the acquirer, oldest first; False as above."""
        settled = True
        for owed in self._advices():
            async with self._turn:
                if self._session is None:
                    await self._sign_on()
                draft = self._client.advise(owed.content)
                octets = draft.with_mac(await self._mac(self._key(), draft.octets_to_mac))
                self._journal.advice_sending(owed.ref)
                reply = await self._trusted_reply(draft, octets)
                settled = self._books.advised(owed.ref, reply.response_code) and settled
        return settled

    def _advices(self) -> tuple[Advice, ...]:
        try:
            return self._journal.advices()
        except SealBroken as fault:
            if not self._stuck:
                self._stuck = True
                self._recorder.note("advice.stuck", reason=fit(fault.what))
            raise

    async def _trusted_reply(self, draft: Draft, octets: bytes) -> Reply:
        """The answer to ``draft``, MAC checked.

        A decline without MAC is believed no more than an approval: a forged one would leave the bank with a booking
        that this terminal knows nothing of.
        """
        answer = await self._link.exchange(octets, self._timeout_s, self._client.answers(draft))
        reply = self._client.read_reply(draft, answer)
        reply.require_mac(await self._mac(self._key(), reply.octets_to_mac))
        return reply

    def _give_up(self, reference: int, fault: HostError) -> None:
        if not fault.sent:
            with contextlib.suppress(JournalError):  # then the end of the payment owes it: the host never saw it
                self._journal.withdrawn(reference)
            return
        garbled = isinstance(fault, HostGarbled)
        self._books.owe(reference, ReversalReason.GARBLED if garbled else ReversalReason.SILENCE)
        if garbled:
            self._begin(None)  # the acquirer may hold a newer one, whose sign-on answer was lost
            self._recorder.note("host.refused", reason=fault.what)

    def _now(self) -> datetime:
        return local_time(self._clock.now_ms())

    def _key(self) -> bytes:
        if self._session is None:
            raise NotSignedOn("no session key", "sign on first")
        return self._session.key

    async def _mac(self, key: bytes, octets: bytes) -> bytes:
        pad = self._pad.driver()
        try:
            return await pad.mac(key, octets)
        except PadAbsent as fault:
            await self._pad.drop(pad, fault.what)
            raise
