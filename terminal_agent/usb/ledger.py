# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The warden's own audit chain, appended to record by record. Verifies none: terminal_agent/audit.py did at the start.

One file, ``TG000001.warden.jsonl``, whose chain is ``warden/TG000001``. A record is on the disk before it counts. The
file is also what listeners are told from, so it is read back by place; nothing is kept in memory.
"""

import contextlib
import fcntl
import os
from collections.abc import Mapping

from protocols.audit_chain import LONGEST_LINE, Head, Value, link
from terminal_agent.errors import AgentError

SUFFIX = ".warden.jsonl"


class LedgerError(AgentError):
    """The warden's chain cannot be written."""


class Ledger:
    """An open chain, whose end is known."""

    def __init__(self, path: str, head: Head) -> None:
        """``path`` was verified and ``head`` is its end; :class:`LedgerError` where it cannot be opened."""
        self.path = path
        self.head = head
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_CREAT, 0o600)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LedgerError(f"{path}: another warden writes it", "stop that one first") from None
        except OSError as fault:
            raise LedgerError(f"{path}: {fault.strerror}", "check the state folder's rights and space") from None
        self.size = os.fstat(self._descriptor).st_size
        self._untidy = False

    def append(self, at_ms: int, name: str, fields: Mapping[str, Value]) -> None:
        """Commit one record: on return it is on the disk. :class:`LedgerError`: nothing of it is kept."""
        record = link(self.head, at_ms, name, fields)
        try:
            if self._untidy:
                os.ftruncate(self._descriptor, self.size)
            self._untidy = True
            written = 0
            while written < len(record.line):
                written += os.write(self._descriptor, record.line[written:])
            os.fdatasync(self._descriptor)
        except OSError as fault:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, self.size)
                self._untidy = False
            raise LedgerError(f"{self.path}: {fault.strerror}: not recorded", "free space on that disk") from None
        self._untidy = False
        self.size += len(record.line)
        self.head = record.head

    def line_at(self, place: int) -> bytes:
        """The record that begins at an octet of the file; nothing where none begins there."""
        if not 0 <= place < self.size or (place and os.pread(self._descriptor, 1, place - 1) != b"\n"):
            return b""
        found, newline, _ = os.pread(self._descriptor, LONGEST_LINE, place).partition(b"\n")
        return found + newline if newline else b""

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._descriptor)
