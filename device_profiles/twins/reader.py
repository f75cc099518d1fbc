# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The twin of a PN532: the chip as a machine fed with octets and time, and the field above it. No port, no clock.

The chip acknowledges a sound frame and ignores a broken one; it answers one command at a time, drops what it does when
a new command or an ACK comes, and repeats its last reply on NACK. It looks for a card for as many rounds as it was
configured for. A search for other than type A cards finds nobody. Source: NXP UM0701-02, 6.2 and 7.

The card belongs to a person: :class:`Hand` holds it to the antenna when the reader looks for one, and takes it away
when the reader lets go, so that a second payment is a second tap.
"""

from dataclasses import dataclass

from device_profiles.twins.card import CardTorn
from device_profiles.twins.card_faults import Card
from protocols.errors import DecodeError
from protocols.serial.pn532 import HOST_TO_CHIP, Frame, FrameFramer, Signal
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
    TargetA,
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
        self._arrival: float | None = None
        self._search_ends: float | None = None
        self._searching = False
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
            return self._found()
        if self._search_ends is not None and now >= self._search_ends:
            self._stop_searching()
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
        self._deactivate()

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

    def _obey(self, command: Command, now: float) -> Reply | None:
        match command:
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

    def _configure(self, item: int, data: bytes) -> Reply:
        if item == RfItem.RETRIES and len(data) == 3:
            self._retries = data[2]
        if item == RfItem.FIELD and data[:1] and not data[0] & 1:
            self._deactivate()
        return Done(Code.RF_CONFIGURATION)

    def _search(self, modulation: int, now: float) -> Reply | None:
        self._deactivate()
        type_a = modulation == Modulation.TYPE_A_106
        if type_a and not self._present and self._hand is not None and self._arrival is None:
            self._arrival = now + self._hand.after_s
        self._searching = type_a
        self._search_ends = None if self._retries == ENDLESS else now + (self._retries + 1) * ROUND_S
        return None

    def _found(self) -> bytes:
        hand = self._hand
        if hand is None:
            return b""
        self._stop_searching()
        card = hand.card.power_on()
        self._active = True
        ats = card.ats if self._rats and card.sak & ISO_14443_4 else b""
        return self._say(Targets((TargetA(TARGET_NUMBER, card.atqa, card.sak, card.uid, ats),)))

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
        if self._active and self._hand is not None:
            self._hand.card.power_off()
        self._active = False
        self._command = bytearray()
        self._response = b""

    def _stop_searching(self) -> None:
        self._searching = False
        self._search_ends = None

    def _say(self, reply: Reply) -> bytes:
        self._last = reply_frame(reply).encode()
        return self._last
