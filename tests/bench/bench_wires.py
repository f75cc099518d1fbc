# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Wires on real daemons: an APDU over vpcd, an event over mosquitto, and where a payment's time goes. Needs both.

The peer of the card is what anybody would write first: a plain socket that reads, answers and sets no option.
"""

import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from device_profiles import catalog
from device_profiles.model import Sharing, Transmission
from terminal_agent.card.pcsc import matching, open_reader
from terminal_agent.card.scard import Card, Context
from tests.bench import bench_report
from tests.bench.row import Row
from tests.private_pcscd import PrivatePcscd

ROOT = Path(__file__).resolve().parents[2]
COMMAND = bytes.fromhex("00FF000000")  # an instruction that no card has: two octets come back
APDUS, PEER_APDUS = 2_000, 40
PAYMENTS = 3

ORDINARY_CARD = """
import socket, sys
from device_profiles.serve.namespaces import enter_network_of
enter_network_of(int(sys.argv[1]))
host, port = sys.argv[2].split(":")
reader = socket.create_connection((host, int(port)))
print("in", flush=True)
def exactly(count):
    octets = b""
    while len(octets) < count:
        octets += reader.recv(count - len(octets)) or sys.exit()
    return octets
while True:
    body = exactly(int.from_bytes(exactly(2), "big"))
    if len(body) > 1 or body == b"\\x04":
        answer = bytes.fromhex("3BE000008131FE45EB") if len(body) == 1 else b"\\x6d\\x00"
        reader.sendall(len(answer).to_bytes(2, "big") + answer)
"""


def rows() -> list[Row]:
    """All rows of the area, each with its peer from this run."""
    with tempfile.TemporaryDirectory(prefix="tillguard-bench-") as folder:
        mqtt = asyncio.run(bench_report._wire(Path(folder)))  # the same rows, not measured another way
        return [*_apdus(), *mqtt[:2], *_payments()]


def _apdus() -> list[Row]:
    with PrivatePcscd("Ours", "Ordinary") as pcscd:
        pcscd.card()
        where = [str(pcscd.daemon.ready["pid"]), pcscd.daemon.ready["readers"][1]["address"]]
        argv = [sys.executable, "-c", ORDINARY_CARD, *where]
        with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True) as other:
            assert other.stdout is not None
            other.stdout.readline()
            try:
                ours, theirs = _median_us("Ours * 00", APDUS), _median_us("Ordinary * 00", PEER_APDUS)
            finally:
                other.terminate()
        through_agent = asyncio.run(_agent_us("pcsc:Ours * 00"))
    return [
        Row("APDU over vpcd, SCardTransmit, median", ours, "µs", "ordinary socket client", theirs, 100.0),
        Row("the same through the agent's reader", through_agent, "µs", "SCardTransmit alone", ours),
    ]


def _median_us(pattern: str, count: int) -> float:
    context = Context()
    (reader,) = matching(pattern, context.readers())  # the numbers in a name follow the order of files in a folder
    card = _connected(context, reader)
    median = _median(lambda: card.transmit(COMMAND), count)
    card.let_go()
    context.release()
    return median


def _connected(context: Context, reader: str) -> Card:
    """The card, once pcscd has seen it."""
    known = 0
    while not known & 0x20:
        for _, state, _ in context.changes([(reader, known)], 5_000):
            known = state & ~0x2
    return context.connect(reader, Sharing.EXCLUSIVE, (Transmission.T1,))


def _median(work: Callable[[], object], count: int) -> float:
    samples = []
    for _ in range(count):
        started = time.perf_counter()
        work()
        samples.append(time.perf_counter() - started)
    return statistics.median(samples) * 1e6


async def _agent_us(line: str) -> float:
    reader = await open_reader(catalog.reader("pcsc"), line)
    await reader.wait_for_card(5)
    samples = []
    for _ in range(APDUS):
        started = time.perf_counter()
        await reader.transmit(COMMAND)
        samples.append(time.perf_counter() - started)
    await reader.close()
    return statistics.median(samples) * 1e6


def _payments() -> list[Row]:
    """Where the time of a contact payment goes, by the station that each step waited for; medians."""
    taken: dict[str, list[float]] = {}
    for _ in range(PAYMENTS):
        for station, ms in _one_payment().items():
            taken.setdefault(station, []).append(ms)
    whole = statistics.median(taken.pop("whole"))
    named = {"reader": "card and reader", "pad": "PIN pad, its person typing", "acquirer": "acquirer and HSM"}
    parts = [
        Row(f"payment, {named.get(station, station)}", statistics.median(ms), "ms", "whole payment", whole)
        for station, ms in taken.items()
    ]
    return [*parts, Row("payment, whole", whole, "ms")]


def _one_payment() -> dict[str, float]:
    argv = [sys.executable, str(ROOT / "scripts/lib/lab.py"), "--json"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise RuntimeError(f"the measured payment failed: {done.stderr.strip() or done.stdout[-300:]}")
    told = [line for line in map(json.loads, done.stdout.splitlines()) if line.get("station") == "fleet-console"]
    before, spent = 0.0, {}
    for line in told:
        fields = line.get("fields", {})
        if line.get("name") == "payment.step":
            spent[fields["wire"]] = spent.get(fields["wire"], 0.0) + fields["ms"] - before
            before = fields["ms"]
        elif line.get("name") == "payment.finished":
            spent["whole"] = float(fields["ms"])
    return spent
