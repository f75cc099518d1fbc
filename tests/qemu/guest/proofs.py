# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The proofs by name: each runs inside the emulated machine and says what it found. Judges nothing: the tests outside do."""

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.qemu.guest import stage
from tests.qemu.guest.stage import Host, Warden, Witness, attribute, by_id, guarded, inputs, until

Proof = Callable[[Host], Mapping[str, Any]]
KEYBOARD = ("0627", "0001")


def at_boot(host: Host) -> Mapping[str, Any]:
    """What a keyboard that was there at power on could do before anybody guarded, and what the warden makes of it."""
    time.sleep(1)
    before = {"inputs": inputs(), "devices": by_id(*KEYBOARD), "log": _log("input: QEMU")}
    with guarded("") as warden:
        until(lambda: warden.verdicts(before["devices"][0]))
        alarms = [one["fields"]["words"] for one in warden.records() if one["name"] == "warden.alarm"]
        fences = [one["fields"]["fences"] for one in warden.records() if one["name"] == "warden.started"]
        return {
            **before, "after": inputs(), "verdict": warden.verdicts(before["devices"][0]), "alarms": alarms,
            "fences": fences, "ready_s": warden.ready_s, "memory": warden.memory(),
            "roots": [attribute(p.name, "authorized_default") for p in stage.DEVICES.glob("usb*")],
        }  # fmt: skip


def _log(needle: str) -> list[str]:
    """Lines of the kernel's log."""
    descriptor = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
    found = []
    try:
        while True:
            line = os.read(descriptor, 8192).decode(errors="replace")
            if needle in line:
                found.append(line.partition(";")[2].partition("\n")[0])
    except BlockingIOError:
        return found
    finally:
        os.close(descriptor)


PROOFS: dict[str, Proof] = {"at_boot": at_boot}
