# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A USB device's own side, transfer by transfer: what it answers on its control pipe, what it sends. Reads no clock.

Enough for a kernel to enumerate it and for its drivers to work: the standard requests (USB 2.0, 9.4), strings, the
report descriptor of a boot keyboard (HID 1.11, appendix B.1), and two functions: a keyboard that types what it is told
when it is told, and a CCID reader with the card in it.
"""

from collections.abc import Iterable
from struct import pack, unpack
from typing import Protocol

from device_profiles.twins.ccid_reader import CcidReader
from device_profiles.twins.usb_descriptors import Model, device
from protocols.serial.ccid import decode

GET_DESCRIPTOR = 0x06  # bRequest (USB 2.0, table 9-4)
DEVICE, CONFIGURATION, STRING, REPORT = 0x01, 0x02, 0x03, 0x22  # descriptor types (table 9-5; HID 1.11, 7.1)
US_ENGLISH = bytes.fromhex("04030904")
BOOT_KEYBOARD = bytes.fromhex(
    "05010906a101050719e029e71500250175019508810295017508810395057501050819012905910295017503910395067508150025650507"
    "190029658100c0"
)
NOTHING_PRESSED = bytes(8)
DEVICE_OCTETS = 18


class Function(Protocol):
    """What a device does besides being one."""

    def out(self, endpoint: int, data: bytes, now: float) -> None:
        """Data from the host."""
        ...

    def next(self, endpoint: int, now: float) -> bytes | None:
        """What the device has to send on an endpoint now; nothing yet is None."""
        ...

    def due_in(self, now: float) -> float | None:
        """In how many seconds it will send something by itself; None while it waits to be spoken to."""
        ...


class UsbFunction:
    """A device: its model, and what it does."""

    def __init__(self, model: Model, function: Function, maker: str = "Tillguard twins") -> None:
        self.model = model
        self.function = function
        self._texts = {1: maker, 2: model.name, 3: model.serial}

    def control(self, setup: bytes) -> bytes | None:
        """A control transfer's answer; None is a stall. ``setup`` as on the wire (table 9-2)."""
        kind, request, value, _, length = unpack("<BBHHH", setup)
        if request == GET_DESCRIPTOR and kind & 0x80:
            found = self._descriptor(value >> 8, value & 0xFF)
            return None if found is None else found[:length]
        return bytes(length) if kind & 0x80 else b""

    def _descriptor(self, kind: int, number: int) -> bytes | None:
        octets = self.model.descriptors
        if kind == DEVICE:
            return octets[:DEVICE_OCTETS]
        if kind == CONFIGURATION:
            return octets[DEVICE_OCTETS:]
        if kind == STRING:
            text = US_ENGLISH[2:] if number == 0 else self._texts.get(number, "").encode("utf-16-le")
            return bytes((len(text) + 2, STRING)) + text
        return BOOT_KEYBOARD if kind == REPORT else None


class Typist:
    """A keyboard that types by itself: keys and the gaps before them, in seconds. A gap of 0 types at once."""

    def __init__(self, strokes: Iterable[tuple[float, int]]) -> None:
        """``strokes``: gap, and the key's usage (HID usage tables, 10; 4 is the letter a)."""
        self._strokes = iter(strokes)
        self._waiting: list[bytes] = []
        self._due = 0.0
        self._taken: float | None = None
        self._asked = True
        self.typed = 0
        """Reports that the host has taken; half of them are presses."""
        self.asked_after: list[float] = []
        """When the host asked for the next report after it had taken a press: by then it had read the press."""

    def out(self, endpoint: int, data: bytes, now: float) -> None:
        """Lamps; it has none."""

    def next(self, endpoint: int, now: float) -> bytes | None:
        """Its next report, once it is due."""
        if not self._asked:
            self._asked = True
            if self.typed % 2:
                self.asked_after.append(now)
        if not self._waiting:
            stroke = next(self._strokes, None)
            if stroke is None:
                return None
            gap, usage = stroke
            self._due = now if self._taken is None else self._taken + gap
            self._waiting = [bytes((0, 0, usage, 0, 0, 0, 0, 0)), NOTHING_PRESSED]
        if self._due > now:
            return None
        self.typed += 1
        self._asked = False
        if self.typed % 2:
            self._taken = now
        return self._waiting.pop(0)

    def due_in(self, now: float) -> float | None:
        """Until its next report, once it has been asked for it."""
        return max(0.0, self._due - now) if self._waiting else None


class UsbCcid:
    """A CCID reader on bulk pipes: messages without the envelope that they have on a serial line (CCID 1.1, 4)."""

    BULK_IN, BULK_OUT, INTERRUPT = 0x82, 0x01, 0x83

    def __init__(self, reader: CcidReader) -> None:
        self._reader = reader
        self._waiting: list[bytes] = []
        self.exchanges = 0

    def out(self, endpoint: int, data: bytes, now: float) -> None:
        """A message from the driver."""
        answer = self._reader.answer(decode(data))
        if answer is not None:
            self._waiting.append(answer.encode())
            self.exchanges += 1

    def next(self, endpoint: int, now: float) -> bytes | None:
        """The answer; on the interrupt pipe nothing, since no card comes or goes."""
        if endpoint != self.BULK_IN & 0x0F or not self._waiting:
            return None
        return self._waiting.pop(0)

    def due_in(self, now: float) -> float | None:
        """It speaks only when it is spoken to."""
        return None


def ccid_model(vendor: str, product: str, name: str, serial: str) -> Model:
    """A reader at TPDU level with one slot, T=0 and T=1 (CCID 1.1, 5.1)."""
    ccid = bytes((54, 0x21)) + pack(
        "<HBBIIIBIIBIIIIIBBHBB", 0x0110, 0, 7, 3, 4000, 4000, 0, 10752, 344086, 0, 254, 0, 0, 0x00010230, 271,
        0xFF, 0xFF, 0, 0, 1,
    )  # fmt: skip
    endpoints = bytes.fromhex("0705010240000007058202400000" + "070583030800ff")
    interface = bytes((9, 4, 0, 0, 3, 0x0B, 0, 0, 0)) + ccid + endpoints
    whole = bytes((9, 2)) + (9 + len(interface)).to_bytes(2, "little") + bytes((1, 1, 0, 0x80, 50)) + interface
    shown = Model(vendor, product, (((0x0B, 0, 0),),), name, serial)
    return Model(vendor, product, shown.interfaces, name, serial, raw=device(shown) + whole)
