# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Head office's ingest: signed reports from mosquitto over mutual TLS to the committed row and the acknowledgement.

Against the idiom: reports a second by the clock on the wall, both in the same run. Against bare verification: reports
for each second of the ingest's own processor time, since other processes of the machine take their share of a core.
"""

import asyncio
import contextlib
import json
import os
import pickle
import sqlite3
import statistics
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from fleet_console import register
from fleet_console.isolation import Barrier
from fleet_console.settings import load
from fleet_console.store.choose import open_store
from protocols.telemetry.batch import CONTEXT, encode_batch, read_batch
from protocols.telemetry.envelope import Report, encode, genesis, report_hash
from protocols.telemetry.events import Lane, make
from protocols.telemetry.keys import from_certificate, signer_from_pem
from protocols.telemetry.topics import report_topic
from tests.bench.fleet_terminal import terminal_rows
from tests.bench.row import Row, cpu_us
from tests.fleet_console.estate import Estate, command, estate, ingest
from tests.postgres import postgres

TERMINALS = 32
SINGLE = 250  # reports of each terminal, signed one by one
BATCHED = 128  # batches of 32 of each
IDIOM = 250  # the same, for the idiom
STORM = 5_000
LONGEST_S = 60.0
BOOT = 1_800_000_000_000
HERE = Path(__file__).parent
TICKS = os.sysconf("SC_CLK_TCK")
EVENT = make(
    "payment.finished", BOOT, payment="p-1", outcome="approved", response_code="00", amount=4200, currency="EUR",
    masked_pan="400000******0016", ksn="FFFF9876543210E00001", ms=812,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rate:
    """Reports a second: by the clock on the wall, and by the processor time of the process that took them."""

    wall: float
    processor: float


def rows() -> list[Row]:
    """All rows of the area."""
    return [*asyncio.run(_rows()), *terminal_rows()]


async def _rows() -> list[Row]:
    names = tuple(f"TG{number:06}" for number in range(TERMINALS))
    with tempfile.TemporaryDirectory(prefix="tg-bench-", dir="/tmp") as folder:
        async with estate(Path(folder), *names) as there:
            settings = there.settings("fleet.db", metrics_port=0)
            for name in names:
                await command(
                    "terminals", "add", name, "--certificate", there.folder / f"{name}.pem", "--settings", settings
                )
            floor = _floor(there, names[0])
            idiom = await _idiom(there)
            ends: dict[str, str] = {}
            single = await _ours(there, settings, BOOT, SINGLE, 1, ends)
            batched = await _ours(there, settings, BOOT + 1, BATCHED, 32, ends)
            with postgres(durable=True) as server:
                alone = await _workers(there, server.fresh(), 1, BOOT + 2, ends)
                two = await _workers(there, server.fresh(), 2, BOOT + 3, ends)
            cut, listed = await _isolated(there, settings)
    each, waiting = await _storm()
    more = {"smaller_is_better": False}
    return [
        Row(
            "signed one by one, per second", single.wall, "1/s", "the aiomqtt idiom", idiom.wall, 5 * idiom.wall, **more
        ),
        Row("signed by 32, per second", batched.wall, "1/s", "the aiomqtt idiom", idiom.wall, 30 * idiom.wall, **more),
        Row("two workers, PostgreSQL, one killed half way", two, "1/s", "one worker", alone, 1.5 * alone, **more),
        Row("isolated: from the order to the line's end", cut, "ms", target=50),
        Row("isolated: to the certificate on the broker's list", listed, "ms", target=50),
        Row("memory of one terminal of 5,000", each, "KiB", target=60),
        Row("reports of 5,000 lost in a storm", waiting, "", target=0),
        Row("one by one, per CPU second", single.processor, "1/s", "verification alone", floor, 0.6 * floor, **more),
        Row("one by one, per CPU second", single.processor, "1/s", "the aiomqtt idiom", idiom.processor),
        Row("by 32, per CPU second", batched.processor, "1/s", "the aiomqtt idiom", idiom.processor),
    ]


def _floor(there: Estate, name: str) -> float:
    """Signatures of ES256 verified by one core in a second, with the key loaded."""
    key = from_certificate((there.folder / f"{name}.pem").read_bytes(), name)
    sealed = read_batch(_payloads(there, name, BOOT, 1, 1, {})[0])
    return 1e6 / cpu_us(lambda: key.signed(sealed, CONTEXT))


def _payloads(there: Estate, name: str, boot: int, count: int, size: int, ends: dict[str, str]) -> list[bytes]:
    """Signed batches of one boot; ``ends``: the hash that each terminal's story ends in, before and after."""
    signer = signer_from_pem((there.folder / f"{name}.key").read_bytes(), name)
    prev, seq, found = ends.get(name, genesis(name)), 0, []
    for _ in range(count):
        reports = []
        for _ in range(size):
            seq += 1
            reports.append(encode(Report(name, boot, seq, prev, EVENT)))
            prev = report_hash(reports[-1])
        found.append(encode_batch(reports, signer))
    ends[name] = prev
    return found


async def _blast(there: Estate, boot: int, count: int, size: int, ends: dict[str, str]) -> asyncio.subprocess.Process:
    load = [
        (name, report_topic(name, Lane.HEALTH), _payloads(there, name, boot, count, size, ends))
        for name in there.terminals
    ]
    (there.folder / "load.pickle").write_bytes(pickle.dumps(load))
    words = [str(HERE / "fleet_load.py"), str(there.port), str(there.folder)]
    process = await asyncio.create_subprocess_exec(sys.executable, *words, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    assert await process.stdout.readline() == b"go\n"
    return process


async def _ours(there: Estate, settings: Path, boot: int, count: int, size: int, ends: dict[str, str]) -> Rate:
    total = TERMINALS * count * size
    async with ingest(settings) as running:
        pid, address = running.process.pid, (await running.says("ready"))["metrics"]
        blasting = await _blast(there, boot, count, size, ends)
        before, began = _processor_s(pid), time.perf_counter()
        while _rows_of(there, boot) < total and time.perf_counter() - began < LONGEST_S:
            await asyncio.sleep(0.02)
        took = time.perf_counter() - began
        used = _processor_s(pid) - before
        while await _counted(address) != total:  # told after the commit
            assert time.perf_counter() - began < LONGEST_S
        assert (await blasting.communicate())[0].strip() == b"0"
    return Rate(total / took, total / used)


def _rows_of(there: Estate, boot: int) -> int:
    """Reports of a boot in the store; read beside the ingest, so that its time is its own."""
    with contextlib.closing(sqlite3.connect(there.folder / "fleet.db")) as store:
        return int(store.execute("SELECT coalesce(sum(upto), 0) FROM stories WHERE boot = ?", (boot,)).fetchone()[0])


async def _counted(address: str) -> int:
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET /metrics HTTP/1.1\r\n\r\n")
    text = (await reader.read()).decode()
    writer.close()
    found = dict(line.rpartition(" ")[::2] for line in text.splitlines() if line.startswith("tillguard"))
    assert sum(float(value) for name, value in found.items() if "dead_letters" in name) == 0, text
    return int(float(found["tillguard_ingest_reports_total"]))


async def _workers(there: Estate, address: str, count: int, boot: int, ends: dict[str, str]) -> float:
    """Reports a second into PostgreSQL; of two workers one dies half way and the other takes its group over."""
    total = TERMINALS * SINGLE
    files = [
        there.settings(address, f"office{group}.toml", groups=count, group=[group], standby=True)
        for group in range(count)
    ]
    await command("terminals", "import", "--certificates", there.folder, "--settings", files[0])
    async with AsyncExitStack() as running:
        workers = [await running.enter_async_context(ingest(file)) for file in files]
        database = await open_store(address)
        running.push_async_callback(database.close)
        blasting = await _blast(there, boot, SINGLE, 1, ends)
        began, last = time.perf_counter(), workers[1:]
        while (have := (await database.read("SELECT count(*) FROM reports"))[0][0]) < total:
            assert time.perf_counter() - began < LONGEST_S, f"{have} of {total} reports"
            if last and have >= total // 2:
                last.pop().kill()
            await asyncio.sleep(0.05)
        took = time.perf_counter() - began
        await blasting.communicate()
    return total / took


async def _isolated(there: Estate, settings: Path) -> tuple[float, float]:
    """Medians, in ms, from the moment in which head office says so: to the end of a terminal's line, and to the list.

    All of it is counted: the commit, a connection to the broker, the list's signature, its way to the disk, the reload.
    """
    barrier = Barrier.of(load(settings))
    assert barrier is not None
    database = await open_store(str(there.folder / "fleet.db"))
    ended, listed = [], []
    for name in there.terminals[:15]:
        async with there.terminal(name) as talk:
            began = time.perf_counter()
            await database.write(register.change(name, register.State.ISOLATED, "a measurement", BOOT))
            barring = asyncio.create_task(barrier.bar(name, database))
            assert await talk.goes()
            ended.append((time.perf_counter() - began) * 1e3)
            assert await barring
            listed.append((time.perf_counter() - began) * 1e3)
    await database.close()
    return statistics.median(ended), statistics.median(listed)


async def _storm() -> tuple[float, float]:
    """5,000 terminals in one process, every line cut half way: KiB of each, and reports that got no receipt."""
    names = tuple(f"TG{number:06}" for number in range(1, STORM + 1))
    with tempfile.TemporaryDirectory(prefix="tg-bench-", dir="/tmp") as folder:
        async with estate(Path(folder), *names) as there:
            settings = there.settings("fleet.db")
            await command("terminals", "import", "--certificates", folder, "--settings", settings)
            async with ingest(settings):
                words = ["--terminals", str(STORM), "--broker", f"127.0.0.1:{there.port}", "--pki", folder]
                words += ["--receipt-key", f"{folder}/receipt.pub", "--reports", "4", "--over", "4", "--storm"]
                process = await asyncio.create_subprocess_exec(
                    sys.executable, "-m", "device_profiles.cli", "fleet", *words, "--within", "300", "--json",
                    stdout=asyncio.subprocess.PIPE,
                )  # fmt: skip
                out, _ = await process.communicate()
    done = json.loads(out.splitlines()[-1])
    return float(done["kib_each"]), float(done["waiting"])


def _processor_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


async def _idiom(there: Estate) -> Rate:
    total = TERMINALS * IDIOM
    words = [str(HERE / "fleet_idiom.py"), str(there.office_port), str(there.folder), str(total)]
    process = await asyncio.create_subprocess_exec(sys.executable, *words, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    assert await process.stdout.readline() == b"ready\n"
    blasting = await _blast(there, BOOT, IDIOM, 1, {})
    wall, processor = map(float, (await process.stdout.readline()).split())
    await process.wait()
    await blasting.communicate()
    return Rate(total / wall, total / processor)
