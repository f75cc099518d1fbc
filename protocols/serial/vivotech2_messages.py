# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Requests and replies of a ViVOtech2 reader as far as a payment terminal needs them. Frames: vivotech2.py.

A reply repeats the request's command; its status says how it went. In pass-through mode the reader finds and activates
a card and carries APDUs; the terminal's own EMV kernel does the rest. Source: NEO 2 Interface Developer's Guide (2019):
status codes in table 6; polling 8.2; pass-through mode 8.12; display and sounds 8.13, 8.14; data exchange 8.15.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar

from protocols.emv.redaction import redacted_command, redacted_response
from protocols.errors import DecodeError, EncodeError
from protocols.serial.framer import Damaged
from protocols.serial.vivotech2 import LONGEST_DATA, Event, Frame
from protocols.serial.vivotech2_display import MESSAGES, SHORT_BEEPS, LcdMessage, ShowMessage, message_words

POLL_STEP_S = 0.01
LONGEST_POLL_S = 255.0
ALL_LEDS = 0xFF
LEDS = (0, 1, 2, 3, ALL_LEDS)
BEEPS = range(1, 5)
UID_OCTETS = range(4, 11)


class Code(IntEnum):
    """Commands, each with its sub-commands below."""

    POLLING = 0x01
    LED = 0x0A
    BUZZER = 0x0B
    PING = 0x18
    VERSION = 0x29
    PASS_THROUGH = 0x2C


class Polling(IntEnum):
    """01-01: whether the reader looks for cards by itself, and pays with them by a kernel of its own."""

    AUTOMATIC = 0
    ON_DEMAND = 1


class Status(IntEnum):
    """Status octet of a reply (table 6), as far as it is told apart here."""

    OK = 0x00
    INCORRECT_TAG = 0x01
    UNKNOWN_COMMAND = 0x02
    UNKNOWN_SUB_COMMAND = 0x03
    CRC_ERROR = 0x04
    INCORRECT_PARAMETER = 0x05
    PARAMETER_NOT_SUPPORTED = 0x06
    MALFORMED_DATA = 0x07
    TIMEOUT = 0x08
    FAILED = 0x0A
    COMMAND_NOT_ALLOWED = 0x0B
    SUB_COMMAND_NOT_ALLOWED = 0x0C
    TOO_LONG = 0x0D
    USER_INTERFACE_EVENT = 0x0E


STATUS_WORDS: dict[int, str] = {
    Status.OK: "success",
    Status.INCORRECT_TAG: "the frame's tag is wrong",
    Status.UNKNOWN_COMMAND: "the reader does not know the command",
    Status.UNKNOWN_SUB_COMMAND: "the reader does not know the sub-command",
    Status.CRC_ERROR: "the CRC was wrong at the reader",
    Status.INCORRECT_PARAMETER: "a parameter is wrong",
    Status.PARAMETER_NOT_SUPPORTED: "a parameter is not supported",
    Status.MALFORMED_DATA: "the data are malformed",
    Status.TIMEOUT: "the time was up",
    Status.FAILED: "the command failed",
    Status.COMMAND_NOT_ALLOWED: "the command is not allowed now",
    Status.SUB_COMMAND_NOT_ALLOWED: "the sub-command is not allowed now",
    Status.TOO_LONG: "the data are too long",
    Status.USER_INTERFACE_EVENT: "an event of the reader's display",
}


def status_words(status: int) -> str:
    """A status octet in words."""
    return STATUS_WORDS.get(status, f"unknown status {status:02X}")


class CardType(IntEnum):
    """What Poll for Token found (8.12.4)."""

    NONE = 0
    A_ISO_DEP = 1
    B_ISO_DEP = 2
    MIFARE_STANDARD = 3
    MIFARE_ULTRALIGHT = 4
    A_OTHER = 5
    B_OTHER = 6
    A_ISO_DEP_AND_MIFARE = 7


SPEAKS_ISO_DEP = frozenset((CardType.A_ISO_DEP, CardType.B_ISO_DEP, CardType.A_ISO_DEP_AND_MIFARE))


@dataclass(frozen=True, slots=True)
class Ping:
    """18-01: is somebody there?"""

    name: ClassVar[tuple[int, int]] = (Code.PING, 0x01)

    def data(self) -> bytes:
        return b""


@dataclass(frozen=True, slots=True)
class GetVersion:
    """29-00: the firmware's version, as text."""

    name: ClassVar[tuple[int, int]] = (Code.VERSION, 0x00)

    def data(self) -> bytes:
        return b""


@dataclass(frozen=True, slots=True)
class SetPolling:
    """01-01: poll on demand, so that the reader runs no payment of its own, or automatically."""

    name: ClassVar[tuple[int, int]] = (Code.POLLING, 0x01)
    mode: Polling = Polling.ON_DEMAND

    def data(self) -> bytes:
        return bytes((self.mode,))


@dataclass(frozen=True, slots=True)
class PassThrough:
    """2C-01: enter or leave pass-through mode; leaving it switches the field off."""

    name: ClassVar[tuple[int, int]] = (Code.PASS_THROUGH, 0x01)
    on: bool

    def data(self) -> bytes:
        return bytes((self.on,))


@dataclass(frozen=True, slots=True)
class PollForToken:
    """2C-02: look for a card for so long (above 0, in steps of 10 ms, at most 255 s) and activate it."""

    name: ClassVar[tuple[int, int]] = (Code.PASS_THROUGH, 0x02)
    seconds: float

    def data(self) -> bytes:
        steps = round(self.seconds / POLL_STEP_S)
        if not 0 < steps <= LONGEST_POLL_S / POLL_STEP_S:
            raise EncodeError(f"a poll takes {POLL_STEP_S} to {LONGEST_POLL_S:.0f} s")
        return bytes(divmod(steps, 100))


@dataclass(frozen=True, slots=True)
class Exchange:
    """2C-03: a whole command APDU for the activated card."""

    name: ClassVar[tuple[int, int]] = (Code.PASS_THROUGH, 0x03)
    apdu: bytes

    def data(self) -> bytes:
        return self.apdu

    def __repr__(self) -> str:
        return f"Exchange({len(self.apdu)} octets)"


@dataclass(frozen=True, slots=True)
class SetLed:
    """0A-02, in pass-through mode: LED 0 to 3, or all, on or off."""

    name: ClassVar[tuple[int, int]] = (Code.LED, 0x02)
    led: int
    on: bool

    def data(self) -> bytes:
        if self.led not in LEDS:
            raise EncodeError("LED 0 to 3, or 255 for all, expected")
        return bytes((self.led, self.on))


@dataclass(frozen=True, slots=True)
class Beep:
    """0B-01, in pass-through mode: one to four short beeps."""

    name: ClassVar[tuple[int, int]] = (Code.BUZZER, 0x01)
    times: int = 1

    def data(self) -> bytes:
        if self.times not in BEEPS:
            raise EncodeError("1 to 4 beeps expected")
        return bytes((self.times,))


Request = Ping | GetVersion | SetPolling | PassThrough | PollForToken | Exchange | SetLed | Beep | ShowMessage


@dataclass(frozen=True, slots=True)
class Token:
    """What a poll found: the kind of card and its UID or PUPI. Prints without the latter."""

    kind: CardType
    uid: bytes = b""

    def data(self) -> bytes:
        """As the reply to 2C-02 carries it."""
        return bytes((self.kind,)) + self.uid

    def __repr__(self) -> str:
        return f"Token({self.kind.name}, UID of {len(self.uid)} octets)"


def request_frame(request: Request) -> Frame:
    """The frame that asks."""
    return Frame(*request.name, request.data())


def reply_frame(request: Request, status: int, data: bytes = b"") -> Frame:
    """The frame that answers a request: the reader's side."""
    return Frame(request.name[0], status, data)


def decode_request(frame: Frame) -> Request:
    """What a terminal asks: the reader's side. :class:`RefusedError` has the status a reader would say."""
    decoder = _REQUESTS.get((frame.command, frame.detail))
    if decoder is None:
        known = any(command == frame.command for command, _ in _REQUESTS)
        raise RefusedError("no command of those a reader here knows", _STATUS_OF_UNKNOWN[known])
    return decoder(frame.data)


class RefusedError(DecodeError):
    """A request that a reader answers with this ``status``."""

    def __init__(self, why: str, status: Status) -> None:
        super().__init__("ViVOtech2 request", why)
        self.status = status


_STATUS_OF_UNKNOWN = {False: Status.UNKNOWN_COMMAND, True: Status.UNKNOWN_SUB_COMMAND}


def decode_token(data: bytes) -> Token:
    """The data of a reply to 2C-02."""
    try:
        kind = CardType(data[0])
    except (IndexError, ValueError):
        raise DecodeError("2C-02 reply", "a kind of card of 0 to 7 expected") from None
    uid = data[1:]
    if len(uid) not in UID_OCTETS and (kind is not CardType.NONE or uid):
        raise DecodeError("2C-02 reply", "a serial number of 4 to 10 octets expected behind the kind of card")
    return Token(kind, uid)


def decode_version(data: bytes) -> str:
    """The data of a reply to 29-00: printable ASCII, which may end in zeros."""
    text = data.rstrip(b"\x00").decode("ascii", "replace")
    if not text or not text.isascii() or not text.isprintable():
        raise DecodeError("29-00 reply", "printable text expected")
    return text


def _parameter(data: bytes, size: int) -> bytes:
    if len(data) != size:
        raise RefusedError(f"{len(data)} octets of data, {size} expected", Status.INCORRECT_PARAMETER)
    return data


def _flag(octet: int) -> bool:
    if octet > 1:
        raise RefusedError("00 or 01 expected", Status.INCORRECT_PARAMETER)
    return bool(octet)


def _ping(data: bytes) -> Request:
    _parameter(data, 0)
    return Ping()


def _get_version(data: bytes) -> Request:
    _parameter(data, 0)
    return GetVersion()


def _set_polling(data: bytes) -> Request:
    return SetPolling(Polling(_flag(_parameter(data, 1)[0])))


def _pass_through(data: bytes) -> Request:
    return PassThrough(_flag(_parameter(data, 1)[0]))


def _poll_for_token(data: bytes) -> Request:
    seconds, steps = _parameter(data, 2)
    if not seconds and not steps:
        raise RefusedError("a poll of no time", Status.INCORRECT_PARAMETER)
    return PollForToken(min(seconds + steps * POLL_STEP_S, LONGEST_POLL_S))


def _exchange(data: bytes) -> Request:
    if not 4 <= len(data) <= LONGEST_DATA:
        raise RefusedError(f"an APDU of 4 to {LONGEST_DATA} octets expected", Status.INCORRECT_PARAMETER)
    return Exchange(data)


def _set_led(data: bytes) -> Request:
    led, status = _parameter(data, 2)
    if led not in LEDS:
        raise RefusedError("LED 0 to 3, or 255, expected", Status.INCORRECT_PARAMETER)
    return SetLed(led, _flag(status))


def _beep(data: bytes) -> Request:
    (times,) = _parameter(data, 1)
    if times not in BEEPS:
        raise RefusedError("1 to 4 beeps expected", Status.INCORRECT_PARAMETER)
    return Beep(times)


def _show_message(data: bytes) -> Request:
    message, beeps, led, status = _parameter(data, 4)
    if message not in MESSAGES or beeps not in SHORT_BEEPS or led not in LEDS:
        raise RefusedError("a message, 0 to 4 beeps and a LED expected", Status.PARAMETER_NOT_SUPPORTED)
    return ShowMessage(LcdMessage(message), beeps, led, _flag(status))


_REQUESTS: dict[tuple[int, int], Callable[[bytes], Request]] = {
    Ping.name: _ping,
    GetVersion.name: _get_version,
    SetPolling.name: _set_polling,
    PassThrough.name: _pass_through,
    PollForToken.name: _poll_for_token,
    Exchange.name: _exchange,
    SetLed.name: _set_led,
    Beep.name: _beep,
    ShowMessage.name: _show_message,
}
_REQUEST_WORDS: dict[tuple[int, int], Callable[[bytes], str]] = {
    Ping.name: lambda _: "ping",
    GetVersion.name: lambda _: "version",
    SetPolling.name: lambda data: f"polling {data.hex()}" if len(data) == 1 else "polling",
    PassThrough.name: lambda data: "pass-through on" if data == bytes((1,)) else "pass-through off",
    PollForToken.name: lambda _: "poll for a card",
    SetLed.name: lambda data: f"LED {data.hex()}" if len(data) == 2 else "LED",
    Beep.name: lambda data: f"beep {data.hex()}" if len(data) == 1 else "beep",
    ShowMessage.name: message_words,
}


def redacted_request(event: Event) -> str:
    """A request in words: APDUs redacted, of what is not known the length."""
    if isinstance(event, Damaged):
        return f"damaged ({event.why})"
    name = (event.command, event.detail)
    if name == Exchange.name:
        return redacted_command(event.data)
    words = _REQUEST_WORDS.get(name)
    return words(event.data) if words else f"{event.command:02X}-{event.detail:02X}, {len(event.data)} octets"


def redacted_reply(event: Event, *, to: tuple[int, int] | None = None) -> str:
    """A reply in words. ``to`` is the request it answers: without it nothing of its data is shown."""
    if isinstance(event, Damaged):
        return f"damaged ({event.why})"
    if event.detail:
        return f"{event.command:02X} {status_words(event.detail)}"
    if to == Exchange.name:
        return redacted_response(event.data)
    if to == PollForToken.name:
        try:
            return f"found {decode_token(event.data).kind.name}"
        except DecodeError:
            pass
    return f"{event.command:02X} success, {len(event.data)} octets"
