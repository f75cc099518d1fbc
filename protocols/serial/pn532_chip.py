# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Commands to the PN532 itself, and octets passed through it as they are. No driver of ours sends one.

Libraries for NFC set the chip up register by register and speak ISO/IEC 14443-4 themselves, so a twin of the chip has
to know these. Source: NXP UM0701-02, 7.2.1 (Diagnose), 7.2.4 and 7.2.5 (registers), 7.2.8 (speed of the line), 7.2.11
(PowerDown), 7.3.9 (InCommunicateThru). Frames: pn532.py; all else: pn532_messages.py.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType
from typing import ClassVar

from protocols.errors import DecodeError
from protocols.octets import Cursor
from protocols.serial.pn532_messages import Code

LARGEST_DIAGNOSIS = 262  # octets that the test of the line sends back (7.2.1)
LARGEST_THRU = 264  # octets of one exchange as it is (7.3.9)
SLOWEST_LINE, FASTEST_LINE = 0, 8  # codes of 9,600 and 1,288,000 baud (7.2.8)


class Diagnosis(IntEnum):
    """NumTst of Diagnose, as far as a twin can do the test."""

    LINE = 0x00
    ROM = 0x01
    RAM = 0x02
    PRESENCE = 0x06


@dataclass(frozen=True, slots=True)
class Diagnose:
    """Has the chip test itself, its line or whether the card is still there."""

    code: ClassVar[Code] = Code.DIAGNOSE
    test: int
    data: bytes = b""

    def parameters(self) -> bytes:
        return bytes((self.test,)) + self.data


@dataclass(frozen=True, slots=True)
class ReadRegister:
    """Asks for registers by their addresses."""

    code: ClassVar[Code] = Code.READ_REGISTER
    addresses: tuple[int, ...]

    def parameters(self) -> bytes:
        return b"".join(address.to_bytes(2, "big") for address in self.addresses)


@dataclass(frozen=True, slots=True)
class WriteRegister:
    """Sets registers: address and value of each, in order."""

    code: ClassVar[Code] = Code.WRITE_REGISTER
    values: tuple[tuple[int, int], ...]

    def parameters(self) -> bytes:
        return b"".join(address.to_bytes(2, "big") + bytes((value,)) for address, value in self.values)


@dataclass(frozen=True, slots=True)
class SetSerialBaudRate:
    """Changes the speed of the line, once the host's ACK to the reply was heard."""

    code: ClassVar[Code] = Code.SET_SERIAL_BAUD_RATE
    speed: int

    def parameters(self) -> bytes:
        return bytes((self.speed,))


@dataclass(frozen=True, slots=True)
class PowerDown:
    """Puts the chip to sleep; ``wake`` has a bit for each line that may wake it."""

    code: ClassVar[Code] = Code.POWER_DOWN
    wake: int
    irq: int | None = None

    def parameters(self) -> bytes:
        return bytes((self.wake,)) + (b"" if self.irq is None else bytes((self.irq,)))


@dataclass(frozen=True, slots=True)
class InCommunicateThru:
    """Octets for whatever is in the field, or none to listen only; the chip adds the CRC. Prints without them."""

    code: ClassVar[Code] = Code.IN_COMMUNICATE_THRU
    data: bytes

    def parameters(self) -> bytes:
        return self.data

    def __repr__(self) -> str:
        return f"InCommunicateThru({len(self.data)} octets)"


@dataclass(frozen=True, slots=True)
class ChipReply:
    """What the chip answers to any of these: a status, values of registers, octets of a card. Prints without them."""

    code: Code
    data: bytes = b""

    def parameters(self) -> bytes:
        return self.data

    def __repr__(self) -> str:
        return f"ChipReply({self.code.name}, {len(self.data)} octets)"


ChipCommand = Diagnose | ReadRegister | WriteRegister | SetSerialBaudRate | PowerDown | InCommunicateThru


def _diagnose(body: Cursor) -> ChipCommand:
    test, data = body.u8("test"), body.rest()
    if len(data) > LARGEST_DIAGNOSIS:
        raise DecodeError("Diagnose", f"up to {LARGEST_DIAGNOSIS} octets expected")
    return Diagnose(test, data)


def _read_register(body: Cursor) -> ChipCommand:
    addresses = []
    while body.left:
        addresses.append(int.from_bytes(body.take(2, "address"), "big"))
    if not addresses:
        raise DecodeError("ReadRegister", "an address expected")
    return ReadRegister(tuple(addresses))


def _write_register(body: Cursor) -> ChipCommand:
    values = []
    while body.left:
        values.append((int.from_bytes(body.take(2, "address"), "big"), body.u8("value")))
    if not values:
        raise DecodeError("WriteRegister", "an address and a value expected")
    return WriteRegister(tuple(values))


def _set_serial_baud_rate(body: Cursor) -> ChipCommand:
    speed = body.u8("speed")
    body.end()
    if not SLOWEST_LINE <= speed <= FASTEST_LINE:
        raise DecodeError("SetSerialBaudRate", f"a speed of {SLOWEST_LINE} to {FASTEST_LINE} expected")
    return SetSerialBaudRate(speed)


def _power_down(body: Cursor) -> ChipCommand:
    wake = body.u8("wake-up lines")
    irq = body.u8("IRQ") if body.left else None
    body.end()
    return PowerDown(wake, irq)


def _in_communicate_thru(body: Cursor) -> ChipCommand:
    data = body.rest()
    if len(data) > LARGEST_THRU:
        raise DecodeError("InCommunicateThru", f"up to {LARGEST_THRU} octets expected")
    return InCommunicateThru(data)


CHIP_COMMANDS: Mapping[Code, Callable[[Cursor], ChipCommand]] = MappingProxyType(
    {
        Code.DIAGNOSE: _diagnose,
        Code.READ_REGISTER: _read_register,
        Code.WRITE_REGISTER: _write_register,
        Code.SET_SERIAL_BAUD_RATE: _set_serial_baud_rate,
        Code.POWER_DOWN: _power_down,
        Code.IN_COMMUNICATE_THRU: _in_communicate_thru,
    }
)
"""By code: reads what stands behind it. The chip's side."""
CHIP_NAMES: Mapping[Code, str] = MappingProxyType(
    {
        Code.DIAGNOSE: "Diagnose",
        Code.READ_REGISTER: "ReadRegister",
        Code.WRITE_REGISTER: "WriteRegister",
        Code.SET_SERIAL_BAUD_RATE: "SetSerialBaudRate",
        Code.POWER_DOWN: "PowerDown",
        Code.IN_COMMUNICATE_THRU: "InCommunicateThru",
    }
)
