# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The real pcscd with virtual readers, as a child of this process, registered nowhere. Speaks no PC/SC.

This process first moves into mounts and a network of its own. There the daemon sees an empty /run but for a private
folder in place of /run/pcscd, and no drivers but copies of vpcd and libccidtwin: it can neither meet a system-wide
pcscd nor take a real reader. The folder is outside too, so clients anywhere reach the daemon by
``PCSCLITE_CSOCK_NAME``; the ports of vpcd's readers, which it opens on every address, are in the private network only.
Cards enter it to be inserted.
"""

import asyncio
import contextlib
import ctypes
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from device_profiles.serve import namespaces
from device_profiles.serve.pcscd import LONGEST_PATH, SOCKET, make_folder
from tillguard.exits import Exit
from tillguard.voice import Fault

INSIDE = Path("/run/pcscd")  # where pcscd puts its socket (compiled in)
READY_S = 30.0  # a machine that is busy takes its time; one that ended is told at once
STOP_S = 5.0
FIRST_PORT = 35963  # vpcd's own default; each entry takes two
MOST_READERS = 8  # pcscd 1.9: 16 slots, and a vpcd entry makes two
_DRIVERS = Path("/usr/lib/pcsc/drivers")
_VPCD = _DRIVERS / "serial/libifdvpcd.so"
_CCIDTWIN = _DRIVERS / "serial/libccidtwin.so"
_PR_SET_PDEATHSIG = 1  # prctl(2)
_INSTALL = "install them: apt-get install --no-install-recommends pcscd vsmartcard-vpcd"
_INSTALL_CCID = "install it: apt-get install --no-install-recommends libccid"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,50}", re.ASCII)


@dataclass(frozen=True, slots=True)
class VirtualReader:
    """A reader of vpcd: its name without the service's numbers, and where a card is inserted."""

    name: str
    address: str


@dataclass(frozen=True, slots=True)
class SerialReader:
    """A reader on a serial line, driven by libccidtwin: its name, the line and the kind of reader."""

    name: str
    line: Path
    kind: str

    @classmethod
    def parse(cls, words: str) -> "SerialReader":
        """From ``NAME=PATH:KIND``."""
        name, _, where = words.partition("=")
        line, _, kind = where.rpartition(":")
        if not _NAME.fullmatch(name) or not line or not kind.isalnum() or not Path(line).exists():
            hint = 'start device-twin ccid first; write it as: --serial "Till Pad=./pad:GemPCPinPad"'
            raise Fault(f"--serial {words}: NAME=PATH:KIND expected, and a line that is there", hint, Exit.USAGE)
        return cls(name, Path(line).absolute(), kind)


def find() -> str:
    """The installed pcscd; :class:`Fault` with the cure where it or vpcd is missing."""
    program = shutil.which("pcscd", path=os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin")))
    if program is None or not _VPCD.exists():
        raise Fault("pcscd or its virtual readers (vpcd) are not installed", _INSTALL, Exit.FAILED)
    return program


def options(program: str) -> tuple[str, ...]:
    """What this pcscd is started with: polkit (pcsc-lite 2.0.1 and newer) asks a bus that is not to be seen here."""
    argv = [program, "--help"]
    told = subprocess.run(argv, capture_output=True, text=True, timeout=READY_S, check=False)  # noqa: S603  # find()
    without_polkit = ("--disable-polkit",) if "--disable-polkit" in told.stdout + told.stderr else ()
    return ("--foreground", *without_polkit)


def prepare(folder: Path, names: tuple[str, ...], serial: tuple[SerialReader, ...] = ()) -> tuple[VirtualReader, ...]:
    """Write the daemon's configuration, then move this process into mounts and a network that show nothing else."""
    for name in names:
        if not _NAME.fullmatch(name):
            raise Fault("--reader: letters, digits, spaces, . _ - expected, at most 51", exit_code=Exit.USAGE)
    if not 1 <= len(names) + len(serial) <= MOST_READERS or len(set(names)) != len(names):
        raise Fault(f"--reader: 1 to {MOST_READERS} different names expected", exit_code=Exit.USAGE)
    if serial and not _CCIDTWIN.exists():
        raise Fault("the driver of serial CCID readers (libccidtwin) is not installed", _INSTALL_CCID)
    for part in ("run", "readers", "drivers"):
        make_folder(folder / part)
    try:
        readers = _configured(folder, names, serial)
    except OSError as fault:
        raise Fault(f"--dir {folder}: cannot be written: {fault.strerror}", "give another --dir") from None
    namespaces.own_mounts_and_network()
    handle = os.open(folder / "run", os.O_PATH)  # reachable even where /run, emptied next, is above it
    namespaces.empty("/run")
    INSIDE.mkdir()
    namespaces.show_at(Path(f"/proc/self/fd/{handle}"), str(INSIDE))
    os.close(handle)
    namespaces.empty(str(_DRIVERS))
    return readers


def _configured(folder: Path, names: tuple[str, ...], serial: tuple[SerialReader, ...]) -> tuple[VirtualReader, ...]:
    readers = []
    for number, name in enumerate(names):
        port = FIRST_PORT + 2 * number
        _write_entry(folder, f"vpcd{number}", name, f"/dev/null:0x{port:04X}", f"0x{port:04X}", _VPCD)
        readers.append(VirtualReader(name, f"127.0.0.1:{port}"))
    for number, reader in enumerate(serial):
        _write_entry(folder, f"serial{number}", reader.name, f"{reader.line}:{reader.kind}", str(number + 1), _CCIDTWIN)
    return tuple(readers)


def _write_entry(folder: Path, file: str, name: str, device: str, channel: str, library: Path) -> None:
    """One reader. A copy of the driver for each: of entries that share one, and so its slots, only the last works."""
    driver = folder / "drivers" / f"{file}.so"
    shutil.copyfile(library, driver)
    entry = (f'FRIENDLYNAME "{name}"', f"DEVICENAME {device}", f"LIBPATH {driver.absolute()}", f"CHANNELID {channel}")
    (folder / "readers" / file).write_text("\n".join(entry) + "\n", "ascii")


class Pcscd:
    """The daemon; :func:`prepare` comes first. It can be killed and started again at the same place."""

    def __init__(
        self,
        program: str,
        folder: Path,
        readers: tuple[VirtualReader, ...],
        said: Callable[[str], None],
        ended: Callable[[], None],
    ) -> None:
        """Its log lines go to ``said``; ``ended`` is called when it ends unasked."""
        self._program = program
        self._options = options(program)
        self._folder = folder
        self._readers = readers
        self._said = said
        self._ended = ended
        self._expected = False
        self._process: asyncio.subprocess.Process | None = None
        self._listening: asyncio.Task[None] | None = None
        self._words: list[str] = []

    @property
    def last_words(self) -> str:
        """The end of its log."""
        return "; ".join(self._words) or "without a word"

    @property
    def socket(self) -> Path:
        """What a client's ``PCSCLITE_CSOCK_NAME`` has to say: a path in the folder, or a short one where it is long."""
        path = self._folder.absolute() / "run" / SOCKET
        if len(os.fsencode(path)) <= LONGEST_PATH:
            return path
        return Path(f"/proc/{os.getpid()}/root") / INSIDE.relative_to("/") / SOCKET

    @property
    def pid(self) -> int:
        """The daemon's process."""
        return self._process.pid if self._process is not None else 0

    @property
    def runs(self) -> bool:
        """Whether it is there."""
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Start it and wait until clients and cards can come."""
        for left in (SOCKET, "pcscd.pid"):  # of one that was killed
            (INSIDE / left).unlink(missing_ok=True)
        libc = ctypes.CDLL(None, use_errno=True)

        def before() -> None:
            libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)

        self._words = []
        self._expected = True  # until it is ready, the end is told by an exception
        self._process = await asyncio.create_subprocess_exec(
            self._program,
            *self._options,
            "--config",
            str(self._folder / "readers"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=before,
        )
        self._listening = asyncio.create_task(self._listen(self._process))
        try:
            async with asyncio.timeout(READY_S):
                while not self._is_ready():  # another process's files: nothing tells their change
                    if not self.runs:
                        await self._listening
                        raise Fault(f"pcscd ended: {self.last_words}", "is another one starting there?")
                    await asyncio.sleep(0.005)
        except TimeoutError:
            raise Fault(f"pcscd is not ready after {READY_S:g} s", "start with --trace to see its words") from None
        self._expected = False

    async def kill(self) -> None:
        """End it as a crash would."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        """Ask it to end, and insist after a while."""
        await self._end(signal.SIGTERM)

    async def _end(self, number: int) -> None:
        process = self._process
        if process is None:
            return
        self._expected = True
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)
        try:
            async with asyncio.timeout(STOP_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
        if self._listening is not None:
            await self._listening

    def _is_ready(self) -> bool:
        table = Path("/proc/net/tcp").read_text("ascii")  # of this network; connecting would insert a card
        ports = (int(reader.address.rpartition(":")[2]) for reader in self._readers)
        return (INSIDE / SOCKET).exists() and all(f"00000000:{port:04X} 00000000:0000 0A" in table for port in ports)

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None  # asked for in start()
        async for line in process.stdout:
            words = line.decode("utf-8", "replace").rstrip()
            self._words = [*self._words[-4:], words]
            self._said(words)
        if not self._expected:
            self._ended()
