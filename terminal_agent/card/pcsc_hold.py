# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The worker's side of a PC/SC reader: a context and the card in it. Every method runs in the worker's thread.

A whole conversation runs here at one go. Whoever gives up waiting for it says so with :meth:`Hold.abandon`; after that
returns, the turns are not entered again, and the next command is not sent.
"""

import threading
from collections.abc import Callable, Generator
from typing import TypeVar

from device_profiles.model import AtrRules, CardInterface, PcscSettings, Sharing, Transmission
from protocols.emv import atr
from protocols.errors import DecodeError
from protocols.pcsc.features import GET_FEATURES, Feature, PinModify, PinVerify, decode_features
from protocols.pcsc.wire import Attribute
from terminal_agent.card.pcsc_codes import SERVICE_GONE, Code, PcscFault
from terminal_agent.card.port import CardError
from terminal_agent.card.scard import Card, Context

T = TypeVar("T")
Told = Callable[[str, bytes], None]
_SHORT_CASE_4 = 6  # ISO/IEC 7816-4:2020, 5.2: header, Lc, at least one octet of data, Le
_SHORTEST_EXTENDED = 7  # ibid.: header, 00, two octets of length


class NotEmv(Exception):
    """The card's answer to reset is one that a terminal has to refuse; the text says why."""


class Abandoned(Exception):
    """Nobody waits for the conversation any more."""


class Hold:
    """What the worker holds."""

    def __init__(self, settings: PcscSettings, establish: Callable[[], Context], clock: Callable[[], float]) -> None:
        """``clock``: seconds, of any thread."""
        self._settings = settings
        self._establish = establish
        self._clock = clock
        self._context: Context | None = None
        self._card: Card | None = None
        self._entering = threading.Lock()
        self._abandoned = False
        self.since = 0.0
        """When the exchange that runs now began."""
        self._features: dict[int, int] | None = None

    def take(self, reader: str) -> Transmission | None:
        """Connect, and begin a transaction where the card is shared; the protocol that was agreed on.

        Raises :class:`PcscFault`, and :class:`NotEmv` where not even a warm reset brings an answer that EMV takes.
        """
        self.let_go()
        card = self._connected(lambda context: context.connect(reader, self._settings.share, self._settings.protocols))
        self._card = card
        settings = self._settings
        if settings.interface is CardInterface.CONTACT and settings.atr_rules is AtrRules.EMV:
            self._judge(card)
        if settings.share is Sharing.SHARED:
            card.begin()
        return card.protocol

    def _judge(self, card: Card) -> None:
        """EMV 4.3 Book 1, 8.4: a warm reset is the one more try of a card whose cold answer is refused."""
        if not _faults(card.atr, warm=False):
            return
        card.reset(self._settings.share, self._settings.protocols)
        faults = _faults(card.atr, warm=True)
        if faults:
            self.let_go()
            raise NotEmv(faults[0])

    def _connected(self, connect: Callable[[Context], Card]) -> Card:
        if self._context is None:
            self._context = self._establish()
        try:
            return connect(self._context)
        except PcscFault as fault:
            if fault.code in SERVICE_GONE or fault.code == Code.INVALID_HANDLE:
                self.drop()
                raise PcscFault(Code.COMM_ERROR) from None  # a context of a service that has restarted since
            raise

    def exchange(self, command: bytes) -> bytes:
        """One command and the card's raw response."""
        if self._card is None:
            raise PcscFault(Code.NO_SMARTCARD)
        self.since = self._clock()
        return self._card.transmit(as_sent(command, self._card.protocol))

    def begin(self) -> None:
        """A conversation is wanted; in the loop's thread, before it is asked for."""
        self._abandoned = False
        self.since = self._clock()

    def abandon(self) -> None:
        """Nobody waits any more; in the loop's thread. Afterwards the turns are not entered again."""
        with self._entering:
            self._abandoned = True

    def converse(self, turns: Generator[bytes, bytes, T], told: Told) -> T:
        """Carry the turns to their end. Raises :class:`Abandoned`, and what ``exchange`` and the turns raise."""
        answer: bytes | None = None
        while True:
            with self._entering:
                if self._abandoned:
                    raise Abandoned
                try:
                    command = next(turns) if answer is None else turns.send(answer)
                except StopIteration as end:
                    result: T = end.value
                    return result
            told(">", command)
            answer = self.exchange(command)
            if len(answer) < 2:
                raise ShortAnswer
            told("<", answer)

    def features(self, reader: str) -> dict[int, int]:
        """Control codes by feature (PC/SC part 10, 2.2); none where the reader says nothing that can be read."""
        if self._features is None:
            card = self._card
            borrowed = card is None
            if card is None:
                card = self._connected(lambda context: context.direct(reader))
            try:
                self._features = decode_features(card.control(GET_FEATURES))
            except (DecodeError, PcscFault):
                self._features = {}
            finally:
                if borrowed:
                    card.let_go()
        return self._features

    def serial(self, reader: str) -> str:
        """The reader's serial number, empty where it has none."""
        card = self._connected(lambda context: context.direct(reader))
        try:
            value = card.attribute(Attribute.VENDOR_IFD_SERIAL_NO) or b""
        finally:
            card.let_go()
        return value.rstrip(b"\0").decode("ascii", "replace")

    def enter_pin(self, asked: PinVerify | PinModify) -> bytes:
        """VERIFY_PIN_DIRECT or MODIFY_PIN_DIRECT; the status word. PINs are typed at the reader and go to the card."""
        if self._card is None:
            raise PcscFault(Code.NO_SMARTCARD)
        verify = isinstance(asked, PinVerify)
        code = self.features("").get(Feature.VERIFY_PIN_DIRECT if verify else Feature.MODIFY_PIN_DIRECT)
        if code is None:
            raise PcscFault(Code.UNSUPPORTED_FEATURE)
        return self._card.control(code, asked.encode())

    def let_go(self) -> None:
        """Power the card down and give it up; does nothing without one."""
        card, self._card = self._card, None
        if card is not None:
            card.let_go()

    def drop(self) -> None:
        """Give the context up as well."""
        self.let_go()
        self._features = None
        context, self._context = self._context, None
        if context is not None:
            context.release()


class ShortAnswer(Exception):
    """What came back has no status."""


def _faults(octets: bytes, *, warm: bool) -> tuple[str, ...]:
    try:
        return atr.decode(octets).emv_faults(warm=warm)
    except DecodeError as fault:
        return (str(fault),)


def as_sent(command: bytes, protocol: Transmission | None) -> bytes:
    """A command as it is handed to PC/SC: for T=0 without the Le of case 4, and case 1 with P3 = 00.

    ISO/IEC 7816-3:2006, 12.2.1 to 12.2.5. An extended command is a :class:`CardError`: T=0 has no form for it, and a
    driver that was given one says no more than that the exchange failed. The card stays where it is.
    """
    if protocol is not Transmission.T0:
        return command
    if len(command) >= _SHORTEST_EXTENDED and not command[4]:
        raise CardError(
            f"a command of {len(command)} octets in extended form, and the card speaks T=0, which has short ones only",
            "use a card and reader that speak T=1, or commands of at most 255 octets of data",
        )
    if len(command) == 4:
        return command + b"\0"
    if len(command) >= _SHORT_CASE_4 and command[4] and len(command) == 6 + command[4]:
        return command[:-1]
    return command
