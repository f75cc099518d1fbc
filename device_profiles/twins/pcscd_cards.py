# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What clients of the pcscd twin do with cards: holds, transactions, exchanges, control codes. Knows no connection.

A hold is void once its card was taken out or reset by another client, and says so at its next use. A transaction that
another hold has is waited for in turn. An exchange inside somebody else's transaction is a sharing violation, which
libpcsclite itself tries again.
"""

from collections.abc import Callable, Mapping
from typing import Protocol as Interface

from device_profiles.twins.card import CardTorn
from device_profiles.twins.keypad import Typed
from device_profiles.twins.pcscd_reader import Hold, Slot
from protocols.errors import DecodeError
from protocols.pcsc.features import GET_FEATURES, Feature, PinModify, PinVerify
from protocols.pcsc.wire import (
    ATTRIBUTE_OCTETS,
    FIELDS,
    Attribute,
    Code,
    Command,
    Disposition,
    Protocol,
    Request,
    Share,
    text,
)

MOST_HOLDS = 200  # of one reader; pcscd: PCSC_MAX_READER_HANDLES
GRACE_S = 5.0  # pcscd: PCSCLITE_POWER_OFF_GRACE_PERIOD
NOBODY = 0  # no client and no hold has this number
_FIRST_HANDLE = 0x3C000001
_IFD_VERSION = (0x01000000).to_bytes(4, "little")


class Desk(Interface):
    """What is needed of the daemon."""

    slots: list[Slot]
    contexts: dict[int, int]

    def changed(self) -> None:
        """The table is another one: tell who waits."""

    def answer(self, number: int, octets: bytes) -> None:
        """Give the client an answer that was owed."""

    def after(self, seconds: float, number: int, work: Callable[[], bytes]) -> None:
        """Answer the client with what ``work`` gives then."""

    def torn(self, slot: Slot) -> None:
        """The card left in mid-exchange."""


class CardCalls:
    """The calls that need a hold on a card."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._holds: dict[int, tuple[Slot, Hold]] = {}
        self._queue: list[Hold] = []
        """Who waits for a transaction, in turn."""
        self._count = 0
        self.handlers: Mapping[int, Callable[[int, Request], bytes | None]] = {
            Command.CONNECT: self._connect,
            Command.RECONNECT: self._reconnect,
            Command.DISCONNECT: self._disconnect,
            Command.BEGIN_TRANSACTION: self._begin,
            Command.END_TRANSACTION: self._end,
            Command.TRANSMIT: self._transmit,
            Command.CONTROL: self._control,
            Command.STATUS: self._status,
            Command.GET_ATTRIB: self._get_attribute,
            Command.SET_ATTRIB: self._set_attribute,
        }

    def void(self, slot: Slot) -> None:
        """The card or reader is gone: whoever waits for it waits in vain."""
        for hold in [hold for hold in self._queue if hold.lost]:
            self._queue.remove(hold)
            answer = FIELDS[Command.BEGIN_TRANSACTION].pack(hold.handle, hold.lost)
            self._desk.answer(hold.client, answer)

    def unplugged(self, slot: Slot) -> None:
        """The reader is gone, and every hold with it."""
        for hold in slot.holds.values():
            hold.lost = Code.READER_UNAVAILABLE
        self.void(slot)

    def left(self, number: int) -> None:
        """A client is gone: its holds end, and their cards are reset where nobody else is at work."""
        self._queue = [hold for hold in self._queue if hold.client != number]
        for slot, hold in [one for one in self._holds.values() if one[1].client == number]:
            stays = slot.owner not in (None, hold.handle)
            self._let_go(slot, hold, Disposition.LEAVE if stays else Disposition.RESET)

    def released(self, context: int) -> None:
        """A context is given up, with its holds."""
        for slot, hold in [one for one in self._holds.values() if one[1].context == context]:
            self._let_go(slot, hold, Disposition.RESET)

    # Holds

    def _connect(self, number: int, request: Request) -> bytes:
        context, reader, share, wanted = request.fields[:4]
        assert isinstance(reader, bytes)
        assert isinstance(share, int)
        hold, code = None, Code.INVALID_HANDLE
        if self._desk.contexts.get(int(context)) == number:
            hold, code = self._held(number, int(context), text(reader), share, int(wanted))
        handle, protocol = (hold.handle, hold.protocol) if hold else (0, Protocol.NONE)
        return FIELDS[Command.CONNECT].pack(context, reader, share, wanted, handle, protocol, code)

    def _held(self, number: int, context: int, name: str, share: int, wanted: int) -> tuple[Hold | None, Code]:
        slot = next((slot for slot in self._desk.slots if slot.name == name), None)
        if slot is None:
            return None, Code.UNKNOWN_READER
        if share not in set(Share) or (share != Share.DIRECT and not wanted & 7):
            return None, Code.INVALID_VALUE
        if slot.sharing < 0 or (share == Share.EXCLUSIVE and slot.holds) or len(slot.holds) >= MOST_HOLDS:
            return None, Code.SHARING_VIOLATION
        if share != Share.DIRECT:
            if not slot.present:
                return None, Code.NO_SMARTCARD
            code = Code(slot.agree(wanted))
            if code != Code.SUCCESS:
                return None, code
        self._count += 1
        hold = Hold(_FIRST_HANDLE + self._count, number, context, share, slot.protocol)
        slot.holds[hold.handle] = hold
        self._holds[hold.handle] = (slot, hold)
        return hold, Code.SUCCESS

    def _find(self, number: int, handle: int) -> tuple[Slot, Hold] | None:
        found = self._holds.get(handle)
        return found if found is not None and found[1].client == number else None

    def _usable(self, number: int, handle: int) -> tuple[Slot, Hold] | Code:
        """The hold, or why it cannot be used now."""
        found = self._find(number, handle)
        if found is None:
            return Code.INVALID_HANDLE
        slot, hold = found
        if hold.lost:
            return Code(hold.lost)
        if slot.owner not in (None, handle):
            return Code.SHARING_VIOLATION
        return found

    def _reconnect(self, number: int, request: Request) -> bytes:
        handle, share, wanted, initialization = (int(field) for field in request.fields[:4])
        protocol = Protocol.NONE
        found = self._find(number, handle)
        code = Code.INVALID_HANDLE
        if found is not None:
            slot, hold = found
            others = len(slot.holds) > 1
            if slot.owner not in (None, handle) or (share == Share.EXCLUSIVE and others):
                code = Code.SHARING_VIOLATION
            elif share != Share.DIRECT and not slot.present:
                code = Code.NO_SMARTCARD
            else:
                if initialization == Disposition.RESET:
                    slot.reset(handle)
                elif initialization in (Disposition.UNPOWER, Disposition.EJECT):
                    slot.unpower(handle)
                code = Code.SUCCESS if share == Share.DIRECT else Code(slot.agree(wanted))
            if code == Code.SUCCESS:
                hold.lost, hold.share, hold.protocol = 0, share, slot.protocol
                protocol = hold.protocol
                if initialization != Disposition.LEAVE:
                    self._desk.changed()
        return FIELDS[Command.RECONNECT].pack(handle, share, wanted, initialization, protocol, code)

    def _disconnect(self, number: int, request: Request) -> bytes:
        handle, disposition = int(request.fields[0]), int(request.fields[1])
        found = self._find(number, handle)
        if found is None:
            return FIELDS[Command.DISCONNECT].pack(handle, disposition, Code.INVALID_HANDLE)
        slot, hold = found
        if slot.owner not in (None, handle):
            disposition = Disposition.LEAVE
        self._let_go(slot, hold, disposition)
        return FIELDS[Command.DISCONNECT].pack(handle, disposition, Code.SUCCESS)

    def _let_go(self, slot: Slot, hold: Hold, disposition: int) -> None:
        slot.holds.pop(hold.handle, None)
        self._holds.pop(hold.handle, None)
        if slot.owner == hold.handle:
            slot.owner, slot.depth = None, 0
        if slot.present and not hold.lost and hold.share != Share.DIRECT:
            if disposition == Disposition.RESET:
                slot.reset(hold.handle)
            elif disposition in (Disposition.UNPOWER, Disposition.EJECT):
                slot.unpower(hold.handle)
            if disposition != Disposition.LEAVE:
                self._desk.changed()
        self._next_turn(slot)
        if not slot.holds and slot.present:
            self._desk.after(GRACE_S, NOBODY, lambda: self._unused(slot))

    def _unused(self, slot: Slot) -> bytes:
        """A card that nobody held for a while loses its power, as with pcscd."""
        if not slot.holds and slot.present:
            slot.unpower(NOBODY)
            self._desk.changed()
        return b""

    # Transactions

    def _begin(self, number: int, request: Request) -> bytes | None:
        handle = int(request.fields[0])
        found = self._usable(number, handle)
        if found is Code.SHARING_VIOLATION:
            whose = self._find(number, handle)
            assert whose is not None  # just found
            self._queue.append(whose[1])
            return None
        code = Code.SUCCESS
        if isinstance(found, Code):
            code = found
        else:
            slot = found[0]
            slot.owner, slot.depth = handle, slot.depth + 1
        return FIELDS[Command.BEGIN_TRANSACTION].pack(handle, code)

    def _end(self, number: int, request: Request) -> bytes:
        handle, disposition = int(request.fields[0]), int(request.fields[1])
        found = self._usable(number, handle)
        if isinstance(found, Code):
            return FIELDS[Command.END_TRANSACTION].pack(handle, disposition, found)
        slot, _ = found
        code = Code.SUCCESS if slot.owner == handle else Code.NOT_TRANSACTED
        if slot.owner == handle:
            slot.depth -= 1
            if slot.depth == 0:
                slot.owner = None
                if disposition == Disposition.RESET:
                    slot.reset(handle)
                elif disposition in (Disposition.UNPOWER, Disposition.EJECT):
                    slot.unpower(handle)
                self._next_turn(slot)
        return FIELDS[Command.END_TRANSACTION].pack(handle, disposition, code)

    def _next_turn(self, slot: Slot) -> None:
        """Whoever has waited longest gets the transaction."""
        for hold in list(self._queue):
            if hold.handle in slot.holds and slot.owner is None:
                self._queue.remove(hold)
                if not hold.lost:
                    slot.owner, slot.depth = hold.handle, 1
                answer = FIELDS[Command.BEGIN_TRANSACTION].pack(hold.handle, hold.lost or Code.SUCCESS)
                self._desk.answer(hold.client, answer)

    # Exchanges

    def _transmit(self, number: int, request: Request) -> bytes | None:
        handle, protocol, room = int(request.fields[0]), int(request.fields[1]), int(request.fields[6])
        found = self._usable(number, handle)
        if isinstance(found, Code):
            return _transmitted(handle, protocol, b"", found)
        slot, hold = found
        if hold.share == Share.DIRECT or not protocol & hold.protocol:
            return _transmitted(handle, protocol, b"", Code.PROTO_MISMATCH)

        def exchanged() -> bytes:
            answer, code = self._exchange(slot, hold, request.data)
            if len(answer) > room:
                answer, code = b"", Code.INSUFFICIENT_BUFFER
            return _transmitted(handle, protocol, answer, code)

        if slot.reader.card_delay_s:
            self._desk.after(slot.reader.card_delay_s, number, exchanged)
            return None
        return exchanged()

    def _exchange(self, slot: Slot, hold: Hold, command: bytes) -> tuple[bytes, Code]:
        """The card's answer, or why there is none."""
        if hold.lost:
            return b"", Code(hold.lost)
        if len(command) > slot.reader.largest_apdu:
            return b"", Code.NOT_TRANSACTED
        try:
            answer = slot.send(command)
        except CardTorn:
            self._desk.torn(slot)
            return b"", Code.NOT_TRANSACTED
        return answer, Code.SUCCESS if answer else Code.NOT_TRANSACTED

    def _control(self, number: int, request: Request) -> bytes | None:
        handle, code, _, room = (int(field) for field in request.fields[:4])
        found = self._find(number, handle)
        if found is None:
            return _controlled(request, b"", Code.INVALID_HANDLE)
        slot, hold = found
        if hold.lost == Code.READER_UNAVAILABLE:
            return _controlled(request, b"", Code.READER_UNAVAILABLE)
        reader = slot.reader
        features = reader.features()
        pin = {features.get(feature): feature for feature in (Feature.VERIFY_PIN_DIRECT, Feature.MODIFY_PIN_DIRECT)}
        if code in pin and reader.keypad is not None:
            return self._pin(number, request, slot, hold, verify=pin[code] is Feature.VERIFY_PIN_DIRECT)
        said = reader.feature_list() if code == GET_FEATURES else reader.answer_control(code, request.data)
        if said is None:
            return _controlled(request, b"", Code.UNSUPPORTED_FEATURE)
        if len(said) > room:
            return _controlled(request, b"", Code.INSUFFICIENT_BUFFER)
        return _controlled(request, said, Code.SUCCESS)

    def _pin(self, number: int, request: Request, slot: Slot, hold: Hold, *, verify: bool) -> bytes | None:
        """The person types; the completed command goes to the card, and only its status comes back."""
        assert slot.reader.keypad is not None  # the caller looked
        if hold.share == Share.DIRECT or isinstance(self._usable(number, hold.handle), Code):
            return _controlled(request, b"", Code.NOT_TRANSACTED)
        try:
            if verify:
                typed = slot.reader.keypad.verify(PinVerify.decode(request.data))
            else:
                typed = slot.reader.keypad.modify(PinModify.decode(request.data))
        except DecodeError:
            return _controlled(request, b"", Code.INVALID_PARAMETER)
        self._desk.after(typed.after_s, number, lambda: self._typed(request, slot, hold, typed))
        return None

    def _typed(self, request: Request, slot: Slot, hold: Hold, typed: Typed) -> bytes:
        if typed.command is None:
            return _controlled(request, typed.status.to_bytes(2, "big"), Code.SUCCESS)
        answer, code = self._exchange(slot, hold, typed.command)
        return _controlled(request, answer, code)

    # Status and attributes

    def _status(self, number: int, request: Request) -> bytes:
        """Whether the hold is good; what the client tells its caller it takes from the table."""
        handle = int(request.fields[0])
        found = self._usable(number, handle)
        return FIELDS[Command.STATUS].pack(handle, found if isinstance(found, Code) else Code.SUCCESS)

    def _get_attribute(self, number: int, request: Request) -> bytes:
        handle, wanted = int(request.fields[0]), int(request.fields[1])
        found = self._find(number, handle)
        value, code = b"", Code.INVALID_HANDLE
        if found is not None:
            said = _attribute(found[0], wanted)
            value, code = (b"", Code.UNSUPPORTED_FEATURE) if said is None else (said, Code.SUCCESS)
        return FIELDS[Command.GET_ATTRIB].pack(handle, wanted, value[:ATTRIBUTE_OCTETS], len(value), code)

    def _set_attribute(self, number: int, request: Request) -> bytes:
        handle, wanted, value, length = request.fields[:4]
        return FIELDS[Command.SET_ATTRIB].pack(handle, wanted, value, length, Code.UNSUPPORTED_FEATURE)


def _attribute(slot: Slot, wanted: int) -> bytes | None:
    """An attribute's value, None where there is none."""
    if wanted not in set(Attribute):
        return None
    name = slot.name.encode() + b"\0"
    values: dict[int, bytes | None] = {
        Attribute.VENDOR_NAME: b"Tillguard twin\0",
        Attribute.VENDOR_IFD_VERSION: _IFD_VERSION,
        Attribute.VENDOR_IFD_SERIAL_NO: slot.reader.serial.encode() + b"\0" if slot.reader.serial else None,
        Attribute.MAXINPUT: slot.reader.largest_apdu.to_bytes(4, "little"),
        Attribute.ICC_PRESENCE: b"\2" if slot.present else b"\0",
        Attribute.ICC_INTERFACE_STATUS: b"\1" if slot.present else b"\0",
        Attribute.ATR_STRING: slot.atr or None,
        Attribute.DEVICE_FRIENDLY_NAME: name,
        Attribute.DEVICE_SYSTEM_NAME: name,
    }
    return values[wanted]


def _transmitted(handle: int, protocol: int, answer: bytes, code: int) -> bytes:
    return FIELDS[Command.TRANSMIT].pack(handle, protocol, 16, 0, protocol, 16, len(answer), code) + answer


def _controlled(request: Request, answer: bytes, code: int) -> bytes:
    handle, number, sent, room = request.fields[:4]
    return FIELDS[Command.CONTROL].pack(handle, number, sent, room, len(answer), code) + answer
