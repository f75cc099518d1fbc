# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The warden's cost: a device's wait on a real kernel beside usbguard-daemon's, its memory, its start.

The wait and the memory are measured inside the emulated machine of tests/qemu, the two programs in turn. Its clock
counts what its one core executes, 2 ns each, so how busy this machine is changes nothing. The start is measured on this
machine, beside a bare interpreter's.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.bench.row import Row
from tests.qemu.rig import boot
from tests.terminal_agent.wardens import STICK, Shop

STARTS = 15


def rows() -> list[Row]:
    """All rows."""
    found = boot(("cost",), locked=True).findings["cost"]
    if "broken" in found:
        raise AssertionError(found["broken"])
    waits, memory = found["waits_ms"], found["memory_kb"]
    ours, theirs = statistics.median(waits["warden"]), statistics.median(waits["usbguard"])
    count = min(map(len, waits.values()))
    start, bare = _starts_ms()
    return [
        Row(f"insertion to authorised, median of {count}", ours, "ms", "usbguard-daemon", theirs, theirs),
        Row("warden's memory, RSS", memory["warden"]["VmRSS"] / 1024, "MB", "usbguard-daemon",
            memory["usbguard"]["VmRSS"] / 1024, 16),
        Row("warden's memory, RssAnon", memory["warden"]["RssAnon"] / 1024, "MB", "usbguard-daemon",
            memory["usbguard"]["RssAnon"] / 1024, 8),
        Row("start to judging", start, "ms", "bare interpreter", bare, 100),
    ]  # fmt: skip


def _starts_ms() -> tuple[float, float]:
    """Medians: the warden until it judges, and an interpreter that does nothing, in turn."""
    ours, bare = [], []
    with tempfile.TemporaryDirectory(prefix="tg-") as folder:
        shop = Shop(Path(folder))
        shop.keep('allow id 0781:5567 label "stick"\n')
        shop.plug("1-1", STICK)
        for _ in range(STARTS):
            began = time.perf_counter()
            subprocess.run([sys.executable, "-I", "-c", "pass"], check=True)
            bare.append((time.perf_counter() - began) * 1000)
            began = time.perf_counter()
            shop.start()
            ours.append((time.perf_counter() - began) * 1000)
            shop.stop()
        shop.close()
    return statistics.median(ours), statistics.median(bare)
