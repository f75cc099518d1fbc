# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The twin of a PN532: the chip as a machine fed with octets and time, and the field above it. No port, no clock.

The chip acknowledges a sound frame and ignores a broken one; it answers one command at a time, drops what it does when
a new command or an ACK comes, and repeats its last reply on NACK. It looks for a card for as many rounds as it was
configured for, of type A or B; a search for other sorts finds nobody. What only libraries ask of the chip, and the
octets that they pass through it, are in pn532_insides.py. Source: NXP UM0701-02, 6.2 and 7.

The card belongs to a person: :class:`Hand` holds it to the antenna when the reader looks for one, and takes it away
when the reader lets go, so that a second payment is a second tap.
"""

from dataclasses import dataclass, replace

from device_profiles.twins.activation import Activated, Activation, ActivationB
from device_profiles.twins.card import CardTorn
from device_profiles.twins.card_faults import Card
from device_profiles.twins.pn532_insides import Insides
from protocols.errors import DecodeError
from protocols.serial.pn532 import HOST_TO_CHIP, Frame, FrameFramer, Signal
from protocols.serial.pn532_chip import ChipCommand, ChipReply, InCommunicateThru, PowerDown
from protocols.serial.pn532_codec import decode_command
from protocols.serial.pn532_messages import (
    ISO_14443_4,
    LARGEST_EXCHANGE,
    Code,
    Command,
    DataExchanged,
    Deselected,
    Done,
    FirmwareVersion,
    GetFirmwareVersion,
    InDataExchange,
    InDeselect,
    InListPassiveTarget,
    InRelease,
    Modulation,
    Released,
    Reply,
    RfConfiguration,
    RfItem,
    SamConfiguration,
    SetParameters,
    Target,
    TargetA,
    TargetB,
    Targets,
    reply_frame,
)

FIRMWARE = FirmwareVersion(0x32, 0x01, 0x06, 0x07)
ROUND_S = 0.005  # one look for a card
OCTET_S = 0.05  # a frame that stands still for so long is forgotten
ENDLESS = 0xFF  # as a number of retries (UM0701-02, 7.3.1, MaxRtyPassiveActivation)
TARGET_NUMBER = 1
NO_ANSWER, NOT_IN_CONTEXT = 0x01, 0x27
WAKING_ZEROS = 10  # edges enough to wake the chip without a 55
LARGEST_COMMAND = 65_544  # ISO/IEC 7816-4:2020, 5.1: the longest command APDU
_AUTOMATIC_RATS = 0x10
_ATTRIB_ANSWER = b"\x00"  # no limit of its own, number 0 (ISO/IEC 14443-3:2018, 7.11)
_KINDS = (Modulation.TYPE_A_106, Modulation.TYPE_B_106)


@dataclass(slots=True)
class Hand:
    """A person with a card: taps ``after_s`` behind the reader's search, and takes the card away on release."""

    card: Card
    after_s: float = 0.05


class ReaderTwin:
    """One chip with its antenna. Feed it octets, tell it the time; it returns octets."""

    def __init__(self, hand: Hand | None) -> None:
        self._hand = hand
        self._framer = FrameFramer()
        self._awake = False
        self._heard_at = 0.0
        self._present = False
        self._active = False
        self._activation: Activated | None = None
        self._insides = Insides()
        self._arrival: float | None = None
        self._search_ends: float | None = None
        self._searching = False
        self._of_type_a = True
        self._retries = ENDLESS
        self._rats = True
        self._command = bytearray()
        self._response = b""
        self._last = b""

    def feed(self, octets: bytes, now: float) -> bytes:
        """Octets from the host; returns what the chip says at once."""
        if not self._awake:
            if 0x55 not in octets and octets.count(0) < WAKING_ZEROS:
                return b""
            self._awake = True
        out = self.tick(now)
        self._heard_at = now
        for event in self._framer.feed(octets):
            if isinstance(event, Frame):
                out += self._frame(event, now)
            elif event is Signal.NACK:
                out += self._last
            elif event is Signal.ACK:
                self._stop_searching()
        return out

    def tick(self, now: float) -> bytes:
        """What became due by ``now``: the card arrives, the search ends."""
        if self._framer.unfinished and now >= self._heard_at + OCTET_S:
            self._framer.lapse()
        if self._arrival is not None and now >= self._arrival:
            self.insert()
        if self._searching and self._present:
            found = self._found()
            if found:
                return found
        if self._search_ends is not None and now >= self._search_ends:
            self._stop_searching()
            self._insides.heard_nobody()
            return self._say(Targets(()))
        return b""

    @property
    def due(self) -> float | None:
        """When :meth:`tick` has something to do next."""
        times = [moment for moment in (self._arrival, self._search_ends) if moment is not None]
        if self._framer.unfinished:
            times.append(self._heard_at + OCTET_S)
        return min(times, default=None)

    def insert(self) -> None:
        """The card comes into the field."""
        self._arrival = None
        self._present = self._hand is not None

    def remove(self) -> None:
        """The card leaves the field."""
        self._arrival = None
        self._present = False
        self._cut_off()

    def _frame(self, frame: Frame, now: float) -> bytes:
        if frame.tfi != HOST_TO_CHIP:
            return b""
        self._stop_searching()
        try:
            command = decode_command(frame)
        except DecodeError:
            return Signal.ACK.value + Signal.SYNTAX_ERROR.value
        reply = self._obey(command, now)
        return Signal.ACK.value + (self._say(reply) if reply is not None else self.tick(now))

    def _obey(self, command: Command | ChipCommand, now: float) -> Reply | ChipReply | None:
        match command:
            case InCommunicateThru(data):
                return self._passed(data)
            case PowerDown():
                self._cut_off()
                self._awake = False
                return ChipReply(Code.POWER_DOWN, b"\x00")
            case GetFirmwareVersion():
                return FIRMWARE
            case SamConfiguration():
                return Done(Code.SAM_CONFIGURATION)
            case SetParameters(flags):
                self._rats = bool(flags & _AUTOMATIC_RATS)
                return Done(Code.SET_PARAMETERS)
            case RfConfiguration(item, data):
                return self._configure(item, data)
            case InListPassiveTarget(modulation=modulation):
                return self._search(modulation, now)
            case InDataExchange():
                return self._exchange(command)
            case InDeselect():
                self._deactivate()
                return Deselected()
            case InRelease():
                self.remove()
                return Released()
            case _:
                return self._insides.obey(command, self._active)

    def _configure(self, item: int, data: bytes) -> Reply:
        if item == RfItem.RETRIES and len(data) == 3:
            self._retries = data[2]
        if item == RfItem.FIELD and data[:1] and not data[0] & 1:
            self._cut_off()
        return Done(Code.RF_CONFIGURATION)

    def _search(self, modulation: int, now: float) -> Reply | None:
        self._deactivate()
        known = modulation in _KINDS
        if known and not self._present and self._hand is not None and self._arrival is None:
            self._arrival = now + self._hand.after_s
        self._searching = known
        self._of_type_a = modulation == Modulation.TYPE_A_106
        self._search_ends = None if self._retries == ENDLESS else now + (self._retries + 1) * ROUND_S
        return None

    def _found(self) -> bytes:
        """Activate the card, if it is of the kind that is looked for."""
        hand = self._hand
        if hand is None:
            return b""
        card = self._activation
        if card is None:
            card = self._activation = hand.card.power_on()
        elif isinstance(card, Activation) == self._of_type_a:
            # Activated anew, it keeps the identifier that it drew when it came under power (ISO/IEC 14443-3, 6.5.4).
            hand.card.power_off()
            card = self._activation = _same_identifier(hand.card.power_on(), card)
        if isinstance(card, Activation) != self._of_type_a:
            return b""
        self._stop_searching()
        self._active = True
        self._insides.activated(hand.card, card)
        return self._say(Targets((self._target(card),)))

    def _target(self, card: Activated) -> Target:
        if isinstance(card, Activation):
            ats = card.ats if self._rats and card.sak & ISO_14443_4 else b""
            return TargetA(TARGET_NUMBER, card.atqa, card.sak, card.uid, ats)
        return TargetB(TARGET_NUMBER, card.atqb, _ATTRIB_ANSWER)

    def _passed(self, octets: bytes) -> ChipReply:
        try:
            return self._insides.passed(octets)
        except CardTorn:
            self.remove()
            return ChipReply(Code.IN_COMMUNICATE_THRU, bytes((NO_ANSWER,)))

    def _exchange(self, command: InDataExchange) -> Reply:
        hand = self._hand
        if hand is None or not self._active or command.target != TARGET_NUMBER:
            return DataExchanged(NOT_IN_CONTEXT)
        if self._response and not command.data:
            return self._next_piece()
        self._command += command.data
        if command.more and len(self._command) <= LARGEST_COMMAND:
            return DataExchanged(0)
        whole, self._command = bytes(self._command), bytearray()
        try:
            self._response = hand.card.apdu(whole)
        except CardTorn:
            self.remove()
            return DataExchanged(NO_ANSWER)
        return self._next_piece()

    def _next_piece(self) -> Reply:
        piece, self._response = self._response[:LARGEST_EXCHANGE], self._response[LARGEST_EXCHANGE:]
        return DataExchanged(0, piece, more=bool(self._response))

    def _deactivate(self) -> None:
        """The card is let go, but stays under power."""
        self._active = False
        self._command = bytearray()
        self._response = b""
        self._insides.deselected()

    def _cut_off(self) -> None:
        """The field is off, or the card out of it."""
        self._deactivate()
        if self._activation is not None and self._hand is not None:
            self._hand.card.power_off()
        self._activation = None

    def _stop_searching(self) -> None:
        self._searching = False
        self._search_ends = None

    def _say(self, reply: Reply | ChipReply) -> bytes:
        self._last = reply_frame(reply).encode()
        return self._last


def _same_identifier(found: Activated, before: Activated) -> Activated:
    """``found`` with the identifier of ``before``: the same card, activated once more."""
    match found, before:
        case ActivationB(), ActivationB(pupi=pupi):
            return replace(found, pupi=pupi)
        case Activation(), Activation(uid=uid):
            return replace(found, uid=uid)
    return found
