# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""``terminal-agent usb offer``, ``confirm``, ``take-back``, ``grant``, ``withdraw``, ``status``: what is in force."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from protocols.ed25519 import verify
from terminal_agent.cli import usb_files
from terminal_agent.cli.usb_sign import envelope_of
from terminal_agent.usb.lockout import lockouts
from terminal_agent.usb.policy import Policy
from terminal_agent.usb.store import InForce, NotTaken, Store
from terminal_agent.usb.trust import load_trust
from tillguard.exits import Exit
from tillguard.voice import Fault, Voice

T = TypeVar("T")
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
DEFAULT_STATE = Path("/var/lib/tillguard-warden/usb")


def _add_store(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--trust", type=Path, required=True, metavar="FILE", help="trust.toml: whose signatures count")
    parser.add_argument("--terminal", required=True, metavar="ID", help="this terminal, such as TG000001")
    parser.add_argument(
        "--state", type=Path, default=DEFAULT_STATE, metavar="DIR", help=f"the folder (default {DEFAULT_STATE})"
    )


def _store(options: argparse.Namespace) -> Store:
    try:
        boot = BOOT_ID.read_text().strip()
    except OSError as fault:
        raise Fault(f"{BOOT_ID}: {fault.strerror}", "is this Linux?") from None
    return Store(options.state, options.terminal, load_trust(options.trust), verify, boot)


def configure_offer(parser: argparse.ArgumentParser) -> None:
    """Options of ``usb offer``."""
    parser.add_argument("file", type=Path, help="a signed policy")
    parser.add_argument(
        "--confirm-within", type=float, default=120, metavar="SECONDS", help="the trial's length (default 120)"
    )
    parser.add_argument("--force", action="store_true", help="take it although it locks out what is needed")
    _add_store(parser)
    usb_files.add_tree(parser)


def run_offer(options: argparse.Namespace, voice: Voice) -> int:
    """Put a policy on trial; exit code 4 where it would lock the terminal out."""
    store, now = _store(options), usb_files.now()
    envelope = envelope_of(options.file)
    try:
        _, text = store.check(envelope, now)
        devices = usb_files.devices(usb_files.raws(options), text.file.ports)
        lost = [one.what for one in lockouts(Policy(text), devices, now)]
        if lost and not options.force:
            raise Fault(
                f"{options.file}: would lock this terminal out: {'; '.join(lost)}",
                "mend the policy; --force takes it all the same",
                Exit.REFUSED,
            )
        store.offer(envelope, now, options.confirm_within)
    except NotTaken as fault:
        raise Fault(fault.what, fault.hint, Exit.REFUSED) from None
    voice.answer(
        {"on-trial": text.file.title, "seconds": options.confirm_within, "lost": lost},
        f"on trial for {options.confirm_within:g} s: {text.file.title}\n"
        "if all that is needed still works: terminal-agent usb confirm; otherwise wait, and it is taken back",
    )
    return 0


def configure_confirm(parser: argparse.ArgumentParser) -> None:
    """Options of ``usb confirm``."""
    _add_store(parser)


def run_confirm(options: argparse.Namespace, voice: Voice) -> int:
    """Keep the policy that is on trial."""
    believed = _taken(lambda: _store(options).confirm(usb_files.now()))
    version = believed.statement.version
    voice.answer({"kept": True, "version": version}, f"kept: version {version}; nothing older is taken from now on")
    return 0


def configure_take_back(parser: argparse.ArgumentParser) -> None:
    """Options of ``usb take-back``."""
    _add_store(parser)


def run_take_back(options: argparse.Namespace, voice: Voice) -> int:
    """End the trial now."""
    _taken(lambda: _store(options).take_back(usb_files.now()))
    voice.answer({"taken-back": True}, "taken back: the policy before is in force")
    return 0


def configure_grant(parser: argparse.ArgumentParser) -> None:
    """Options of ``usb grant``."""
    parser.add_argument("name", help="a name for it: small letters, digits, hyphens")
    parser.add_argument("file", type=Path, help="a signed exception")
    _add_store(parser)


def run_grant(options: argparse.Namespace, voice: Voice) -> int:
    """Let an exception hold until its end."""
    envelope, now = envelope_of(options.file), usb_files.now()
    granted = _taken(lambda: _store(options).grant(options.name, envelope, now))
    left = granted.ends_s - now.utc_s
    voice.answer(
        {"granted": granted.name, "until": granted.ends_s, "reason": granted.text.file.reason},
        f"granted for {_minutes(left)} minutes: {granted.name}",
    )
    return 0


def configure_withdraw(parser: argparse.ArgumentParser) -> None:
    """Options of ``usb withdraw``."""
    parser.add_argument("name", help="the exception's name")
    _add_store(parser)


def run_withdraw(options: argparse.Namespace, voice: Voice) -> int:
    """End an exception now."""
    _taken(lambda: _store(options).withdraw(options.name))
    voice.answer({"withdrawn": options.name}, f"withdrawn: {options.name}")
    return 0


def configure_status(parser: argparse.ArgumentParser) -> None:
    """Options of ``usb status``."""
    _add_store(parser)


def run_status(options: argparse.Namespace, voice: Voice) -> int:
    """What is in force; exit code 6 where something in the folder could not be believed."""
    now = usb_files.now()
    found = _store(options).in_force(now)
    left = None if found.trial_ends_steady_s is None else round(found.trial_ends_steady_s - now.steady_s)
    exceptions = [{"name": one.name, "reason": one.text.file.reason, "from": one.begins_s, "until": one.ends_s}
                  for one in found.policy.granted]  # fmt: skip
    voice.answer(
        {"state": str(found.state), "title": found.policy.text.file.title, "version": found.version,
         "persons": list(found.persons), "stale": found.stale, "rules": len(found.policy.text.rules.rules),
         "digest": found.policy.digest, "trial-seconds-left": left, "exceptions": exceptions,
         "alarms": list(found.alarms)},
        _said(voice, found, left, now.utc_s),
    )  # fmt: skip
    return int(Exit.INTEGRITY if found.alarms else Exit.OK)


def _said(voice: Voice, found: InForce, left: int | None, utc_s: int) -> str:
    file = found.policy.text.file
    said = [f"in force: {file.title}"]
    if found.version:
        signed = " and ".join(found.persons)
        said.append(f"  version {found.version}, signed by {signed}, {len(found.policy.text.rules.rules)} rules")
    if left is not None:
        said.append(voice.paint(f"  on trial: taken back in {left} s unless it is confirmed", "yellow"))
    if found.stale:
        said.append(voice.paint("  past its end: ask for a new one", "yellow"))
    said += [f"  exception {one.name}: {one.text.file.reason}; {_when(one.begins_s, one.ends_s, utc_s)}"
             for one in found.policy.granted]  # fmt: skip
    said += [voice.paint(f"  alarm: {words}", "red") for words in found.alarms]
    return "\n".join(said)


def _when(begins_s: int, ends_s: int, utc_s: int) -> str:
    if utc_s < begins_s:
        return f"begins in {(begins_s - utc_s) // 60} minutes"
    return f"ends in {_minutes(ends_s - utc_s)} minutes"


def _minutes(seconds: int) -> int:
    """Minutes that have begun: what was given for 30 minutes a second ago is told as 30."""
    return (seconds + 59) // 60


def _taken(work: Callable[[], T]) -> T:
    try:
        return work()
    except NotTaken as fault:
        raise Fault(fault.what, fault.hint, Exit.REFUSED) from None
