# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The real mosquitto as a child process, set up as the fleet needs it. Writes its configuration; speaks no MQTT.

TLS 1.3 with a client certificate required, whose common name is the user; loopback only; nothing kept on disk. Options
are those of mosquitto.conf(5), version 2.0.
"""

import asyncio
import contextlib
import ctypes
import os
import re
import secrets
import shutil
import signal
import socket
from collections.abc import Callable
from pathlib import Path

from device_profiles.twins.broker import Limits
from device_profiles.twins.broker_access import mosquitto_rules
from tillguard.exits import Exit
from tillguard.voice import Fault

READY_S = 30.0  # a machine that is busy takes its time; one that ended is told at once
STOP_S = 5.0
INTRODUCTION_S = 0.5
FIRST_PORT = 10_000  # below it live services that people know by their port
PORTS_LEAST = 1_000
_PR_SET_PDEATHSIG = 1  # prctl(2)
_INSTALL = "install it: apt-get install mosquitto; or take --kind twin"


def find() -> str | None:
    """The installed mosquitto, or None. Debian puts it in /usr/sbin, which is not on everybody's PATH."""
    return shutil.which("mosquitto", path=os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin")))


def configuration(folder: Path, port: int, ca: Path, certificate: Path, key: Path, *, verbose: bool = False) -> Path:
    """Write ``mosquitto.conf`` and its access list into ``folder``; returns the file's path."""
    limits = Limits()
    access = folder / "access.list"
    _write(access, mosquitto_rules())
    lines = [
        f"listener {port} 127.0.0.1",
        f"cafile {ca.absolute()}",
        f"certfile {certificate.absolute()}",
        f"keyfile {key.absolute()}",
        "tls_version tlsv1.3",
        "require_certificate true",
        "use_identity_as_username true",
        "max_qos 1",
        "allow_anonymous false",
        f"acl_file {access.absolute()}",
        "set_tcp_nodelay true",  # else 40 ms per exchange (Nagle against delayed acknowledgement)
        "retain_available false",
        f"max_packet_size {limits.largest_packet}",
        f"max_inflight_messages {limits.receive_maximum}",
        f"max_queued_messages {limits.queue}",
        f"max_keepalive {limits.longest_keep_alive_s}",
        f"persistent_client_expiration {limits.longest_expiry_s // 3600}h",
        "persistence false",
        "log_dest stderr",
        "log_timestamp false",
        *(
            ["log_type all"]
            if verbose
            else [f"log_type {kind}" for kind in ("error", "warning", "notice", "information")]
        ),
    ]
    if os.geteuid() == 0:
        lines.append("user root")  # else it becomes user mosquitto, who may not read keys of mode 0600
    path = folder / "mosquitto.conf"
    _write(path, "\n".join(lines) + "\n")
    return path


class Mosquitto:
    """One running mosquitto. Its log lines go to ``said``, one at a time."""

    def __init__(self, process: asyncio.subprocess.Process, said: Callable[[str], None]) -> None:
        self._process = process
        self._said = said
        self.last_words: list[str] = []
        self.version = "unknown"
        self._introduced = asyncio.Event()
        self._listening = asyncio.create_task(self._listen())

    @classmethod
    async def start(cls, program: str, settings: Path, said: Callable[[str], None]) -> "Mosquitto":
        """Start it; it dies with this process, however that ends."""
        libc = ctypes.CDLL(None, use_errno=True)

        def before() -> None:
            libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)

        process = await asyncio.create_subprocess_exec(
            program,
            "-c",
            str(settings),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
            preexec_fn=before,
        )
        return cls(process, said)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    async def ready(self, port: int) -> None:
        """Wait until it listens; raises :class:`Fault` with its last words where it ends instead."""
        try:
            async with asyncio.timeout(READY_S):
                while not _listens(port):
                    if self._process.returncode is not None:
                        await self._listening
                        raise Fault(f"mosquitto ended: {self._why()}", _hint(self._why()))
                    await asyncio.sleep(0.005)
        except TimeoutError:
            raise Fault(f"mosquitto does not listen after {READY_S:g} s: {self._why()}", "see its log") from None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(INTRODUCTION_S):  # it says its version before it listens; its pipe may lag
                await self._introduced.wait()

    async def ended(self) -> int:
        """Its exit code, once it ends."""
        return await self._process.wait()

    async def stop(self) -> None:
        """Ask it to end, and insist after a while."""
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        try:
            async with asyncio.timeout(STOP_S):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        await self._listening

    async def _listen(self) -> None:
        assert self._process.stderr is not None  # asked for in start()
        async for line in self._process.stderr:
            words = line.decode("utf-8", "replace").rstrip()
            self.last_words = [*self.last_words[-4:], words]
            if found := re.match(r"mosquitto version (\S+) starting", words):
                self.version = found[1]
                self._introduced.set()
            self._said(words)

    def _why(self) -> str:
        return "; ".join(self.last_words) or "without a word"


def must_find() -> str:
    """The installed mosquitto; raises :class:`Fault` with the cure."""
    program = find()
    if program is None:
        raise Fault("mosquitto is not installed", _INSTALL, Exit.FAILED)
    return program


def free_port() -> int:
    """A port that is free now; mosquitto cannot choose one itself.

    None of those that the kernel gives to connections: while a broker is down, whoever tries to reach it could be given
    its very port, and would then hold it, or even be connected with itself.
    """
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text("ascii").split()[0])
    first = FIRST_PORT if lowest > FIRST_PORT + PORTS_LEAST else 1024
    while not is_free(port := first + secrets.randbelow(max(PORTS_LEAST, lowest - first))):
        pass
    return port


def is_free(port: int) -> bool:
    """Whether the port can be listened on."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _listens(port: int) -> bool:
    """Whether someone listens there: the kernel's table, since a probing connection would end up in the log."""
    wanted = f"0100007F:{port:04X} 00000000:0000 0A"
    return any(wanted in " ".join(line.split()) for line in Path("/proc/net/tcp").read_text("ascii").splitlines())


def _write(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text, "utf-8")


def _hint(words: str) -> str:
    if "Address already in use" in words:
        return "another process has the port; take --port 0"
    return "try --kind twin"
