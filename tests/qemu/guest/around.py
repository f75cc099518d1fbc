# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Network sticks and serial debug ports, made by the kernel's own gadget functions on dummy_hcd. Tells findings."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.qemu.guest import stage
from tests.qemu.guest.gadgets import Gadget
from tests.qemu.guest.stage import Host, Witness, attribute, by_id, guarded, until

ON_USB = re.compile(r"/usb[0-9]+/[0-9]+-[0-9.]+/")  # the far side's own device is on no bus
KINDS = {"network_stick": ("ecm.usb0", "net", ("0525", "a4a1")), "debug_port": ("acm.usb0", "tty", ("0525", "a4a7"))}
"""The kernel's function; what a driver makes of it; ids."""


def network_stick(host: Host) -> Mapping[str, Any]:
    """CDC Ethernet (02:06:00)."""
    return _judged("network_stick")


def debug_port(host: Host) -> Mapping[str, Any]:
    """CDC ACM (02:02:01), as a phone, a modem or a board's console shows it."""
    return _judged("debug_port")


def _judged(kind: str) -> Mapping[str, Any]:
    """While no rule names it, then under one that does: the drivers are there, and would take it."""
    function, class_, ids = KINDS[kind]
    stage.load("cdc_ether", "cdc_acm")
    stick = Gadget(ids, kind, "N1", {function: as_it_is})
    with guarded("") as warden, Witness() as witness:
        stick.plug()
        port = until(lambda: by_id(*ids))[0]
        until(lambda: warden.verdicts(port))
        barred = {"verdict": warden.verdicts(port), "live": witness.live(), "made": made(class_),
                  "authorized": attribute(port, "authorized")}  # fmt: skip
        warden.keep(f'allow id {":".join(ids)} label "named"\n')
        until(lambda: made(class_))
        named = {"verdict": warden.verdicts(port)[-1], "made": made(class_)}
        warden.keep("")
        until(lambda: not made(class_))
        stick.pull()
        until(lambda: not attribute(port, "idVendor"))
        return {"barred": barred, "named": named, "after": made(class_)}


def made(class_: str) -> list[str]:
    """Network devices (``net``) or serial lines (``tty``) that drivers have made of USB devices."""
    found = Path("/sys/class", class_).iterdir()
    return sorted(path.name for path in found if ON_USB.search(os.path.realpath(path)))


def as_it_is(folder: Path) -> None:
    """The kernel's own settings will do."""
