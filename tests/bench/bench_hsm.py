# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Host commands per second over TCP, beside an event loop that only echoes, in the same run and with the same load.

Server, floor and load are processes of their own; the servers stay on one core and the load on another, since a
scheduler that moves them changes the numbers twofold. On a busy machine trust the share of the floor and the CPU time
per command, which the kernel counts for the server's process alone.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.row import Row
from tests.hsm_sim import live

SECONDS = 0.3
ROUNDS = 3
HEADER = b"0001"
WINDOW = 64
CORES = sorted(os.sched_getaffinity(0))


def rows() -> list[Row]:
    """NC, CA, CM and KQ: one host in sequence, and NC and CA with a window of 64."""
    with simulator() as (server, port):
        found = []
        for code, window in (("NC", 1), ("CA", 1), ("CM", 1), ("KQ", 1), ("NC", WINDOW), ("CA", WINDOW)):
            command = framed(HEADER + live.COMMANDS[code])
            how = "in sequence" if window == 1 else f"window {window}"
            with floor(framed(bytes(28))) as (echo, echo_port):
                # In turns, and the best of each: other work on the machine then hits both alike.
                rounds = [
                    (measured(echo, echo_port, command, window), measured(server, port, command, window))
                    for _ in range(ROUNDS)
                ]
            least, least_cpu = best([floored for floored, _ in rounds])
            rate, cpu = best([served for _, served in rounds])
            found += [
                Row(f"{code} {how}", rate, "1/s", "asyncio echo", least, smaller_is_better=False),
                Row(f"{code} {how}, server CPU", cpu, "µs", "asyncio echo", least_cpu),
            ]
            if (code, window) == ("NC", 1):
                found.append(
                    Row(f"{code} {how}, share of the floor", rate / least, "", target=0.7, smaller_is_better=False)
                )
        found.append(Row("hsm-sim resident memory", resident_mib(server), "MiB", target=60))
        return found


def best(found: list[tuple[float, float]]) -> tuple[float, float]:
    """The highest rate and the least CPU time."""
    return max(rate for rate, _ in found), min(cpu for _, cpu in found)


def framed(message: bytes) -> bytes:
    """A message with its length."""
    return len(message).to_bytes(2, "big") + message


def measured(process: int, port: int, command: bytes, window: int) -> tuple[float, float]:
    """Commands per second, and microseconds of the server's CPU time for each."""
    before = cpu_s(process)
    line = [sys.executable, "-m", "tests.bench.hsm_load", "127.0.0.1", str(port), str(window), str(SECONDS)]
    with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as load:
        os.sched_setaffinity(load.pid, CORES[-1:])
        said, _ = load.communicate(command.hex())
    rate = float(said)
    return rate, (cpu_s(process) - before) / (rate * SECONDS) * 1e6


def cpu_s(process: int) -> float:
    """User and system time of a process so far, in seconds, as the scheduler counts it."""
    return int(Path(f"/proc/{process}/schedstat").read_text().split()[0]) / 1e9


def resident_mib(process: int) -> float:
    """Resident memory of a process."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


@contextmanager
def simulator() -> Iterator[tuple[int, int]]:
    """A running simulator: its process and its port."""
    line = [sys.executable, "-m", "hsm_sim.cli", "serve", "--port", "0", "--json"]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        os.sched_setaffinity(process.pid, CORES[:1])
        try:
            yield process.pid, int(ready["address"].rpartition(":")[2])
        finally:
            process.terminate()


@contextmanager
def floor(answer: bytes) -> Iterator[tuple[int, int]]:
    """A running echo: its process and its port."""
    line = [sys.executable, "-m", "tests.bench.hsm_floor", answer.hex()]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        os.sched_setaffinity(process.pid, CORES[:1])
        try:
            yield process.pid, int(process.stdout.readline())
        finally:
            process.kill()
