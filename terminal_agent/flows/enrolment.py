# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""How a terminal comes by its certificate, its binding and the next certificate. Carries documents nowhere itself.

A document goes out, another comes back (:mod:`protocols.identity.documents`), by whatever way there is. Each answer is
believed only if the authority that the profile names has sealed it, and only for the application that waits here.
"""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from protocols.errors import DecodeError, IntegrityError
from protocols.identity import documents
from protocols.identity.activation import proof_of, read_code
from protocols.identity.binding import Binding
from protocols.identity.documents import Activation, Application
from protocols.identity.life import Life
from protocols.telemetry.keys import from_certificate, signer_from_pem
from protocols.telemetry.seal import Sealed, Signer
from terminal_agent.identity import certificates
from terminal_agent.identity.certificates import Certificate
from terminal_agent.identity.folder import Folder, IdentityError, Record
from terminal_agent.identity.request import new_request

NONCE_OCTETS = 16
P = ParamSpec("P")
T = TypeVar("T")
Entropy = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the terminal stands, for people and programs."""

    record: Record
    in_use: Certificate | None
    candidate: Certificate | None

    def renewal_due(self, now: datetime) -> bool:
        """Whether the time to renew the certificate in use has come, and none is on trial."""
        return self.in_use is not None and self.candidate is None and now >= self.in_use.renewal()


def _alone(doing: Callable[Concatenate["Enrolment", P], T]) -> Callable[Concatenate["Enrolment", P], T]:
    """A step that nobody else changes the folder under."""

    @functools.wraps(doing)
    def alone(self: "Enrolment", /, *args: P.args, **named: P.kwargs) -> T:
        with self.folder.alone():
            return doing(self, *args, **named)

    return alone


class Enrolment:
    """One terminal's side. ``authority`` is the PEM of the one certificate whose seal and issues count."""

    def __init__(
        self, folder: Folder, terminal: str, authority: bytes, now_ms: Callable[[], int], entropy: Entropy
    ) -> None:
        self.folder = folder
        self._terminal = terminal
        self._authority = authority
        self._office = from_certificate(authority, "authority")
        self._now_ms = now_ms
        self._entropy = entropy

    @_alone
    def apply(self, binding: Binding, model: str) -> bytes:
        """Make a key and ask for a certificate; the application, sealed. What waited before is given up."""
        _sound(binding)
        record = self.folder.read()
        if record.life not in (None, Life.APPLIED, Life.REVIEWED):
            raise IdentityError(
                f"the terminal is {record.life}", "renew its certificate, or let head office recover it"
            )
        return self._ask(replace(record, life=Life.APPLIED), binding, model)

    @_alone
    def renew(self, model: str) -> bytes:
        """Make another key and ask for its certificate; the key in use stands for the application."""
        record = self.folder.read()
        if record.binding is None or not record.in_use:
            raise IdentityError("no certificate is in use", "apply first: terminal-agent identity apply")
        endorser = self._own(record.in_use)
        return documents.endorse(self._ask(record, record.binding, model), endorser)

    @_alone
    def rebind(self, binding: Binding, model: str) -> bytes:
        """Ask for another binding; the key in use stands for the application, and the merchant's code is needed."""
        record = self.folder.read()
        if not record.in_use:
            raise IdentityError("no certificate is in use", "apply first: terminal-agent identity apply")
        _sound(binding)
        endorser = self._own(record.in_use)
        return documents.endorse(self._ask(record, binding, model), endorser)

    @_alone
    def recover(self, binding: Binding, model: str, technician: Path) -> bytes:
        """Give up all keys and begin anew; a technician's key stands for the application, the code is still needed."""
        _sound(binding)
        endorser = _signer(technician)  # first: what is wiped does not come back
        return documents.endorse(self._ask(self.folder.wipe(Life.APPLIED), binding, model), endorser)

    @_alone
    def take(self, octets: bytes) -> str:
        """What head office answered, in words: a review, or the issue of the certificate."""
        sealed = documents.open_document(octets, "answer")
        if self._office.signed(sealed, documents.REVIEW):
            return self._reviewed(sealed)
        if self._office.signed(sealed, documents.ISSUE):
            return self._issued(sealed)
        raise IntegrityError("the answer is not sealed by the authority of this terminal")

    def activate(self, typed: str) -> bytes:
        """The activation that the merchant's code makes, sealed; the code itself goes nowhere."""
        code = read_code(typed)
        record = self.folder.read()
        if not record.waiting:
            raise IdentityError("no application waits for a code", "apply first: terminal-agent identity apply")
        activation = Activation(self._terminal, record.waiting, self._now_ms(), proof_of(code, record.waiting))
        return documents.encode_activation(activation, self._own(self.folder.free(record)))

    def standing(self) -> Standing:
        """Where it stands."""
        record = self.folder.read()
        return Standing(record, self._certificate(record.in_use), self._certificate(record.candidate))

    def renewal_due(self) -> bool:
        """Whether the time to renew the certificate in use has come, and none is under way."""
        standing = self.standing()
        return not standing.record.waiting and standing.renewal_due(self._now())

    def _ask(self, record: Record, binding: Binding, model: str) -> bytes:
        made = new_request(self._terminal, binding.serial)
        nonce = self._entropy(NONCE_OCTETS).hex()
        application = Application(self._terminal, binding, model, made.request, nonce, self._now_ms())
        octets = documents.encode_application(application, signer_from_pem(made.key, "new key"))
        body = documents.open_document(octets, "application").body
        self.folder.prepare(record, made.key, octets, documents.digest(body))
        return octets

    def _reviewed(self, sealed: Sealed) -> str:
        review = documents.read_review(sealed)
        record = self._ours(review.terminal, review.application)
        if review.faults:
            self.folder.write(replace(record, life=Life.APPLIED))
            return f"sent back: {_listed(review.faults)}"
        if record.life is Life.APPLIED:
            self.folder.write(replace(record, life=Life.REVIEWED))
        return "accepted: the merchant gets the activation code by another way"

    def _issued(self, sealed: Sealed) -> str:
        issue = documents.read_issue(sealed)
        record = self._ours(issue.terminal, issue.application)
        applied = documents.open_document(self.folder.applied(), "application")
        if documents.digest(applied.body) != record.waiting:
            raise IntegrityError("the application that lies here is not the one that waits")
        application = documents.read_application(applied)
        pem = issue.certificate.encode("ascii", "replace")
        name = self.folder.free(record)
        public = certificates.public_of(self.folder.key(name), str(self.folder.slot(name).key))
        found = certificates.accept(pem, self._authority, public, self._terminal)
        bound = record.bound(application.binding, issue.binding, self._now_ms())
        after = self.folder.issued(replace(bound, life=Life.ACTIVE), pem)
        which = "on trial until head office answers over it" if after.candidate else "in use"
        return f"certificate {found.serial} until {found.ends:%Y-%m-%d %H:%M} UTC: {which}; binding {issue.binding}"

    def _ours(self, terminal: str, application: str) -> Record:
        record = self.folder.read()
        if terminal != self._terminal:
            raise IntegrityError(f"the answer is for {terminal}, not for {self._terminal}")
        if not record.waiting:
            raise IntegrityError("no application waits for an answer: was it taken already?")
        if application != record.waiting:
            raise IntegrityError("the answer is to another application than the one that waits")
        return record

    def _own(self, name: str) -> Signer:
        """What signs with the key of a slot."""
        return signer_from_pem(self.folder.key(name), str(self.folder.slot(name).key))

    def _certificate(self, name: str) -> Certificate | None:
        if not name:
            return None
        path = self.folder.slot(name).certificate
        try:
            return certificates.read(path.read_bytes(), path.name)
        except (OSError, DecodeError) as fault:
            raise IdentityError(f"{path}: {fault}", "restore it, or enrol the terminal anew") from None

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._now_ms() / 1000, UTC)


def _sound(binding: Binding) -> None:
    for name, words in binding.faults().items():
        raise IdentityError(f"{name}: {words}", "write what the contract says")


def _signer(path: Path) -> Signer:
    try:
        with path.open("rb") as file:
            return signer_from_pem(file.read(documents.LARGEST), path.name)
    except OSError as fault:
        raise IdentityError(f"{path}: {fault.strerror}", "check the file and its rights") from None


def _listed(faults: Mapping[str, str]) -> str:
    return "; ".join(f"{name}: {words}" for name, words in faults.items())
