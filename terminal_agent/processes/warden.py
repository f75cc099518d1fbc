# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The warden's process: locks the USB root hubs, then everything else. Decides nothing itself (warden_watch.py does).

``python -I -m terminal_agent.processes.warden SETTINGS [SYSFS]``, as root. The first thing that it does, before it
imports what it will need, is to lock what a new device could live by: so the time in which a terminal without the
kernel argument ``usbcore.authorized_default=0`` is open after the start is that of an interpreter. Nothing that was
locked is ever opened again by its stopping, crash or kill.
"""

import contextlib
import os
import sys
import time
from collections.abc import Sequence
from importlib import import_module
from types import ModuleType

USAGE = """usage: python -I -m terminal_agent.processes.warden SETTINGS [SYSFS]

examples:
  python -I -m terminal_agent.processes.warden /etc/tillguard/warden.toml

SETTINGS says which terminal this is, whose signatures count, and where policies and the audit chain are: docs/usb.md.
"""
USAGE_EXIT = 2
NICE = -10
LOCKS = ("authorized_default", "interface_authorized_default")


def lock_first(root: str) -> None:
    """Every root hub that is there, and every one to come: ``usbcore`` hands its own default to a late controller.

    What fails here is told later, by the guard, which does it again.
    """
    devices = f"{root}/bus/usb/devices"
    try:
        hubs = [name for name in os.listdir(devices) if name.startswith("usb")]  # noqa: PTH208 - no pathlib yet
    except OSError:
        hubs = []
    paths = [f"{root}/module/usbcore/parameters/authorized_default"]
    paths += [f"{devices}/{hub}/{name}" for hub in hubs for name in LOCKS]
    for path in paths:
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            os.write(descriptor, b"0")
        except OSError:
            continue
        finally:
            os.close(descriptor)


def default_of(root: str) -> str:
    """What a host controller would begin with, as the kernel says it: ``0`` where the kernel argument was given."""
    try:
        with open(f"{root}/module/usbcore/parameters/authorized_default") as file:  # noqa: PTH123 - no pathlib yet
            return file.read(8).strip()
    except OSError:
        return ""


def boot_id() -> str:
    """The name of this run of the machine; a trial does not outlive it."""
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:  # noqa: PTH123 - no pathlib yet
            return file.readline(64).strip()
    except OSError:
        return ""


class _Later(ModuleType):
    """A module in whose place this stands until something of it is asked for."""

    def __getattr__(self, name: str) -> object:
        sys.modules.pop(self.__name__, None)
        return getattr(import_module(self.__name__), name)


def main(arguments: Sequence[str]) -> int:
    """Lock, read the settings in a child while this process imports the rest, watch until told to stop."""
    if not 1 <= len(arguments) <= 2 or arguments[0].startswith("-"):
        sys.stdout.write(USAGE)
        return 0 if arguments[:1] in (["-h"], ["--help"]) else USAGE_EXIT
    path, root = arguments[0], arguments[1] if len(arguments) == 2 else "/sys"
    began_with = default_of(root)
    lock_first(root)
    with contextlib.suppress(OSError):  # before others get their turn: a device waits for it, and nobody waits for them
        os.nice(NICE)
    # Without OpenSSL behind it, hashlib uses its own SHA-256: four megabytes less, for the months that this runs.
    sys.modules["_hashlib"] = None  # type: ignore[assignment]  # the import system's way to say: not to be had
    # ``dataclasses`` imports it for classes without a docstring, of which there are none here: a megabyte, 20 ms.
    sys.modules["inspect"] = _Later("inspect")
    from terminal_agent.processes.warden_reader import Reading, read_all, settings_of

    boot, now_s, steady_s = boot_id(), time.time(), time.clock_gettime(time.CLOCK_BOOTTIME)
    moment = (int(now_s), time.localtime(now_s).tm_gmtoff, steady_s)
    reading = Reading(lambda: read_all(path, boot, moment), steady_s)
    from terminal_agent.errors import AgentError
    from terminal_agent.processes.warden_watch import Watch

    told = settings_of(reading.wait())
    try:
        if "fault" in told:
            raise AgentError(told["fault"], told["hint"])
        Watch(told, root, began_with, boot).run()
    except AgentError as fault:
        sys.stderr.write(f"tillguard-warden: error: {fault.what}\n" + (f"hint: {fault.hint}\n" if fault.hint else ""))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
