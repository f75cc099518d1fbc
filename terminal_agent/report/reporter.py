# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Empties the outbox towards head office, the most urgent lane first. Knows no MQTT library and makes no event.

Reports leave in signed batches, a few at a time for each lane, and stay in the outbox until head office's receipt.
A broker's acknowledgement only sets the pace. Three answers of it are not even that: a refusal; "no matching
subscribers", where head office has no session at this broker and the batch would be thrown away; and none at all.

What was sent is sent again in three cases: the broker has lost its memory (it knows nothing of our session); a receipt
says that something is missing; no receipt comes for a while, and then ever more rarely. Whoever receives knows a report
by (terminal, boot, seq), so twice is as good as once.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable

from protocols.errors import DecodeError
from protocols.telemetry import receipt as receipts
from protocols.telemetry.batch import MOST_REPORTS, encode_batch, will
from protocols.telemetry.events import Lane, fit
from protocols.telemetry.keys import PublicKey
from protocols.telemetry.seal import Signer
from protocols.telemetry.topics import order_topic, receipt_topic, report_topic
from terminal_agent.clock import SignedClock
from terminal_agent.errors import AgentError
from terminal_agent.report.batching import Flight, Turn, fitting
from terminal_agent.report.keys import Keys, explained, report_keys
from terminal_agent.report.outbox import NOWHERE, Outbox, Place, Row
from terminal_agent.report.port import Connect, Dialling, Incoming, Link
from terminal_agent.report.settings import ReportError, ReportSettings, ReportStatus

Trace = Callable[[str, str, str], None]
FLUSH_S = 0.25  # how long health and bulk wait for company; alerts and acks wait for nobody
WINDOWS = {Lane.ALERT: 8, Lane.ACK: 4, Lane.HEALTH: 2, Lane.BULK: 2}  # batches of a lane on their way at once
FIRST_WAIT_S = 0.25  # back-off: a random part of 0.25 s, 0.5 s, 1 s … up to the profile's longest
LONGEST_LISTENER_WAIT_S = 5.0  # how long head office may have been there without our asking
LONGEST_RECEIPT_WAIT_S = 3_600.0
GRACE_S = 2.0  # what a broker took so lately may still be on its way to head office, however it looks from there
MOST_ASKED = 256  # ranges that wait to be sent again; head office asks for the others later
_NO_MATCHING_SUBSCRIBERS = 0x10  # MQTT 5, 3.4.2.1
_FAILURES = 0x80  # ibid. 2.4: codes from here on are failures
_QUOTA_EXCEEDED = 0x97


class _Unheard(Exception):
    """Nobody takes what we send."""


class Reporter:
    """One terminal's way to head office. ``randomness`` gives numbers from 0 up to 1, for the back-off.

    ``keys`` gives what signs reports, which need not hold its key itself, and what receipts are verified with.
    """

    def __init__(
        self,
        settings: ReportSettings,
        terminal: str,
        outbox: Outbox,
        clock: SignedClock,
        connect: Connect,
        randomness: Callable[[], float],
        trace: Trace | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        keys: Keys = report_keys,
    ) -> None:
        self._settings = settings
        self._terminal = terminal
        self._outbox = outbox
        self._clock = clock
        self._connect = connect
        self._randomness = randomness
        self._sleep = sleep
        self._keys = keys
        self._trace = trace or (lambda _wire, _direction, _text: None)
        self._topics = (receipt_topic(terminal), order_topic(terminal))
        self._more = asyncio.Event()
        self._empty = asyncio.Event()
        self._hurry = False
        self._anew = False
        self._failures = 0
        self._heard = True  # head office takes what we send; else one batch at a time asks whether it does
        self._receipt_key: PublicKey | None = None
        self._cursor = dict.fromkeys(Lane, NOWHERE)
        self._flying: dict[Lane, deque[Flight]] = {lane: deque() for lane in Lane}
        self._asked: deque[tuple[int, int, int]] = deque()
        self._asked_at = float("-inf")
        self._put_at: float | None = None
        self._taken: dict[Lane, Place] = dict.fromkeys(Lane, NOWHERE)
        """How far a broker took each lane, except lately: see GRACE_S."""
        self._taken_lately: deque[tuple[float, Lane, Place]] = deque()
        self._progress_at = 0.0
        self._receipt_wait_s = settings.receipt_s
        self.status = ReportStatus(False, "not connected yet")
        self.on_order: Callable[[bytes, bool], None] = lambda _octets, _retained: None
        """Called with an order's octets and whether it was retained; the broker's copy goes when this returns."""
        self.choose: Callable[[ReportSettings], ReportSettings] = lambda settings: settings
        """Called before each connection: which certificate and key it shows."""
        self.on_receipt: Callable[[], None] = lambda: None
        self.on_end: Callable[[str], None] = lambda _why: None
        """Called when a receipt came that is believed, and when a connection failed or ended, with words."""
        self.on_doubt: Callable[[str], None] = lambda _reason: None
        """Called with words when what posed as a receipt is not believed."""
        outbox.on_put = self._put

    async def run(self) -> None:
        """Send until cancelled; whatever fails on the way is said in ``status`` and tried again."""
        while True:
            try:
                await self._over_one_connection()
            except (AgentError, OSError) as fault:
                self.on_end(str(fault))
                self.status = ReportStatus(False, fit(explained(fault, self._settings, self._clock.judged_ms)))
                self._trace("mqtt", "<", self.status.words)
            longest = min(self._settings.longest_wait_s, FIRST_WAIT_S * 2 ** min(self._failures, 16))
            self._failures += 1
            await self._sleep(self._randomness() * longest)

    async def drained(self, timeout_s: float) -> bool:
        """Send at once what waits, until a broker has all of it; False where that takes longer."""
        self._hurry = True
        self._empty.clear()
        self._more.set()
        try:
            async with asyncio.timeout(timeout_s):
                await self._empty.wait()
        except TimeoutError:
            return False
        finally:
            self._hurry = False
        return True

    def reconnect(self) -> None:
        """Leave this connection in good order and make another, with what :attr:`choose` says then."""
        self._anew = True
        self._more.set()

    def ask(self, boot: int, first: int, last: int) -> None:
        """Send these reports once more, as far as they are still here; what is not here any more is told."""
        if len(self._asked) < MOST_ASKED:
            self._asked.append((boot, first, last))
            self._outbox.disown(boot, first, last, self._clock.now_ms())
            self._more.set()

    def _put(self) -> None:
        if self._put_at is None:
            self._put_at = asyncio.get_running_loop().time()
        self._empty.clear()
        self._more.set()

    async def _over_one_connection(self) -> None:
        settings = self.choose(self._settings)
        signer, self._receipt_key = self._keys(settings)
        outbox = self._outbox
        last_words = will(self._terminal, outbox.boot, outbox.began_prev, self._clock.now_ms(), signer)
        topic = report_topic(self._terminal, Lane.HEALTH)
        dialling = Dialling(
            settings, self._terminal, topic, last_words, self._topics, self._clock.judged_ms, self._take
        )
        async with self._connect(dialling) as link:
            self._trace("mqtt", "<", f"CONNACK, session {'kept' if link.session_present else 'new'}")
            self._begin()
            self._anew = False
            if not link.session_present and (again := self._rewind()):
                self._trace("mqtt", ">", f"{again} reports once more, the broker knows nothing of them")
            while not self._anew:
                self._more.clear()
                try:
                    self._land()
                    wake_s = self._fill(link, signer)
                except _Unheard:
                    self._begin()
                    await self._wait_for_a_listener(link)
                    continue
                self._say_connected()
                await link.unless_gone(self._woken(wake_s))

    def _begin(self) -> None:
        """Nothing is on its way; every lane goes on behind what a broker took."""
        for flights in self._flying.values():
            flights.clear()
        self._cursor = {lane: self._outbox.handed(lane) for lane in Lane}
        self._progress_at = asyncio.get_running_loop().time()

    def _rewind(self) -> int:
        again = self._outbox.rewind()
        self._taken = dict.fromkeys(Lane, NOWHERE)
        self._taken_lately.clear()
        self._begin()
        return again

    async def _woken(self, wake_s: float | None) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wake_s):
                await self._more.wait()

    # Sending

    def _fill(self, link: Link, signer: Signer) -> float:
        """Send as many batches as there is room for; in how many seconds something is due although nothing happens."""
        now = asyncio.get_running_loop().time()
        most = min(sum(WINDOWS.values()), link.receive_maximum) if self._heard else 1
        turn = Turn(now, most - self._on_their_way, now + self._settings.answer_s, min(1, most - 1))
        for lane in Lane:
            self._fill_lane(link, signer, lane, turn)
            if lane is Lane.ACK and self._heard and turn.room > turn.reserve and self._asked:
                turn.room -= self._send_again(link, signer)
        if turn.clear:
            self._put_at = None
            if not self._on_their_way and not self._asked:
                self._empty.set()
                return max(0.0, self._unreceipted_due(now, turn.due) - now)
        return max(0.0, turn.due - now)

    def _fill_lane(self, link: Link, signer: Signer, lane: Lane, turn: Turn) -> None:
        alone = lane is Lane.ALERT
        reserve = 0 if alone else turn.reserve
        while True:
            rows = self._outbox.unsent(lane, 1 if alone else MOST_REPORTS, self._cursor[lane])
            if not rows:
                return
            if len(self._flying[lane]) >= WINDOWS[lane] or turn.room <= reserve:
                break
            if lane in (Lane.HEALTH, Lane.BULK) and len(rows) < MOST_REPORTS and not self._hurry:
                ripe = FLUSH_S + (turn.now - FLUSH_S if self._put_at is None else self._put_at)
                if ripe > turn.now:
                    turn.due = min(turn.due, ripe)
                    break
            rows = fitting(rows)
            self._cursor[lane] = rows[-1].place
            self._fly(link, signer, rows, rows[-1].place)
            turn.room -= 1
        turn.clear = False

    def _fly(self, link: Link, signer: Signer, rows: list[Row], until: Place | None) -> None:
        lane = rows[0].lane
        payload = encode_batch([row.octets for row in rows], signer)
        topic = report_topic(self._terminal, lane)
        answer = link.post(topic, payload)
        answer.add_done_callback(lambda _: self._more.set())
        self._flying[lane].append(Flight(lane, until, answer, asyncio.get_running_loop().time()))
        what = f"{rows[0].boot}/{rows[0].seq}" + (f" to {rows[-1].seq}" if len(rows) > 1 else "")
        self._trace("mqtt", ">", f"PUBLISH {topic}, {len(rows)} reports, {what}, {len(payload)} octets")

    def _send_again(self, link: Link, signer: Signer) -> int:
        """The next reports that head office asked for, no more than one batch of each lane; how many batches."""
        boot, first, last = self._asked.popleft()
        rows = self._outbox.held(boot, first, last, MOST_REPORTS)
        if len(rows) == MOST_REPORTS:
            self._asked.appendleft((boot, rows[-1].seq + 1, last))
        flown = 0
        for lane in Lane:
            # What no broker has taken yet comes by itself, and what one took just now is on its way.
            own = [row for row in rows if row.lane is lane and row.place <= self._taken[lane]]
            while own:
                batch = own[:1] if lane is Lane.ALERT else fitting(own)
                self._fly(link, signer, batch, None)
                own, flown = own[len(batch) :], flown + 1
        return flown

    @property
    def _on_their_way(self) -> int:
        return sum(map(len, self._flying.values()))

    def _land(self) -> None:
        """Take the broker's answers, of each lane in their order."""
        now = asyncio.get_running_loop().time()
        for lane, flights in self._flying.items():
            while flights and flights[0].answer.done():
                flight = flights.popleft()
                code = flight.answer.result()
                if code in (_NO_MATCHING_SUBSCRIBERS, _QUOTA_EXCEEDED):
                    self._trace("mqtt", "<", f"PUBACK {lane.value}, nobody takes it")
                    raise _Unheard
                if code >= _FAILURES:
                    raise ReportError(
                        f"the broker refuses reports (reason code {code:02X})",
                        "check its access list for this certificate",
                    )
                if flight.until is not None:
                    self._outbox.sent(lane, flight.until)
                    self._taken_lately.append((now, lane, flight.until))
                self._failures, self._heard = 0, True
            if flights and now - flights[0].since >= self._settings.answer_s:
                raise ReportError(f"the broker acknowledged nothing within {self._settings.answer_s:g} s")
        self._land_lately(now)

    def _land_lately(self, now: float) -> None:
        while self._taken_lately and now - self._taken_lately[0][0] >= GRACE_S:
            _, lane, place = self._taken_lately.popleft()
            self._taken[lane] = max(self._taken[lane], place)

    async def _wait_for_a_listener(self, link: Link) -> None:
        self._heard = False
        self.status = ReportStatus(True, "connected, but head office does not listen")
        wait = min(LONGEST_LISTENER_WAIT_S, FIRST_WAIT_S * 2 ** min(self._failures, 16))
        self._failures += 1
        await link.unless_gone(asyncio.sleep(wait * (0.5 + self._randomness() / 2)))

    # Receipts

    def _take(self, incoming: Incoming) -> None:
        """A message from the broker."""
        if incoming.topic == self._topics[1]:
            self._trace("mqtt", "<", f"PUBLISH {incoming.topic}, {len(incoming.payload)} octets")
            self.on_order(incoming.payload, incoming.retained)
        elif incoming.topic == self._topics[0] and self._receipt_key is not None:
            try:
                self._receipt(incoming, self._receipt_key)
            except DecodeError as fault:
                self._trace("mqtt", "<", f"a receipt is not believed: {fault}")
                self.on_doubt(f"receipt: {fault}")
            except ReportError as fault:  # the disk: what it says is said again by the next one
                self._trace("mqtt", "<", f"a receipt cannot be kept: {fault.what}")

    def _receipt(self, incoming: Incoming, key: PublicKey) -> None:
        sealed = receipts.read_receipt(incoming.payload)
        if not key.signed(sealed, receipts.CONTEXT):
            raise DecodeError("receipt", "not signed by head office's key")
        found = receipts.receipt(sealed)
        if found.terminal != self._terminal:
            raise DecodeError("receipt", "for another terminal")
        if incoming.retained:
            raise DecodeError("receipt", "retained by the broker")
        trimmed = self._outbox.receipted(found)
        if trimmed is None:
            self._trace("mqtt", "<", f"receipt {found.serial} again")
            return
        self._clock.signed(found.at_ms)
        self.on_receipt()
        self._trace("mqtt", "<", f"receipt {found.serial}: {found.boot} up to {found.upto}, {trimmed} reports done")
        if trimmed:
            self._progress_at = asyncio.get_running_loop().time()
            self._receipt_wait_s = self._settings.receipt_s
        self._ask_for_missing(found)
        self._more.set()

    def _ask_for_missing(self, found: receipts.Receipt) -> None:
        """What a broker took a while ago and head office lacks; each receipt says all of it, so not for each anew."""
        now = asyncio.get_running_loop().time()
        if not found.missing or now - self._asked_at < GRACE_S:
            return
        self._asked_at = now
        self._asked = deque(one for one in self._asked if one[0] != found.boot)
        self._land_lately(now)
        taken = max(self._taken.values())
        for first, last in found.missing:
            behind = last if found.boot < taken[0] else taken[1] if found.boot == taken[0] else 0
            if first <= behind:
                self.ask(found.boot, first, min(last, behind))

    def _unreceipted_due(self, now: float, due: float) -> float:
        """All is sent: when it is to be sent again because no receipt comes. Sends nothing itself."""
        if self._receipt_key is None or not self._outbox.waiting:
            self._progress_at = now
            return due
        if now - self._progress_at >= self._receipt_wait_s:
            self._receipt_wait_s = min(LONGEST_RECEIPT_WAIT_S, 2 * self._receipt_wait_s)
            self._trace("mqtt", ">", f"{self._rewind()} reports once more, there is no receipt for them")
            self._more.set()
            return now
        return min(due, self._progress_at + self._receipt_wait_s)

    def _say_connected(self) -> None:
        if not self._heard:
            return
        words = f"connected to {self._settings.broker}"
        waiting = self._outbox.waiting
        if self._receipt_key is None:
            words += f"; no receipt-key in the profile: {waiting} reports kept, the oldest go when their lane is full"
        elif waiting:
            silent = asyncio.get_running_loop().time() - self._progress_at
            words += f"; {waiting} reports wait for a receipt"
            words += f", none came for {silent:.0f} s" if silent > self._settings.receipt_s else ""
        if self._outbox.full:
            words += "; full of alerts: what follows waits in the audit log"
        self.status = ReportStatus(True, words)
