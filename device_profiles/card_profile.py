# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""How a virtual card is personalised, as read from its TOML. It computes no cryptogram and answers no command.

Keys and PINs in these files are TEST values of ours, and their names say so. None is ever printed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from device_profiles import catalog
from device_profiles.authority_profile import TestAuthority, TestKeyPair, load_authority
from device_profiles.hexadecimal import octets
from protocols.emv import dol
from protocols.emv.bits import Aip
from protocols.emv.cryptogram import MASTERCARD_VERSIONS, VERSIONS, Version
from protocols.emv.tags import Tag
from protocols.errors import DecodeError
from protocols.octets import bcd_encode
from protocols.pan import Pan
from tillguard.exits import Exit
from tillguard.settings import load
from tillguard.voice import Fault

KIND = "cards"


def _digits(text: str, what: str, count: int) -> str:
    if len(text) != count or not (text.isascii() and text.isdigit()):
        raise ValueError(f"{what}: {count} digits expected")
    return text


@dataclass(frozen=True, slots=True)
class ContactlessChip:
    """What the chip says before the first APDU (ISO/IEC 14443-3 and -4). The UID or PUPI is drawn anew for every tap.

    Type A has ``atqa``, ``sak`` and ``ats``; type B ``application-data`` and ``protocol-info`` of its ATQB.
    """

    atqa: str = ""
    sak: int = 0
    ats: str = ""
    application_data: str = ""
    protocol_info: str = ""
    offline_limit: int = 0
    """How many payments in a row the card approves without its issuer; 0 is none."""
    relay_times: tuple[int, ...] = ()
    """Least and most time for a relay resistance exchange and its answer's transmission, in hundreds of microseconds;
    for a card whose AIP offers it."""

    def __post_init__(self) -> None:
        if not 0 <= self.offline_limit <= 255:
            raise ValueError("offline-limit: 0 to 255 expected")
        if len(self.relay_times) not in (0, 3) or any(not 0 <= time <= 0xFFFF for time in self.relay_times):
            raise ValueError("relay-times: least, most and transmission time expected, 0 to 65535 each")
        if self.protocol_info:
            self._check_b()
        else:
            self._check_a()

    def _check_a(self) -> None:
        octets(self.atqa, "atqa", 2)
        ats = octets(self.ats, "ats", 1, 20)
        if ats[0] != len(ats):
            raise ValueError("ats: its first octet must be its length")
        if not 0 <= self.sak <= 0xFF or not self.sak & 0x20:
            raise ValueError("sak: bit 6 must be set, the card speaks ISO/IEC 14443-4")
        if self.application_data:
            raise ValueError("application-data: only for a card of type B, which has protocol-info too")

    def _check_b(self) -> None:
        octets(self.application_data, "application-data", 4)
        info = octets(self.protocol_info, "protocol-info", 3)
        if not info[1] & 0x01:
            raise ValueError("protocol-info: bit 1 of its second octet must be set, the card speaks ISO/IEC 14443-4")
        if self.atqa or self.sak or self.ats:
            raise ValueError("protocol-info: a card of type B has no atqa, sak and ats")


@dataclass(frozen=True, slots=True)
class ContactChip:
    """The chip behind contacts: what it says at power-on, and how it judges a payment."""

    atr: str
    """Of the card as it speaks T=1."""
    atr_t0: str
    """Of the card as it speaks T=0."""
    response_format: int = 2
    """1: values run together behind tag 80; 2: template 77 (EMV 4.4 Book 3, 6.5.5.4 and 6.5.8.4)."""
    issuer_authentication_required: bool = True
    """Whether an online approval without the issuer's proof is refused."""
    offline_limit: int = 0
    """How many payments in a row the card approves without its issuer; 0 is none."""
    directory: bool = True
    """Whether it has a payment directory (PSE); else terminals try the names they know."""
    blocked: bool = False
    """The issuer blocked the whole card."""
    language: str = "en"

    def __post_init__(self) -> None:
        for what, text in (("atr", self.atr), ("atr-t0", self.atr_t0)):
            octets(text, what, 2, 33)  # ISO/IEC 7816-3:2006, 8.2: TS and at most 32 more
        if self.response_format not in (1, 2):
            raise ValueError("response-format: 1 or 2 expected")
        if not 0 <= self.offline_limit <= 255:
            raise ValueError("offline-limit: 0 to 255 expected")
        if len(self.language) % 2 or not 2 <= len(self.language) <= 8 or not self.language.isascii():
            raise ValueError("language: one to four codes of two letters expected")


@dataclass(frozen=True, slots=True)
class Record:
    """A record of a file: the tags it holds, in order."""

    sfi: int
    number: int
    tags: tuple[str, ...]
    signed: bool = False
    """The issuer's signature covers it (EMV 4.4 Book 3, 10.3)."""

    def __post_init__(self) -> None:
        if not 1 <= self.sfi <= 10 or not 1 <= self.number <= 16 or not self.tags:
            raise ValueError("records: sfi 1 to 10, number 1 to 16 and at least one tag expected")
        for tag in self.tags:
            octets(tag, "records.tags", 1, 3)


class Scheme(StrEnum):
    """Whose habits an application has: cryptograms, issuer application data, scripts."""

    VISA = "visa"
    MASTERCARD = "mastercard"


@dataclass(frozen=True, slots=True)
class Authentication:
    """How the card is personalised for offline data authentication; which methods it offers, its AIP says."""

    issuer: str
    """The issuer among the authority's."""
    key: TestKeyPair | None = None
    """The card's own key, for DDA and CDA."""
    pin_key: TestKeyPair | None = None
    """A key of its own for enciphered PINs; without one, ``key`` serves."""
    authority: str = "tillguard-test"
    serial: str = "000001"
    expires: str = "1230"
    """MMYY, of the card's certificate."""
    code: str = "DAC1"
    """The data authentication code of SDA."""

    def __post_init__(self) -> None:
        octets(self.serial, "serial", 3)
        octets(self.code, "code", 2)
        _digits(self.expires, "expires", 4)


@dataclass(frozen=True, slots=True)
class Application:
    """A payment application. ``answer``: the tags of a contactless answer to GET PROCESSING OPTIONS, in order."""

    aid: str
    label: str
    pan: str = field(repr=False)
    expiry: str
    service_code: str
    discretionary: str = field(repr=False)
    sequence_number: int
    country: str
    pdol: str = ""
    answer: tuple[str, ...] = ()
    records: tuple[Record, ...] = ()
    objects: Mapping[str, str] = field(default_factory=dict)
    """Further data objects, tag to value, both hexadecimal."""
    priority: int = 1
    aip: str = "0000"
    key_index: int = 1
    cryptogram_version: int = 10
    online_pin: bool = True
    signature: bool = False
    device_verification: bool = False
    """The card is a phone: it verifies its holder itself and says so in CTQ."""
    blocked: bool = False
    confirmation: bool = False
    """It may be used only if the cardholder says so (EMV 4.4 Book 1, 12.2.3, table 48)."""
    scheme: Scheme = Scheme.VISA
    pin_tries: int = 0
    """How many wrong offline PINs the card takes; 0: it verifies none."""
    pin_tries_left: int | None = None
    """Where some are used up already; 0 is a blocked PIN."""
    authentication: Authentication | None = None

    def __post_init__(self) -> None:
        octets(self.aid, "aid", 5, 16)
        octets(self.aip, "aip", 2)
        if not 1 <= int(_digits(self.expiry, "expiry", 4)[2:]) <= 12:
            raise ValueError("expiry: YYMM expected")
        _digits(self.service_code, "service-code", 3)
        _digits(self.country, "country", 3)
        if not (self.discretionary.isascii() and self.discretionary.isdigit()) or len(self.discretionary) > 13:
            raise ValueError("discretionary: up to 13 digits expected")
        if not 1 <= len(self.label) <= 16 or not self.label.isascii():
            raise ValueError("label: 1 to 16 characters expected")
        if not 0 <= self.sequence_number <= 99 or not 0 <= self.priority <= 15 or not 0 <= self.key_index <= 255:
            raise ValueError("sequence-number 0 to 99, priority 0 to 15, key-index 0 to 255 expected")
        if self.cryptogram_version not in self._versions:
            raise ValueError(f"cryptogram-version: one of {', '.join(map(str, self._versions))} expected")
        if not 0 <= self.pin_tries <= 15 or not 0 <= (self.pin_tries_left or 0) <= self.pin_tries:
            raise ValueError("pin-tries: 0 to 15 expected, and pin-tries-left no more")
        signing = Aip.decode(bytes.fromhex(self.aip)) & (Aip.SDA | Aip.DDA | Aip.CDA)
        own = self.authentication.key if self.authentication else None
        if signing and (self.authentication is None or (signing & (Aip.DDA | Aip.CDA) and own is None)):
            raise ValueError("authentication: the aip offers a method of offline authentication: name issuer and key")
        try:
            Pan(self.pan)
            dol.decode(self.pdol_octets)
        except DecodeError as fault:
            raise ValueError(str(fault)) from None
        places = [(record.sfi, record.number) for record in self.records]
        if len(set(places)) != len(places):
            raise ValueError("records: one of each sfi and number expected")
        for tag in self.answer:
            octets(tag, "answer", 1, 3)
        for tag, value in self.objects.items():
            octets(tag, "objects", 1, 3)
            octets(value, f"objects.{tag}", 1, 252)

    @property
    def _versions(self) -> Mapping[int, Version]:
        return VERSIONS if self.scheme is Scheme.VISA else MASTERCARD_VERSIONS

    @property
    def version(self) -> Version:
        """How its cryptograms are made."""
        return self._versions[self.cryptogram_version]

    @property
    def pdol_octets(self) -> bytes:
        """9F38."""
        return octets(self.pdol, "pdol", 0, 252)

    def static_objects(self) -> dict[int, bytes]:
        """The data objects that never change, by tag."""
        digits = len(self.pan) + len(self.expiry) + len(self.service_code) + len(self.discretionary) + 1
        track2 = f"{self.pan}D{self.expiry}{self.service_code}{self.discretionary}" + "F" * (digits % 2)
        made: dict[int, bytes] = {
            Tag.AIP: bytes.fromhex(self.aip),
            Tag.TRACK_2_EQUIVALENT: bytes.fromhex(track2),
            Tag.PAN: bytes.fromhex(self.pan + "F" * (len(self.pan) % 2)),
            Tag.EXPIRATION_DATE: bcd_encode(f"{self.expiry}{_last_day(self.expiry)}", 3),
            Tag.PAN_SEQUENCE: bcd_encode(str(self.sequence_number), 1),
            Tag.ISSUER_COUNTRY: bcd_encode(self.country, 2),
        }
        made.update({int(tag, 16): bytes.fromhex(value) for tag, value in self.objects.items()})
        return made


def _last_day(expiry: str) -> str:
    """The last day of the month YYMM, as two digits."""
    year, month = 2000 + int(expiry[:2]), int(expiry[2:])
    if month == 2:
        return "29" if year % 4 == 0 else "28"
    return "30" if month in (4, 6, 9, 11) else "31"


@dataclass(frozen=True, slots=True)
class CardKeys:
    """The issuer's TEST master keys, from which the card's own are derived: cryptograms, and the two of scripts."""

    test_mk_ac: str = field(repr=False)
    test_mk_smi: str = field(default="", repr=False)
    """For the integrity of scripts; without it the card takes none."""
    test_mk_smc: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        octets(self.test_mk_ac, "test-mk-ac", 16)
        for name, text in (("test-mk-smi", self.test_mk_smi), ("test-mk-smc", self.test_mk_smc)):
            octets(text, name, 16 if text else 0, 16)


@dataclass(frozen=True, slots=True)
class Cardholder:
    """The virtual person who presents the card and knows its PIN."""

    name: str
    test_pin: str = field(repr=False)

    def __post_init__(self) -> None:
        if not 4 <= len(self.test_pin) <= 12 or not (self.test_pin.isascii() and self.test_pin.isdigit()):
            raise ValueError("test-pin: 4 to 12 digits expected")


@dataclass(frozen=True, slots=True)
class CardProfile:
    """A personalised card."""

    name: str
    title: str
    application: Application
    keys: CardKeys
    cardholder: Cardholder
    contactless: ContactlessChip | None = None
    contact: ContactChip | None = None
    further: tuple[Application, ...] = ()
    """More applications behind the contacts, of the same keys and the same cardholder."""
    authorities: Mapping[str, TestAuthority] = field(default_factory=dict, repr=False)
    """The TEST authorities that its applications name; those of this package are found by name."""

    def __post_init__(self) -> None:
        if self.contactless is None and self.contact is None:
            raise ValueError("contactless or contact: a card has at least one chip")
        names = [bytes.fromhex(application.aid) for application in self.applications]
        if len(set(names)) != len(names):
            raise ValueError("further: an aid of its own for each application expected")
        if self.contactless is not None:
            _check_contactless(self.application, self.contactless)
        if self.contact is not None:
            for application in self.applications:
                _check_lists(application)

    @property
    def applications(self) -> tuple[Application, ...]:
        """All, the first one first."""
        return (self.application, *self.further)


def _check_contactless(application: Application, chip: ContactlessChip) -> None:
    """What the two families of contactless cards need."""
    if application.scheme is Scheme.VISA:
        if not (application.pdol and application.answer):
            raise ValueError("application: pdol and answer expected, the card is contactless")
        return
    if not application.records or not application.objects.get("8C"):
        raise ValueError("application: records and object 8C expected, the card is contactless and Mastercard-like")
    _check_dols(application, "8C", "9F51")
    if Aip.RELAY_RESISTANCE in Aip.decode(bytes.fromhex(application.aip)) and not chip.relay_times:
        raise ValueError("contactless.relay-times: expected, the aip offers relay resistance")


def _check_lists(application: Application) -> None:
    if not application.objects.get("8C") or not application.objects.get("8D") or not application.records:
        raise ValueError("application: records and objects 8C and 8D expected, the card has contacts")
    _check_dols(application, "8C", "8D")


def _check_dols(application: Application, *tags: str) -> None:
    """Lists of data objects, where the application has them."""
    for tag in tags:
        try:
            dol.decode(bytes.fromhex(application.objects.get(tag, "")), where=f"objects.{tag}")
        except DecodeError as fault:
            raise ValueError(str(fault)) from None


def load_card(name_or_path: str) -> CardProfile:
    """A card of this package by name, or of a user's own file by path; Fault where there is none."""
    path = catalog.find(KIND, name_or_path)
    profile = load(path, CardProfile)
    named = {one.authentication.authority for one in profile.applications if one.authentication is not None}
    found = {name: load_authority(name) for name in sorted(named - profile.authorities.keys())}
    authorities = {**profile.authorities, **found}
    for one in profile.applications:
        issuers = authorities[one.authentication.authority].issuers if one.authentication is not None else {}
        if one.authentication is not None and one.authentication.issuer not in issuers:
            what = f"{path}: authentication.issuer: none of that name in the authority"
            raise Fault(what, f"known there: {', '.join(sorted(issuers))}", Exit.USAGE)
    return replace(profile, authorities=authorities)


def card_names() -> tuple[str, ...]:
    """The cards that this package knows."""
    return catalog.names(KIND)
