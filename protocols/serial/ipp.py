# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Messages of the IPP packet family of serial PIN pads, and its dialects. Frames nothing, waits for nothing.

The family has no standard: makers took the same packet numbers and let the fields drift. What drifts is a field of
:class:`Dialect`, filled from the pad's profile; what all share is here. Octets ⇄ messages is ipp_codec.py, envelope and
LRC framer.py, who speaks when turns.py. Sources: UIC PP791 user's manual (packets 02 to 25, 70 to 91, Z2 to Z67) and
VeriFone MX800 programmer's guide (packet chapters); both describe the same numbers.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import ClassVar, Protocol

from protocols.errors import DecodeError, EncodeError
from protocols.pan import Pan
from protocols.serial.framer import FS, LARGEST_PACKET, LONGEST_PACKET, SUB, Envelope

_FS, _SUB = chr(FS), chr(SUB)
KSN_OCTETS, BLOCK_OCTETS, MAC_OCTETS, SESSION_KEY_OCTETS = 10, 8, 8, 16
KSN_DIGITS = range(10, 21)  # a KSN on the line: 20 hexadecimal digits, fewer where leading F are not sent
PIECES = 100  # packet Z66 counts its pieces with two decimal digits
SERIAL_CHARACTERS = 32
NO_ERROR = "0"
NEXT_PIECE = "1"


class PinReplyForm(Enum):
    """Which packet brings an enciphered PIN."""

    NUMBER_71 = "71"
    NUMBER_73 = "73"


class PinReason(Enum):
    """Why a pad refuses a PIN entry; which character says so is the dialect's."""

    NO_PAN = "no-pan"
    KEY = "key"
    SHORT_PAN = "short-pan"
    LONG_PAN = "long-pan"
    NOT_DIGITS = "not-digits"
    KEY_FORMAT = "key-format"
    TIME_LIMIT = "time-limit"
    THROTTLE = "throttle"
    PROMPT = "prompt"
    NO_ACTIVE_KEY = "no-active-key"
    NOT_FOR_PINS = "not-for-pins"
    LENGTH = "length"
    USED_UP = "used-up"


LONGEST_MARKER = 32  # with it and a PAN of 19 digits, Z60 is within the least longest-packet
DISPLAY_ENVELOPE = 8  # octets: start, Z2, separators, end and LRC
PIN_REFUSALS: Mapping[str, str] = dict(zip((reason.value for reason in PinReason), "0123456789AEF", strict=True))
"""The codes of UIC pads (PP791, packet 71)."""


class Display(Enum):
    """What a host may write on the pad's display by itself."""

    NOTHING = "nothing"
    AMOUNTS = "amounts"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one model speaks the family. Every field is a datum of its profile."""

    pin_reply: PinReplyForm
    longest_packet: int = LONGEST_PACKET
    pin_request_marker: str = ""
    """Text that follows the PAN of Z60 in its own field, e.g. DUKPT ENCRYPTION."""
    pin_time_unit_s: int = 30
    """Z60 carries its time limit as one digit of this many seconds; 0: it carries none."""
    ksn_without_fill: bool = False
    """The pad leaves out the leading F of a KSN."""
    mac_slot: str = ""
    """Slot of the MAC master key in Z66; empty: the packet has no such field."""
    mac_select: str = ""
    """Slot to select by 08 before a MAC, for a dialect whose Z66 names none."""
    mac_last_flag: str = "6"
    mac_more_flag: str = "7"
    display: Display = Display.NOTHING
    display_characters: int = 32
    custom_pin: str = ""
    """Number of the PIN packet with prompts of its own, Z62 or Z63; empty: the model has none."""
    key_attributes: bool = False
    """The answer to 04 says what the key is for: usage and mode of use."""
    diagnostics: bool = False
    """The pad answers packet 01, so that one that ends sessions can be asked whether it was tampered with."""
    closing_eot: tuple[str, ...] = ()
    """Numbers of the replies after whose ACK the pad ends the session with EOT."""
    pin_errors: Mapping[str, str] = field(default_factory=dict)
    pin_refusals: Mapping[str, str] = field(default_factory=dict)
    """Codes of packet 71 by :class:`PinReason`, where they are not those of :data:`PIN_REFUSALS`."""
    mac_errors: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 64 <= self.longest_packet <= LARGEST_PACKET:
            raise ValueError(f"longest-packet must be 64 to {LARGEST_PACKET}")
        if not 0 <= self.pin_time_unit_s <= 60:
            raise ValueError("pin-time-unit-s must be 0 to 60")
        marker = self.pin_request_marker
        if len(marker) > LONGEST_MARKER or not (marker.isascii() and marker.isprintable()):
            raise ValueError(f"pin-request-marker: up to {LONGEST_MARKER} printable ASCII characters expected")
        if self.mac_select and (self.mac_slot or not _is_code(self.mac_select)):
            raise ValueError("mac-select is one letter or digit, and only where mac-slot is empty")
        if not all(map(_is_code, (self.mac_slot or "0", self.mac_last_flag, self.mac_more_flag))):
            raise ValueError("mac-slot, mac-last-flag and mac-more-flag are one letter or digit each")
        if not 1 <= self.display_characters <= self.longest_packet - DISPLAY_ENVELOPE:
            raise ValueError(f"display-characters must be 1 to longest-packet less {DISPLAY_ENVELOPE}")
        if self.mac_last_flag == self.mac_more_flag:
            raise ValueError("mac-last-flag and mac-more-flag must differ")
        if self.custom_pin not in ("", "Z62", "Z63"):
            raise ValueError("custom-pin is Z62 or Z63, or empty")
        if not all(len(number) in (2, 3) and number.isascii() and number.isalnum() for number in self.closing_eot):
            raise ValueError("closing-eot lists packet numbers of two or three letters and digits")
        if not (self.pin_refusals.keys() <= PIN_REFUSALS.keys() and all(map(_is_code, self.pin_refusals.values()))):
            raise ValueError(f"pin-refusals gives one character to some of {', '.join(PIN_REFUSALS)}")

    def refusal(self, reason: PinReason) -> str:
        """The code by which this dialect refuses a PIN entry."""
        return self.pin_refusals.get(reason.value, PIN_REFUSALS[reason.value])

    @property
    def mac_piece_octets(self) -> int:
        """How much data one Z66 takes: whole cipher blocks, two digits per octet, beside envelope and keys."""
        beside = 3 + len("Z66") + 3 + len(self.mac_slot) + 3 + 2 * SESSION_KEY_OCTETS
        return (self.longest_packet - beside) // 16 * 8


def _is_code(code: str) -> bool:
    return len(code) == 1 and code.isalnum() and code.isascii()


class Message(Protocol):
    """One message, either way."""

    envelope: ClassVar[Envelope]

    def text(self, dialect: Dialect) -> str:
        """The body, with the packet's number."""
        ...


class RequestRefusedError(DecodeError):
    """A request that a pad refuses with a code of its own: ``code`` is the character for packet 71."""

    def __init__(self, where: str, why: str, code: str) -> None:
        super().__init__(where, why)
        self.code = code


@dataclass(frozen=True, slots=True)
class Cancel:
    """72: leave whatever is under way. An idle pad answers ACK, one in the middle of an entry EOT."""

    envelope: ClassVar[Envelope] = Envelope.TRANSACTION

    def text(self, dialect: Dialect) -> str:
        return "72"


@dataclass(frozen=True, slots=True)
class ReadSerial:
    """06: asks for the serial number."""

    envelope: ClassVar[Envelope] = Envelope.ADMINISTRATION

    def text(self, dialect: Dialect) -> str:
        return "06"


@dataclass(frozen=True, slots=True)
class SerialNumber:
    """06, answered."""

    envelope: ClassVar[Envelope] = Envelope.ADMINISTRATION
    serial: str

    def text(self, dialect: Dialect) -> str:
        return "06" + self.serial


@dataclass(frozen=True, slots=True)
class CheckKey:
    """04: asks whether a master key is in a slot."""

    envelope: ClassVar[Envelope] = Envelope.ADMINISTRATION
    slot: str

    def text(self, dialect: Dialect) -> str:
        return "04" + self.slot


@dataclass(frozen=True, slots=True)
class KeyPresence:
    """04, answered: F for present, 0 for absent; ``attributes``: usage and mode of use, where the pad says them."""

    envelope: ClassVar[Envelope] = Envelope.ADMINISTRATION
    present: bool
    attributes: str = ""

    def text(self, dialect: Dialect) -> str:
        return "04F" + self.attributes if self.present else "040"


@dataclass(frozen=True, slots=True)
class SelectKey:
    """08: selects a master key; a pad may take an empty slot without a word, so ask with 04 first."""

    envelope: ClassVar[Envelope] = Envelope.ADMINISTRATION
    slot: str

    def text(self, dialect: Dialect) -> str:
        return "08" + self.slot


@dataclass(frozen=True, slots=True)
class ShowText:
    """Z2: clears the display and writes one line; see :class:`Display` for what a pad takes."""

    envelope: ClassVar[Envelope] = Envelope.TRANSACTION
    words: str

    def text(self, dialect: Dialect) -> str:
        if len(self.words) > dialect.display_characters or not (self.words.isascii() and self.words.isprintable()):
            raise EncodeError(f"display text takes up to {dialect.display_characters} printable ASCII characters")
        return "Z2" + _SUB + self.words


@dataclass(frozen=True, slots=True)
class RequestPin:
    """Z60 with the active key in DUKPT mode: the pad asks the cardholder and enciphers by itself."""

    envelope: ClassVar[Envelope] = Envelope.TRANSACTION
    pan: Pan
    time_units: int = 0
    """Time limit in units of the dialect, 1 to 9; 0 leaves it to the pad."""

    def text(self, dialect: Dialect) -> str:
        fields = ["Z60." + self.pan.digits]
        if dialect.pin_request_marker:
            fields.append(dialect.pin_request_marker)
        if self.time_units:
            if not dialect.pin_time_unit_s or self.time_units not in range(1, 10):
                raise EncodeError("this dialect's Z60 has no such time limit: 1 to 9 units, where it has any")
            fields.append(str(self.time_units))
        return _FS.join(fields)


@dataclass(frozen=True, slots=True)
class PinBlock:
    """71 or 73, the entry went well: key serial number (10 octets) and enciphered PIN block (8 octets)."""

    envelope: ClassVar[Envelope] = Envelope.TRANSACTION
    ksn: bytes
    block: bytes

    def text(self, dialect: Dialect) -> str:
        if len(self.ksn) != KSN_OCTETS or len(self.block) != BLOCK_OCTETS:
            raise EncodeError("a PIN reply takes a KSN of 10 octets and a block of 8")
        ksn = self.ksn.hex().upper()
        if dialect.ksn_without_fill:
            ksn = ksn.lstrip("F").rjust(KSN_DIGITS.start, "F")
        head = "710" if dialect.pin_reply is PinReplyForm.NUMBER_71 else "73.00000"
        return head + ksn + self.block.hex().upper()


@dataclass(frozen=True, slots=True)
class PinRefusal:
    """71 with an error code alone: the pad did not ask, or the entry could not be enciphered."""

    envelope: ClassVar[Envelope] = Envelope.TRANSACTION
    code: str

    def text(self, dialect: Dialect) -> str:
        return "71" + self.code


@dataclass(frozen=True, slots=True)
class RequestMac:
    """Z66: one piece of the data to authenticate, with the session key enciphered under the slot's master key."""

    envelope: ClassVar[Envelope] = Envelope.TRANSACTION
    last: bool
    sequence: int
    session_key: bytes
    data: bytes

    def text(self, dialect: Dialect) -> str:
        if self.sequence not in range(PIECES) or len(self.session_key) != SESSION_KEY_OCTETS:
            raise EncodeError("Z66 takes a piece number of 0 to 99 and an enciphered key of 16 octets")
        if not self.data or len(self.data) % 8 or len(self.data) > dialect.mac_piece_octets:
            raise EncodeError(f"Z66 takes whole 8-octet blocks, at most {dialect.mac_piece_octets} octets")
        flag = dialect.mac_last_flag if self.last else dialect.mac_more_flag
        key = self.session_key.hex().upper()
        head = f"Z66{flag}{self.sequence:02d}{dialect.mac_slot}"
        return _FS.join((head, key[:16], key[16:], self.data.hex().upper()))


@dataclass(frozen=True, slots=True)
class MacResult:
    """Z67: code 0 brings the MAC, 1 asks for the next piece, the others are errors of the dialect."""

    envelope: ClassVar[Envelope] = Envelope.TRANSACTION
    code: str
    mac: bytes = b""

    def text(self, dialect: Dialect) -> str:
        if len(self.mac) != (MAC_OCTETS if self.code == NO_ERROR else 0):
            raise EncodeError("Z67 brings a MAC of 8 octets with code 0 and with no other")
        return "Z67" + self.code + self.mac.hex().upper()


Request = Cancel | ReadSerial | CheckKey | SelectKey | ShowText | RequestPin | RequestMac
Reply = SerialNumber | KeyPresence | PinBlock | PinRefusal | MacResult
