# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""How long a device waits for its verdict, under the warden and under usbguard-daemon, in turn. Tells findings.

The clock is the kernel's log: from "New USB device found" to "authorized to connect". Both judge by as many rules, with
the device hash and a file of audit records; neither is asked anything meanwhile.
"""

import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.qemu.guest.sizes import COST_BLOCKS, COST_PLUGS
from tests.qemu.guest.stage import Host, Witness, attribute, guarded, until

OTHERS = "".join(
    f'block id 1234:{number:04x} with-interface one-of {{ 03:*:* }} label "r{number}"\n' for number in range(100)
)
MOUSE = "allow id 0627:0001 with-interface 03:01:02\n"
FOLDER = Path("/run/usbguard-peer")
SETTINGS = """RuleFile={folder}/rules.conf
ImplicitPolicyTarget=block
PresentDevicePolicy=apply-policy
PresentControllerPolicy=keep
InsertedDevicePolicy=apply-policy
AuthorizedDefault=none
RestoreControllerDeviceState=false
DeviceManagerBackend=uevent
IPCAllowedUsers=root
AuditBackend=FileAudit
AuditFilePath={folder}/audit.log
"""


def cost(host: Host) -> Mapping[str, Any]:
    """Blocks of plugs, the two in turn."""
    waits: dict[str, list[float]] = {"warden": [], "usbguard": []}
    memory: dict[str, dict[str, int]] = {}
    for _ in range(COST_BLOCKS):
        for name, program in (("usbguard", _usbguard), ("warden", _warden)):
            with program() as its_memory, Witness() as witness:
                for _ in range(COST_PLUGS):
                    waits[name].append(_plugged(host, witness))
                memory[name] = its_memory()
    return {"waits_ms": waits, "memory_kb": memory}


def _plugged(host: Host, witness: Witness) -> float:
    since, log = len(witness.heard), os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
    os.lseek(log, 0, os.SEEK_END)
    try:
        identity = host.plug("mouse")
        port = until(lambda: witness.came(since))[0]
        until(lambda: attribute(port, "authorized") == "1")
        time.sleep(0.2)
        moments = dict(_moments(log, port))
        host.unplug(identity)
        until(lambda: not attribute(port, "idVendor"))
        return (moments["authorized to connect"] - moments["New USB device found"]) / 1000
    finally:
        os.close(log)


def _moments(log: int, port: str) -> Iterator[tuple[str, int]]:
    """What the kernel said of a port, and when in microseconds."""
    try:
        while True:
            line = os.read(log, 8192).decode(errors="replace")
            found = re.match(r"\d+,\d+,(\d+),[^;]*;usb (\S+): (New USB device found|authorized to connect)", line)
            if found and found[2] == port:
                yield found[3], int(found[1])
    except BlockingIOError:
        return


@contextmanager
def _warden() -> Iterator[Callable[[], dict[str, int]]]:
    with guarded(OTHERS + MOUSE) as warden:
        yield warden.memory


@contextmanager
def _usbguard() -> Iterator[Callable[[], dict[str, int]]]:
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / "rules.conf").write_text(re.sub(r' label "r\d+"', "", OTHERS) + MOUSE)
    (FOLDER / "rules.conf").chmod(0o600)
    (FOLDER / "daemon.conf").write_text(SETTINGS.format(folder=FOLDER))
    (FOLDER / "daemon.conf").chmod(0o600)
    process = subprocess.Popen(
        ["/usr/sbin/usbguard-daemon", "-k", "-P", "-c", str(FOLDER / "daemon.conf")],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        audit = FOLDER / "audit.log"
        until(lambda: process.poll() is None and audit.exists())
        time.sleep(2)
        lines = Path(f"/proc/{process.pid}/status")

        def memory() -> dict[str, int]:
            named = (one.split(":") for one in lines.read_text().splitlines())
            return {one[0]: int(one[1].split()[0]) for one in named if one[0] in ("VmRSS", "RssAnon")}

        yield memory
    finally:
        process.terminate()
        process.wait(10)
