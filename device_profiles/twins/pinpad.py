# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The twin of an IPP PIN pad: firmware as a machine fed with octets, keys and time. No port, no clock of its own.

It does what a pad does for a host: acknowledges, asks its person for the PIN, answers with the enciphered block, MACs
what it is given, takes keys in key blocks. Rules that protect the person hold here as in a pad: a PIN leaves only
enciphered and seldom, prompts are the pad's own, an entry that is broken off leaves nothing behind, and a pad that was
opened has no secrets any more and answers nothing but diagnostics.

The link is here: the pad repeats a reply on NAK, ends the session with EOT at the third, and drops a session whose host
falls silent. What each packet does is pinpad_packets.py.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from device_profiles.model import PinpadProfile
from device_profiles.pinpad_load import PinpadLoad
from device_profiles.twins.pinpad_cardholder import Cardholder, Key
from device_profiles.twins.pinpad_entry import Entry, Pressed, Wanted
from device_profiles.twins.pinpad_injection import Injection
from device_profiles.twins.pinpad_keys import PinEngine, PinpadKeys
from device_profiles.twins.pinpad_packets import Packets
from device_profiles.twins.pinpad_prompts import IDLE_WORDS, OwnPrompts, PromptGuard
from protocols.secret import Pin
from protocols.serial.framer import Control, Damaged, Event, Packet, PacketFramer
from protocols.serial.ipp import Message, PinBlock, PinReason, PinRefusal
from protocols.serial.ipp_codec import encode, number
from protocols.serial.ipp_entry import KeyPressed, SessionPinBlock, StringEntered

BOOT_S = 0.2  # start and self-test
BOOT_BUFFER = 255  # what a serial port holds until the firmware looks
DEFAULT_ENTRY_S = 60.0  # where the request gives no time
SILENT_HOST_S = 15.0  # VeriFone MX800, link control: a session whose host says nothing ends
KEPT_DISPLAYS = 64  # displays and notes for whoever drains them; older ones are forgotten
BROKEN_WORDS = "OUT OF SERVICE"
TAMPERED_WORDS = "TAMPERED"

_ACK, _NAK, _EOT = (bytes((control,)) for control in (Control.ACK, Control.NAK, Control.EOT))


class Mode(Enum):
    """What the firmware is doing."""

    BOOT = auto()
    IDLE = auto()
    ENTRY = auto()  # a person is asked
    REPLYING = auto()  # a reply is out, not acknowledged yet


@dataclass(frozen=True, slots=True)
class Shown:
    """The display changed; stars stand for digits."""

    text: str


@dataclass(frozen=True, slots=True)
class Noted:
    """Something that whoever looks after pads should hear of."""

    text: str


class PinpadTwin:
    """One pad. Feed it octets, tell it the time; it returns octets."""

    def __init__(
        self,
        profile: PinpadProfile,
        load: PinpadLoad,
        keys: PinpadKeys,
        engine: PinEngine,
        cardholder: Cardholder | None,
        prompts: PromptGuard | None = None,
    ) -> None:
        """``engine`` is ``keys`` or a fault in front of it. Without a cardholder, keys come by :meth:`press`."""
        self.dialect = profile.dialect
        self.keys = keys
        self.prompts: PromptGuard = prompts or OwnPrompts()
        self.injection = Injection(load.test_passwords)
        self.serial = load.serial
        self._timers = profile.timers
        self._engine = engine
        self._cardholder = cardholder
        self._framer = PacketFramer(profile.dialect.longest_packet)
        self._packets = Packets(self)
        self._mode = Mode.IDLE
        self._waiting = bytearray()
        self._heard_at = 0.0
        self._deadline = 0.0
        self._reply = b""
        self._reply_number = ""
        self._commit: Callable[[], None] | None = None
        self._naks = 0
        self._amount = ""
        self._entry: Entry | None = None
        self._fingers: deque[tuple[float, int]] = deque()
        self._shown: deque[Shown] = deque(maxlen=KEPT_DISPLAYS)
        self._noted: deque[Noted] = deque(maxlen=KEPT_DISPLAYS)
        self.broken = False
        self._show(self._idle_words())

    def power_on(self, now: float) -> None:
        """Start and test itself, for :data:`BOOT_S`; what the host says meanwhile is answered then."""
        self._mode = Mode.BOOT
        self._deadline = now + BOOT_S
        self._show("SELF TEST")

    def tamper(self, now: float) -> bytes:
        """A switch of the case opens: every secret goes at once, for good."""
        out = _EOT if self._mode is Mode.ENTRY else b""
        self.keys.tamper()
        self.injection.close()
        self.idle()
        self.note("tampered with: all secrets erased")
        self._show(self._idle_words())
        return out

    @property
    def in_service(self) -> bool:
        """Whether the pad does more than diagnostics."""
        return not (self.broken or self.keys.tampered)

    def feed(self, octets: bytes, now: float) -> bytes:
        """Octets from the host; returns what the pad says at once."""
        out = self.tick(now)
        if self._mode is Mode.BOOT:
            self._waiting += octets[: BOOT_BUFFER - len(self._waiting)]
            return out
        self._heard_at = now
        return out + b"".join(self._hear(event, now) for event in self._framer.feed(octets))

    def tick(self, now: float) -> bytes:
        """What became due by ``now``: fingers on keys, time limits, a packet that never ended."""
        out = b""
        if self._mode is Mode.BOOT:
            return self._booted(now) if now >= self._deadline else b""
        if self._framer.unfinished and now >= self._heard_at + self._timers.octet_s:
            out += b"".join(self._hear(event, now) for event in self._framer.lapse())
        while self._fingers and self._fingers[0][0] <= now:
            _, key = self._fingers.popleft()
            out += self.press(key, now)
        closing = self.injection.due
        if closing is not None and now >= closing:
            self.end_injection()
        if self._mode is not Mode.IDLE and now >= self._deadline:
            self.idle()
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
        if self.injection.due is not None:
            times.append(self.injection.due)
        return min(times, default=None)

    def press(self, key: int, now: float) -> bytes:
        """A key of the keypad goes down: 0 to 9, or a :class:`Key`."""
        if self._mode is Mode.IDLE and self.in_service:
            self._service_key(key, now)
            return b""
        entry = self._entry
        if self._mode is not Mode.ENTRY or entry is None:
            return b""
        match entry.press(key):
            case Pressed.CANCELLED:
                self.idle()
                return _EOT
            case Pressed.DONE:
                return self._entered(entry, now)
            case Pressed.SHOWN:
                self._show_entry()
        return b""

    def drain_shown(self) -> list[Shown]:
        """Changes of the display since the last call."""
        shown = list(self._shown)
        self._shown.clear()
        return shown

    def drain_noted(self) -> list[Noted]:
        """What should be heard of, since the last call."""
        noted = list(self._noted)
        self._noted.clear()
        return noted

    def note(self, text: str) -> None:
        """Keep something for :meth:`drain_noted`."""
        self._noted.append(Noted(text))

    def show_amount(self, words: str) -> None:
        """Words that stand above a PIN entry, too, while they are an amount."""
        self._amount = words
        self._show(words)

    def end_injection(self) -> None:
        """The officers' mode ends."""
        if self.injection.active:
            self.injection.close()
            self._show(self._idle_words())

    def ask(self, entry: Entry, seconds: float, now: float) -> bytes:
        """Ask the person; nothing is said to the host until the answer."""
        self._mode = Mode.ENTRY
        self._entry = entry
        self._deadline = now + (seconds or DEFAULT_ENTRY_S)
        self._show_entry()
        if self._cardholder is not None and entry.wanted is Wanted.PIN:
            self._fingers = deque((now + after, key) for after, key in self._cardholder.answer())
        return b""

    def refuse(self, reason: PinReason, now: float) -> bytes:
        """Answer a PIN request with a code of the dialect."""
        return self.answer(PinRefusal(self.dialect.refusal(reason)), now)

    def answer(self, message: Message, now: float, commit: Callable[[], None] | None = None) -> bytes:
        """Say something and wait for ACK, which does ``commit``."""
        packet = encode(message, self.dialect)
        self._mode = Mode.REPLYING
        self._reply = packet.encode()
        self._reply_number = number(packet)
        self._commit = commit
        self._naks = 0
        self._deadline = now + SILENT_HOST_S
        return self._reply

    def idle(self) -> bool:
        """Leave whatever is under way; whether a person was being asked."""
        asked = self._mode is Mode.ENTRY
        if self._entry is not None:
            self._entry.end()
            self._entry = None
        if asked:
            self._amount = ""
            self._show(self._idle_words())
        self._mode = Mode.IDLE
        self._reply = b""
        self._commit = None
        self._fingers.clear()
        return asked

    def _booted(self, now: float) -> bytes:
        self.broken = not self.keys.self_test()
        if self.broken:
            self.note("self-test failed: out of service")
        self._mode = Mode.IDLE
        self._show(self._idle_words())
        waiting = bytes(self._waiting)
        self._waiting.clear()
        return self.feed(waiting, now) if waiting else b""

    def _hear(self, event: Event, now: float) -> bytes:
        if isinstance(event, Packet):
            if self._mode is Mode.ENTRY and number(event) != "72":
                return _NAK
            return self._packets.obey(event, now)
        if isinstance(event, Damaged):
            return _NAK
        return self._control(event, now)

    def _control(self, control: Control, now: float) -> bytes:
        if control is Control.EOT:
            self.idle()
            return b""
        if self._mode is not Mode.REPLYING:
            return b""
        if control is Control.ACK:
            closing, commit = self._reply_number in self.dialect.closing_eot, self._commit
            self.idle()
            if commit is not None:
                commit()
            return _EOT if closing else b""
        self._naks += 1
        if self._naks >= self._timers.naks:
            self.idle()
            return _EOT
        self._deadline = now + SILENT_HOST_S
        return self._reply

    def _service_key(self, key: int, now: float) -> None:
        if self.injection.active:
            self.injection.press(key, now)
            self._show(self.injection.words if self.injection.active else self._idle_words())
        elif key == Key.SERVICE and self.injection.begin(now):
            self._show(self.injection.words)

    def _entered(self, entry: Entry, now: float) -> bytes:
        reply = self._outcome(entry, now)
        self.idle()
        return self.refuse(PinReason.USED_UP, now) if reply is None else self.answer(reply, now)

    def _outcome(self, entry: Entry, now: float) -> Message | None:
        if entry.wanted is Wanted.KEY:
            return KeyPressed("E" if entry.digits[0] == Key.ENTER else str(entry.digits[0]))
        if entry.wanted is Wanted.DIGITS:
            return StringEntered("".join(map(str, entry.digits)))
        if not entry.digits:
            return SessionPinBlock(0, bytes(8))
        if entry.pan is None:
            return None
        self.keys.throttle.take(now)
        with Pin(bytearray(entry.digits)) as pin:
            if entry.session_key is not None:
                block = self.keys.encipher_under(entry.session_key, pin, entry.pan)
                return SessionPinBlock(len(entry.digits), block)
            enciphered = self._engine.encipher_pin(pin, entry.pan)
        return None if enciphered is None else PinBlock(*enciphered)

    def _idle_words(self) -> str:
        if self.keys.tampered:
            return TAMPERED_WORDS
        return BROKEN_WORDS if self.broken else IDLE_WORDS

    def _show_entry(self) -> None:
        if self._entry is not None:
            self._show(" ".join(part for part in (self._amount, self._entry.line) if part))

    def _show(self, text: str) -> None:
        self._shown.append(Shown(text))
