# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Runs the boots of the kernel suite one after the other and keeps what they told: ``python -m tests.qemu.run FOLDER``.

It is a process of its own, so that the emulated machines work while the rest of the suite runs. Expects nothing.
"""

import json
import sys
import traceback
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from tests.qemu.rig import Boot, boot, boot_systemd
from tests.qemu.units_stage import set_up

OPEN = ("at_boot", "late_controller", "types_unguarded")
"""Without the kernel argument: what the others are measured against, and what the warden makes of it."""
LOCKED = (
    "at_boot",
    "plugged",
    "killed",
    "agent_dead",
    "overflow",
    "expiry",
    "port_off",
    "radios",
    "disk_with_keyboard",
    "network_stick",
    "debug_port",
    "types_unlisted",
    "types_on_probation",
    "types_regularly",
    "types_as_a_person",
    "scans",
    "to_an_apdu",
    "storm",
)
"""With it."""


def main(folder: Path) -> None:
    """Write ``locked.json``, ``units.json`` and ``open.json``."""
    boots: dict[str, Callable[[], Boot]] = {
        "locked": lambda: boot(LOCKED, locked=True, plugged=["keyboard"]),
        "units": lambda: _under_systemd(folder / "stage"),
        "open": lambda: boot(OPEN, locked=False, plugged=["keyboard"]),
    }
    for name, run in boots.items():
        try:
            told = run()
        except Exception:
            told = Boot(findings={"broken": traceback.format_exc()})
        path = folder / f"{name}.json"
        path.with_suffix(".new").write_text(json.dumps(asdict(told)))
        path.with_suffix(".new").rename(path)


def _under_systemd(stage: Path) -> Boot:
    set_up(stage)
    return boot_systemd(["units"], stage, ["keyboard"])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
