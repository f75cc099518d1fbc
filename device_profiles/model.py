# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What a profile of a reader or pad says: frozen data, filled from one TOML per model. Opens and decides nothing."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from os import major

from protocols.serial.ipp import Dialect
from protocols.serial.vivotech2 import HIGH_FIRST

PTY_MAJORS = range(136, 144)  # Linux, Documentation/admin-guide/devices.txt: Unix98 PTY slaves
LONGEST_NAME = 100  # characters of a line that a person reads
BAUD_RATES = (1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200, 230400, 460800, 921600)


class Parity(Enum):
    """Parity of a character on the line."""

    NONE = "none"
    EVEN = "even"
    ODD = "odd"


class ReaderProtocol(Enum):
    """How a card reader is spoken to."""

    PN532 = "pn532"
    VIVOTECH2 = "vivotech2"
    PCSC = "pcsc"
    SWIPE = "swipe"


class CardInterface(Enum):
    """How a card meets a reader."""

    CONTACT = "contact"
    CONTACTLESS = "contactless"


class Sharing(Enum):
    """Who else may use a card while a payment runs (PC/SC part 5, 3.2.5)."""

    EXCLUSIVE = "exclusive"
    SHARED = "shared"


class Transmission(Enum):
    """Transmission protocols of contact cards (ISO/IEC 7816-3:2006, 10 and 11)."""

    T0 = "T=0"
    T1 = "T=1"


class AtrRules(Enum):
    """Which answers to reset a payment takes."""

    EMV = "emv"
    """Those that EMV has a terminal accept (EMV 4.3 Book 1, 8.3)."""
    ISO = "iso"
    """Whatever the service takes."""


class Tier(Enum):
    """What a profile rests on."""

    SEEN = "seen on hardware"
    REPLAYED = "replayed capture"
    DATASHEET = "datasheet only"
    GENERIC = "no model in particular"


class PinpadProtocol(Enum):
    """How a PIN pad is spoken to."""

    IPP = "ipp"
    ABECS = "abecs"


_USB_NUMBER = re.compile("[0-9A-F]{4}:[0-9A-F]{4}", re.ASCII)
_OCTETS = re.compile("([0-9A-F]{2}){1,64}", re.ASCII)


def _within(name: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        raise ValueError(f"{name} must be {least:g} to {most:g}")


def _named(model: str, title: str) -> None:
    for name, text in (("model", model), ("title", title)):
        if not 0 < len(text) <= LONGEST_NAME or not text.isprintable():
            raise ValueError(f"{name}: 1 to {LONGEST_NAME} printable characters expected")


@dataclass(frozen=True, slots=True)
class LineSettings:
    """Speed and shape of a character."""

    baud: int
    data_bits: int = 8
    parity: Parity = Parity.NONE
    stop_bits: int = 1

    def __post_init__(self) -> None:
        if self.baud not in BAUD_RATES:
            raise ValueError(f"baud must be one of {', '.join(map(str, BAUD_RATES))}")
        if self.data_bits not in (7, 8) or self.stop_bits not in (1, 2):
            raise ValueError("data-bits must be 7 or 8, stop-bits 1 or 2")

    def at(self, device: int) -> "LineSettings":
        """What to ask of a terminal device of that number (``st_rdev``): a pseudo terminal has one shape of character.

        Its kernel driver keeps 8 bits without parity, and the C library may report the rest as an invalid argument.
        """
        return LineSettings(self.baud) if major(device) in PTY_MAJORS else self


@dataclass(frozen=True, slots=True)
class Pn532Settings:
    """How a PN532 module is driven. Times in seconds."""

    ack_s: float = 0.1
    """The chip acknowledges a command within 15 ms; an USB bridge may add its own latency."""
    reply_s: float = 1.0
    exchange_s: float = 6.0
    """A card may ask for a frame waiting time of up to 4.9 s (ISO/IEC 14443-4)."""
    octet_s: float = 0.05
    """A frame that stands still for so long is broken."""
    sends: int = 3
    activation_retries: int = 16
    """How often the chip looks for a card before it answers that there is none; it is asked again until time is up."""
    poll_s: float = 2.0
    """Within this the answer to one such round must come."""

    def __post_init__(self) -> None:
        for name in ("ack_s", "reply_s", "exchange_s", "octet_s", "poll_s"):
            _within(name.replace("_", "-"), getattr(self, name), 0.005, 60)
        _within("sends", self.sends, 1, 10)
        _within("activation-retries", self.activation_retries, 1, 254)


@dataclass(frozen=True, slots=True)
class Vivotech2Settings:
    """How a ViVOtech2 reader is driven. Times in seconds."""

    reply_s: float = 1.0
    exchange_s: float = 6.0
    """A card may ask for a frame waiting time of up to 4.9 s (ISO/IEC 14443-4)."""
    octet_s: float = 0.05
    """A frame that stands still for so long is broken."""
    poll_s: float = 0.5
    """One search for a card; a wait that is broken off is felt at the reader for so long."""
    again_s: float = 0.2
    """How long to wait when a card of another sort lies at the reader."""
    sends: int = 3
    beeps: int = 1
    """Short beeps when a card was found; 0 for none."""
    leds: bool = False
    """Whether all its lights go on while a card is being read."""
    lcd: bool = False
    """Whether it has a display, for its own messages: present card, try again, welcome."""
    crc_high_first: tuple[int, ...] = tuple(sorted(HIGH_FIRST))
    """Commands whose requests carry the CRC high octet first."""

    def __post_init__(self) -> None:
        for name in ("reply_s", "exchange_s", "octet_s", "poll_s", "again_s"):
            _within(name.replace("_", "-"), getattr(self, name), 0.005, 60)
        _within("sends", self.sends, 1, 10)
        _within("beeps", self.beeps, 0, 4)
        if not all(0 <= command <= 0xFF for command in self.crc_high_first):
            raise ValueError("crc-high-first lists commands of 0x00 to 0xFF")


@dataclass(frozen=True, slots=True)
class PcscSettings:
    """How a reader is used through the PC/SC service. Times in seconds."""

    name: str = "*"
    """Part of the reader's name as the service gives it; ``*`` and ``?`` as wildcards, case does not matter."""
    serial: str = ""
    """The reader's serial number, where several of one model are plugged in."""
    interface: CardInterface = CardInterface.CONTACT
    atr_rules: AtrRules = AtrRules.EMV
    """For cards with contacts; what a contactless reader shows as answer to reset it made up itself."""
    share: Sharing = Sharing.EXCLUSIVE
    """Shared use takes a transaction, so that no other program's commands come between ours."""
    protocols: tuple[Transmission, ...] = (Transmission.T0, Transmission.T1)
    exchange_s: float = 30.0
    """A contact card may ask for waiting time again and again; a reader that is silent for so long hangs."""
    patience_s: float = 2.0
    """A service or reader that is away for longer, while a card is waited for, is reported as absent."""
    busy_s: float = 3.0
    """How long another program may hold the card before that is a fault."""

    def __post_init__(self) -> None:
        for name in ("exchange_s", "patience_s", "busy_s"):
            _within(name.replace("_", "-"), getattr(self, name), 0.05, 120)
        if not self.name:
            raise ValueError("name: at least one character expected; * for any reader")
        if not self.protocols:
            raise ValueError("protocols: at least one of T=0 and T=1 expected")


class SwipeMode(Enum):
    """What a swipe reader says it is on USB."""

    VENDOR_HID = "vendor-hid"
    """A device of its own kind, whose reports one program reads."""
    KEYBOARD = "keyboard"
    """Refused: see :class:`SwipeSettings`."""


@dataclass(frozen=True, slots=True)
class SwipeSettings:
    """How a swipe reader with an enciphering head is set up."""

    mode: SwipeMode = SwipeMode.VENDOR_HID
    report_octets: int = 64

    def __post_init__(self) -> None:
        if self.mode is SwipeMode.KEYBOARD:
            raise ValueError(
                "mode: a reader in keyboard mode types tracks into whatever has the focus, and one that was exchanged "
                "types anything; set the reader to vendor HID (the USB policy bars keyboards at a till)"
            )
        _within("report-octets", self.report_octets, 8, 1024)


@dataclass(frozen=True, slots=True)
class ReaderProfile:
    """One model of card reader, on a serial line or behind the PC/SC service."""

    model: str
    title: str
    protocol: ReaderProtocol
    line: LineSettings | None = None
    """Only for a reader on a serial line."""
    pn532: Pn532Settings = field(default_factory=Pn532Settings)
    vivotech2: Vivotech2Settings = field(default_factory=Vivotech2Settings)
    pcsc: PcscSettings = field(default_factory=PcscSettings)
    swipe: SwipeSettings = field(default_factory=SwipeSettings)
    tier: Tier = Tier.GENERIC
    usb: tuple[str, ...] = ()
    """Vendor and product numbers on USB, such as ``072F:2200``."""
    keypad: bool = False
    """Whether PINs can be typed on it."""
    quirks: tuple[str, ...] = ()
    """What a person has to know, a sentence each."""
    escapes: Mapping[str, str] = field(default_factory=dict)
    """Commands to the reader itself by name, in hexadecimal, such as for its lights and its buzzer."""

    def __post_init__(self) -> None:
        _named(self.model, self.title)
        for number in self.usb:
            if not _USB_NUMBER.fullmatch(number):
                raise ValueError("usb: vendor and product number in hexadecimal expected, such as 072F:2200")
        for name, octets in self.escapes.items():
            if not _OCTETS.fullmatch(octets):
                raise ValueError(f"escapes.{name}: octets in hexadecimal expected")
        if (self.line is None) != (self.protocol in (ReaderProtocol.PCSC, ReaderProtocol.SWIPE)):
            raise ValueError("[line]: expected for a reader on a serial line, and for no other")


@dataclass(frozen=True, slots=True)
class IppTimers:
    """Patience with an IPP pad, in seconds, and the number of NAKs at which a sender gives up."""

    ack_s: float
    reply_s: float
    close_s: float
    octet_s: float
    naks: int

    def __post_init__(self) -> None:
        for name in ("ack_s", "reply_s", "close_s", "octet_s"):
            _within(name.replace("_", "-"), getattr(self, name), 0.005, 60)
        _within("naks", self.naks, 1, 10)


class AbecsSession(Enum):
    """How a session with an ABECS pad is opened."""

    PLAIN = "plain"
    SEALED = "sealed"
    """Enciphered; a pad that does not offer it is refused."""


class PanPolicy(Enum):
    """When the account number may go over the line to a pad."""

    TRUSTED = "trusted"
    """Only in an enciphered session that the pad of the terminal's profile has signed."""
    GUARDED = "guarded"
    """Always: nobody but the pad is at the other end of the cable, says who wrote the profile."""


@dataclass(frozen=True, slots=True)
class AbecsSettings:
    """How an ABECS pad is driven. Times in seconds; key indexes are places in the pad."""

    pin_key_index: int
    """Place of the DUKPT key for PINs."""
    data_key_index: int
    """Place of the master key under which MAC session keys come."""
    session: AbecsSession = AbecsSession.SEALED
    pan: PanPolicy = PanPolicy.TRUSTED
    ack_s: float = 2.0
    reply_s: float = 10.0
    octet_s: float = 0.5
    sends: int = 3
    pin_message: str = "ENTER PIN"
    """What the pad shows below the amount while it asks."""

    def __post_init__(self) -> None:
        for name in ("ack_s", "reply_s", "octet_s"):
            _within(name.replace("_", "-"), getattr(self, name), 0.005, 60)
        _within("sends", self.sends, 1, 10)
        for name in ("pin_key_index", "data_key_index"):
            _within(name.replace("_", "-"), getattr(self, name), 0, 99)
        if len(self.pin_message) > PIN_MESSAGE_CHARACTERS or not (
            self.pin_message.isascii() and self.pin_message.isprintable()
        ):
            raise ValueError(f"pin-message: up to {PIN_MESSAGE_CHARACTERS} printable ASCII characters expected")


PIN_MESSAGE_CHARACTERS = 16


@dataclass(frozen=True, slots=True)
class AbecsProfile:
    """One model of ABECS PIN pad. It enciphers by itself; no profile can make it give a PIN in clear."""

    model: str
    title: str
    protocol: PinpadProtocol
    line: LineSettings
    abecs: AbecsSettings

    def __post_init__(self) -> None:
        _named(self.model, self.title)


@dataclass(frozen=True, slots=True)
class PinpadProfile:
    """One model of IPP PIN pad. It enciphers by itself; no profile can make it give a PIN in clear."""

    model: str
    title: str
    protocol: PinpadProtocol
    line: LineSettings
    timers: IppTimers
    dialect: Dialect

    def __post_init__(self) -> None:
        _named(self.model, self.title)


PadProfile = PinpadProfile | AbecsProfile
