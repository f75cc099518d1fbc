# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Messages in, committed reports and receipts out: verify, then commit, and only then answer. Knows no broker.

A chunk of messages is judged (:meth:`Desk.judged`), which reads the register and nothing else, so that the next chunk
may be judged while this one is committed. Then it is entered into the ledgers and committed in one stroke with the
receipts' serial numbers. Whoever acknowledges does so after :meth:`Desk.enter` has returned; where it raises, nothing
of the chunk was committed and the messages come again.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from fleet_console import dispatch, presence
from fleet_console.judge import DROPPED, Accepted, Dead, Reason
from fleet_console.ledger import Boot, Place
from fleet_console.register import Register
from fleet_console.store.port import Database, Row, Stale, Step
from fleet_console.stories import Finding, Stories, Story, keeping
from protocols.mqtt.session import Message
from protocols.telemetry.batch import Line
from protocols.telemetry.envelope import WILL_SEQ, Report
from protocols.telemetry.events import Lane
from protocols.telemetry.fields import fit
from protocols.telemetry.ranges import read_ranges
from protocols.telemetry.receipt import MOST_RANGES, Receipt

DEAD_KEPT = 1_000  # dead letters of one terminal; the oldest go first
TOLD_AGAIN_MS = 60_000
SEARCHES = 4  # for one terminal in SEARCHES_MS: a boot loop has one in ten seconds at the most
SEARCHES_MS = 10_000
_REPORT = (
    "INSERT INTO reports (terminal, boot, seq, lane, event, at_ms, heard_ms, hash, octets) "
    "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (terminal, boot, seq) DO NOTHING"
)
_DEAD = (
    "INSERT INTO dead_letters (heard_ms, terminal, topic, reason, words, length, digest) "
    "VALUES ($1, $2, $3, $4, $5, $6, $7)"
)
_FEWER_DEAD = (
    "DELETE FROM dead_letters WHERE terminal = $1 AND number NOT IN "
    "(SELECT number FROM dead_letters WHERE terminal = $1 ORDER BY number DESC LIMIT $2)"
)
_RECEIPT = (
    "INSERT INTO receipts VALUES ($1, $2, $3, $4, $5) ON CONFLICT (terminal) DO UPDATE SET "
    "serial = excluded.serial, boot = excluded.boot, upto = excluded.upto, at_ms = excluded.at_ms"
)
_DROPPED = "INSERT INTO dropped VALUES ($1, $2, $3, $4) ON CONFLICT (terminal, boot, first) DO NOTHING"


@dataclass(frozen=True, slots=True)
class Found:
    """Something that a terminal's story shows."""

    terminal: str
    boot: int
    seq: int
    finding: Finding


@dataclass(slots=True)
class Outcome:
    """What came of a chunk. ``receipts``: one for each boot that it had reports of; they are to be signed and sent."""

    receipts: list[Receipt] = field(default_factory=list)
    findings: list[Found] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    dead: Counter[Reason] = field(default_factory=Counter)
    heard: set[str] = field(default_factory=set)
    """Terminals that spoke themselves: they are connected."""


Judging = Callable[[Sequence[Message], Register], Awaitable[list[Accepted | Dead]]]
"""What each of some messages is: see :class:`fleet_console.jury.Jury`."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A chunk, and what each of its messages is by the register of one version."""

    chunk: Sequence[Message]
    found: Sequence[Accepted | Dead]
    version: int


class _Draft:
    """A chunk's rows before they are committed."""

    def __init__(self, now_ms: int) -> None:
        self.now_ms = now_ms
        self.outcome = Outcome()
        self.terminals: set[str] = set()
        self.reports: list[Row] = []
        self.hashes: dict[tuple[str, int, int], bytes] = {}
        """Of the reports that this chunk brings: a second one of the same number is held against the first."""
        self.dead: list[Dead] = []
        self.dropped: list[Row] = []
        self.latest: dict[str, Report] = {}
        self.answers: list[Row] = []
        self.boots: dict[tuple[str, int], Boot] = {}
        self.stories: dict[str, Story] = {}


class Desk:
    """Takes the messages of a shard group. One desk for a terminal at any time: see :meth:`Database.hold`."""

    def __init__(
        self,
        database: Database,
        register: Register,
        clock_ms: Callable[[], int],
        judging: Judging,
    ) -> None:
        self._database = database
        self._register = register
        self._clock_ms = clock_ms
        self._judging = judging
        self._stories = Stories(database)
        self._asked: dict[str, tuple[int, int]] = {}
        self._told_ms: dict[tuple[str, Finding], int] = {}
        self._dead_since: Counter[str] = Counter()

    async def judged(self, chunk: Sequence[Message]) -> Judged:
        """Judge messages by the register as this desk knows it."""
        register = self._register
        return Judged(chunk, await self._judging(chunk, register), register.version)

    async def enter(self, judged: Judged) -> Outcome:
        """Commit a chunk, all or nothing. Raises :class:`fleet_console.store.port.Unavailable`.

        It is judged anew where the register has changed since: what counts is the version that the commit meets.
        """
        while True:
            draft = _Draft(self._clock_ms())
            try:
                for one in judged.found:
                    await self._enter(one, draft)
                draft.outcome.counts["reports"] = len(draft.hashes)
                receipts = self._receipts(draft)
                await self._database.write(self._steps(draft, receipts), judged.version)
            except Stale:
                self._stories.forget(draft.terminals)
                await self.refresh()
                judged = await self.judged(judged.chunk)
                continue
            except BaseException:
                self._stories.forget(draft.terminals)
                raise
            self._told_ms |= {(one.terminal, one.finding): draft.now_ms for one in draft.outcome.findings}
            draft.outcome.receipts = receipts
            return draft.outcome

    async def refresh(self) -> None:
        """Read the register anew."""
        self._register = await Register.load(self._database)

    async def _enter(self, one: Accepted | Dead, draft: _Draft) -> None:
        if isinstance(one, Dead):
            draft.dead.append(one)
            draft.outcome.dead[one.reason] += 1
            return
        terminal, number = one.terminal, one.boot
        draft.terminals.add(terminal)
        story = self._stories.cached(terminal, number) or await self._stories.of(terminal, number)
        draft.stories[terminal] = story
        for seq, own in self._lines(one, story, draft):
            first = draft.hashes.get((terminal, number, seq)) or await self._stories.committed(terminal, number, seq)
            if first is not None and first != own:
                self._tell(Found(terminal, number, seq, Finding.CONFLICT), draft)
        while story.ask and self._may_ask(terminal, draft.now_ms):
            boot, prev = story.ask.pop()
            if await self._stories.rolled_back(terminal, boot, prev):
                self._tell(Found(terminal, boot, 1, Finding.ROLLED_BACK), draft)

    def _may_ask(self, terminal: str, now_ms: int) -> bool:
        """Whether the store may be searched once more: that reads all of a terminal's reports, a life costs it one."""
        since_ms, count = self._asked.get(terminal, (now_ms, 0))
        if abs(now_ms - since_ms) >= SEARCHES_MS:
            since_ms, count = now_ms, 0
        self._asked[terminal] = since_ms, count + 1
        return count < SEARCHES

    def _tell(self, found: Found, draft: _Draft) -> None:
        """Once in a chunk, and of what isolates nobody once in a while: each costs a record of head office's chain."""
        key = found.terminal, found.finding
        if any((one.terminal, one.finding) == key for one in draft.outcome.findings):
            return
        told_ms = self._told_ms.get(key)
        if found.finding.is_clone or told_ms is None or abs(draft.now_ms - told_ms) >= TOLD_AGAIN_MS:
            draft.outcome.findings.append(found)

    def _lines(self, one: Accepted, story: Story, draft: _Draft) -> list[tuple[int, bytes]]:
        """Enter the reports of one batch; returns those whose number is here already, with their hashes."""
        known, lane = [], one.lane.value
        counts = draft.outcome.counts
        for line in one.lines:
            report = line.report
            seq, own = report.seq, sha256(line.octets).digest()
            presence.note(report, story)
            if seq == WILL_SEQ:
                draft.reports.append(_row(line, lane, own, draft.now_ms))
                counts["wills"] += 1
                continue
            draft.outcome.heard.add(one.terminal)
            place, finding = story.add(report, own)
            if place is Place.KNOWN:
                counts["duplicates"] += 1
                known.append((seq, own))
                continue
            if place is Place.NO_ROOM:
                draft.outcome.dead[Reason.NO_ROOM] += 1  # no receipt names it: it comes again when there is room
                continue
            draft.reports.append(_row(line, lane, own, draft.now_ms))
            draft.hashes[one.terminal, one.boot, seq] = own
            if finding is not None:
                self._tell(Found(one.terminal, one.boot, seq, finding), draft)
            if one.lane is Lane.ALERT and report.event.name == DROPPED:
                self._account(one.terminal, line, story, draft)
            elif one.lane is Lane.ACK and (answer := dispatch.answer(report, draft.now_ms)):
                draft.answers.append(answer)
        last = one.lines[-1].report
        if (before := draft.latest.get(one.terminal)) is None or last.boot >= before.boot:
            draft.latest[one.terminal] = last  # a will of an earlier life may come behind the reports of a later one
        if (ledger := story.boots.get(one.boot)) is not None:
            draft.boots[one.terminal, one.boot] = ledger
        return known

    def _account(self, terminal: str, line: Line, story: Story, draft: _Draft) -> None:
        """A terminal says what it has dropped, of this boot or of one before."""
        fields = line.report.event.fields
        boot = line.report.boot - int(fields["epoch_back"])
        ledger = story.boots.get(boot)
        if ledger is None:
            return  # of a boot that nobody here waits for
        gaps = [gap for low, high in read_ranges(str(fields["ranges"])) for gap in ledger.account(low, high)]
        draft.dropped += [(terminal, boot, low, high) for low, high in gaps]
        draft.boots[terminal, boot] = ledger
        draft.outcome.counts["dropped"] += sum(high - low + 1 for low, high in gaps)

    def _receipts(self, draft: _Draft) -> list[Receipt]:
        found = []
        for (terminal, boot), ledger in draft.boots.items():
            story = draft.stories[terminal]
            story.serial += 1
            also, missing = tuple(ledger.also(MOST_RANGES)), tuple(ledger.missing(MOST_RANGES))
            found.append(Receipt(terminal, boot, ledger.upto, draft.now_ms, story.serial, also, missing))
        return found

    def _steps(self, draft: _Draft, receipts: Sequence[Receipt]) -> list[Step]:
        rows = [(one.terminal, one.serial, one.boot, one.upto, one.at_ms) for one in receipts]
        dead = [_dead_row(one, draft.now_ms) for one in draft.dead]
        latest = [presence.row(last, draft.stories[name], draft.now_ms) for name, last in draft.latest.items()]
        steps: list[Step] = [
            (_REPORT, draft.reports),
            keeping(draft.boots),
            (_DROPPED, draft.dropped),
            (presence.KEEP, latest),
            (_RECEIPT, rows),
            (dispatch.ANSWER, draft.answers),
            (_DEAD, dead),
            (_FEWER_DEAD, self._too_many(draft)),
        ]
        return [step for step in steps if step[1]]

    def _too_many(self, draft: _Draft) -> list[Row]:
        """Terminals whose dead letters are to be thinned out: not at each one, since that would help a flood."""
        self._dead_since.update(one.terminal for one in draft.dead)
        full = [terminal for terminal, count in self._dead_since.items() if count >= DEAD_KEPT // 10]
        for terminal in full:
            del self._dead_since[terminal]
        return [(terminal, DEAD_KEPT) for terminal in full]


def _row(line: Line, lane: str, own: bytes, now_ms: int) -> Row:
    report = line.report
    return (
        report.terminal, report.boot, report.seq, lane, report.event.name, report.event.at_ms, now_ms,
        own, line.octets,
    )  # fmt: skip


def _dead_row(one: Dead, now_ms: int) -> Row:
    topic, payload = fit(one.message.topic) or "-", one.message.payload
    return now_ms, one.terminal, topic, one.reason.value, one.words, len(payload), sha256(payload).digest()
