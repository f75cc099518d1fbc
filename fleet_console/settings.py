# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Head office's settings: its store, the broker and certificates, its workers. Checked; opens nothing but the file."""

import ssl
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from fleet_console.store.choose import is_shared
from protocols.telemetry.topics import SHARDS
from tillguard import settings as toml
from tillguard.address import host_port
from tillguard.exits import Exit
from tillguard.voice import Fault

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class BrokerAccess:
    """A broker and the certificate that head office shows it. Always mutual TLS 1.3."""

    host: str
    port: int
    ca: Path
    certificate: Path
    key: Path

    @classmethod
    def of(cls, address: str, ca: Path, certificate: Path, key: Path, named: str = "--broker") -> "BrokerAccess":
        """From HOST:PORT, which a person gave as ``named``, and three PEM files; :class:`Fault` with the cure."""
        try:
            host, port = host_port(address)
        except ValueError as fault:
            raise Fault(f"{named}: {fault}", "such as 127.0.0.1:8883", Exit.USAGE) from None
        for path in (ca, certificate, key):
            if not path.is_file():
                raise Fault(f"{path}: no such file", "TEST certificates: device-twin pki --dir DIR", Exit.USAGE)
        return cls(host, port, ca, certificate, key)

    def tls_context(self) -> ssl.SSLContext:
        """TLS 1.3, the one authority, our certificate; raises :class:`Fault` where a file is unusable."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # checks certificate and name
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        try:
            context.load_verify_locations(self.ca)
            context.load_cert_chain(self.certificate, self.key)
        except OSError as fault:  # ssl.SSLError is one
            reason = getattr(fault, "reason", None) or fault.strerror or type(fault).__name__
            raise Fault(
                f"{self.certificate}, {self.key} and {self.ca} cannot be used: {reason}",
                "PEM of a certificate, its private key, and the authority of the broker",
                Exit.USAGE,
            ) from None
        return context


MOST_THREADS = 64


@dataclass(frozen=True, slots=True)
class BrokerSettings:
    """``[broker]``: where it listens for head office, and what head office shows it."""

    address: str
    ca: Path
    certificate: Path
    key: Path
    crl: Path | None = None
    """The list of withdrawn certificates that the broker reads: written here when a terminal is isolated."""
    reload: tuple[str, ...] = ()
    """A command and its words that has the broker read that list anew."""

    def __post_init__(self) -> None:
        """A list that the broker never reads anew ends, and then the broker refuses everybody."""
        if self.crl is not None and not self.reload:
            raise ValueError('reload: beside crl a command expected, such as ["systemctl", "reload", "mosquitto"]')

    @property
    def access(self) -> BrokerAccess:
        """Checked; raises :class:`Fault` with the cure."""
        return BrokerAccess.of(self.address, self.ca, self.certificate, self.key, "[broker] address")


@dataclass(frozen=True, slots=True)
class IngestSettings:
    """``[ingest]``: how the reports of the fleet are divided between workers, and what this one does."""

    receipt_key: Path
    """The private key that signs receipts, in PEM; terminals have its public half."""
    groups: int = 1
    """Into how many groups the shards are divided: the same number for all workers."""
    group: tuple[int, ...] = (0,)
    """The groups that this worker takes."""
    standby: bool = False
    """Whether it also takes groups whose worker is gone."""
    metrics_port: int | None = None
    """Port on loopback for Prometheus; 0 takes a free one."""
    isolate_clones: bool = True
    """Whether a terminal that shows to be two is isolated at once, or only reported."""
    threads: int | None = None
    """How many threads verify signatures; without, one for each core."""

    def __post_init__(self) -> None:
        """Ranges."""
        if not 1 <= self.groups <= SHARDS:
            raise ValueError(f"groups: 1 to {SHARDS} expected")
        if not self.group or any(not 0 <= one < self.groups for one in self.group):
            raise ValueError("group: a list of numbers from 0 to groups - 1 expected")
        if self.threads is not None and not 1 <= self.threads <= MOST_THREADS:
            raise ValueError(f"threads: 1 to {MOST_THREADS} expected")


@dataclass(frozen=True, slots=True)
class AuditSettings:
    """``[audit]``: what countersigns the head of head office's own chain."""

    key: Path | None = None
    """A private key, in PEM, best kept on another machine than the store."""
    tsa: str | None = None
    """Address of a time stamping authority (RFC 3161)."""
    tsa_ca: Path | None = None
    """Its authority, in PEM: tokens are verified against it."""


@dataclass(frozen=True, slots=True)
class EnrolmentSettings:
    """``[enrolment]``: the authority that terminals' certificates come from."""

    certificate: Path
    """Its certificate, in PEM; terminals and the broker know it."""
    key: Path
    """Its private key, in PEM: whoever has it can make terminals, so it lies on the machine that enrols alone."""


@dataclass(frozen=True, slots=True)
class OfficeSettings:
    """The file of ``--settings``."""

    store: str
    """A SQLite file, or ``postgresql://user@host/database``."""
    broker: BrokerSettings | None = None
    ingest: IngestSettings | None = None
    trust: Path | None = None
    """The list of persons who may give orders, as JSON."""
    audit: AuditSettings = field(default_factory=AuditSettings)
    enrolment: EnrolmentSettings | None = None


def load(path: Path) -> OfficeSettings:
    """Read the file; a SQLite file's path is taken from its folder. Raises :class:`Fault` with the cure."""
    if not path.exists():
        hint = "--settings names another file; docs/head-office.md says what stands in it"
        raise Fault(f"{path}: no such file", hint, Exit.USAGE)
    found = toml.load(path, OfficeSettings)
    if is_shared(found.store):
        return found
    if "://" in found.store or not found.store.isprintable() or found.store.endswith("/") or not found.store:
        raise Fault(f"{path}: store: not understood", "a SQLite file, or postgresql://user@host/database", Exit.USAGE)
    store = str(path.parent / found.store)
    return replace(found, store=store)


def needed(part: T | None, name: str, path: Path) -> T:
    """A table that this command cannot do without."""
    if part is None:
        raise Fault(f"{path}: {name}: missing", f"add [{name}]; see docs/head-office.md", Exit.USAGE)
    return part
