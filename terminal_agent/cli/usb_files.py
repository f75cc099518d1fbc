# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What the ``usb`` commands read: policies, trees of devices, moments. Every fault names the file and the cure."""

import argparse
from datetime import datetime
from pathlib import Path

from protocols.errors import DecodeError
from protocols.usb.device import Device
from protocols.usb.rules import Dialect
from terminal_agent.clock import SystemClock, local_time
from terminal_agent.usb.describe import Raw, Unreadable, describe_all
from terminal_agent.usb.document import PolicyText, PortRole, policy_of
from terminal_agent.usb.document_text import bare_rules, parse_policy
from terminal_agent.usb.policy import Now, Policy
from terminal_agent.usb.recorded import LARGEST, read_tree
from terminal_agent.usb.sysfs import Sysfs, SysfsError
from tillguard.exits import Exit
from tillguard.voice import Fault

DEFAULT_ROOT = Path("/sys")


def text_of(path: Path, most: int = LARGEST) -> str:
    """A file as text; octets that are no UTF-8 stay what they are."""
    try:
        with path.open("rb") as file:
            octets = file.read(most + 1)
    except FileNotFoundError:
        raise Fault(f"{path}: no such file", "check the path", Exit.USAGE) from None
    except OSError as fault:
        raise Fault(f"{path}: {fault.strerror}", "check the file and its rights", Exit.USAGE) from None
    if len(octets) > most:
        raise Fault(f"{path}: larger than {most} octets", "is this the right file?", Exit.USAGE)
    return octets.decode("utf-8", "surrogateescape")


def policy(path: Path, dialect: Dialect = Dialect.TILLGUARD) -> PolicyText:
    """A policy: our TOML, or bare rules in a file of any other name (as usbguard's ``rules.conf``)."""
    text = text_of(path)
    if path.suffix == ".toml":
        return parse_policy(text, path)
    return policy_of(bare_rules(text, path, dialect), path.name)


def add_tree(parser: argparse.ArgumentParser) -> None:
    """Where devices come from: this machine, another root, or a recorded tree."""
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--tree", type=Path, metavar="FILE", help="a recorded tree (usb list --record, umockdev-record)")
    where.add_argument("--root", type=Path, default=DEFAULT_ROOT, metavar="DIR", help="a sysfs (default /sys)")


def raws(options: argparse.Namespace) -> list[Raw]:
    """The devices as they say they are."""
    if options.tree is not None:
        return tree(options.tree)
    try:
        return Sysfs(options.root).read_all()
    except SysfsError as fault:
        raise Fault(fault.what, fault.hint, Exit.ABSENT) from None


def tree(path: Path) -> list[Raw]:
    """A recorded tree."""
    try:
        return read_tree(text_of(path))
    except DecodeError as fault:
        raise Fault(f"{path}: {fault}", "record it anew: terminal-agent usb list --record FILE", Exit.USAGE) from None


def devices(found: list[Raw], roles: tuple[PortRole, ...] = ()) -> list[Device | Unreadable]:
    """The devices as a policy sees them."""
    return describe_all(found, roles)


def add_moment(parser: argparse.ArgumentParser) -> None:
    """When, and which service windows are taken to be open."""
    parser.add_argument("--at", metavar="MOMENT", help="decide as at 2026-12-24T02:30:00+01:00 (default: now)")
    parser.add_argument("--window", action="append", default=[], metavar="NAME", help="take this window to be open")


def moment(options: argparse.Namespace, option: str = "--at") -> Now:
    """The moment of the decision; ``option``: what it was typed behind."""
    if options.at is None:
        return now()
    try:
        found = datetime.fromisoformat(options.at)
        zone = found.utcoffset()
        if zone is None:
            raise ValueError
        return Now(int(found.timestamp()), int(zone.total_seconds()))
    except (ValueError, OverflowError):
        what = f"{option}: a moment with its zone expected"
        raise Fault(what, "such as 2026-12-24T02:30:00+01:00", Exit.USAGE) from None


def now() -> Now:
    """This moment, by this machine's clocks."""
    clock = SystemClock()
    at_ms = clock.now_ms()
    zone = local_time(at_ms).utcoffset()
    return Now(at_ms // 1000, int(zone.total_seconds()) if zone else 0, clock.steady_ms() / 1000)


def in_force(text: PolicyText, options: argparse.Namespace) -> Policy:
    """A policy with the windows that the command line opens."""
    found = Policy(text)
    found.opened = frozenset(options.window)
    return found
