# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Runs the boots of the kernel suite one after the other and keeps what they told: ``python -m tests.qemu.run FOLDER``.

It is a process of its own, so that the emulated machines work while the rest of the suite runs. Expects nothing.
"""

import json
import sys
import traceback
from dataclasses import asdict
from pathlib import Path

from tests.qemu.rig import Boot, boot

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
    """Write ``open.json`` and ``locked.json``."""
    for name, proofs, locked in (("locked", LOCKED, True), ("open", OPEN, False)):
        try:
            told = boot(proofs, locked=locked, plugged=["keyboard"])
        except Exception:
            told = Boot(findings={"broken": traceback.format_exc()})
        path = folder / f"{name}.json"
        path.with_suffix(".new").write_text(json.dumps(asdict(told)))
        path.with_suffix(".new").rename(path)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
