# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The folder that keeps signed policies and exceptions, and what of it is in force now. Judges no device.

============== ====================================================================================
kept.signed    the policy that was confirmed last
before.signed  the one before it: what is in force should ``kept.signed`` become unreadable
trial.signed   a policy on trial, and ``trial.json`` when the trial ends
floor.json     the version and digest of what was confirmed last; nothing older is taken
exceptions/    one signed exception a file
============== ====================================================================================

Everything that is read is verified again, each time: the folder is not believed. Where nothing in it can be believed,
no device is allowed. A confirmed policy stays in force beyond its end, and is told to be stale: its end keeps an old
policy from being brought back, and must not switch off a till. An exception never lives a second beyond its end.
"""

import contextlib
import fcntl
import json
import os
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from protocols.errors import DecodeError
from protocols.signed import LARGEST, Believed, Envelope, Floor, Refused, Trust, Verify, believe, read, vouched
from terminal_agent.durable import replace_whole, sync_folder
from terminal_agent.errors import AgentError
from terminal_agent.usb.commit import LONGEST_TRIAL_S, SHORTEST_TRIAL_S, Input, State, Trial, step
from terminal_agent.usb.document import ExceptionText, PolicyText
from terminal_agent.usb.document_text import parse_exception, parse_policy
from terminal_agent.usb.policy import Granted, Now, Policy, deny_all
from tillguard.voice import Fault

POLICY_KIND = "usb-policy"
EXCEPTION_KIND = "usb-exception"
LONGEST_EXCEPTION_S = 72 * 3600  # a visit and its repetition; what is to stay belongs into the policy
MOST_EXCEPTIONS = 32
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}", re.ASCII)


class NotTaken(AgentError):
    """A policy or exception is not taken, or cannot be kept."""


@dataclass(frozen=True, slots=True)
class InForce:
    """What is in force, where it came from, and what a person should know of it."""

    policy: Policy
    state: State
    version: int
    persons: tuple[str, ...]
    stale: bool
    alarms: tuple[str, ...]
    trial_ends_steady_s: float | None = None


class Store:
    """The folder of one terminal. ``boot`` names this run of the machine."""

    def __init__(self, folder: Path, terminal: str, trust: Trust, verify: Verify, boot: str) -> None:
        self._folder = folder
        self._terminal = terminal
        self._trust = trust
        self._verify = verify
        self._boot = boot

    def in_force(self, now: Now) -> InForce:
        """The policy to judge by. A trial that has ended is ended here; never fails, at worst nothing is allowed."""
        alarms: list[str] = []
        with contextlib.suppress(OSError, NotTaken), self._alone():
            self._end_trial(now, alarms)
        for name, state in (("trial", State.TRIAL), ("kept", State.KEPT), ("before", State.KEPT)):
            if state is State.TRIAL and not self._trial_runs(now, alarms):
                continue
            found = self._policy(name, alarms)
            if found is not None:
                believed, text = found
                trial = self._trial(alarms) if state is State.TRIAL else None
                return InForce(
                    policy=Policy(text, self._granted(now, alarms)),
                    state=self._state() if state is State.TRIAL else state,
                    version=believed.statement.version,
                    persons=believed.persons,
                    stale=now.utc_s >= believed.statement.until_s,
                    alarms=tuple(alarms),
                    trial_ends_steady_s=trial.ends_steady_s if trial else None,
                )
        return InForce(deny_all("no policy can be believed"), State.NONE, 0, (), False, tuple(alarms))

    def check(self, envelope: Envelope, now: Now) -> tuple[Believed, PolicyText]:
        """Whether a policy would be taken now; :class:`NotTaken` says why not."""
        believed = self._believe(envelope, POLICY_KIND, now, self._floor())
        return believed, _policy_text(believed)

    def offer(self, envelope: Envelope, now: Now, trial_s: float) -> PolicyText:
        """Put a policy on trial."""
        if not SHORTEST_TRIAL_S <= trial_s <= LONGEST_TRIAL_S:
            raise NotTaken(f"a trial of {trial_s:g} s", f"{SHORTEST_TRIAL_S} s to 24 hours expected")
        with self._alone():
            self._end_trial(now, [])
            _, text = self.check(envelope, now)
            if step(self._state(), Input.OFFER) is None:
                raise NotTaken("another policy is on trial", "confirm it, or take it back, first")
            trial = Trial(self._boot, now.steady_s, now.steady_s + trial_s)
            self._write("trial.json", json.dumps(asdict(trial)).encode())
            self._write("trial.signed", envelope.encode())
        return text

    def confirm(self, now: Now) -> Believed:
        """Keep the policy that is on trial, and raise the floor to it."""
        with self._alone():
            self._end_trial(now, [])
            envelope = self._envelope("trial", [])
            if step(self._state(), Input.CONFIRM) is None or envelope is None:
                raise NotTaken("no policy is on trial", "its time may have been up; offer it again")
            believed = self._believe(envelope, POLICY_KIND, now, self._floor())
            kept = self._folder / "kept.signed"
            if kept.exists():
                self._write("before.signed", kept.read_bytes())
            self._write("kept.signed", envelope.encode())
            self._write("floor.json", json.dumps(asdict(believed.floor)).encode())
            self._drop_trial()
        return believed

    def take_back(self, now: Now) -> None:
        """End the trial: the policy before is in force again."""
        with self._alone():
            self._end_trial(now, [])
            if step(self._state(), Input.TAKE_BACK) is None:
                raise NotTaken("no policy is on trial", "there is nothing to take back")
            self._drop_trial()

    def grant(self, name: str, envelope: Envelope, now: Now) -> Granted:
        """Keep an exception under a name."""
        if not _NAME.fullmatch(name):
            raise NotTaken("an exception's name", "1 to 32 small letters, digits and hyphens expected")
        granted = self._exception(name, self._believe(envelope, EXCEPTION_KIND, now, None))
        with self._alone():
            others = [path for path in self._exceptions() if path.stem != name]
            if len(others) >= MOST_EXCEPTIONS:
                raise NotTaken(f"more than {MOST_EXCEPTIONS} exceptions", "withdraw some")
            (self._folder / "exceptions").mkdir(mode=0o700, exist_ok=True)
            self._write(f"exceptions/{name}.signed", envelope.encode())
        return granted

    def withdraw(self, name: str) -> None:
        """End an exception now."""
        if not _NAME.fullmatch(name) or not (path := self._folder / f"exceptions/{name}.signed").is_file():
            raise NotTaken("no such exception", "`terminal-agent usb status` lists them")
        with self._alone():
            path.unlink()
            sync_folder(path.parent)

    def _granted(self, now: Now, alarms: list[str]) -> list[Granted]:
        found = []
        for path in self._exceptions():
            try:
                believed = vouched(
                    read(self._octets(path)), self._trust, self._verify, kind=EXCEPTION_KIND, terminal=self._terminal
                )
                granted = self._exception(path.stem, believed)
            except (DecodeError, Refused, AgentError, OSError, Fault) as fault:
                alarms.append(f"exception {path.stem} does not hold: {_said(fault)}")
                continue
            if granted.ends_s > now.utc_s:
                found.append(granted)
        return found

    def _exceptions(self) -> list[Path]:
        try:
            return sorted(path for path in (self._folder / "exceptions").glob("*.signed") if _NAME.fullmatch(path.stem))
        except OSError:
            return []

    def _exception(self, name: str, believed: Believed) -> Granted:
        statement = believed.statement
        if statement.until_s - statement.from_s > LONGEST_EXCEPTION_S:
            raise NotTaken("an exception of more than 72 hours", "what is to stay belongs into the policy")
        text: ExceptionText = parse_exception(statement.body, Path(f"{name}.signed"))
        return Granted(name, text, statement.from_s, statement.until_s)

    def _policy(self, name: str, alarms: list[str]) -> tuple[Believed, PolicyText] | None:
        envelope = self._envelope(name, alarms)
        if envelope is None:
            return None
        try:
            believed = vouched(envelope, self._trust, self._verify, kind=POLICY_KIND, terminal=self._terminal)
            return believed, _policy_text(believed)
        except (DecodeError, Refused, NotTaken) as fault:
            alarms.append(f"{name}.signed is not believed: {_said(fault)}")
            return None

    def _envelope(self, name: str, alarms: list[str]) -> Envelope | None:
        path = self._folder / f"{name}.signed"
        try:
            return read(self._octets(path))
        except FileNotFoundError:
            if name == "kept" and (self._folder / "floor.json").exists():
                alarms.append("kept.signed is gone")
            return None
        except (OSError, DecodeError) as fault:
            alarms.append(f"{path.name} cannot be read: {_said(fault)}")
            return None

    def _believe(self, envelope: Envelope, kind: str, now: Now, floor: Floor | None) -> Believed:
        try:
            return believe(
                envelope,
                self._trust,
                self._verify,
                kind=kind,
                terminal=self._terminal,
                now_s=now.utc_s,
                floor=floor,
            )
        except (Refused, DecodeError) as fault:
            raise NotTaken(f"not taken: {fault}", "`terminal-agent usb verify FILE` says who signed what") from None

    def _floor(self) -> Floor | None:
        """The floor; a file that is there and cannot be read stops everything: it would be a way around it."""
        path = self._folder / "floor.json"
        try:
            document = json.loads(self._octets(path))
            return Floor(int(document["version"]), str(document["digest"]))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError):
            raise NotTaken(
                f"{path}: cannot be read", "restore it, or remove it knowing that old policies pass"
            ) from None

    def _state(self) -> State:
        kept = (self._folder / "kept.signed").exists()
        if (self._folder / "trial.signed").exists():
            return State.TRIAL if kept else State.FIRST_TRIAL
        return State.KEPT if kept else State.NONE

    def _trial(self, alarms: list[str]) -> Trial | None:
        try:
            document = json.loads(self._octets(self._folder / "trial.json"))
            return Trial(str(document["boot"]), float(document["began_steady_s"]), float(document["ends_steady_s"]))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError):
            alarms.append("trial.json cannot be read: the trial is over")
            return None

    def _trial_runs(self, now: Now, alarms: list[str]) -> bool:
        trial = self._trial(alarms)
        return trial is not None and trial.ended(self._boot, now.steady_s) is None

    def _end_trial(self, now: Now, alarms: list[str]) -> None:
        """Roll back where the trial's time is up or the machine was started anew."""
        if (self._folder / "trial.signed").exists() and not self._trial_runs(now, alarms):
            alarms.append("the trial ended without confirmation: the policy before is in force")
            self._drop_trial()

    def _drop_trial(self) -> None:
        for name in ("trial.signed", "trial.json"):
            (self._folder / name).unlink(missing_ok=True)
        sync_folder(self._folder)

    def _octets(self, path: Path) -> bytes:
        with path.open("rb") as file:
            return file.read(LARGEST + 1)

    def _write(self, name: str, octets: bytes) -> None:
        """Whole or not at all, and on the disk."""
        path = self._folder / name
        try:
            replace_whole(path, octets)
        except OSError as fault:
            raise NotTaken(f"{path}: {fault.strerror}", "is the disk full, or the folder another user's?") from None

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as fault:
            raise NotTaken(f"{self._folder}: {fault.strerror}", "name a folder that can be written") from None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


def _policy_text(believed: Believed) -> PolicyText:
    try:
        return parse_policy(believed.statement.body, Path("policy"))
    except Fault as fault:
        raise NotTaken(fault.what, fault.hint) from None


def _said(fault: Exception) -> str:
    return fault.what if isinstance(fault, AgentError | Fault) else str(fault)
