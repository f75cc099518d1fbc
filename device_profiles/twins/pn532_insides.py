# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What libraries for NFC ask of a PN532 itself: tests, registers, speed, octets passed through. Finds no card.

Registers keep what is written and do nothing, with one exception that libraries look at: after a search of type A that
found nobody, the FIFO still holds the request (26). Source: NXP UM0701-02, 7.2 and 7.3.9.
"""

from device_profiles.twins.activation import Activated, Activation
from device_profiles.twins.card_faults import Card
from device_profiles.twins.iso_dep import IsoDepCard
from protocols.serial.pn532_chip import (
    ChipCommand,
    ChipReply,
    Diagnose,
    Diagnosis,
    ReadRegister,
    SetSerialBaudRate,
    WriteRegister,
)
from protocols.serial.pn532_messages import Code, Command

FIFO_DATA = 0x6339
REQUEST_A = 0x26  # the seven bits of REQA (ISO/IEC 14443-3:2018, 6.4)
DONE, NO_ANSWER, NOT_IN_CONTEXT = b"\x00", b"\x01", b"\x27"


class Insides:
    """The registers, and the card as octets reach it."""

    def __init__(self) -> None:
        self._registers: dict[int, int] = {}
        self._card: IsoDepCard | None = None

    def activated(self, card: Card, activation: Activated) -> None:
        """A card was found: of type A selected, of type B past ATTRIB."""
        self._card = IsoDepCard(card, activation)
        if not isinstance(activation, Activation):
            self._card.hear(b"\x1d" + activation.pupi + b"\x00\x08\x01\x00")

    def deselected(self) -> None:
        """Nobody hears what is passed through."""
        self._card = None

    def heard_nobody(self) -> None:
        """A search found nobody."""
        self._registers[FIFO_DATA] = REQUEST_A

    def obey(self, command: Command | ChipCommand, active: bool) -> ChipReply | None:
        """The answer to a command for the chip itself."""
        match command:
            case Diagnose(test, data):
                return ChipReply(Code.DIAGNOSE, _diagnosed(test, data, active))
            case ReadRegister(addresses):
                return ChipReply(Code.READ_REGISTER, bytes(self._registers.get(one, 0) for one in addresses))
            case WriteRegister(values):
                self._registers.update(values)
                return ChipReply(Code.WRITE_REGISTER)
            case SetSerialBaudRate():
                return ChipReply(Code.SET_SERIAL_BAUD_RATE)
            case _:
                return None

    def passed(self, octets: bytes) -> ChipReply:
        """What the card in the field says to ``octets``. Raises :class:`CardTorn` when it has gone."""
        said = self._card.hear(octets) if self._card is not None and octets else None
        return ChipReply(Code.IN_COMMUNICATE_THRU, NO_ANSWER if said is None else DONE + said)


def _diagnosed(test: int, data: bytes, active: bool) -> bytes:
    match test:
        case Diagnosis.LINE:
            return bytes((test,)) + data
        case Diagnosis.ROM | Diagnosis.RAM:
            return DONE
        case Diagnosis.PRESENCE:
            return DONE if active else NO_ANSWER
        case _:
            return NOT_IN_CONTEXT
