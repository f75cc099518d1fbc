# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The long run of the warden on a real kernel: what it covers, what it is called, how many plugs and boots it has."""

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
PLUGGED = "unlisted devices plugged in, none of them live for a moment"
BOOTED = "boots with a keyboard plugged in, which never lives"
