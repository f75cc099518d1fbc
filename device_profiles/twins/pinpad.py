# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The twin of an IPP PIN pad: firmware as a machine fed with octets, keys and time. No port, no clock of its own.

It does what a pad does for a host: acknowledges, asks its person for the PIN, answers with KSN and enciphered block,
MACs what it is given, shows amounts and nothing else that a host words. Rules that protect the person hold here as in a
pad: a PIN leaves only enciphered, the prompt is the pad's own, an entry that is broken off leaves nothing behind.

The pad repeats a reply on NAK, ends the session with EOT at the third, and drops a session whose host falls silent.
"""

import re
from collections import deque
from dataclasses import dataclass
from enum import Enum, auto

from device_profiles.model import PinpadProfile
from device_profiles.twins.pinpad_cardholder import Cardholder, Key
from device_profiles.twins.pinpad_keys import PinEngine, PinpadKeys
from protocols.errors import DecodeError
from protocols.pan import Pan
from protocols.secret import PIN_DIGITS, Pin
from protocols.serial.framer import Control, Damaged, Event, Packet, PacketFramer
from protocols.serial.ipp import (
    BLOCK_OCTETS,
    NEXT_PIECE,
    NO_ERROR,
    Cancel,
    CheckKey,
    KeyPresence,
    MacResult,
    Message,
    PinBlock,
    PinReason,
    PinRefusal,
    ReadSerial,
    Request,
    RequestMac,
    RequestPin,
    RequestRefusedError,
    SelectKey,
    SerialNumber,
    ShowText,
)
from protocols.serial.ipp_codec import decode_request, encode, number

IDLE_WORDS = "WELCOME"
PIN_WORDS = "ENTER PIN"
DEFAULT_ENTRY_S = 60.0  # where the request gives no time
SILENT_HOST_S = 15.0  # VeriFone MX800, link control: a session whose host says nothing ends

KEPT_DISPLAYS = 64  # for whoever drains them; older ones are forgotten

MAC_OUT_OF_ORDER, MAC_NO_KEY, MAC_BROKEN = "2", "3", "8"

_AMOUNT = re.compile(r"(?:[A-Z]{3} )?[0-9][0-9.,]{0,12}")
_ACK, _NAK, _EOT = (bytes((control,)) for control in (Control.ACK, Control.NAK, Control.EOT))


class Mode(Enum):
    """What the firmware is doing."""

    IDLE = auto()
    ENTRY = auto()  # a person is asked
    REPLYING = auto()  # a reply is out, not acknowledged yet


@dataclass(frozen=True, slots=True)
class Shown:
    """The display changed; stars stand for digits."""

    text: str


class PinpadTwin:
    """One pad. Feed it octets, tell it the time; it returns octets."""

    def __init__(
        self, profile: PinpadProfile, serial: str, keys: PinpadKeys, engine: PinEngine, cardholder: Cardholder | None
    ) -> None:
        """``engine`` is ``keys`` or a fault in front of it. Without a cardholder, keys come by :meth:`press`."""
        self._dialect = profile.dialect
        self._timers = profile.timers
        self._serial = serial
        self._keys = keys
        self._engine = engine
        self._cardholder = cardholder
        self._framer = PacketFramer(profile.dialect.longest_packet)
        self._mode = Mode.IDLE
        self._heard_at = 0.0
        self._deadline = 0.0
        self._reply = b""
        self._reply_number = ""
        self._naks = 0
        self._amount = ""
        self._pan: Pan | None = None
        self._digits = bytearray()
        self._fingers: deque[tuple[float, int]] = deque()
        self._selected = ""
        self._mac_next = 0
        self._mac_chaining = bytes(BLOCK_OCTETS)
        self._shown: deque[Shown] = deque(maxlen=KEPT_DISPLAYS)
        self._show(IDLE_WORDS)

    def feed(self, octets: bytes, now: float) -> bytes:
        """Octets from the host; returns what the pad says at once."""
        out = self.tick(now)
        self._heard_at = now
        return out + b"".join(self._hear(event, now) for event in self._framer.feed(octets))

    def tick(self, now: float) -> bytes:
        """What became due by ``now``: fingers on keys, time limits, a packet that never ended."""
        out = b""
        if self._framer.unfinished and now >= self._heard_at + self._timers.octet_s:
            out += b"".join(self._hear(event, now) for event in self._framer.lapse())
        while self._fingers and self._fingers[0][0] <= now:
            _, key = self._fingers.popleft()
            out += self.press(key, now)
        if self._mode is not Mode.IDLE and now >= self._deadline:
            self._idle()
            out += _EOT
        return out

    @property
    def due(self) -> float | None:
        """When :meth:`tick` has something to do next."""
        times = [self._fingers[0][0]] if self._fingers else []
        if self._framer.unfinished:
            times.append(self._heard_at + self._timers.octet_s)
        if self._mode is not Mode.IDLE:
            times.append(self._deadline)
        return min(times, default=None)

    def press(self, key: int, now: float) -> bytes:
        """A key of the keypad goes down: 0 to 9, or a :class:`Key`."""
        if self._mode is not Mode.ENTRY:
            return b""
        match key:
            case Key.CANCEL:
                self._idle()
                return _EOT
            case Key.CLEAR:
                self._forget_digits()
            case Key.ENTER if len(self._digits) in PIN_DIGITS:
                return self._entered(now)
            case Key.ENTER:
                return b""
            case digit if len(self._digits) < PIN_DIGITS[-1]:
                self._digits.append(digit)
        self._show_entry()
        return b""

    def drain_shown(self) -> list[Shown]:
        """Changes of the display since the last call."""
        shown = list(self._shown)
        self._shown.clear()
        return shown

    def _hear(self, event: Event, now: float) -> bytes:
        if isinstance(event, Packet):
            return self._packet(event, now)
        if isinstance(event, Damaged):
            return _NAK
        return self._control(event, now)

    def _control(self, control: Control, now: float) -> bytes:
        if control is Control.EOT:
            self._idle()
            return b""
        if self._mode is not Mode.REPLYING:
            return b""
        if control is Control.ACK:
            closing = self._reply_number in self._dialect.closing_eot
            self._idle()
            return _EOT if closing else b""
        self._naks += 1
        if self._naks >= self._timers.naks:
            self._idle()
            return _EOT
        self._deadline = now + SILENT_HOST_S
        return self._reply

    def _packet(self, packet: Packet, now: float) -> bytes:
        if self._mode is Mode.ENTRY and number(packet) != "72":
            return _NAK
        try:
            request: Request = decode_request(packet, self._dialect)
        except RequestRefusedError as refusal:
            return _ACK + self._answer(PinRefusal(refusal.code), now)
        except DecodeError:
            self._idle()
            return _ACK + (self._answer(MacResult(MAC_BROKEN), now) if number(packet) == "Z66" else _EOT)
        return self._request(request, now)

    def _request(self, request: Request, now: float) -> bytes:
        match request:
            case Cancel():
                busy = self._mode is Mode.ENTRY
                self._idle()
                return _EOT if busy else _ACK
            case ReadSerial():
                return _ACK + self._answer(SerialNumber(self._serial), now)
            case CheckKey(slot):
                return _ACK + self._answer(KeyPresence(self._keys.has_slot(slot)), now)
            case SelectKey(slot):
                self._selected = slot  # an empty slot is selected without a word, as in the field
                return _ACK
            case ShowText(words):
                if _AMOUNT.fullmatch(words):
                    self._amount = words
                    self._show(words)
                return _ACK
            case RequestPin(pan, units):
                if not self._keys.throttle.ready(now):
                    return _ACK + self._refuse(PinReason.THROTTLE, now)
                return _ACK + self._ask(pan, units, now)
            case RequestMac():
                return _ACK + self._answer(self._mac(request), now)

    def _ask(self, pan: Pan, units: int, now: float) -> bytes:
        self._mode = Mode.ENTRY
        self._pan = pan
        self._forget_digits()
        self._deadline = now + (units * self._dialect.pin_time_unit_s or DEFAULT_ENTRY_S)
        self._show_entry()
        if self._cardholder is not None:
            self._fingers = deque((now + after, key) for after, key in self._cardholder.answer())
        return b""

    def _entered(self, now: float) -> bytes:
        pan = self._pan
        if pan is None:
            return b""
        self._keys.throttle.take(now)
        with Pin(self._digits) as pin:
            enciphered = self._engine.encipher_pin(pin, pan)
        self._idle()
        return self._refuse(PinReason.USED_UP, now) if enciphered is None else self._answer(PinBlock(*enciphered), now)

    def _refuse(self, reason: PinReason, now: float) -> bytes:
        return self._answer(PinRefusal(self._dialect.refusal(reason)), now)

    def _mac(self, request: RequestMac) -> MacResult:
        slot = self._dialect.mac_slot or self._selected
        if not self._keys.has_slot(slot):
            return MacResult(MAC_NO_KEY)
        if request.sequence == 0:
            self._mac_next, self._mac_chaining = 0, bytes(BLOCK_OCTETS)
        if request.sequence != self._mac_next:
            return MacResult(MAC_OUT_OF_ORDER)
        self._mac_next += 1
        value = self._keys.mac_piece(slot, request.session_key, self._mac_chaining, request.data, last=request.last)
        if not request.last:
            self._mac_chaining = value
            return MacResult(NEXT_PIECE)
        self._mac_next, self._mac_chaining = 0, bytes(BLOCK_OCTETS)
        return MacResult(NO_ERROR, value)

    def _answer(self, message: Message, now: float) -> bytes:
        packet = encode(message, self._dialect)
        self._mode = Mode.REPLYING
        self._reply = packet.encode()
        self._reply_number = number(packet)
        self._naks = 0
        self._deadline = now + SILENT_HOST_S
        return self._reply

    def _idle(self) -> None:
        if self._mode is Mode.ENTRY:
            self._amount = ""
            self._show(IDLE_WORDS)
        self._mode = Mode.IDLE
        self._pan = None
        self._reply = b""
        self._fingers.clear()
        self._forget_digits()

    def _forget_digits(self) -> None:
        self._digits[:] = bytes(len(self._digits))
        self._digits = bytearray()

    def _show_entry(self) -> None:
        parts = (self._amount, PIN_WORDS, "*" * len(self._digits))
        self._show(" ".join(part for part in parts if part))

    def _show(self, text: str) -> None:
        self._shown.append(Shown(text))
