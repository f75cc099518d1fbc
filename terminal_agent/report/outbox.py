# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The outbox: every report is on disk before it is sent and stays until head office's receipt for it. Sends nothing.

One SQLite file in WAL mode with synchronous FULL: what :meth:`Outbox.put` returned survives kill -9 and a power cut.

Each opening is a boot, and its epoch only grows, over a lost file too: it is the larger of the last epoch plus one and
the wall clock. Within a boot, ``seq`` counts from 1; ``prev`` links every report to the one before it, across boots.
Whoever receives knows a report by (terminal, boot, seq).

A broker's acknowledgement is not durability: only a receipt trims. How far each lane was handed to a broker is a mark
to begin with next time, no more; :meth:`Outbox.rewind` takes it back where the broker forgot, or no receipt comes.

Each lane has its bound in octets. A lane that is full drops its oldest reports and says which in a report; the lane of
alerts drops none: it refuses, and what follows waits in the audit log. Only where no receipts are to be had at all does
it drop those that a broker took. The outbox follows the audit log: with every report it keeps, in the same stroke, how
far in it it has come (:attr:`Outbox.anchor`, the log's head in text). Whoever died between the two finds from it what
is missing here.
"""

import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from protocols.errors import EncodeError
from protocols.telemetry.envelope import LARGEST_REPORT, Report, encode, report_hash
from protocols.telemetry.events import KINDS, Event, Lane, Value, make
from protocols.telemetry.fields import LARGEST_IN_RANGES, LARGEST_NUMBER
from protocols.telemetry.ranges import Range, ranges_of, texts
from protocols.telemetry.receipt import Receipt
from terminal_agent.report.outbox_file import LANES, VERSION, bring_up
from terminal_agent.report.settings import LaneBounds, OutboxError, OutboxFull

CARRIED = 64  # marks that may wait for the next write: after a crash so many are sent twice at most
SHARE = 64  # a full lane drops a 64th of its bound at once: one report tells of many
_DROP_ROOM = 2 * LARGEST_REPORT  # what a report of the dropped takes of the alerts' bound at most
Place = tuple[int, int]
"""Boot and sequence number."""
NOWHERE: Place = (-1, 0)


@dataclass(frozen=True, slots=True)
class Row:
    """A report that waits for its receipt."""

    boot: int
    seq: int
    lane: Lane
    octets: bytes

    @property
    def place(self) -> Place:
        """What it is known by."""
        return self.boot, self.seq


class Outbox:
    """What one terminal has to tell. Belongs to one process and one thread; a second opening is refused."""

    def __init__(
        self, database: sqlite3.Connection, path: Path, terminal: str, bounds: LaneBounds, receipts: bool
    ) -> None:
        """Use :meth:`open`."""
        self._receipts = receipts
        self._database = database
        self._path = path
        self.terminal = terminal
        self._bounds = bounds.octets
        self._handed = dict.fromkeys(LANES, NOWHERE)
        self._carried = 0
        self._octets = dict.fromkeys(LANES, 0)
        self._rows = dict.fromkeys(LANES, 0)
        self._receipt = -1
        self._disowned: set[tuple[int, Range]] = set()
        self._prev = ""
        self.boot = 0
        self.seq = 0
        self.began_prev = ""
        """The chain's head when this boot began: what the will and report 1 link to."""
        self.anchor = ""
        """The head of the audit log behind the record that was kept last, as text; empty before the first."""
        self.on_put: Callable[[], None] | None = None
        """Called after each report that is kept."""

    @classmethod
    def open(
        cls,
        path: Path,
        terminal: str,
        *,
        opened_at_ms: int,
        bounds: LaneBounds | None = None,
        receipts: bool = True,
    ) -> "Outbox":
        """Open or make the outbox of ``terminal`` and begin a new boot; raises :class:`OutboxError` with the cure.

        ``receipts``: whether any are to be had, that is, whether the profile names head office's key.
        """
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        except OSError as fault:
            raise OutboxError(f"outbox {path}: {fault.strerror}", "check the folder's rights and space") from None
        database = sqlite3.connect(path, isolation_level=None, timeout=0)
        outbox = cls(database, path, terminal, bounds or LaneBounds(), receipts)
        try:
            with outbox._faults():
                outbox._begin(opened_at_ms)
        except BaseException:
            database.close()
            raise
        return outbox

    def put(self, event: Event, anchor: str = "") -> int:
        """Keep one event durably and return its ``seq``; raises :class:`OutboxError` where that is not possible.

        ``anchor``: the head of the audit log behind this event's record, kept along with it.
        """
        with self._faults(), self._transaction():
            seq = self._append(event)
            if anchor:
                self._follow(anchor)
        if self.on_put is not None:
            self.on_put()
        return seq

    def begin_at(self, anchor: str) -> None:
        """Follow the audit log from ``anchor`` on: what is before it is not reported."""
        with self._faults(), self._transaction():
            self._follow(anchor)

    @property
    def full(self) -> bool:
        """Whether the next alert might be refused. Cheap: whoever follows the audit log asks before reading it."""
        near = self._octets[Lane.ALERT] + _DROP_ROOM > self._bounds[Lane.ALERT]
        return near and (self._receipts or not self._droppable(Lane.ALERT, 1))

    def unsent(self, lane: Lane, limit: int, after: Place | None = None) -> list[Row]:
        """The oldest reports of a lane that no broker took yet, or those behind ``after``, in their order."""
        boot, seq = self._handed[lane] if after is None else after
        with self._faults():
            found = self._database.execute(
                "SELECT boot, seq, octets FROM spool WHERE lane = ? AND (boot, seq) > (?, ?) "
                "ORDER BY boot, seq LIMIT ?",
                (LANES.index(lane), boot, seq, limit),
            ).fetchall()
        return [Row(row[0], row[1], lane, row[2]) for row in found]

    def held(self, boot: int, first: int, last: int, limit: int) -> list[Row]:
        """Reports of any lane by their numbers, for head office to have again."""
        with self._faults():
            found = self._database.execute(
                "SELECT seq, lane, octets FROM spool WHERE boot = ? AND seq BETWEEN ? AND ? ORDER BY seq LIMIT ?",
                (boot, first, last, limit),
            ).fetchall()
        return [Row(boot, seq, LANES[lane], octets) for seq, lane, octets in found]

    @property
    def waiting(self) -> int:
        """How many reports have no receipt."""
        return sum(self._rows.values())

    @property
    def unreceipted(self) -> Mapping[Lane, int]:
        """The same by lane."""
        return self._rows

    def handed(self, lane: Lane) -> Place:
        """How far a broker took a lane."""
        return self._handed[lane]

    def sent(self, lane: Lane, place: Place) -> None:
        """A broker took this lane's reports up to ``place``. Written with the next report, or after a few."""
        self._handed[lane] = max(self._handed[lane], place)
        self._carried += 1
        if self._carried >= CARRIED:
            self.flush()

    def rewind(self) -> int:
        """All reports without a receipt wait to be sent again. Returns how many those are that had been sent."""
        with self._faults():
            again = sum(
                self._database.execute(
                    "SELECT count(*) FROM spool WHERE lane = ? AND (boot, seq) <= (?, ?)",
                    (LANES.index(lane), *self._handed[lane]),
                ).fetchone()[0]
                for lane in LANES
            )
        self._handed = dict.fromkeys(LANES, NOWHERE)
        self.flush()
        return int(again)

    def receipted(self, receipt: Receipt) -> int | None:
        """Drop what a receipt, whose signature was verified, says is committed; how many that are.

        None where the receipt is older than one that was seen before: it says nothing then.
        """
        if receipt.serial <= self._receipt:
            return None
        with self._faults(), self._transaction():
            trimmed = sum(
                self._delete("boot = ? AND seq BETWEEN ? AND ?", (receipt.boot, first, last))
                for first, last in ((0, receipt.upto), *receipt.also)
            )
            self._database.execute("UPDATE story SET receipt = ?", (receipt.serial,))
            self._receipt = receipt.serial
        return trimmed

    def disown(self, boot: int, first: int, last: int, at_ms: int) -> None:
        """Tell, once, which of these numbers of an earlier time are not here any more, so that nobody waits for them.

        Looks at no more than what one report names; the rest comes when head office asks again.
        """
        if boot > self.boot or (boot == self.boot and last > self.seq):
            return  # head office asks for what never was
        if self.boot - boot > LARGEST_NUMBER or last > LARGEST_IN_RANGES:
            return  # nor was this, and no report could name it
        last = min(last, first + 9_999)
        if (boot, (first, last)) in self._disowned or len(self._disowned) >= 1_000:
            return
        here = {row.seq for row in self.held(boot, first, last, 10_000)}
        gone = ranges_of(number for number in range(first, last + 1) if number not in here)
        self._disowned.add((boot, (first, last)))
        with self._faults(), self._transaction():
            self._tell_dropped(boot, gone, at_ms, {})
        if self.on_put is not None:
            self.on_put()

    def flush(self) -> None:
        """Write what :meth:`sent` carried."""
        with self._faults(), self._transaction():
            self._write_marks()

    def close(self) -> None:
        """Write what is carried and close the file."""
        try:
            self.flush()
        finally:
            self._database.close()

    def _begin(self, opened_at_ms: int) -> None:
        run = self._database.execute
        run("PRAGMA locking_mode = EXCLUSIVE")  # one writer: no shared memory file, and a second agent is refused
        run("PRAGMA journal_mode = WAL")
        run("PRAGMA synchronous = FULL")
        version = run("PRAGMA user_version").fetchone()[0]
        if version > VERSION:
            raise OutboxError(
                f"outbox {self._path}: version {version}, {VERSION} expected", "use the agent that wrote it"
            )
        run("BEGIN IMMEDIATE")
        if version < VERSION:
            try:
                bring_up(run, version, self.terminal)
            except (ValueError, KeyError, EncodeError):
                run("ROLLBACK")
                raise OutboxError(
                    f"outbox {self._path}: what version {version} kept cannot be taken over",
                    "move it away; the audit log keeps what it held",
                ) from None
        terminal, boot, self._prev, self.anchor, self._receipt = run(
            "SELECT terminal, boot, prev, anchor, receipt FROM story"
        ).fetchone()
        if terminal != self.terminal:
            run("ROLLBACK")
            raise OutboxError(
                f"outbox {self._path}: belongs to another terminal", "give each terminal its own state folder"
            )
        self.boot, self.began_prev = max(boot + 1, opened_at_ms), self._prev
        run("UPDATE story SET boot = ?", (self.boot,))
        run("COMMIT")
        for lane, at_boot, seq in run("SELECT lane, boot, seq FROM handed").fetchall():
            self._handed[LANES[lane]] = (at_boot, seq)
        for lane, rows, octets in run("SELECT lane, count(*), sum(length(octets)) FROM spool GROUP BY lane").fetchall():
            self._rows[LANES[lane]], self._octets[LANES[lane]] = rows, octets

    def _append(self, event: Event) -> int:
        seq = self.seq + 1
        octets = self._encoded(event, seq)
        lane = KINDS[event.name].lane
        if self._octets[lane] + len(octets) > self._bounds[lane]:
            self._make_room(lane, len(octets), event.at_ms)
            seq = self.seq + 1  # behind the report of what was dropped
            octets = self._encoded(event, seq)
        prev = report_hash(octets)
        self._database.execute("INSERT INTO spool VALUES (?, ?, ?, ?)", (self.boot, seq, LANES.index(lane), octets))
        self._database.execute("UPDATE story SET prev = ?", (prev,))
        if self._carried:
            self._write_marks()
        self.seq, self._prev = seq, prev
        self._rows[lane] += 1
        self._octets[lane] += len(octets)
        return seq

    def _encoded(self, event: Event, seq: int) -> bytes:
        try:
            return encode(Report(self.terminal, self.boot, seq, self._prev, event))
        except EncodeError as fault:
            raise OutboxError(f"a report cannot be written: {fault}", "this is a fault of the agent") from None

    def _follow(self, anchor: str) -> None:
        self._database.execute("UPDATE story SET anchor = ?", (anchor,))
        self.anchor = anchor

    def _write_marks(self) -> None:
        self._database.executemany(
            "UPDATE handed SET boot = ?, seq = ? WHERE lane = ?",
            [(*place, LANES.index(lane)) for lane, place in self._handed.items()],
        )
        self._carried = 0

    def _make_room(self, lane: Lane, octets: int, at_ms: int) -> None:
        """Drop the oldest of a full lane and say so in a report; no alerts, where receipts are to be had."""
        wanted = max(octets + _DROP_ROOM, self._bounds[lane] // SHARE)
        droppable = self._droppable(lane, wanted // 100 + 1)
        if not droppable:
            raise OutboxFull(
                f"outbox {self._path}: full of alerts that head office has no receipt for",
                "what follows waits in the audit log; is head office there, and is receipt-key in [report] its key?",
            )
        gone: dict[int, list[int]] = {}
        for row in droppable:
            if wanted <= 0:
                break
            wanted -= len(row.octets)
            gone.setdefault(row.boot, []).append(row.seq)
        for boot, numbers in gone.items():
            self._delete("boot = ? AND lane = ? AND seq <= ?", (boot, LANES.index(lane), numbers[-1]))
            self._tell_dropped(boot, ranges_of(numbers), at_ms, {"lane": lane.value})

    def _droppable(self, lane: Lane, limit: int) -> list[Row]:
        if lane is not Lane.ALERT:
            return self.unsent(lane, limit, NOWHERE)
        if self._receipts:
            return []
        return [row for row in self.unsent(lane, limit, NOWHERE) if row.place <= self._handed[lane]]

    def _tell_dropped(self, boot: int, gone: tuple[Range, ...], at_ms: int, more: Mapping[str, Value]) -> None:
        for count, ranges in texts(gone):
            fields = {"count": count, "epoch_back": self.boot - boot, "ranges": ranges, **more}
            self._append(make("report.dropped", at_ms, **fields))

    def _delete(self, where: str, values: tuple[int, ...]) -> int:
        """Delete rows and keep count of them; ``where`` is one of this module's own texts."""
        total = 0
        for lane, rows, octets in self._database.execute(
            f"SELECT lane, count(*), sum(length(octets)) FROM spool WHERE {where} GROUP BY lane",  # noqa: S608
            values,
        ).fetchall():
            self._rows[LANES[lane]] -= rows
            self._octets[LANES[lane]] -= octets
            total += rows
        if total:
            self._database.execute(f"DELETE FROM spool WHERE {where}", values)  # noqa: S608
        return total

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """All or nothing, on disk and in memory."""
        before = (self.seq, self._prev, self.anchor, self._carried, self._receipt)
        rows, octets = dict(self._rows), dict(self._octets)
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._database.execute("COMMIT")
        except BaseException:
            self.seq, self._prev, self.anchor, self._carried, self._receipt = before
            self._rows, self._octets = rows, octets
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as fault:
            name = getattr(fault, "sqlite_errorname", "") or ""
            what, hint = next(
                (words for start, words in _FAULTS.items() if name.startswith(start)),
                ("cannot be used", "move it away; the audit log keeps what it held"),
            )
            raise OutboxError(f"outbox {self._path}: {what} ({name or type(fault).__name__})", hint) from None


_FAULTS = {
    "SQLITE_FULL": ("the disk is full", "free some space; nothing was written"),
    "SQLITE_IOERR": ("the disk does not take it", "check space, limits and the disk's health; nothing was written"),
    "SQLITE_BUSY": ("in use by another process", "only one terminal-agent may run for a terminal"),
    "SQLITE_READONLY": ("read-only", "check the rights of the file and its folder"),
    "SQLITE_CANTOPEN": ("cannot be opened", "check the rights of the file and its folder"),
    "SQLITE_NOTADB": ("is not an outbox", "move it away; the audit log keeps what it held"),
    "SQLITE_CORRUPT": ("damaged", "move it away; the audit log keeps what it held"),
}
"""SQLite's result codes by the beginning of their name: what to say, and the cure."""
