# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The twin of a ViVOtech2 reader in pass-through mode: a machine fed with octets and time. No port, no clock.

The reader answers requests in the order of their coming, one at a time: what is heard during a search waits for its
end. In pass-through mode it carries APDUs as they are. A payment by its own kernel, asked for or in automatic polling,
comes to a result that names how the card was read and nothing more: no account is in it. Source: NEO 2 Interface
Developer's Guide (2019), 3.2 and 8.12 to 8.15. The person with the card is :class:`device_profiles.twins.reader.Hand`.
"""

from collections import deque
from collections.abc import Collection

from device_profiles.twins.activation import Activated, ActivationB
from device_profiles.twins.card import CardTorn
from device_profiles.twins.reader import Hand
from protocols.errors import DecodeError
from protocols.serial.vivotech2 import HIGH_FIRST, LONGEST_DATA, Frame, FrameFramer
from protocols.serial.vivotech2_display import POWER_LED, LcdMessage, ShowMessage
from protocols.serial.vivotech2_messages import (
    ALL_LEDS,
    LEDS,
    Beep,
    CardType,
    Exchange,
    GetVersion,
    PassThrough,
    Ping,
    PollForToken,
    Polling,
    RefusedError,
    Request,
    SetLed,
    SetPolling,
    Status,
    Token,
    decode_request,
    reply_frame,
)
from protocols.serial.vivotech2_payment import (
    CANCEL,
    REQUEST_ONLINE,
    RESULT,
    Activate,
    CancelPayment,
    GetResult,
    PaymentRequest,
    decode_payment_request,
)
from protocols.serial.vivotech2_payment import NAMES as PAYMENT_NAMES

READ_BY_CHIP = bytes.fromhex("9F390107")  # point of service entry mode: contactless chip
VERSION = b"TEST NEO 2 twin 1.00"
OCTET_S = 0.05  # a frame that stands still for so long is forgotten
MOST_WAITING = 8
ISO_DEP = 0x20


class Vivotech2ReaderTwin:
    """One reader with its antenna, LEDs and buzzer. Feed it octets, tell it the time; it returns octets."""

    def __init__(self, hand: Hand | None, high_first: Collection[int] = HIGH_FIRST) -> None:
        self.lit: set[int] = set()
        self.beeps = 0
        self.shown = [LcdMessage.WELCOME]
        """What its display has shown, in order."""
        self._hand = hand
        self._framer = FrameFramer(high_first)
        self._waiting: deque[Frame] = deque()
        self._heard_at = 0.0
        self._through = False
        self._present = False
        self._active = False
        self._arrival: float | None = None
        self._poll: PollForToken | Activate | None = None
        self._automatic = False
        self._poll_ends = 0.0

    def feed(self, octets: bytes, now: float) -> bytes:
        """Octets from the terminal; returns what the reader says at once."""
        out = self.tick(now)
        self._heard_at = now
        for event in self._framer.feed(octets):
            if isinstance(event, Frame) and len(self._waiting) < MOST_WAITING:
                self._waiting.append(event)
        return out + self._work(now)

    def tick(self, now: float) -> bytes:
        """What became due by ``now``: the card arrives, the search ends."""
        if self._framer.unfinished and now >= self._heard_at + OCTET_S:
            self._framer.lapse()
        if self._arrival is not None and now >= self._arrival:
            self.insert()
        return self._work(now)

    @property
    def due(self) -> float | None:
        """When :meth:`tick` has something to do next."""
        times = [self._arrival] if self._arrival is not None else []
        if self._poll is not None:
            times.append(self._poll_ends)
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

    def _work(self, now: float) -> bytes:
        out = self._searched(now) + self._pushed()
        while self._waiting and self._poll is None:
            frame = self._waiting.popleft()
            try:
                if (frame.command, frame.detail) in PAYMENT_NAMES:
                    out += self._pay(decode_payment_request(frame), now)
                    continue
                request = decode_request(frame)
            except RefusedError as refused:
                out += Frame(frame.command, refused.status).encode()
                continue
            except DecodeError:
                out += Frame(frame.command, Status.MALFORMED_DATA).encode()
                continue
            out += self._obey(request, now)
        return out

    def _obey(self, request: Request, now: float) -> bytes:
        match request:
            case Ping():
                return _said(request)
            case SetPolling(mode):
                self._automatic = mode is Polling.AUTOMATIC
                if self._automatic:
                    self._await_card(now)
                return _said(request)
            case GetVersion():
                return _said(request, data=VERSION)
            case PassThrough(on):
                self._through = on
                self.remove()
                return _said(request)
            case PollForToken() | Exchange() | SetLed() | Beep() if not self._through:
                return _said(request, Status.SUB_COMMAND_NOT_ALLOWED)
            case PollForToken(seconds):
                self._deactivate()
                self._poll, self._poll_ends = request, now + seconds
                self._await_card(now)
                return self._searched(now)
            case Exchange(apdu):
                return self._exchanged(request, apdu)
            case SetLed(led, on):
                self._light(led, on)
                return _said(request)
            case Beep(times):
                self.beeps += times
                return _said(request)
            case ShowMessage() if self._through:
                return _said(request, Status.COMMAND_NOT_ALLOWED)
            case ShowMessage(message, beeps, led, on):
                if message is not LcdMessage.NONE:
                    self.shown.append(message)
                self.beeps += beeps
                self._light(led, on)
                return _said(request)

    def _light(self, led: int, on: bool) -> None:
        changed = set(LEDS) - {ALL_LEDS} if led == ALL_LEDS else {led}
        if not self._through:
            changed -= {POWER_LED}
        self.lit = self.lit | changed if on else self.lit - changed

    def _await_card(self, now: float) -> None:
        if not self._present and self._hand is not None and self._arrival is None:
            self._arrival = now + self._hand.after_s

    def _pay(self, request: PaymentRequest, now: float) -> bytes:
        """A payment by the reader's own kernel."""
        if self._through or (self._automatic and not isinstance(request, GetResult)):
            return Frame(request.name[0], Status.COMMAND_NOT_ALLOWED).encode()
        match request:
            case Activate(seconds):
                self._poll, self._poll_ends = request, now + seconds
                self._await_card(now)
                return self._searched(now)
            case GetResult():
                return Frame(RESULT, Status.OK).encode()
            case CancelPayment():
                return Frame(CANCEL, Status.OK).encode()

    def _pushed(self) -> bytes:
        """In automatic polling the result comes unasked, once for each card."""
        if not self._automatic or self._through or not self._present:
            return b""
        self.remove()
        return Frame(RESULT, REQUEST_ONLINE, READ_BY_CHIP).encode()

    def _searched(self, now: float) -> bytes:
        poll, hand = self._poll, self._hand
        if poll is None:
            return b""
        if isinstance(poll, Activate):
            if not self._present and now < self._poll_ends:
                return b""
            self._poll = None
            paid = self._present
            self.remove()
            return Frame(poll.name[0], *((REQUEST_ONLINE, READ_BY_CHIP) if paid else (Status.TIMEOUT, b""))).encode()
        if self._present and hand is not None:
            self._poll = None
            card = hand.card.power_on()
            self._active = True
            return _said(poll, data=_token(card).data())
        if now >= self._poll_ends:
            self._poll = None
            return _said(poll, Status.TIMEOUT)
        return b""

    def _exchanged(self, request: Exchange, apdu: bytes) -> bytes:
        hand = self._hand
        if hand is None or not self._active:
            return _said(request, Status.FAILED)
        try:
            response = hand.card.apdu(apdu)
        except CardTorn:
            self.remove()
            return _said(request, Status.TIMEOUT)
        return _said(request, data=response) if len(response) <= LONGEST_DATA else _said(request, Status.TOO_LONG)

    def _deactivate(self) -> None:
        if self._active and self._hand is not None:
            self._hand.card.power_off()
        self._active = False


def _token(card: Activated) -> Token:
    if isinstance(card, ActivationB):
        return Token(CardType.B_ISO_DEP, card.pupi)
    return Token(CardType.A_ISO_DEP if card.sak & ISO_DEP else CardType.A_OTHER, card.uid)


def _said(request: Request, status: Status = Status.OK, data: bytes = b"") -> bytes:
    return reply_frame(request, status, data).encode()
