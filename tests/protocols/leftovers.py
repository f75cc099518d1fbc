# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Counts what is left of a secret in a process of its own. Makes no secret itself.

The octets to look for are held only with every bit turned, else the search would find its own needle; and a process
searches only once, else it would find what the search before had read. The process gets this tree and nothing else of
the test run's surroundings: what runs beside it, or was set or imported before it, cannot change what it finds.
"""

import gc
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PIECE = 1 << 20  # octets read at once
TURN = bytes(octet ^ 0xFF for octet in range(256))


def counted(module: str, *arguments: str) -> int:
    """The number that ``module`` prints as a process of its own; its own words if it fails."""
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"{module} {' '.join(arguments)} failed:\n{done.stderr}"
    return int(done.stdout)


def copies(needle: bytes) -> int:
    """How often the octets whose complement is ``needle`` stand in this process's writable memory."""
    gc.collect()
    found = 0
    lines = [line.split() for line in Path("/proc/self/maps").read_text().splitlines() if "[v" not in line]
    spans = [tuple(int(edge, 16) for edge in words[0].split("-")) for words in lines if words[1].startswith("rw")]
    overlap = len(needle) - 1
    piece = bytearray(PIECE + overlap)
    memory = os.open("/proc/self/mem", os.O_RDONLY)
    for start, end in spans:
        for place in range(start, end, PIECE):
            with memoryview(piece) as view:
                got = _read(memory, view[: min(PIECE + overlap, end - place)], place)
            found += piece.translate(TURN).count(needle, 0, got)
            piece[:] = bytes(len(piece))  # what was read must not be found again
    os.close(memory)
    return found


def _read(memory: int, into: memoryview, place: int) -> int:
    """Octets read; fewer where memory was given back since it was listed, so that nothing can be left there."""
    got = 0
    while got < len(into):
        try:
            now = os.preadv(memory, [into[got:]], place + got)
        except OSError:
            break
        if not now:
            break
        got += now
    return got
