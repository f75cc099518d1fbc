# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The terminal's audit log: one file of chained records, each on disk before its event counts. Interprets no event.

The file is named after the terminal, ``TG000001.audit.jsonl``, and so is its chain. At start the whole chain is
verified; a torn last line (power cut while appending, so it was never acknowledged) is kept aside and cut off. Anything
else that does not hold stops the agent: a log that was tampered with must not be continued as if it were whole.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from protocols.audit_chain import LONGEST_LINE, ChainError, Damage, Head, Record, Summary, link, parse, verify
from protocols.errors import DecodeError
from terminal_agent.durable import sync_folder
from terminal_agent.errors import AgentError

if TYPE_CHECKING:  # the warden opens its chain at power on, and nobody waits there for all kinds of events
    from protocols.telemetry.events import Event

SUFFIX = ".audit.jsonl"
SUFFIXES = {"agent": SUFFIX, "warden": ".warden.jsonl"}
"""Who writes a chain to how its file's name ends."""


class AuditError(AgentError):
    """The audit log cannot be written."""


class AuditBroken(AgentError):
    """The audit log does not hold; ``what`` names the record."""


class AuditLog:
    """An open audit log. One writer: a second opener of the same file is refused."""

    def __init__(self, path: Path, descriptor: int, summary: Summary, torn: int) -> None:
        self.path = path
        self.head = summary.head
        self.last_ms = summary.last_ms
        """When the last record was made that was there at opening; None in an empty log."""
        self.torn_octets = torn
        """Octets of a torn last line that were put aside at opening."""
        self._descriptor = descriptor
        self._size = os.fstat(descriptor).st_size
        self._untidy = False

    @classmethod
    def open(cls, folder: Path, terminal: str, writer: str = "agent") -> "AuditLog":
        """Open or begin the log of ``terminal`` in ``folder`` and verify it whole."""
        path = folder / f"{terminal}{SUFFIXES[writer]}"
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            fresh = not path.exists()
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            if fresh:
                sync_folder(folder)
        except OSError as fault:
            raise AuditError(
                f"audit log {path}: {fault.strerror}", "check the state folder's rights and space"
            ) from None
        try:
            _lock(descriptor, path)
            torn = _cut_torn_line(descriptor, path)
            summary = _verified(path, f"{writer}/{terminal}", None)
        except BaseException:
            os.close(descriptor)
            raise
        return cls(path, descriptor, summary, torn)

    def append(self, event: "Event") -> Head:
        """Commit one event: on return it is on disk. Raises :class:`AuditError`; then nothing of it is kept."""
        record = link(self.head, event.at_ms, event.name, event.fields)
        try:
            if self._untidy:
                self._cut()
            self._untidy = True
            written = 0
            while written < len(record.line):
                written += os.write(self._descriptor, record.line[written:])
            os.fdatasync(self._descriptor)
        except OSError as fault:
            with contextlib.suppress(OSError):  # else it is cut off before the next record, or at the next opening
                self._cut()
            raise AuditError(
                f"audit log {self.path}: {fault.strerror}: the event was not recorded",
                "free space on the disk of the state folder; payments stop until then",
            ) from None
        self._untidy = False
        self._size += len(record.line)
        self.head = record.head
        return record.head

    def after(self, head: Head) -> Iterator[tuple["Event", Head]]:
        """The records behind ``head``, which somebody who follows this log remembers; each with its own head.

        Raises :class:`AuditBroken` where this log does not contain ``head``: its tail was cut, or it was made anew.
        """
        from protocols.telemetry.events import Event

        start = max(head.seq - 1, 0)
        with self.path.open("rb") as lines:
            behind = (self._record(line) for line in islice(lines, start, self.head.seq))
            if head.seq:
                known = next(behind, None)
                if head.chain != self.head.chain or known is None:
                    raise self._not_here(head, Damage.TRUNCATED if known is None else Damage.FOREIGN)
                if known.head != head:
                    raise self._not_here(head, Damage.REWRITTEN)
            for record in behind:
                yield Event(record.name, record.at_ms, record.fields), record.head

    def holds(self, event: "Event") -> bool:
        """Whether this very event is in the log: for whoever died between committing it and noting that he had."""
        text = link(self.head, event.at_ms, event.name, event.fields).line
        mark = text[text.index(b',"at_ms":') : text.rindex(b',"prev":') + 1]
        with self.path.open("rb") as lines:
            return any(mark in line for line in lines)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._descriptor)

    def _cut(self) -> None:
        """Take back what an append that failed has left."""
        os.ftruncate(self._descriptor, self._size)
        self._untidy = False

    def _record(self, line: bytes) -> Record:
        try:
            return parse(line, self.head.chain)
        except (ChainError, DecodeError) as fault:
            raise AuditBroken(f"audit log {self.path}: {fault}", _KEEP_IT) from None

    def _not_here(self, head: Head, damage: Damage) -> AuditBroken:
        what = f"record {head.seq}: {damage.value}: not the record that was reported to head office"
        return AuditBroken(f"audit log {self.path}: {what}", _KEEP_IT)


_KEEP_IT = "keep the file as it is for the inquiry; records before that one are whole"


def verify_file(path: Path, terminal: str | None = None, remembered: Head | None = None) -> Summary:
    """Prove the log at ``path``; the terminal is taken from the file's name unless given."""
    writer = next((one for one, suffix in SUFFIXES.items() if path.name.endswith(suffix)), "")
    name = terminal if terminal is not None else path.name.removesuffix(SUFFIXES.get(writer, SUFFIX))
    if terminal is None and not writer:
        raise AuditError(f"{path}: the file's name does not tell the terminal", "say which one with --terminal ID")
    return _verified(path, f"{writer or 'agent'}/{name}", remembered)


def _verified(path: Path, chain: str, remembered: Head | None) -> Summary:
    try:
        with path.open("rb") as stored:
            # A file without line ends is no log: it is not read whole to learn that.
            return verify(chain, iter(lambda: stored.readline(LONGEST_LINE + 1), b""), remembered)
    except ChainError as error:
        raise AuditBroken(f"audit log {path}: {error}", _KEEP_IT) from None
    except OSError as fault:
        raise AuditError(f"audit log {path}: {fault.strerror}", "check the path and its rights") from None


def _lock(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise AuditError(
            f"audit log {path}: another agent writes it", "stop that agent, or use another state folder"
        ) from None


def _cut_torn_line(descriptor: int, path: Path) -> int:
    """Move a last line without its newline into ``<name>.torn`` and cut it off; how many octets it had."""
    size = os.fstat(descriptor).st_size
    tail = os.pread(descriptor, min(size, 1 << 16), max(0, size - (1 << 16)))
    torn = len(tail) - (tail.rfind(b"\n") + 1)
    if torn:
        with path.with_name(path.name + ".torn").open("ab") as aside:
            aside.write(tail[-torn:] + b"\n")
            aside.flush()
            os.fsync(aside.fileno())
        os.ftruncate(descriptor, size - torn)
        os.fsync(descriptor)
    return torn
