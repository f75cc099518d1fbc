# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The terminal profile: one TOML file, put together from the rooms' own sections. Opens no device."""

from dataclasses import dataclass, field, replace
from pathlib import Path

from device_profiles import catalog
from device_profiles.ca_keys import Use, load_ca_keys
from device_profiles.keypad import KeypadProfile, keypad
from device_profiles.model import PadProfile, ReaderProfile, ReaderProtocol
from protocols.currency import LARGEST_MINOR
from terminal_agent.config import Device, Identity, PadDevice, Waits
from terminal_agent.emv import Authorities, EmvTerminal, TrustedKey, Withdrawn
from terminal_agent.emv.exception_file import ExceptionFile
from terminal_agent.host.tcp import Endpoint, TlsFiles
from terminal_agent.identity.settings import IdentitySettings
from terminal_agent.orders.settings import OrdersSettings
from terminal_agent.processes.vault_settings import VaultSettings
from terminal_agent.report.settings import ReportSettings
from terminal_agent.sealed.keys.slots import DATA, MAC_MASTER, PIN
from tillguard import settings
from tillguard.address import host_port
from tillguard.exits import Exit
from tillguard.voice import Fault

PCSC_LINE = "pcsc:"


@dataclass(frozen=True, slots=True)
class AcquirerSection:
    """[acquirer]: where the host is and how it is spoken to. Outside loopback ``[acquirer.tls]`` is required.

    ``offline_limit``: minor units up to which it books what card and terminal approved without it; 0 is never.
    ``encipher_account``: whether account data are enciphered as soon as they are read, under the vault's data key.
    """

    address: str
    dialect: str = "ascii-1987"
    tls: TlsFiles | None = None
    offline_limit: int = 0
    encipher_account: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.offline_limit <= LARGEST_MINOR:
            raise ValueError(f"offline-limit: 0 to {LARGEST_MINOR} minor units expected")
        try:
            host_port(self.address)
        except ValueError as fault:
            raise ValueError(f"address: {fault}") from None
        self.endpoint()  # a plain line beyond loopback, or an unknown dialect, is refused where it is written

    def endpoint(self) -> Endpoint:
        """Where to connect, and how."""
        return Endpoint(*host_port(self.address), self.dialect, self.tls)


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
    warden: Path | None = None
    """The socket of the USB warden, where one runs: what it bars is reported, and its chain anchored."""
    orders: OrdersSettings | None = None
    """Whom the terminal obeys: see docs/reporting.md."""
    vault: VaultSettings | None = None
    """Where the pad is a keypad of the vault's own: see docs/vault.md."""
    identity: IdentitySettings | None = None
    """What the terminal enrols with: see docs/identity.md."""

    def __post_init__(self) -> None:
        if self.reader.line == self.pad.line:
            raise ValueError("reader.line and pad.line: two devices cannot share one line")
        if self.emv.signature and self.emv.unattended:
            raise ValueError("emv.signature: nobody stands beside an unattended terminal to look at one")
        if self.emv.enciphered_pin and not (self.vault and self.vault.card_pin):
            raise ValueError("emv.enciphered-pin: [vault] card-pin = true expected: the vault enciphers PINs for cards")
        if self.acquirer.encipher_account and self.vault is None:
            raise ValueError("acquirer.encipher-account: a [vault] expected, whose data key enciphers: docs/vault.md")


@dataclass(frozen=True, slots=True)
class Keypad:
    """A keypad on the vault's own line, in place of a PIN pad."""

    profile: KeypadProfile

    @property
    def title(self) -> str:
        """What it is, for people."""
        return f"{self.profile.title}; PINs are enciphered by the vault"

    @property
    def codes(self) -> dict[str, int]:
        """What its keys send."""
        one = self.profile
        return {"zero": one.zero, "enter": one.enter, "clear": one.clear, "cancel": one.cancel}


@dataclass(frozen=True, slots=True)
class Models:
    """The device models and the lists of keys that a profile names."""

    reader: ReaderProfile
    pad: PadProfile | Keypad
    authorities: Authorities = field(default_factory=Authorities)
    """The payment systems' keys of the lists that it names."""
    exceptions: ExceptionFile | None = None


def load(path: Path) -> TerminalProfile:
    """Read and check a profile; a fault names file, key and cure."""
    return _checked(settings.load(path, TerminalProfile), path)


def load_text(text: str, path: Path) -> TerminalProfile:
    """The same from a profile's text; ``path`` is for the errors, and for the relative paths in it."""
    return _checked(settings.parse(settings.document(text.encode("utf-8"), path), TerminalProfile, path), path)


def _checked(profile: TerminalProfile, path: Path) -> TerminalProfile:
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
    own = (report.ca, report.certificate, report.key, *((report.receipt_key,) if report.receipt_key else ()))
    orders = profile.orders
    named = (profile.identity.authority,) if profile.identity else ()
    obeyed = (orders.trust, *((orders.usb_trust,) if orders.usb_trust else ())) if orders else ()
    return (*own, *named, *obeyed, *((tls.ca, tls.certificate, tls.key) if tls else ()), *revoked)


def models(profile: TerminalProfile, path: Path) -> Models:
    """Look the device models and key lists up; paths of own profiles are taken from the profile's folder."""
    found = Models(
        catalog.reader(_model(profile.reader.model, path)),
        _pad(profile, path),
        authorities(profile.emv.ca_keys, path),
        exceptions(profile),
    )
    if profile.emv.offline_pin and not found.reader.keypad:
        raise Fault(
            f"{path}: emv.offline-pin: the reader {found.reader.model} has no keys for a PIN",
            "leave it false, or name a reader with a keypad, such as gempc-pinpad",
            Exit.USAGE,
        )
    if profile.emv.enciphered_pin and not isinstance(found.pad, Keypad):
        raise Fault(
            f"{path}: emv.enciphered-pin: the pad {found.pad.model} cannot encipher a PIN for a card",
            "leave it false, or name a keypad of the vault's own: docs/vault.md",
            Exit.USAGE,
        )
    if found.reader.protocol is ReaderProtocol.SWIPE:
        raise Fault(
            f"{path}: reader.model: {found.reader.model} reads stripes, and no payment is made with a stripe here",
            "name a reader of chips",
            Exit.USAGE,
        )
    behind_service = found.reader.protocol is ReaderProtocol.PCSC
    if behind_service != profile.reader.line.startswith(PCSC_LINE):
        expected = f"{PCSC_LINE}PART OF THE READER'S NAME" if behind_service else "a line such as /dev/ttyUSB0"
        raise Fault(
            f"{path}: reader.line: does not fit a reader of model {found.reader.model}",
            f"{expected} expected",
            Exit.USAGE,
        )
    return found


def authorities(named: tuple[str, ...], path: Path) -> Authorities:
    """The payment systems' keys of the lists that a profile names; lists of live and TEST keys never go together."""
    lists = {name: load_ca_keys(_model(name, path)) for name in named}
    if len({found.kind for found in lists.values()}) > 1:
        live = ", ".join(sorted(name for name, found in lists.items() if found.kind is Use.LIVE))
        raise Fault(
            f"{path}: emv.ca-keys: lists of live keys ({live}) together with lists of TEST keys",
            "a terminal takes real cards or TEST cards: anybody can make a card under a TEST key",
            Exit.USAGE,
        )
    try:
        return Authorities.together(
            Authorities(
                tuple(TrustedKey(key.ca_key(), key.last_day) for key in found.keys),
                tuple(Withdrawn(*gone.octets()) for gone in found.withdrawn),
            )
            for found in lists.values()
        )
    except ValueError as fault:
        raise Fault(f"{path}: emv.ca-keys: {fault}", "keep the right one", Exit.USAGE) from None


def exceptions(profile: TerminalProfile) -> ExceptionFile | None:
    """The list of stolen cards that the profile names; a list that cannot be read is a fault, not an empty list."""
    named = profile.emv.exceptions
    if named is None:
        return None
    try:
        key = bytes.fromhex(named.key_file.read_text(encoding="ascii").strip())
        entries = [bytes.fromhex(line) for line in named.file.read_text(encoding="ascii").split()]
        return ExceptionFile.of(key, entries)
    except OSError as fault:
        raise Fault(f"{fault.filename}: {fault.strerror}", "it is named in [emv.exceptions]", Exit.USAGE) from None
    except ValueError:
        hint = "a line of 64 hexadecimal digits for each card; a key of 32 hexadecimal digits at least"
        raise Fault(f"{named.file}: no exception file, or {named.key_file} no key", hint, Exit.USAGE) from None


def _pad(profile: TerminalProfile, path: Path) -> PadProfile | Keypad:
    name = profile.pad.model
    if name not in catalog.names("keypads"):
        return catalog.pinpad(_model(name, path))
    if profile.vault is None:
        raise Fault(
            f"{path}: pad.model: {name} is a keypad, and there is no vault to encipher what is typed there",
            "add [vault] (see docs/vault.md), or name a PIN pad that enciphers by itself",
            Exit.USAGE,
        )
    return Keypad(keypad(name))


def vault_settings(profile: TerminalProfile, path: Path) -> VaultSettings:
    """[vault] as this terminal uses it; :class:`Fault` where there is none.

    Its keypad is the pad's line where the pad is a keypad; else it needs no key for PINs and for the acquirer's MACs.
    It needs a data key where account data are to be enciphered.
    """
    if profile.vault is None:
        raise Fault(f"{path}: there is no [vault]", "see docs/vault.md for what to write there", Exit.USAGE)
    is_keypad = profile.pad.model in catalog.names("keypads")
    found = replace(profile.vault, keypad=str(path.parent / profile.pad.line)) if is_keypad else profile.vault
    needed = set(found.needed) if is_keypad else set(found.needed) - {PIN, MAC_MASTER}
    needed |= {DATA} if profile.acquirer.encipher_account else set()
    return replace(found, needed=tuple(sorted(needed)))


def _model(name: str, path: Path) -> str:
    return str(path.parent / name) if name.endswith(".toml") else name
