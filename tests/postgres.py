# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A throw-away PostgreSQL for tests: made, started, killed, started again, removed. Holds no test.

As root it runs as the user postgres, since PostgreSQL refuses root. Where it is not installed the test fails
and says so.
"""

import contextlib
import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from device_profiles.serve.mosquitto import free_port

BIN = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
START_S = 120.0


class Postgres:
    """One server on a Unix socket of its own."""

    def __init__(self, folder: Path, *, durable: bool) -> None:
        """``durable``: over a power cut too, as measurements want it; a kill needs no more than the kernel's memory."""
        assert BIN, "PostgreSQL is not installed: apt-get install postgresql"
        self._folder = folder
        self._durable = durable
        self._bin = BIN[-1]
        self._port = free_port()  # names the socket only: it listens on no address
        self._user = "postgres" if os.geteuid() == 0 else None
        self._numbers = itertools.count(1)
        if self._user:
            shutil.chown(folder, self._user)
        self._run("initdb", "-D", str(folder / "data"), "-A", "trust", "-U", "postgres", "--no-sync", "-E", "UTF8")

    def start(self) -> None:
        """Start it and wait until it answers."""
        options = f"-p {self._port} -k {self._folder} -c listen_addresses= -c max_connections=40 -c shared_buffers=32MB"
        options += "" if self._durable else " -c fsync=off"
        words = ["-l", str(self._folder / "log"), "-t", f"{START_S:.0f}", "-w", "-o", options]
        self._run("pg_ctl", "-D", str(self._folder / "data"), *words, "start")

    def stop(self, how: str = "fast") -> None:
        """Stop it; ``immediate`` is a crash."""
        self._run("pg_ctl", "-D", str(self._folder / "data"), "-m", how, "-w", "stop")

    def kill(self) -> None:
        """kill -9 of the whole server, and wait until it is gone."""
        pid = int((self._folder / "data" / "postmaster.pid").read_text().splitlines()[0])
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for one in (pid, *map(int, children)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(one, signal.SIGKILL)
        deadline = time.monotonic() + START_S
        while any(Path(f"/proc/{one}/fd/0").exists() for one in (pid, *map(int, children))):
            assert time.monotonic() < deadline, "the killed server does not end"
            time.sleep(0.01)
        for lock in (self._folder / "data" / "postmaster.pid", *self._folder.glob(".s.PGSQL.*")):
            lock.unlink()  # a zombie may bear the number in it still

    def fresh(self) -> str:
        """The address of a database with nothing in it."""
        name = f"fleet{next(self._numbers)}"
        self._run("createdb", "-h", str(self._folder), "-p", str(self._port), "-U", "postgres", name)
        return f"postgresql://postgres@/{name}?host={self._folder}&port={self._port}"

    def _run(self, program: str, *words: str) -> None:
        done = subprocess.run(
            [str(self._bin / program), *words], user=self._user, cwd="/", capture_output=True, text=True, check=False
        )
        log = self._folder / "log"
        assert done.returncode == 0, done.stderr + (log.read_text() if log.exists() else "")


@contextlib.contextmanager
def postgres(*, durable: bool = False) -> Iterator[Postgres]:
    """A server for the length of a block. Its folder has a short path, as a socket's must be."""
    folder = Path(tempfile.mkdtemp(prefix="tg-pg-", dir="/tmp"))
    folder.chmod(0o755)
    try:
        server = Postgres(folder, durable=durable)
        server.start()
        try:
            yield server
        finally:
            with contextlib.suppress(AssertionError):
                server.stop("immediate")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
