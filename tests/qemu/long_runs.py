# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The long run of the warden on a real kernel: what it covers, its boots by name, how many plugs each has."""

from tests.qemu.guest.sizes import PLUGS_A_BOOT

AREA = "warden"
COVERS = (
    "protocols/usb",
    "terminal_agent/processes/warden.py",
    "terminal_agent/processes/warden_watch.py",
    "terminal_agent/usb/describe.py",
    "terminal_agent/usb/guard.py",
    "terminal_agent/usb/netlink.py",
    "terminal_agent/usb/policy.py",
    "terminal_agent/usb/sysfs.py",
)
PLUGS, BOOTS = 1_000, 20
RUNS = {f"boot {number:02}: plugs of unlisted devices, none live for a moment": PLUGS_A_BOOT
        for number in range(1, BOOTS + 1)}  # fmt: skip
"""Each is an evidence run of its own, so a run that was broken off goes on where it was."""
