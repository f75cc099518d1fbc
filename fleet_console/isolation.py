# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What bars a terminal outside the store: its role and line at the broker, and the list of withdrawn certificates.

The store comes first and is not written here: from that commit on no report is taken (register.py). Then the broker
takes the role away and ends the line, so that whoever comes back can say and hear nothing (containment.py). Last comes
the list, with which the broker refuses the certificate itself; it needs the authority's key, and so is written only
where that lies: ``[enrolment]`` and ``[broker] crl`` in the settings.

An isolated terminal's certificates stand on the list for as long as it is isolated; what was withdrawn stays on it
(RFC 5280, 5.1.2.6: a list names what is revoked now). A list ends: list_keeper.py makes the next one in time.
"""

import asyncio
import contextlib
import fcntl
import os
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

from fleet_console.authority import Authority
from fleet_console.containment import Control
from fleet_console.files import octets_of
from fleet_console.register import State
from fleet_console.settings import OfficeSettings
from fleet_console.store.port import Database
from protocols.errors import DecodeError
from tillguard.exits import Exit
from tillguard.voice import Fault

RELOAD_S = 10.0
TURN_S = 30.0  # how long another command may write the list: two that hang with their reload, and some
POLL_S = 0.02
_LISTED = (
    "SELECT serial, at_ms FROM revocations UNION "
    "SELECT c.serial, t.changed_ms FROM certificates c JOIN terminals t ON t.terminal = c.terminal "
    "WHERE t.state <> 'active' AND c.ends_ms > $1 AND c.serial NOT IN (SELECT serial FROM revocations) UNION "
    "SELECT s.serial, t.changed_ms FROM shown_certificates s JOIN terminals t ON t.terminal = s.terminal "
    "WHERE t.state <> 'active' AND s.serial NOT IN (SELECT serial FROM revocations) ORDER BY 2, 1"
)


@dataclass(frozen=True, slots=True)
class Listed:
    """What the broker's list says, as it lies on the disk."""

    ends_ms: int
    """From then on mosquitto refuses everybody (RFC 5280, 5.1.2.5)."""
    serials: frozenset[str]
    read_by_broker: bool
    """False where the broker could not be told to read it: it goes by the one before, or by none."""


@dataclass(frozen=True, slots=True)
class RevocationList:
    """The file that the broker reads, and how it is told to read it anew."""

    authority: Authority
    file: Path | None = None
    reload: Sequence[str] = ()
    now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000
    patience_s: float = RELOAD_S
    """How long the reload may take."""

    async def made(self, database: Database) -> bytes:
        """The list as the store has it now, in PEM."""
        now = self.now_ms()
        listed = [(serial, _time(at_ms)) for serial, at_ms in await self.wanted(database)]
        return self.authority.revocation_list(listed, _time(now))

    async def wanted(self, database: Database) -> list[tuple[str, int]]:
        """Serial numbers that belong on it, and since when."""
        return [(serial, at_ms) for serial, at_ms in await database.read(_LISTED, self.now_ms())]

    async def publish(self, database: Database) -> bool:
        """Write it and have the broker read it; False where the settings name no file.

        One at a time, whoever runs it: of two the one that read the store later must write later.
        """
        if self.file is None:
            return False
        async with _turn(self.file):
            octets = await self.made(database)
            await asyncio.to_thread(_replace, self.file, octets)
            if self.reload:
                await _run(self.reload, self.file, self.patience_s)
            await asyncio.to_thread(_read_now, self.file)
        return True


@dataclass(frozen=True, slots=True)
class Barrier:
    """Broker and list together."""

    control: Control
    revoked: RevocationList | None

    @classmethod
    def of(cls, settings: OfficeSettings) -> "Barrier | None":
        """By the settings; None where they name no broker. Raises :class:`Fault` where a file cannot be used."""
        if settings.broker is None:
            return None
        return cls(Control(settings.broker.access), revocation_list(settings))

    async def bar(self, terminal: str, database: Database) -> bool:
        """End its line; whether its certificates are on the broker's list now. The line comes first."""
        await self.control.isolate(terminal)
        return await self._listed(database)

    async def lift(self, terminal: str, database: Database) -> bool:
        """Let it in again; whether the broker's list was written. The list comes first."""
        listed = await self._listed(database)
        await self.control.release(terminal)
        return listed

    async def follow(self, terminal: str, database: Database) -> None:
        """Bring broker and list into step with what the register says of a terminal; a stranger stays one."""
        found = await database.read("SELECT state FROM terminals WHERE terminal = $1", terminal)
        if not found:
            return
        if found[0][0] == State.ACTIVE:
            await self.control.admit([terminal])
            await self.lift(terminal, database)
        else:
            await self.bar(terminal, database)

    async def _listed(self, database: Database) -> bool:
        return self.revoked is not None and await self.revoked.publish(database)


def revocation_list(settings: OfficeSettings) -> RevocationList | None:
    """The list, where this machine has the authority's key; raises :class:`Fault` where the key cannot be used."""
    if settings.enrolment is None:
        return None
    try:
        authority = Authority(octets_of(settings.enrolment.certificate), octets_of(settings.enrolment.key))
    except DecodeError as fault:
        raise Fault(f"enrolment: {fault}", "see docs/identity.md", Exit.USAGE) from None
    broker = settings.broker
    return RevocationList(authority, broker.crl, broker.reload) if broker else RevocationList(authority)


def listed_in(file: Path) -> Listed | None:
    """The list in a file; None where there is none, or none that can be read."""
    try:
        found = x509.load_pem_x509_crl(file.read_bytes())
    except (OSError, ValueError):
        return None
    ends = found.next_update_utc
    serials = frozenset(f"{one.serial_number:x}" for one in found)
    return Listed(round(ends.timestamp() * 1000) if ends else 0, serials, not _unread(file).exists())


def _unread(file: Path) -> Path:
    """Lies beside a list that the broker has not been told to read."""
    return file.with_name(f"{file.name}.unread")


@asynccontextmanager
async def _turn(file: Path) -> AsyncIterator[None]:
    try:
        folder = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as fault:
        raise _unwritten(file, fault) from None
    try:
        await _locked(folder, file)
        yield
    finally:
        os.close(folder)


async def _locked(folder: int, file: Path) -> None:
    deadline = time.monotonic() + TURN_S
    while True:
        try:
            return fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                what = f"{file}: another command has been writing it for {TURN_S:g} s"
                raise Fault(what, "the broker's list of withdrawn certificates is as it was") from None
        await asyncio.sleep(POLL_S)


def _replace(path: Path, octets: bytes) -> None:
    """Whole or not at all: with a torn list the broker would refuse everybody."""
    fresh = path.with_name(f"{path.name}.new")
    try:
        _unread(path).touch()
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644), "wb") as file:
            file.write(octets)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError as fault:
        raise _unwritten(path, fault) from None


def _read_now(path: Path) -> None:
    try:
        _unread(path).unlink(missing_ok=True)
    except OSError as fault:
        raise _unwritten(_unread(path), fault) from None


def _unwritten(path: Path, fault: OSError) -> Fault:
    words = (fault.strerror or "cannot be written").lower()
    return Fault(f"{path}: {words}", "the broker's list of withdrawn certificates is as it was")


async def _run(words: Sequence[str], file: Path, patience_s: float) -> None:
    hint = f"{file} is written; have the broker read it: [broker] reload"
    try:
        process = await asyncio.create_subprocess_exec(
            *words, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
    except OSError as fault:
        raise Fault(f"{words[0]}: {(fault.strerror or 'cannot be run').lower()}", hint) from None
    try:
        async with asyncio.timeout(patience_s):
            code = await process.wait()
    except TimeoutError:
        raise Fault(f"{words[0]}: no end within {patience_s:g} s", hint) from None
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if code:
        raise Fault(f"{words[0]}: ended with code {code}", hint)


def _time(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC)
