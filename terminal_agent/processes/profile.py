# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The terminal profile: one TOML file, put together from the rooms' own sections. Opens no device."""

from dataclasses import dataclass, field
from pathlib import Path

from device_profiles import catalog
from device_profiles.model import PadProfile, ReaderProfile, ReaderProtocol
from protocols.currency import LARGEST_MINOR
from terminal_agent.config import Device, Identity, PadDevice, Waits
from terminal_agent.emv import EmvTerminal
from terminal_agent.host.tcp import Endpoint, TlsFiles
from terminal_agent.report.settings import ReportSettings
from tillguard import settings
from tillguard.exits import Exit
from tillguard.voice import Fault

PCSC_LINE = "pcsc:"


@dataclass(frozen=True, slots=True)
class AcquirerSection:
    """[acquirer]: where the host is and how it is spoken to. Outside loopback ``[acquirer.tls]`` is required.

    ``offline_limit``: minor units up to which it books what card and terminal approved without it; 0 is never.
    """

    address: str
    dialect: str = "ascii-1987"
    tls: TlsFiles | None = None
    offline_limit: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.offline_limit <= LARGEST_MINOR:
            raise ValueError(f"offline-limit: 0 to {LARGEST_MINOR} minor units expected")
        host, colon, port = self.address.rpartition(":")
        plain = (host.startswith("[") and host.endswith("]")) or ":" not in host
        if not (host and plain and colon and port.isascii() and port.isdigit() and 0 < int(port) < 65536):
            raise ValueError("address: HOST:PORT expected")
        self.endpoint()  # a plain line beyond loopback, or an unknown dialect, is refused where it is written

    def endpoint(self) -> Endpoint:
        """Where to connect, and how."""
        host, _, port = self.address.rpartition(":")
        return Endpoint(host.strip("[]"), int(port), self.dialect, self.tls)


@dataclass(frozen=True, slots=True)
class TerminalProfile:
    """A whole terminal."""

    terminal: Identity
    reader: Device
    pad: PadDevice
    emv: EmvTerminal
    acquirer: AcquirerSection
    report: ReportSettings
    timeouts: Waits = field(default_factory=Waits)

    def __post_init__(self) -> None:
        if self.reader.line == self.pad.line:
            raise ValueError("reader.line and pad.line: two devices cannot share one line")
        if self.emv.signature:
            raise ValueError("emv.signature: no flow asks for a signature yet; leave it false")


@dataclass(frozen=True, slots=True)
class Models:
    """The device models that a profile names."""

    reader: ReaderProfile
    pad: PadProfile


def load(path: Path) -> TerminalProfile:
    """Read and check a profile; a fault names file, key and cure."""
    profile = settings.load(path, TerminalProfile)
    if profile.emv.serial_number != profile.terminal.id:
        raise Fault(
            f"{path}: emv.serial-number: differs from terminal.id",
            "give both the same value, so that the card's data and the messages name one terminal",
            Exit.USAGE,
        )
    for path_of in _files(profile):
        if not path_of.is_file():
            raise Fault(f"{path_of}: no such file", f"it is named in {path}", Exit.USAGE)
    return profile


def _files(profile: TerminalProfile) -> tuple[Path, ...]:
    """The certificates and keys that the profile names."""
    tls, report = profile.acquirer.tls, profile.report
    revoked = (tls.revoked,) if tls and tls.revoked else ()
    return (report.ca, report.certificate, report.key, *((tls.ca, tls.certificate, tls.key) if tls else ()), *revoked)


def models(profile: TerminalProfile, path: Path) -> Models:
    """Look the device models up; paths of own profiles are taken from the profile's folder."""
    found = Models(catalog.reader(_model(profile.reader.model, path)), catalog.pinpad(_model(profile.pad.model, path)))
    behind_service = found.reader.protocol is ReaderProtocol.PCSC
    if behind_service != profile.reader.line.startswith(PCSC_LINE):
        expected = f"{PCSC_LINE}PART OF THE READER'S NAME" if behind_service else "a line such as /dev/ttyUSB0"
        raise Fault(
            f"{path}: reader.line: does not fit a reader of model {found.reader.model}",
            f"{expected} expected",
            Exit.USAGE,
        )
    return found


def _model(name: str, path: Path) -> str:
    return str(path.parent / name) if name.endswith(".toml") else name
