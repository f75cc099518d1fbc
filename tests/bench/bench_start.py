# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""How soon a newcomer sees something: the demonstration by station, --help, the daemon's readiness and its memory.

Peers: an interpreter that does nothing, for times; an interpreter that has loaded asyncio, ssl and sqlite3, for memory.
"""

import json
import os
import re
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.bench.row import Row

ROOT = Path(__file__).resolve().parents[2]
ROUNDS = 7


def rows() -> list[Row]:
    """All rows."""
    bare = _wall_ms([sys.executable, "-c", "pass"])
    command = Path(sys.executable).with_name("terminal-agent")
    told = Row("terminal-agent --help", _wall_ms([str(command), "--help"]), "ms", "bare interpreter", bare, 150)
    runs = [_demo() for _ in range(3)]
    result = [told]
    ready = {name: statistics.median(run["ready"][name] for run in runs) for name in runs[0]["ready"]}
    result.append(Row("daemon ready, devices open, signed on", ready.pop("agent"), "ms", "bare interpreter", bare, 700))
    result += [Row(f"{name} ready", value, "ms", "bare interpreter", bare) for name, value in ready.items()]
    result.append(Row("payment, tap to outcome", statistics.median(run["payment"] for run in runs), "ms"))
    result.append(Row("scripts/demo, whole", statistics.median(run["whole"] for run in runs), "s", target=5))
    result.append(
        Row(
            "agent's idle memory",
            statistics.median(run["rss"] for run in runs),
            "MB",
            "loaded interpreter",
            _loaded_mb(),
            45,
        )
    )
    return result


def _wall_ms(argv: list[str]) -> float:
    samples = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        subprocess.run(argv, stdout=subprocess.DEVNULL, check=True)
        samples.append((time.perf_counter() - began) * 1000)
    return statistics.median(samples)


def _demo() -> dict[str, Any]:
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "scripts/lib/demo.py"), "--keep", "--json"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    found: dict[str, Any] = {"ready": {}, "rss": 0.0}
    pid = 0
    for line in process.stdout:
        document = json.loads(line)
        if document.get("event") == "ready":
            found["ready"][document["station"]] = document["ready_after_ms"]
            pid = document.get("pid", pid)
        if document.get("name") == "payment.finished" and document["station"] == "pay":
            found["payment"] = document["fields"]["ms"]
        if document["station"] == "demo":
            break
    found["whole"] = time.perf_counter() - began
    time.sleep(1)  # idle: what a payment borrowed is given back
    found["rss"] = _rss_mb(pid)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    return found


def _rss_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found is not None
    return int(found.group(1)) / 1000


def _loaded_mb() -> float:
    process = subprocess.Popen(
        [sys.executable, "-c", "import asyncio, ssl, sqlite3; print(flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ,
    )
    assert process.stdout is not None
    process.stdout.readline()
    memory = _rss_mb(process.pid)
    process.communicate(b"\n")
    return memory
