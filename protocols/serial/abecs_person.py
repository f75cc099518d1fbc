# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What ABECS pads wait for: a key, a card, its removal; notifications meanwhile; long texts. No PIN is among it.

Commands here have no time limit of their own: CAN ends them. Function keys alone are told; digits never leave a pad by
these. The stripe is never asked for, since its tracks would come in clear. Source: Pinpad Abecs, protocol 2.12, 2.3.3
(NTM), 3.3.1 (CEX), 3.3.3 (CKE), 3.3.4 (DEX), 3.3.10 (GKY), 3.3.14 (RMC).
"""

from dataclasses import dataclass
from enum import IntEnum

from protocols.errors import DecodeError, EncodeError
from protocols.serial.abecs_messages import (
    DISPLAY_CHARACTERS,
    NOTIFICATION,
    Command,
    Parameter,
    Response,
    decode_parameters,
    parameters,
)

LONGEST_TEXT = 160
LINE_END = "\r"
AWAIT_KEY = Command("GKY")


class PadKey(IntEnum):
    """Function keys, by the status of GKY and the code in CKE."""

    ENTER = 0
    F1 = 4
    F2 = 5
    F3 = 6
    F4 = 7
    CLEAR = 8
    CANCEL = 13


class ChipEvent(IntEnum):
    """What CKE says about the slot."""

    IGNORED = 0
    INSERTED = 1
    REMOVED = 2


@dataclass(frozen=True, slots=True)
class Watch:
    """CKE: what to wait for."""

    keys: bool = False
    chip: ChipEvent = ChipEvent.IGNORED
    contactless: bool = False

    def command(self) -> Command:
        """As it travels: keys, stripe (never), chip, contactless."""
        return Command("CKE", (b"%d0%d%d" % (self.keys, self.chip, self.contactless),))


@dataclass(frozen=True, slots=True)
class KeyPressed:
    """A function key went down."""

    key: PadKey


@dataclass(frozen=True, slots=True)
class ChipThere:
    """Whether a card is in the slot now."""

    present: bool


@dataclass(frozen=True, slots=True)
class ContactlessThere:
    """Whether a contactless card came within the pad's two minutes."""

    found: bool


Happened = KeyPressed | ChipThere | ContactlessThere
_CEX_DIGITS = 6
_KEY, _CHIP, _CONTACTLESS = b"0", b"2", b"3"


def show_long(text: str) -> Command:
    """DEX: free text, lines ending in CR."""
    if len(text) > LONGEST_TEXT or not all(part.isascii() and part.isprintable() for part in text.split(LINE_END)):
        raise EncodeError(f"display text takes up to {LONGEST_TEXT} printable ASCII characters and ends of lines")
    return Command("DEX", (b"%03d" % len(text) + text.encode("ascii"),))


def decode_show_long(command: Command) -> str:
    """The text of DEX: the pad's side."""
    block = command.blocks[0] if len(command.blocks) == 1 else b""
    text = block[3:].decode("ascii", "replace")
    if not block[:3].isdigit() or int(block[:3]) != len(block) - 3 or len(text) > LONGEST_TEXT:
        raise DecodeError("ABECS DEX", f"a length and up to {LONGEST_TEXT} characters expected")
    if not all(part.isascii() and part.isprintable() for part in text.split(LINE_END)):
        raise DecodeError("ABECS DEX", "printable ASCII expected")
    return text


def decode_two_lines(command: Command) -> str:
    """The text of DSP and RMC: the pad's side."""
    text = command.blocks[0].decode("ascii", "replace") if len(command.blocks) == 1 else ""
    if len(text) != DISPLAY_CHARACTERS or not (text.isascii() and text.isprintable()):
        raise DecodeError(f"ABECS {command.name}", f"{DISPLAY_CHARACTERS} printable characters expected")
    return text.strip()


def await_removal(text: str) -> Command:
    """RMC: have the card taken out, with these two lines of 16 characters."""
    return Command("RMC", (_two_lines(text),))


def decode_watch(command: Command) -> Watch:
    """What a host waits for, by CKE or CEX: the pad's side. A host may ask for the stripe, too; nobody swipes one."""
    if command.name == "CEX":
        digits = decode_parameters(command.blocks, "ABECS CEX").get(Parameter.WATCH, b"").decode("ascii", "replace")
        sizes: tuple[int, ...] = (_CEX_DIGITS,)
    else:
        digits = command.blocks[0].decode("ascii", "replace") if len(command.blocks) == 1 else ""
        sizes = (3, 4)
    if len(digits) not in sizes or not (digits.isascii() and digits.isdigit()):
        raise DecodeError(f"ABECS {command.name}", "a digit for each thing to wait for expected")
    keys, stripe, chip, contactless = map(int, digits.ljust(4, "0")[:4])
    if keys > 1 or stripe > 1 or chip > ChipEvent.REMOVED or contactless > 1:
        raise DecodeError(f"ABECS {command.name}", "0 or 1 expected, for the chip 0 to 2")
    return Watch(bool(keys), ChipEvent(chip), bool(contactless))


def extended_event(happened: Happened) -> bytes:
    """What a good response to CEX carries (8040): the pad's side."""
    match happened:
        case KeyPressed(key):
            code = b"%02d" % key
        case ChipThere(present):
            code = b"92" if present else b"91"
        case ContactlessThere(found):
            code = b"94" if found else b"93"
    return parameters({Parameter.EVENT: code})


def event_block(happened: Happened) -> bytes:
    """What a good response to CKE carries: the pad's side."""
    match happened:
        case KeyPressed(key):
            return _KEY + b"%02d" % key
        case ChipThere(present):
            return _CHIP + b"%d" % present
        case ContactlessThere(found):
            return _CONTACTLESS + b"%d" % found


def decode_event(response: Response) -> Happened:
    """What a good response to CKE tells: the host's side. A swiped card is refused: its tracks were not asked for."""
    block = response.blocks[0] if len(response.blocks) == 1 else b""
    kind, value = block[:1], block[1:]
    if kind == _KEY and len(value) == 2 and value.isdigit() and int(value) in set(PadKey):
        return KeyPressed(PadKey(int(value)))
    if kind in (_CHIP, _CONTACTLESS) and value in (b"0", b"1"):
        there = value == b"1"
        return ChipThere(there) if kind == _CHIP else ContactlessThere(there)
    raise DecodeError("ABECS CKE", "a key, a chip or a contactless card expected")


def decode_key(status: int) -> PadKey | None:
    """The key that a status of GKY means; None for one that is no key."""
    return PadKey(status) if status in set(PadKey) else None


def notification(text: str) -> Response:
    """NTM: what the person is asked for now, two lines of 16 characters. The pad's side."""
    return Response(NOTIFICATION, 0, (_two_lines(text),))


def decode_notification(response: Response) -> str:
    """Its text, for whoever stands at the till."""
    text = response.blocks[0].decode("ascii", "replace") if len(response.blocks) == 1 else ""
    if response.name != NOTIFICATION or len(text) > DISPLAY_CHARACTERS or not text.isprintable():
        raise DecodeError("ABECS NTM", f"up to {DISPLAY_CHARACTERS} printable characters expected")
    return " ".join(text.split())


def _two_lines(text: str) -> bytes:
    if len(text) > DISPLAY_CHARACTERS or not (text.isascii() and text.isprintable()):
        raise EncodeError(f"display text takes up to {DISPLAY_CHARACTERS} printable ASCII characters")
    return text.ljust(DISPLAY_CHARACTERS).encode("ascii")
