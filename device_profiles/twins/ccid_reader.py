# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A CCID reader on a serial line, with or without a keypad, with one slot or five: octets and time in, octets out.

It is what Debian's libccidtwin expects at the other end: a Gemplus PC Twin, GemPC PinPad or GemCore POS Pro. Commands
travel as T=0 commands or as T=1 blocks, as the driver has set the slot's parameters; the T=1 engine of the card's side
is :mod:`device_profiles.twins.card_t1`. A PIN is typed on the twin's own keypad, and goes from there to the card.
"""

import heapq
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

from device_profiles.twins.card import CardTorn
from device_profiles.twins.card_t0 import ContactCard
from device_profiles.twins.card_t1 import T1Card
from device_profiles.twins.keypad import Keypad
from protocols.emv import t1
from protocols.errors import DecodeError
from protocols.pcsc.features import CANCELLED, as_ccid_modify, as_ccid_verify
from protocols.serial.ccid import REPEAT, Fault, Framer, Message, Type
from protocols.serial.framer import Damaged

FIRMWARE = b"Virtual-GemTwin-V1.00"
_FIRMWARE_ESCAPE = b"\x02"
ACTIVE, INACTIVE, EMPTY, FAILED = 0, 1, 2, 0x40  # bStatus (CCID 1.1, 6.2.6)


class Kind(Enum):
    """Kinds that the driver knows; the value is what reader.conf calls them."""

    TWIN = "GemPCTwin"
    PIN_PAD = "GemPCPinPad"
    POS_PRO = "GemCorePOSPro"


@dataclass(frozen=True, slots=True)
class Shape:
    """What differs between kinds."""

    slots: int
    echoes: bool
    keypad: bool


SHAPES: Mapping[Kind, Shape] = MappingProxyType(
    {
        Kind.TWIN: Shape(1, echoes=True, keypad=False),
        Kind.PIN_PAD: Shape(1, echoes=True, keypad=True),
        Kind.POS_PRO: Shape(5, echoes=False, keypad=False),
    }
)


class _Slot:
    """One slot of the reader."""

    def __init__(self) -> None:
        self.card: ContactCard | None = None
        self.mute = False
        self.powered = False
        self.engine: T1Card | None = None
        """Set once the driver chose T=1."""
        self.parameters = b"\x11\x00\x00\x0a\x00"

    @property
    def status(self) -> int:
        if self.card is None and not self.mute:
            return EMPTY
        return ACTIVE if self.powered else INACTIVE


class CcidReader:
    """One reader. ``told_torn`` hears the slot of a card that left in mid-exchange."""

    def __init__(
        self, kind: Kind, keypad: Keypad | None = None, told_torn: Callable[[int], None] = lambda slot: None
    ) -> None:
        self.shape = SHAPES[kind]
        self.keypad = (keypad or Keypad()) if self.shape.keypad else None
        self._told_torn = told_torn
        self._slots = [_Slot() for _ in range(self.shape.slots)]
        self._framer = Framer()
        self._later: list[tuple[float, int, Callable[[], Message]]] = []
        self._count = 0
        self._last = b""
        self._now = 0.0
        self._handlers: Mapping[int, Callable[[_Slot, Message], Message]] = {
            Type.ICC_POWER_ON: self._power_on,
            Type.ICC_POWER_OFF: self._power_off,
            Type.GET_SLOT_STATUS: self._slot_status,
            Type.SET_PARAMETERS: self._set_parameters,
            Type.GET_PARAMETERS: self._get_parameters,
            Type.RESET_PARAMETERS: self._get_parameters,
            Type.ICC_CLOCK: self._slot_status,
            Type.ABORT: self._slot_status,
            Type.ESCAPE: self._escape,
            Type.XFR_BLOCK: self._exchange,
        }

    def insert(self, card: ContactCard | None, slot: int = 0) -> None:
        """Put a card in; ``None`` is one the wrong way round."""
        self._slots[slot] = _Slot()
        self._slots[slot].card, self._slots[slot].mute = card, card is None

    def remove(self, slot: int = 0) -> None:
        """Take the card out."""
        card = self._slots[slot].card
        self._slots[slot] = _Slot()
        if card is not None:
            card.power_off()

    def feed(self, octets: bytes, now: float) -> bytes:
        """Octets from the driver; what the reader says at once."""
        self._now = now
        said = b""
        for event in self._framer.feed(octets):
            if isinstance(event, Damaged):
                said += self._last if "repetition" in event.why else REPEAT
                continue
            if self.shape.echoes:
                said += Message(event.kind, event.slot, event.sequence).framed()
            answer = self.answer(event)
            if answer is not None:
                self._last = answer.framed()
                said += self._last
        return said

    def tick(self, now: float) -> bytes:
        """What became due by ``now``: a PIN that was typed."""
        self._now = now
        said = b""
        while self._later and self._later[0][0] <= now:
            _, _, work = heapq.heappop(self._later)
            self._last = work().framed()
            said += self._last
        return said

    @property
    def due(self) -> float | None:
        """When :meth:`tick` has something to do next."""
        return self._later[0][0] if self._later else None

    def answer(self, asked: Message) -> Message | None:
        """What is said to one message, by whatever wire it came; None where a PIN is typed first."""
        if asked.slot >= len(self._slots):
            return Message(Type.SLOT_STATUS, asked.slot, asked.sequence, bytes((EMPTY | FAILED, Fault.BAD_SLOT, 0)))
        slot = self._slots[asked.slot]
        if asked.kind == Type.SECURE:
            return self._secure(slot, asked)
        handler = self._handlers.get(asked.kind)
        if handler is None:
            return _failed(Type.SLOT_STATUS, slot, asked, Fault.NOT_SUPPORTED)
        return handler(slot, asked)

    def _power_on(self, slot: _Slot, asked: Message) -> Message:
        if slot.card is None:
            return _failed(Type.DATA_BLOCK, slot, asked, Fault.ICC_MUTE)
        slot.card.power_off()
        slot.powered, slot.engine = True, None
        return _good(Type.DATA_BLOCK, slot, asked, slot.card.power_on())

    def _power_off(self, slot: _Slot, asked: Message) -> Message:
        if slot.card is not None and slot.powered:
            slot.card.power_off()
        slot.powered, slot.engine = False, None
        return _good(Type.SLOT_STATUS, slot, asked)

    def _slot_status(self, slot: _Slot, asked: Message) -> Message:
        return _good(Type.SLOT_STATUS, slot, asked)

    def _set_parameters(self, slot: _Slot, asked: Message) -> Message:
        slot.parameters = asked.data
        slot.engine = T1Card(slot.card) if asked.specific[0] == 1 and slot.card is not None else None
        return self._get_parameters(slot, asked)

    def _get_parameters(self, slot: _Slot, asked: Message) -> Message:
        protocol = 0 if slot.engine is None else 1
        return Message(Type.PARAMETERS, asked.slot, asked.sequence, bytes((slot.status, 0, protocol)), slot.parameters)

    def _escape(self, slot: _Slot, asked: Message) -> Message:
        return _good(Type.ESCAPED, slot, asked, FIRMWARE if asked.data == _FIRMWARE_ESCAPE else b"")

    def _exchange(self, slot: _Slot, asked: Message) -> Message:
        if slot.card is None or not slot.powered:
            return _failed(Type.DATA_BLOCK, slot, asked, Fault.ICC_MUTE)
        try:
            answer = slot.card.apdu(asked.data) if slot.engine is None else slot.engine.take(asked.data)
        except CardTorn:
            self._torn(asked.slot)
            return _failed(Type.DATA_BLOCK, self._slots[asked.slot], asked, Fault.ICC_MUTE)
        return _good(Type.DATA_BLOCK, slot, asked, answer)

    def _torn(self, number: int) -> None:
        self._slots[number] = _Slot()
        self._told_torn(number)

    def _secure(self, slot: _Slot, asked: Message) -> Message | None:
        """Verify or change a PIN (CCID 1.1, 6.1.11 and 6.1.12): first the person types, then the card is asked."""
        if self.keypad is None or asked.data[:1] not in (b"\x00", b"\x01"):
            return _failed(Type.DATA_BLOCK, slot, asked, Fault.NOT_SUPPORTED)
        verify = asked.data[0] == 0
        prologue = asked.data[12:15] if verify else asked.data[17:20]  # NAD, PCB and length of the T=1 block to come
        try:
            if verify:
                typed = self.keypad.verify(as_ccid_verify(asked.data[1:]))
            else:
                typed = self.keypad.modify(as_ccid_modify(asked.data[1:]))
        except DecodeError:
            return _failed(Type.DATA_BLOCK, slot, asked, Fault.NOT_SUPPORTED)

        def typed_in() -> Message:
            if typed.command is None:
                wrong = Fault.PIN_CANCELLED if typed.status == CANCELLED else Fault.PIN_TIMEOUT
                return _failed(Type.DATA_BLOCK, slot, asked, wrong)
            command = typed.command
            if slot.engine is not None:
                command = t1.Block(prologue[0], prologue[1], typed.command).encode()
            return self._exchange(slot, Message(Type.XFR_BLOCK, asked.slot, asked.sequence, data=command))

        self._count += 1
        heapq.heappush(self._later, (self._now + typed.after_s, self._count, typed_in))
        return None


def _good(kind: Type, slot: _Slot, asked: Message, data: bytes = b"") -> Message:
    return Message(kind, asked.slot, asked.sequence, bytes((slot.status, 0, 0)), data)


def _failed(kind: Type, slot: _Slot, asked: Message, fault: Fault) -> Message:
    return Message(kind, asked.slot, asked.sequence, bytes((slot.status | FAILED, fault, 0)))
