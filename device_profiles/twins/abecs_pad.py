# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The twin of an ABECS PIN pad: firmware as a machine fed with octets, keys and time. No port, no clock of its own.

It answers a good packet with ACK and a bad one with NAK, does one command at a time, repeats its response on NAK, and
answers CAN with EOT whatever it was doing. A PIN leaves it only enciphered; while it asks, the host's words stand above
the pad's own. Opened, it erases its keys and answers GIX alone. Source: Pinpad Abecs, protocol 2.12, 2.2.2 and 3.
"""

from collections import deque
from collections.abc import Callable

from device_profiles.model import AbecsProfile
from device_profiles.pinpad_load import PinpadLoad
from device_profiles.twins.abecs_chip import CARD_TROUBLE, ChipSale, SaleFault, amount_words
from device_profiles.twins.abecs_desk import Answer, Desk
from device_profiles.twins.abecs_link import PadIdentity, PadSession, SessionFault
from device_profiles.twins.abecs_slots import enciphered, has_pin_key, properties
from device_profiles.twins.card_t0 import ContactCard
from device_profiles.twins.pinpad import BOOT_S, BROKEN_WORDS, KEPT_DISPLAYS, TAMPERED_WORDS, Noted, Shown
from device_profiles.twins.pinpad_cardholder import Cardholder
from device_profiles.twins.pinpad_entry import Entry, Pressed, Wanted
from device_profiles.twins.pinpad_keys import PinEngine, PinpadKeys
from protocols.errors import DecodeError
from protocols.secret import Pin
from protocols.serial.abecs import Control, Event, Packet, PacketFramer
from protocols.serial.abecs_identity import Statement, decode_ask_proof, entry_statement
from protocols.serial.abecs_messages import (
    KSN_OCTETS,
    UNKNOWN_COMMAND,
    Command,
    Parameter,
    PinBlock,
    PinMethod,
    Response,
    Status,
    decode_command,
    decode_parameters,
    decode_pin_request,
    parameters,
)
from protocols.serial.abecs_person import decode_show_long, decode_two_lines, notification
from protocols.serial.framer import Damaged

IDLE_WORDS = "WELCOME"
BOOT_BUFFER = 4096  # octets that wait while it starts
_DIAGNOSTICS = ("OPN", "GIX", "CLX")
IDLE_ENTRY_S = 60.0  # a person who does nothing for so long (GPN)
MOST_NAKS = 3
_ACK, _NAK, _EOT = (bytes((control,)) for control in (Control.ACK, Control.NAK, Control.EOT))


class AbecsPadTwin:
    """One pad. Feed it octets, tell it the time; it returns octets."""

    def __init__(
        self,
        profile: AbecsProfile,
        load: PinpadLoad,
        keys: PinpadKeys,
        engine: PinEngine,
        cardholder: Cardholder | None,
        random: Callable[[int], bytes],
        card: ContactCard | None = None,
    ) -> None:
        """``engine`` is ``keys`` or a fault in front of it. Without a cardholder, keys come by :meth:`press`.

        ``card``: what the person puts into the slot when the pad asks for a card.
        """
        self._settings = profile.abecs
        self._serial = load.serial
        self._identity = PadIdentity(load.test_identity)
        self._session = PadSession(random)
        self._entered_last: tuple[str, bytes, bytes] | None = None
        self._desk = Desk(card, random)
        self._keys = keys
        self._engine = engine
        self._cardholder = cardholder
        self._framer = PacketFramer()
        self._boots_until: float | None = None
        self._waiting = bytearray()
        self._heard_at = 0.0
        self._entry: Entry | None = None
        self._asking = "GPN"
        self._given: dict[int, bytes] = {}
        self._fingers: deque[tuple[float, int]] = deque()
        self._idle_at = 0.0
        self._last = b""
        self._naks = 0
        self._shown: deque[Shown] = deque(maxlen=KEPT_DISPLAYS)
        self._noted: deque[Noted] = deque(maxlen=KEPT_DISPLAYS)
        self.broken = False
        self._show(self._idle_words())

    def power_on(self, now: float) -> None:
        """Start and test itself, for :data:`BOOT_S`; what the host says meanwhile is answered then."""
        self._boots_until = now + BOOT_S
        self._show("SELF TEST")

    @property
    def in_service(self) -> bool:
        """Whether the pad does more than tell its properties."""
        return not (self.broken or self._keys.tampered)

    def feed(self, octets: bytes, now: float) -> bytes:
        """Octets from the host; returns what the pad says at once."""
        out = self.tick(now)
        if self._boots_until is not None:
            self._waiting += octets[: BOOT_BUFFER - len(self._waiting)]
            return out
        self._heard_at = now
        return out + b"".join(self._hear(event, now) for event in self._framer.feed(octets))

    def tick(self, now: float) -> bytes:
        """What became due by ``now``: fingers on keys, time limits, a packet that never ended."""
        out = b""
        if self._boots_until is not None:
            return self._booted(now) if now >= self._boots_until else b""
        if self._framer.unfinished and now >= self._heard_at + self._settings.octet_s:
            out += b"".join(self._hear(event, now) for event in self._framer.lapse())
        while self._fingers and self._fingers[0][0] <= now:
            when, key = self._fingers.popleft()
            out += self.press(key, when)
        if self._entry is not None and now >= self._idle_at:
            out += self._respond(self._asking, Status.TIMEOUT)
        return out + self._answered(self._desk.tick(now))

    @property
    def due(self) -> float | None:
        """When :meth:`tick` has something to do next."""
        if self._boots_until is not None:
            return self._boots_until
        times = [self._fingers[0][0]] if self._fingers else []
        if self._framer.unfinished:
            times.append(self._heard_at + self._settings.octet_s)
        if self._entry is not None:
            times.append(self._idle_at)
        if self._desk.due is not None:
            times.append(self._desk.due)
        return min(times, default=None)

    def press(self, key: int, now: float) -> bytes:
        """A key of the keypad goes down: 0 to 9, or a :class:`Key`."""
        entry = self._entry
        if entry is None:
            return self._answered(self._desk.press(key))
        self._idle_at = now + IDLE_ENTRY_S
        match entry.press(key):
            case Pressed.CANCELLED:
                return self._respond(self._asking, Status.CANCEL)
            case Pressed.DONE:
                return self._entered(entry, now)
            case Pressed.SHOWN:
                self._show(entry.line)
        return b""

    def _booted(self, now: float) -> bytes:
        self._boots_until = None
        self.broken = not self._keys.self_test()
        if self.broken:
            self._note("the self-test failed")
        self._show(self._idle_words())
        waiting, self._waiting = bytes(self._waiting), bytearray()
        return self.feed(waiting, now) if waiting else b""

    def readable(self, event: Event) -> Event:
        """What goes over the line now, in clear: for a trace, which redacts it."""
        return self._session.readable(event) if isinstance(event, Packet) else event

    def drain_noted(self) -> list[Noted]:
        """What should be heard of, since the last call."""
        noted = list(self._noted)
        self._noted.clear()
        return noted

    def _note(self, text: str) -> None:
        self._noted.append(Noted(text))

    def _idle_words(self) -> str:
        if self._keys.tampered:
            return TAMPERED_WORDS
        return BROKEN_WORDS if self.broken else IDLE_WORDS

    def drain_shown(self) -> list[Shown]:
        """Changes of the display since the last call."""
        shown = list(self._shown)
        self._shown.clear()
        return shown

    def _hear(self, event: Event, now: float) -> bytes:
        if isinstance(event, Damaged):
            return _NAK
        if isinstance(event, Packet):
            return self._packet(event, now)
        if event is Control.CAN:
            self._stop_asking()
            self._last = b""
            return _EOT
        if event is Control.NAK and self._last:
            self._naks += 1
            return self._last if self._naks < MOST_NAKS else b""
        return b""

    def _packet(self, packet: Packet, now: float) -> bytes:
        self._stop_asking()
        self._last = b""
        try:
            command = decode_command(self._session.received(packet))
        except SessionFault as fault:
            return _ACK + self._respond(UNKNOWN_COMMAND, fault.status)
        except DecodeError:
            return _ACK + self._respond(UNKNOWN_COMMAND, Status.BAD_CALL)
        obey = _OBEYED.get(command.name)
        if obey is None:
            return _ACK + self._respond(UNKNOWN_COMMAND, Status.BAD_CALL)
        if not self.in_service and command.name not in _DIAGNOSTICS:
            return _ACK + self._respond(command.name, Status.INTERNAL)
        if not self._session.open and command.name != "OPN":
            return _ACK + self._respond(command.name, Status.BAD_CALL)
        try:
            return _ACK + obey(self, command, now)
        except SaleFault as fault:
            return _ACK + self._respond(command.name, fault.status)
        except DecodeError:
            return _ACK + self._respond(command.name, Status.BAD_PARAMETER, clear=command.name == "OPN")

    def _obey_open(self, command: Command, now: float) -> bytes:
        self._entered_last = None
        blocks = self._session.begin(command)
        # The key is for what comes after this response.
        return self._respond("OPN", Status.OK, *blocks, clear=True)

    def _obey_close(self, command: Command, now: float) -> bytes:
        self._session.end()
        self._show(self._idle_words())
        return self._respond("CLX", Status.OK)

    def _obey_proof(self, command: Command, now: float) -> bytes:
        statement, challenge = decode_ask_proof(command)
        if statement is Statement.SESSION:
            signed = self._identity.signed(self._session.statement(challenge, self._serial))
        elif self._entered_last is None:
            return self._respond("LNK", Status.BAD_CALL)
        else:
            # Once only: else an old answer could be played again and proven anew.
            entered, self._entered_last = self._entered_last, None
            signed = self._identity.signed(entry_statement(challenge, self._serial, *entered))
        if signed is None:
            return self._respond(UNKNOWN_COMMAND, Status.BAD_CALL)
        return self._respond("LNK", Status.OK, signed)

    def _obey_display(self, command: Command, now: float) -> bytes:
        self._show(decode_two_lines(command))
        return self._respond("DSP", Status.OK)

    def _properties(self, command: Command) -> Answer:
        return properties(self._keys, self._serial, self._settings.pin_key_index, command)

    def _obey_pin(self, command: Command, now: float) -> bytes:
        request = decode_pin_request(command)
        if not has_pin_key(self._keys, self._settings.pin_key_index, request.method, request.key_index):
            return self._respond("GPN", Status.KEY_MISSING)
        if not self._keys.throttle.ready(now):
            return self._throttled("GPN")
        key = None
        if request.method is PinMethod.MASTER_TDES:
            key = self._keys.session_key(f"{request.key_index:02d}", request.working_key)
            if key is None:
                self._note("a session key refused: weak, or replaced before")
                return self._respond("GPN", Status.BAD_PARAMETER)
        entry = Entry(Wanted.PIN, request.message, request.pan, key, request.least, request.most)
        return self._ask_pin("GPN", entry, now)

    def _throttled(self, name: str) -> bytes:
        self._note("PIN entries follow one another too fast")
        return self._respond(name, Status.PIN_BUSY)

    def _ask_pin(self, asking: str, entry: Entry, now: float) -> bytes:
        self._entry, self._asking = entry, asking
        self._entered_last = None
        self._idle_at = now + IDLE_ENTRY_S
        self._show(entry.words)
        if self._cardholder is not None:
            self._fingers = deque((now + after, key) for after, key in self._cardholder.answer())
        return b""

    def _obey_long_display(self, command: Command, now: float) -> bytes:
        self._show(" ".join(decode_show_long(command).split()))
        return self._respond("DEX", Status.OK)

    def _obey_key(self, command: Command, now: float) -> bytes:
        self._desk.await_key()
        return b""

    def _obey_removal(self, command: Command, now: float) -> bytes:
        self._show(decode_two_lines(command))
        return self._answered(self._desk.await_removal(now))

    def _obey_get_card(self, command: Command, now: float) -> bytes:
        answer = self._desk.get_card(command, now)
        if answer is None:
            self._show(f"{amount_words(decode_parameters(command.blocks, 'GCX'))} INSERT CARD")
        return self._answered(answer)

    def _answered(self, answer: Answer | None) -> bytes:
        return b"" if answer is None else self._respond(answer.name, answer.status, *answer.blocks)

    def _obey_go_on(self, command: Command, now: float) -> bytes:
        given = decode_parameters(command.blocks, "GOX")
        sale = self._desk.sale
        if sale is None:
            return self._respond("GOX", Status.BAD_CALL)
        index = given.get(Parameter.KEY_INDEX, b"").decode("ascii", "replace")
        if given.get(Parameter.PIN_METHOD) != b"%d" % PinMethod.DUKPT_TDES or not index.isdigit():
            return self._respond("GOX", Status.MISSING_PARAMETER)
        self._given = given
        if not sale.wants_pin:
            return self._gone_on(sale, None)
        if not has_pin_key(self._keys, self._settings.pin_key_index, PinMethod.DUKPT_TDES, int(index)):
            return self._respond("GOX", Status.KEY_MISSING)
        if not self._keys.throttle.ready(now):
            return self._throttled("GOX")
        # The amount above the PIN is the pad's own, of what the card signs: no host words it.
        entry = Entry(Wanted.PIN, f"{amount_words(given)} ENTER PIN", sale.pan)
        return self._session.sent(notification("PIN ENTRY").packet()).encode() + self._ask_pin("GOX", entry, now)

    def _gone_on(self, sale: ChipSale, pin: PinBlock | None) -> bytes:
        try:
            result = sale.go(self._given, pin=pin is not None)
        except SaleFault as fault:
            return self._respond("GOX", fault.status)
        except DecodeError:
            return self._respond("GOX", CARD_TROUBLE)
        sent = {} if pin is None else {Parameter.PIN_BLOCK: pin.block, Parameter.KSN: pin.ksn}
        return self._respond("GOX", Status.OK, parameters(result | sent))

    def _entered(self, entry: Entry, now: float) -> bytes:
        self._keys.throttle.take(now)
        made: tuple[bytes, bytes] | None = None
        with Pin(entry.digits) as pin:
            if entry.pan is not None and entry.session_key is not None:
                made = bytes(KSN_OCTETS), self._keys.encipher_under(entry.session_key, pin, entry.pan)
            elif entry.pan is not None:
                made = self._engine.encipher_pin(pin, entry.pan)
        if made is None:
            return self._respond(self._asking, Status.KEY_MISSING)  # the key is used up
        ksn, block = made
        self._entered_last = (entry.words, ksn, block)
        if self._asking == "GOX" and self._desk.sale is not None:
            return self._gone_on(self._desk.sale, PinBlock(block, ksn))
        return self._respond("GPN", Status.OK, PinBlock(block, ksn).data())

    def _respond(self, name: str, status: int, *blocks: bytes, clear: bool = False) -> bytes:
        self._stop_asking()
        self._naks = 0
        packet = Response(name, status, blocks).packet()
        refused_in_clear = name == UNKNOWN_COMMAND and status == Status.PACKET_SECURITY
        self._last = (packet if clear or refused_in_clear else self._session.sent(packet)).encode()
        return self._last

    def tamper(self, now: float) -> bytes:
        """Somebody opens the case: every secret is gone, for good."""
        self._keys.tamper()
        self._identity.erase()
        self._session.end()
        self._stop_asking()
        self._note("tampered with: all secrets erased")
        self._show(self._idle_words())
        return b""

    def _stop_asking(self) -> None:
        if self._entry is not None:
            self._entry.end()
            self._show(self._idle_words())
        self._entry = None
        self._desk.stop()
        self._fingers.clear()

    def _show(self, text: str) -> None:
        self._shown.append(Shown(text))


_OBEYED: dict[str, Callable[[AbecsPadTwin, Command, float], bytes]] = {
    "OPN": AbecsPadTwin._obey_open,
    "CLX": AbecsPadTwin._obey_close,
    "DSP": AbecsPadTwin._obey_display,
    "GIX": lambda pad, command, now: pad._answered(pad._properties(command)),
    "GPN": AbecsPadTwin._obey_pin,
    "EBX": lambda pad, command, now: pad._answered(enciphered(pad._keys, command)),
    "LNK": AbecsPadTwin._obey_proof,
    "DEX": AbecsPadTwin._obey_long_display,
    "GKY": AbecsPadTwin._obey_key,
    "CKE": lambda pad, command, now: pad._answered(pad._desk.watch(command, now)),
    "CEX": lambda pad, command, now: pad._answered(pad._desk.watch(command, now)),
    "RMC": AbecsPadTwin._obey_removal,
    "GCX": AbecsPadTwin._obey_get_card,
    "GOX": AbecsPadTwin._obey_go_on,
    "FCX": lambda pad, command, now: pad._answered(pad._desk.finish(command)),
}
