# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Who is let in at the terminal: technicians with a grant from head office, by key or TOTP. Does no action itself.

There is no password, so none that could be a default. A try is on the disk before it is judged; after five wrong ones
in a row nobody is let in for a minute, then two, four, up to a day, and switching the terminal off does not help. What
lets somebody in does so once: a challenge is drawn anew for each try, and a TOTP code of a step that was used is void.
"""

import contextlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor import InvalidToken
from cryptography.hazmat.primitives.twofactor.totp import TOTP

from protocols.errors import DecodeError, IntegrityError
from protocols.identity.grants import KIND, LARGEST_GRANT, Action, Grant, box_context, read_grant, to_be_answered
from protocols.identity.sealed_box import open_box
from protocols.signed import Refused, Trust, Verify, believe, key_id, read
from protocols.strict_json import strict_object
from terminal_agent.durable import replace_whole
from terminal_agent.errors import AgentError

STEP_S = 30
DIGITS = 6
STEPS_BESIDE = 1  # a phone's clock may be a step off (RFC 6238, 5.2)
FREE_TRIES = 5
FIRST_LOCK_MS = 60_000
LONGEST_LOCK_MS = 86_400_000
CHALLENGE_OCTETS = 32
MOST_GRANTS = 64


class NotLetIn(AgentError):
    """Nobody is let in, and why."""


@dataclass(frozen=True, slots=True)
class Admission:
    """Somebody was let in for an action, once. ``signed``: the persons of head office who granted it."""

    person: str
    action: Action
    signed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Tries:
    """What must survive the power switch. ``steps``: the last TOTP step that each grant was used with."""

    wrong: int = 0
    locked_until_ms: int = 0
    steps: tuple[tuple[str, int], ...] = ()


class Technicians:
    """The grants of one terminal, and the lock. ``trust`` says whose signatures make a grant now; None: nobody's."""

    def __init__(
        self,
        folder: Path,
        terminal: str,
        trust: Callable[[], Trust | None],
        verify: Verify,
        now_ms: Callable[[], int],
        entropy: Callable[[int], bytes],
    ) -> None:
        self._folder = folder
        self._terminal = terminal
        self._trust = trust
        self._verify = verify
        self._now_ms = now_ms
        self._entropy = entropy

    def take(self, octets: bytes) -> Grant:
        """Keep a grant; it is believed anew whenever it is used. :class:`NotLetIn` for one that is not believed."""
        grant, _ = self._believed(octets)
        kept = self._paths()
        path = self._folder / f"{_file_name(grant)}.grant"
        if len(kept) >= MOST_GRANTS and path not in kept:
            raise NotLetIn(
                f"{MOST_GRANTS} grants are kept here", "remove those that are over: terminal-agent technician tidy"
            )
        self._put(path, octets, "free space, check the folder's rights")
        return grant

    def grants(self) -> list[Grant]:
        """Those that hold now."""
        return [grant for _, grant, _ in self._holding()]

    def tidy(self) -> int:
        """Remove grants that hold no more; how many."""
        gone = set(self._paths()) - {path for path, _, _ in self._holding()}
        for path in gone:
            path.unlink(missing_ok=True)
        return len(gone)

    def challenge(self) -> bytes:
        """What a technician's key is to sign; good for one try, by whoever drew it."""
        return self._entropy(CHALLENGE_OCTETS)

    def let_in_by_key(self, person: str, action: Action, challenge: bytes, signature: bytes) -> Admission:
        """By the grant's key, over :func:`protocols.identity.grants.to_be_answered`; else :class:`NotLetIn`."""
        message = to_be_answered(self._terminal, action, challenge)
        tries = self._counted()
        for grant, persons in self._for(person, action):
            if grant.key and self._verify(grant.key, message, signature):
                return self._admitted(tries, person, action, persons)
        raise self._refused(tries)

    def let_in_by_code(self, person: str, action: Action, code: str, key_pem: bytes) -> Admission:
        """By a TOTP code (RFC 6238: SHA-1, 6 digits, 30 s); ``key_pem`` opens the box with the secret."""
        tries = self._counted()
        now_s = self._now_ms() // 1000
        closed = False
        for grant, persons in self._for(person, action):
            if not grant.totp:
                continue
            try:
                secret = open_box(grant.totp, key_pem, box_context(self._terminal, person))
            except (IntegrityError, DecodeError):  # sealed to the key of a certificate that was renewed since
                closed = True
                continue
            step = _fitting_step(secret, code, now_s)
            name = _file_name(grant)
            used = dict(tries.steps)
            if step is not None and step > used.get(name, -1):
                used[name] = step
                return self._admitted(replace(tries, steps=tuple(used.items())), person, action, persons)
        if closed:
            what = "the grant's secret is enciphered to another key than the terminal has now"
            raise NotLetIn(what, "its certificate was renewed? let head office grant it anew")
        raise self._refused(tries)

    def locked_ms(self) -> int:
        """For how many milliseconds nobody is let in."""
        return max(0, self._read().locked_until_ms - self._now_ms())

    def _counted(self) -> _Tries:
        """The tries with this one, on the disk; :class:`NotLetIn` while the lock holds."""
        tries, now = self._read(), self._now_ms()
        if now < tries.locked_until_ms:
            left = -(-(tries.locked_until_ms - now) // 1000)
            raise NotLetIn(f"locked for {left} s after {tries.wrong} wrong tries", "wait; switching off does not help")
        wrong = tries.wrong + 1
        lock = min(FIRST_LOCK_MS << max(0, wrong - FREE_TRIES), LONGEST_LOCK_MS) if wrong >= FREE_TRIES else 0
        after = replace(tries, wrong=wrong, locked_until_ms=now + lock if lock else 0)
        self._write(after)
        return after

    def _admitted(self, tries: _Tries, person: str, action: Action, persons: tuple[str, ...]) -> Admission:
        self._write(_Tries(steps=tries.steps))
        return Admission(person, action, persons)

    def _refused(self, tries: _Tries) -> NotLetIn:
        left = FREE_TRIES - tries.wrong
        hint = f"{left} tries before a pause" if left > 0 else "a pause begins; it grows with each wrong try"
        return NotLetIn("no grant of that name and action fits to what was shown", hint)

    def _for(self, person: str, action: Action) -> list[tuple[Grant, tuple[str, ...]]]:
        return [
            (grant, persons)
            for _, grant, persons in self._holding()
            if grant.person == person and action in grant.actions
        ]

    def _holding(self) -> list[tuple[Path, Grant, tuple[str, ...]]]:
        """The grants that are believed now, where each lies, and who signed it."""
        found = []
        for path in self._paths():
            with contextlib.suppress(NotLetIn, FileNotFoundError):
                found.append((path, *self._believed(path.read_bytes())))
        return found

    def _believed(self, octets: bytes) -> tuple[Grant, tuple[str, ...]]:
        trust = self._trust()
        if trust is None:
            raise NotLetIn("nobody may grant anything here", "name who may in [orders] trust: docs/identity.md")
        try:
            if len(octets) > LARGEST_GRANT:
                raise DecodeError("grant", f"at most {LARGEST_GRANT} octets expected")
            believed = believe(
                read(octets),
                trust,
                self._verify,
                kind=KIND,
                terminal=self._terminal,
                now_s=self._now_ms() // 1000,
            )
            return read_grant(believed.statement.body), believed.persons
        except (Refused, DecodeError) as fault:
            raise NotLetIn(f"the grant does not hold: {fault}", "let head office grant it anew") from None

    def _paths(self) -> list[Path]:
        return sorted(self._folder.glob("*.grant"))

    @property
    def _tries_file(self) -> Path:
        return self._folder / "tries.json"

    def _read(self) -> _Tries:
        """What is kept; a file that cannot be read locks for the longest time, since somebody may have broken it."""
        try:
            octets = self._tries_file.read_bytes()
        except FileNotFoundError:
            return _Tries()
        except OSError as fault:
            raise NotLetIn(f"{self._tries_file}: {fault.strerror}", "check the folder's rights") from None
        try:
            found = strict_object(octets, "tries", {"wrong", "locked_until_ms", "steps"})
            steps = tuple((str(name), int(step)) for name, step in found["steps"])
            return _Tries(int(found["wrong"]), int(found["locked_until_ms"]), steps)
        except (DecodeError, TypeError, ValueError):
            locked = _Tries(FREE_TRIES, self._now_ms() + LONGEST_LOCK_MS)
            self._write(locked)
            return locked

    def _write(self, tries: _Tries) -> None:
        self._put(self._tries_file, json.dumps(asdict(tries)).encode("ascii"), "free space: tries must be counted")

    def _put(self, path: Path, octets: bytes, hint: str) -> None:
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            replace_whole(path, octets)
        except OSError as fault:
            raise NotLetIn(f"{path}: {fault.strerror}", hint) from None


def _fitting_step(secret: bytes, code: str, now_s: int) -> int | None:
    """The time step whose code it is, the latest of those that may count."""
    if len(code) != DIGITS or not (code.isascii() and code.isdigit()):
        return None
    made = TOTP(secret, DIGITS, SHA1(), STEP_S, enforce_key_length=False)  # noqa: S303  # RFC 6238's default
    for step in range(now_s // STEP_S + STEPS_BESIDE, now_s // STEP_S - STEPS_BESIDE - 1, -1):
        try:
            made.verify(code.encode("ascii"), step * STEP_S)
        except InvalidToken:
            continue
        return step
    return None


def _file_name(grant: Grant) -> str:
    """One file for a person and a proof: a grant that is renewed replaces the one before."""
    return key_id(grant.person.encode() + b"\0" + (grant.key or grant.totp))
