# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What one acquirer and issuer is, as read from TOML: keys as cryptograms, accounts, limits. Has no behaviour."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType

from device_profiles.card_profile import Scheme
from device_profiles.catalog import find
from protocols.acquirer.dialects import DIALECTS, Dialect
from protocols.errors import ProtocolError
from protocols.hsm.fields import KeyField
from protocols.identity.binding import LARGEST_VERSION
from protocols.pan import Pan
from tillguard.settings import load

_NO_TERMINALS: Mapping[str, str] = MappingProxyType({})


class MacKind(Enum):
    """How its terminals' pads MAC: ISO/IEC 9797-1, algorithm 3, or algorithm 1 with TDES; padding method 1."""

    RETAIL = "retail"
    TDES_CBC = "tdes-cbc"


@dataclass(frozen=True, slots=True)
class KeysUnderTestLmk:
    """The bank's keys as the HSM's cryptograms under the TEST LMK (scheme letter and hexadecimal digits)."""

    bdk: str
    terminal_master: str
    zone_pin: str
    """Under which a PIN goes from the acquirer to the issuer."""
    pin_verification: str
    card_master: str
    data_bdk: str = ""
    """Of the keys that terminals encipher account data under; empty where the bank takes them in clear alone."""
    terminals: Mapping[str, str] = field(default_factory=lambda: _NO_TERMINALS)
    """Terminal identification to its own master key; others have ``terminal_master``."""

    def __post_init__(self) -> None:
        own = (self.bdk, self.terminal_master, self.zone_pin, self.pin_verification, self.card_master)
        data = (self.data_bdk,) if self.data_bdk else ()
        for text in (*own, *data, *self.terminals.values()):
            _key(text)

    def master_of(self, terminal: str) -> KeyField:
        """The master key of a terminal's pad."""
        return _key(self.terminals.get(terminal, self.terminal_master))


@dataclass(frozen=True, slots=True)
class Account:
    """One card's account. The PIN itself is nowhere: its PVV is, which only the HSM can use."""

    name: str
    """What traces and state files call it instead of its number."""
    pan: str = field(repr=False)
    expiry: str
    """YYMM."""
    pvv: str = field(repr=False)
    available: int
    """Minor units."""
    sequence_number: int = 0
    pvki: str = "1"
    pin_tries: int = 3
    scheme: Scheme = Scheme.VISA
    """Whose habits its card has: what cryptograms cover, and how they are answered."""

    def __post_init__(self) -> None:
        try:
            _ = self.number
        except ProtocolError:
            raise ValueError("pan: 8 to 19 digits expected") from None
        if not (len(self.expiry) == 4 and self.expiry.isdigit() and "01" <= self.expiry[2:] <= "12"):
            raise ValueError("expiry: YYMM expected")
        if not (len(self.pvv) == 4 and self.pvv.isdigit() and self.pvki in "123456" and len(self.pvki) == 1):
            raise ValueError("pvv: 4 digits, and pvki: 1 to 6 expected")
        if self.available < 0 or not 1 <= self.pin_tries <= 15 or not 0 <= self.sequence_number <= 99:
            raise ValueError("available: not negative, pin-tries: 1 to 15, sequence-number: 0 to 99 expected")

    @property
    def number(self) -> Pan:
        """The account's number."""
        return Pan(self.pan)


@dataclass(frozen=True, slots=True)
class Bound:
    """A terminal that was bound to a merchant, as the acquirer knows it."""

    terminal: str
    serial: str
    """The machine's serial number."""
    version: int
    """Of the binding in force."""
    test_key: str = field(repr=False)
    """A TEST key for its proofs, AES in hexadecimal digits. It lies here in clear: no host command makes a CMAC."""

    def __post_init__(self) -> None:
        try:
            octets = bytes.fromhex(self.test_key)
        except ValueError:
            octets = b""
        if len(octets) not in (16, 24, 32):
            raise ValueError("test-key: 32, 48 or 64 hexadecimal digits expected")
        if not 1 <= self.version <= LARGEST_VERSION:
            raise ValueError(f"version: 1 to {LARGEST_VERSION} expected")


@dataclass(frozen=True, slots=True)
class AcquirerProfile:
    """One acquirer: how it speaks, what it holds."""

    name: str
    title: str
    currency: str
    """The only currency its accounts know, three digits of ISO 4217."""
    keys_under_test_lmk: KeysUnderTestLmk
    accounts: tuple[Account, ...]
    dialect: str = "ascii-1987"
    ksn_field: int = 62
    """The element that carries the key serial number."""
    mac: MacKind = MacKind.RETAIL
    bindings: tuple[Bound, ...] = ()
    """Terminals that must prove their binding in each payment; others need not."""

    def __post_init__(self) -> None:
        if self.dialect not in DIALECTS:
            raise ValueError(f"dialect: one of {', '.join(DIALECTS)} expected")
        if not (len(self.currency) == 3 and self.currency.isdigit()):
            raise ValueError("currency: three digits of ISO 4217 expected")
        names = [account.name for account in self.accounts]
        if len(set(names)) != len(names) or len({account.pan for account in self.accounts}) != len(names):
            raise ValueError("accounts: every name and every pan once")
        try:
            _ = self.speech
        except ProtocolError as refused:
            raise ValueError(f"ksn-field: {refused}") from None

    @property
    def speech(self) -> Dialect:
        """The dialect with this acquirer's KSN element."""
        return DIALECTS[self.dialect].with_ksn_field(self.ksn_field)


def load_acquirer(name_or_path: str) -> AcquirerProfile:
    """A profile by name or path; raises :class:`~tillguard.voice.Fault` with file, key and hint."""
    return load(find("acquirers", name_or_path), AcquirerProfile)


def _key(text: str) -> KeyField:
    try:
        return KeyField.from_text(text)
    except ProtocolError:
        raise ValueError("keys-under-test-lmk: a scheme letter and its hexadecimal digits expected") from None
