# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The unit's audit: chained records in one file. Interprets no record and has no timer; who composes it gives both.

:meth:`Audit.now` returns when its record, and every one before it, is on the disk: for changes of state, which must be
recorded before anybody hears that they happened. :meth:`Audit.soon` links its record at once and leaves the writing to
the next :meth:`Audit.commit`, at most :data:`COMMIT_S` later: for the many that only tell what hosts did.

At the start the whole chain is verified. A torn last line, which a kill while writing leaves and which nobody was told
of, is cut off and recorded; anything else that does not hold stops the unit, since a log that was tampered with must
not be continued as if it were whole. Without a file the records are only chained in memory, the last few kept.
"""

import fcntl
import os
import re
from collections import deque
from collections.abc import Callable, Container, Iterable, Iterator
from itertools import islice
from pathlib import Path

from protocols.audit_chain import LONGEST_LINE, ChainError, Head, Record, Summary, Value, genesis, link, parse, verify
from protocols.errors import ProtocolError

CHAIN = "hsm-sim"
COMMIT_S = 0.1
KEPT_IN_MEMORY = 1000
MODE = 0o600
NAME_WITHIN = 128
"""A record's name stands in so many octets of its line: behind its number and its time."""
_NAME = re.compile(rb'"name":"([a-z.-]+)"')
WAITING_RECORDS = 10_000
"""So many wait for the disk at most; then the next one waits for it itself."""


class AuditError(ProtocolError):
    """The audit cannot be written, or does not hold, and the cure. Nothing that should be in it may go on."""

    def __init__(self, what: str, hint: str, *, damaged: bool = False) -> None:
        super().__init__(what)
        self.hint = hint
        self.damaged = damaged
        """Whether what is stored does not hold: a matter for an inquiry."""


NO_ROOM = "free space on the disk of the state folder, then start the unit again"
INQUIRY = "keep the file as it is for the inquiry, and start with another state folder"
IN_USE = "stop the unit that runs in this folder, or choose another with --state"


class Audit:
    """An open audit. One writer: a second opener of the same file is refused."""

    def __init__(self, clock_ms: Callable[[], int], path: Path | None = None, remember: Container[str] = ()) -> None:
        """Open or begin the file and verify it whole; :class:`AuditError` where it cannot be, or does not hold.

        The last stored record whose name is in ``remember`` is then :attr:`remembered`: what the unit must know again.
        """
        self._clock_ms = clock_ms
        self._path = path
        self._waiting: list[bytes] = []
        self._recent: deque[bytes] = deque(maxlen=KEPT_IN_MEMORY)
        self._descriptor: int | None = None
        self._size = 0
        self.head = genesis(CHAIN)
        self.remembered: Record | None = None
        self.commits = 0
        if path is not None:
            self._descriptor, torn = _open(path)
            try:
                last = _Last(remember)
                self.head = _verified(path, watch=last).head
                self.remembered = last.found
            except BaseException:
                os.close(self._descriptor)
                raise
            self._size = os.fstat(self._descriptor).st_size
            if torn:
                self.now("audit.mended", octets=torn)

    def soon(self, name: str, **fields: Value) -> Head:
        """Chain a record; on the disk after the next commit."""
        record = link(self.head, self._clock_ms(), name, fields)
        self.head = record.head
        self._recent.append(record.line)
        if self._descriptor is not None:
            self._waiting.append(record.line)
            if len(self._waiting) >= WAITING_RECORDS:
                self.commit()
        return record.head

    def now(self, name: str, **fields: Value) -> Head:
        """Chain a record; on the disk when this returns. Raises :class:`AuditError`; then it must count as not done."""
        head = self.soon(name, **fields)
        self.commit()
        return head

    @property
    def waiting(self) -> int:
        """Records that are chained and not yet on the disk."""
        return len(self._waiting)

    def commit(self) -> None:
        """Put what waits on the disk."""
        if not self._waiting or self._descriptor is None:
            return
        octets = memoryview(b"".join(self._waiting))
        try:
            os.ftruncate(self._descriptor, self._size)  # what a commit that failed has left is written again
            place = 0
            while place < len(octets):
                place += os.write(self._descriptor, octets[place:])
            os.fdatasync(self._descriptor)
        except OSError as fault:
            raise AuditError(f"the audit cannot be written: {fault.strerror}", NO_ROOM) from None
        self._size += len(octets)
        self._waiting.clear()
        self.commits += 1

    def last(self, count: int) -> list[Record]:
        """The last records, the oldest of them first."""
        if self._path is None:
            lines: Iterable[bytes] = islice(self._recent, max(0, len(self._recent) - count), None)
        else:
            self.commit()
            with self._path.open("rb") as stored:
                lines = deque(stored, maxlen=count)
        return [parse(line, CHAIN) for line in lines]

    def verify(self) -> Summary:
        """Verify the whole chain again, as far as it is kept; :class:`AuditError` where it does not hold."""
        if self._path is None:
            return Summary(self.head, None, None)
        self.commit()
        summary = _verified(self._path)
        if summary.head != self.head:
            raise AuditError("the audit on the disk is not the one that this unit wrote", INQUIRY, damaged=True)
        return summary

    def close(self) -> None:
        """Write what waits and let go of the file."""
        if self._descriptor is not None:
            try:
                self.commit()
            finally:
                os.close(self._descriptor)
                self._descriptor = None


def verify_file(path: Path, remembered: Head | None = None) -> Summary:
    """Verify an audit that no unit has open, or a copy of one."""
    return _verified(path, remembered)


class _Last:
    """Keeps the last record of certain names as a chain goes by."""

    def __init__(self, names: Container[str]) -> None:
        self._names = names
        self._line = b""

    def __call__(self, lines: Iterable[bytes]) -> Iterator[bytes]:
        for line in lines:
            found = _NAME.search(line, 0, NAME_WITHIN)
            if found is not None and found[1].decode("ascii") in self._names:
                self._line = line
            yield line

    @property
    def found(self) -> Record | None:
        """The record, if there was one."""
        return parse(self._line, CHAIN) if self._line else None


def _verified(path: Path, remembered: Head | None = None, watch: _Last | None = None) -> Summary:
    try:
        if not path.is_file():
            path.open("rb").close()  # says why, where it is not there
            raise AuditError(f"{path}: not a file", "name the audit.jsonl of a state folder")
        with path.open("rb") as stored:
            lines = iter(lambda: stored.readline(LONGEST_LINE + 1), b"")  # a file without line ends is no audit
            return verify(CHAIN, lines if watch is None else watch(lines), remembered)
    except ChainError as fault:
        raise AuditError(f"{path}: {fault}", INQUIRY, damaged=True) from None
    except OSError as fault:
        raise AuditError(f"{path}: {fault.strerror}", "check the path and its rights") from None


def _open(path: Path) -> tuple[int, int]:
    """The file open for appending and locked, and the octets of a torn last line that were cut off."""
    try:
        fresh = not path.exists()
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, MODE)
        if fresh:
            folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
            os.fsync(folder)
            os.close(folder)
    except OSError as fault:
        raise AuditError(f"{path}: {fault.strerror}", "check the state folder, its rights and its disk") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return descriptor, _cut_torn_line(descriptor)
    except OSError:
        os.close(descriptor)
        raise AuditError(f"{path} is open in another process", IN_USE) from None


def _cut_torn_line(descriptor: int) -> int:
    size = os.fstat(descriptor).st_size
    end = size
    for place, piece in _backwards(descriptor, size):
        found = piece.rfind(b"\n")
        if found >= 0:
            end = place + found + 1
            break
    else:
        end = 0
    if end != size:
        os.ftruncate(descriptor, end)
        os.fsync(descriptor)
    return size - end


def _backwards(descriptor: int, size: int) -> Iterator[tuple[int, bytes]]:
    """The file in pieces from its end, each with its place."""
    step = 1 << 16
    while size > 0:
        place = max(0, size - step)
        yield place, os.pread(descriptor, size - place, place)
        size = place
