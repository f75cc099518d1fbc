# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Host commands per second over TCP, beside an event loop that only echoes, in the same run and with the same load.

Server, floor and load are processes of their own and each stays on a core, since a scheduler that moves them changes
the numbers twofold: the load on another core than the server, but for commands in sequence on the same one. There only
one of the two ever has work, and waking a core that sleeps would take longer than the command, on a virtual machine
most of all. They run ahead of other work where the system permits it.

On a busy machine trust the share of the floor and the CPU time per command, which the kernel counts for the server's
process alone. No rate can be had at more CPU time than one core has for it: each rate asked for is such a time too.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from hsm_sim.engine.vault import About, Vault
from hsm_sim.engine.vault_seal import ByPassphrase, Passphrase
from tests.bench import hsm_load
from tests.bench.row import Row
from tests.hsm_sim import live, oracle

SECONDS = 0.25
ROUNDS, MOST_ROUNDS, LAST_ROUNDS = 5, 15, 3
HEADER = b"0001"
CORES = sorted(os.sched_getaffinity(0))
LOOPS = ("asyncio", "uvloop")
KEYS = 10_000
PLACES = 4096
"""Of user storage, for each master key."""
LIBRARIES = "import asyncio, ssl, sqlite3, cryptography.hazmat.primitives.asymmetric.rsa"
MEMORY_FOLDER = Path("/dev/shm")
"""Filling a vault takes one write to the disk for each key; in memory that takes seconds and not minutes."""
AHEAD = 1
"""The lowest of the priorities that go before all usual work."""
SUCCESS = b"00"
SERVE = ("-m", "hsm_sim.cli", "serve", "--port", "0", "--json")
PASSPHRASE = b"TEST passphrase of a bench"


@dataclass(frozen=True)
class Shape:
    """How many hosts ask, and how many commands each has under way."""

    words: str
    clients: int
    window: int


SEQUENCE = Shape("in sequence", 1, 1)
WINDOW = Shape("window 64", 1, 64)
MANY = Shape("50 hosts", 50, 1)
TARGETS = {("CA", SEQUENCE): 30_000, ("CA", WINDOW): 100_000, ("CA", MANY): 20_000}
SHARES = {("NC", SEQUENCE): 0.7}
ASKED = [(code, shape) for shape in (SEQUENCE, WINDOW, MANY) for code in ("NC", "CA")] + [
    (code, SEQUENCE) for code in ("CM", "KQ")
]


def rows() -> list[Row]:
    """NC and CA in every shape, CM and KQ in sequence, on both event loops; then memory and start."""
    found = [row for loop in LOOPS for row in _served(loop)]
    where = MEMORY_FOLDER if MEMORY_FOLDER.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="tg-", dir=where) as folder:
        found += _with_many_keys(Path(folder))
    return found


def _served(loop: str) -> Iterator[Row]:
    with tempfile.TemporaryDirectory(prefix="tg-") as folder:
        settings = Path(folder) / "hsm.toml"
        settings.write_text(f'event-loop = "{loop}"\n')
        with simulator("--config", str(settings)) as (server, port), floor(loop) as (echo, echo_port):
            for code, shape in ASKED:
                command = framed(HEADER + live.COMMANDS[code])
                # In turns, and the best of each: other work on the machine then hits both alike.
                floors, found = [], []
                while len(found) < ROUNDS or (len(found) < MOST_ROUNDS and _still_rising(floors, found)):
                    floors.append(measured(echo, echo_port, command, shape))
                    found.append(measured(server, port, command, shape, SUCCESS))
                yield from _rows(code, shape, loop, best(floors), best(found))


def _rows(code: str, shape: Shape, loop: str, least: tuple[float, float], found: tuple[float, float]) -> Iterator[Row]:
    name, peer = f"{code} {shape.words}, {loop}", f"{loop} echo"
    asked = (code, shape)
    usual = loop == "asyncio"  # the targets are for the loop that everyone has
    yield Row(name, found[0], "1/s", peer, least[0], TARGETS.get(asked) if usual else None, smaller_is_better=False)
    if asked in SHARES and usual:
        yield Row(f"{name}, of the floor", found[0] / least[0], "", target=SHARES[asked], smaller_is_better=False)
    target = 1e6 / TARGETS[asked] if usual and asked in TARGETS else None
    yield Row(f"{name}, server CPU", found[1], "µs", peer, least[1], target)


def _still_rising(*series: list[tuple[float, float]]) -> bool:
    """Whether the last rounds still brought a better rate: then other work hides the true one."""
    return any(best(one)[0] > best(one[:-LAST_ROUNDS])[0] * 1.02 for one in series)


def best(found: list[tuple[float, float]]) -> tuple[float, float]:
    """The highest rate and the least CPU time."""
    return max(rate for rate, _ in found), min(cpu for _, cpu in found)


def framed(message: bytes) -> bytes:
    """A message with its length."""
    return len(message).to_bytes(2, "big") + message


def measured(process: int, port: int, command: bytes, shape: Shape, code: bytes = b"") -> tuple[float, float]:
    """Commands per second, and microseconds of the server's CPU time for each; ``code`` is what must be answered."""
    line = [sys.executable, "-m", "tests.bench.hsm_load", "127.0.0.1", str(port)]
    before = cpu_s(process)
    with subprocess.Popen(
        [*line, str(shape.clients), str(shape.window), str(SECONDS)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as load:  # fmt: skip
        _place(load.pid, CORES[:1] if shape is SEQUENCE else CORES[-1:])
        said, _ = load.communicate(command.hex())
    used = cpu_s(process) - before
    rate, first = said.split()
    if code and bytes.fromhex(first)[len(HEADER) + 4 :][:2] != code:
        raise ValueError(f"the simulator did not answer {code.decode()}")
    return float(rate), used / (float(rate) * SECONDS) * 1e6


def cpu_s(process: int) -> float:
    """User and system time of a process so far, in seconds, as the scheduler counts it."""
    return int(Path(f"/proc/{process}/schedstat").read_text().split()[0]) / 1e9


def resident_mib(process: int) -> float:
    """Resident memory of a process."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def _place(process: int, cores: list[int]) -> None:
    os.sched_setaffinity(process, cores)
    with suppress(PermissionError):
        os.sched_setscheduler(process, os.SCHED_RR, os.sched_param(AHEAD))


@contextmanager
def simulator(*arguments: str) -> Iterator[tuple[int, int]]:
    """A running simulator: its process and its port."""
    line = [sys.executable, *SERVE, *arguments]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        _place(process.pid, CORES[:1])
        try:
            yield process.pid, int(ready["address"].rpartition(":")[2])
        finally:
            process.terminate()


@contextmanager
def floor(loop: str) -> Iterator[tuple[int, int]]:
    """A running echo: its process and its port."""
    line = [sys.executable, "-m", "tests.bench.hsm_floor", loop]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        _place(process.pid, CORES[:1])
        try:
            yield process.pid, int(process.stdout.readline())
        finally:
            process.kill()


def _with_many_keys(folder: Path) -> Iterator[Row]:
    """A unit with 10,000 keys in its vault: how soon it is ready, and what it holds once hosts have used them."""
    passphrase = folder / "passphrase"
    passphrase.touch(0o600)
    passphrase.write_bytes(PASSPHRASE)
    settings = folder / "hsm.toml"
    state = folder / "state"
    settings.write_text(
        f'state = "{state}"\nevent-loop = "asyncio"\n[vault]\npassphrase-file = "{passphrase}"\n', encoding="utf-8"
    )
    state.mkdir(0o700)
    _fill(state / "vault.db")
    starts, bare = [], []
    for _ in range(ROUNDS):
        bare.append(_seconds_to_first_line("-c", f"{LIBRARIES}; print()"))
        starts.append(_seconds_to_first_line(*SERVE, "--config", str(settings)))
    yield Row(
        f"ready with {KEYS:,} keys in the vault", min(starts), "s", "Python and its libraries", min(bare), target=0.5
    )
    with simulator("--config", str(settings)) as (server, port):
        with hsm_load.connected(("127.0.0.1", port)) as line:
            for place in range(PLACES):
                answer = hsm_load.asked_once(line, framed(HEADER + f"HEK{place:03X}0011223344556677".encode()))
                if answer[len(HEADER) + 4 :][:2] != SUCCESS:
                    raise ValueError(f"the key at {place:03X} cannot be used")
        yield Row(f"resident with {KEYS:,} keys, {PLACES:,} of them used", resident_mib(server), "MiB", target=60)


def _seconds_to_first_line(*arguments: str) -> float:
    began = time.perf_counter()
    with subprocess.Popen([sys.executable, *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        _place(process.pid, CORES[:1])
        assert process.stdout is not None
        process.stdout.readline()
        took = time.perf_counter() - began
        process.kill()
    return took


def _fill(path: Path) -> None:
    """User storage of all three LMKs, in order, until there are enough keys; those of the first are all different."""
    vault = Vault.create(path, ByPassphrase(Passphrase(PASSPHRASE), os.urandom), os.urandom)
    for number in range(KEYS):
        lmk_id, place = divmod(number, PLACES)
        clear = oracle.key()
        about = About("003", f"{lmk_id:02}", oracle.check_value(clear))
        vault.put(f"{lmk_id:02}/K{place:03X}", about, oracle.under_lmk("003", clear).encode())
    vault.close()
