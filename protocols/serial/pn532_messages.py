# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Commands and replies of the PN532 as far as a payment reader needs them. Frames: pn532.py; reading: pn532_codec.py.
What only libraries for NFC send to the chip is in pn532_chip.py.

A command ``D4 code …`` is answered by ``D5 code+1 …``. Numbers and layouts: NXP UM0701-02, 7.2 (controller) and 7.3
(initiator); status octets: 7.1, table 15. What a card says inside InDataExchange is not read here.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar, Protocol

from protocols.errors import EncodeError
from protocols.serial.pn532 import CHIP_TO_HOST, HOST_TO_CHIP, Frame

LARGEST_EXCHANGE = 262  # octets of card data in one InDataExchange (UM0701-02, 7.3.8)
ISO_14443_4 = 0x20  # SEL_RES bit 6: the card speaks ISO/IEC 14443-4
ISO_14443_4_B = 0x01  # protocol type in ATQB: the card speaks ISO/IEC 14443-4 (ISO/IEC 14443-3:2018, 7.9.4.4)
ATQB_OCTETS = 12  # 50, PUPI of 4, application data of 4, protocol info of 3 (ibid., 7.9)
ATQB_FIRST = 0x50
MORE = 0x40  # target and status octet: more data follow in a further exchange


class Code(IntEnum):
    """Command codes; a reply bears the code plus one."""

    DIAGNOSE = 0x00
    GET_FIRMWARE_VERSION = 0x02
    READ_REGISTER = 0x06
    WRITE_REGISTER = 0x08
    SET_SERIAL_BAUD_RATE = 0x10
    SET_PARAMETERS = 0x12
    SAM_CONFIGURATION = 0x14
    POWER_DOWN = 0x16
    RF_CONFIGURATION = 0x32
    IN_DATA_EXCHANGE = 0x40
    IN_COMMUNICATE_THRU = 0x42
    IN_DESELECT = 0x44
    IN_LIST_PASSIVE_TARGET = 0x4A
    IN_RELEASE = 0x52


class Modulation(IntEnum):
    """BrTy of InListPassiveTarget."""

    TYPE_A_106 = 0x00
    FELICA_212 = 0x01
    FELICA_424 = 0x02
    TYPE_B_106 = 0x03
    JEWEL_106 = 0x04


class RfItem(IntEnum):
    """CfgItem of RFConfiguration."""

    FIELD = 0x01
    TIMINGS = 0x02
    RETRIES_EXCHANGE = 0x04
    RETRIES = 0x05


STATUS_WORDS: dict[int, str] = {
    0x00: "success",
    0x01: "the card did not answer in time",
    0x02: "a CRC error",
    0x03: "a parity error",
    0x04: "a wrong bit count during anticollision",
    0x05: "a framing error",
    0x06: "an abnormal bit collision",
    0x07: "the communication buffer is too small",
    0x09: "the RF buffer overflowed",
    0x0A: "the RF field was not switched on in time",
    0x0B: "an RF protocol error",
    0x0D: "the antenna driver overheated",
    0x0E: "an internal buffer overflowed",
    0x10: "a parameter is out of range",
    0x13: "the data do not fit the protocol",
    0x14: "authentication failed",
    0x23: "the check octet of the UID is wrong",
    0x25: "the chip is not in a state for that",
    0x26: "the operation is not allowed in this configuration",
    0x27: "the command fits no active card",
    0x29: "the card was released",
    0x2A: "another card is in the field",
    0x2B: "the card has gone",
    0x2D: "an overcurrent at the antenna",
}
CARD_LOST = frozenset((0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x0B, 0x27, 0x29, 0x2A, 0x2B))


def status_words(status: int) -> str:
    """A status octet in words (UM0701-02, 7.1)."""
    return STATUS_WORDS.get(status, f"unknown status {status:02X}")


@dataclass(frozen=True, slots=True)
class GetFirmwareVersion:
    """Asks which chip and firmware this is (7.2.2)."""

    code: ClassVar[Code] = Code.GET_FIRMWARE_VERSION

    def parameters(self) -> bytes:
        return b""


@dataclass(frozen=True, slots=True)
class FirmwareVersion:
    """IC, version, revision and the bits of what it supports."""

    code: ClassVar[Code] = Code.GET_FIRMWARE_VERSION
    ic: int
    version: int
    revision: int
    support: int

    def parameters(self) -> bytes:
        return bytes((self.ic, self.version, self.revision, self.support))

    def __str__(self) -> str:
        return f"PN5{self.ic:02X} firmware {self.version}.{self.revision}"


@dataclass(frozen=True, slots=True)
class SamConfiguration:
    """Mode 1 says that no security module is used, which also ends the chip's start-up state (7.2.10)."""

    code: ClassVar[Code] = Code.SAM_CONFIGURATION
    mode: int = 1
    timeout_units: int | None = None
    irq: int | None = None

    def parameters(self) -> bytes:
        rest = [value for value in (self.timeout_units, self.irq) if value is not None]
        return bytes((self.mode, *rest))


@dataclass(frozen=True, slots=True)
class RfConfiguration:
    """Sets one item of the RF side (7.3.1)."""

    code: ClassVar[Code] = Code.RF_CONFIGURATION
    item: int
    data: bytes

    def parameters(self) -> bytes:
        return bytes((self.item,)) + self.data


@dataclass(frozen=True, slots=True)
class SetParameters:
    """Sets the chip's flags, among them the automatic request for an ATS (7.2.9)."""

    code: ClassVar[Code] = Code.SET_PARAMETERS
    flags: int

    def parameters(self) -> bytes:
        return bytes((self.flags,))


@dataclass(frozen=True, slots=True)
class InListPassiveTarget:
    """Looks for up to ``most`` cards of one modulation and activates them (7.3.5)."""

    code: ClassVar[Code] = Code.IN_LIST_PASSIVE_TARGET
    most: int = 1
    modulation: int = Modulation.TYPE_A_106
    initiator_data: bytes = b""

    def parameters(self) -> bytes:
        return bytes((self.most, self.modulation)) + self.initiator_data


@dataclass(frozen=True, slots=True)
class TargetA:
    """An activated card of type A: SENS_RES, SEL_RES, UID and, for ISO/IEC 14443-4, the ATS with its length octet."""

    number: int
    sens_res: bytes
    sel_res: int
    uid: bytes
    ats: bytes

    @property
    def speaks_iso_dep(self) -> bool:
        """Whether APDUs can be exchanged."""
        return bool(self.sel_res & ISO_14443_4)

    def octets(self) -> bytes:
        """As the reply carries it (7.3.5)."""
        head = bytes((self.number,)) + self.sens_res + bytes((self.sel_res, len(self.uid)))
        return head + self.uid + self.ats

    def __repr__(self) -> str:
        return f"TargetA({self.number}, SEL_RES {self.sel_res:02X}, UID of {len(self.uid)} octets)"


@dataclass(frozen=True, slots=True)
class TargetB:
    """An activated card of type B: its whole ATQB, and what it answered to ATTRIB."""

    number: int
    atqb: bytes
    attrib_response: bytes

    @property
    def speaks_iso_dep(self) -> bool:
        """Whether APDUs can be exchanged."""
        return bool(self.atqb[10] & ISO_14443_4_B)

    def octets(self) -> bytes:
        """As the reply carries it (7.3.5)."""
        return bytes((self.number,)) + self.atqb + bytes((len(self.attrib_response),)) + self.attrib_response

    def __repr__(self) -> str:
        return f"TargetB({self.number}, protocol {self.atqb[9:].hex().upper()})"


Target = TargetA | TargetB


@dataclass(frozen=True, slots=True)
class Targets:
    """What InListPassiveTarget found at 106 kbit/s; empty when its retries are used up."""

    code: ClassVar[Code] = Code.IN_LIST_PASSIVE_TARGET
    found: tuple[Target, ...]

    def parameters(self) -> bytes:
        return bytes((len(self.found),)) + b"".join(one.octets() for one in self.found)


@dataclass(frozen=True, slots=True)
class InDataExchange:
    """A piece of an APDU for an activated card; with ``more`` the chip waits for the next piece (7.3.8)."""

    code: ClassVar[Code] = Code.IN_DATA_EXCHANGE
    target: int
    data: bytes
    more: bool = False

    def parameters(self) -> bytes:
        if len(self.data) > LARGEST_EXCHANGE or not 0 < self.target < MORE:
            raise EncodeError(f"InDataExchange takes up to {LARGEST_EXCHANGE} octets and a target number")
        return bytes((self.target | (MORE if self.more else 0),)) + self.data

    def __repr__(self) -> str:
        return f"InDataExchange({self.target}, {len(self.data)} octets)"


@dataclass(frozen=True, slots=True)
class DataExchanged:
    """The card's answer or a piece of it; ``status`` 0 is success."""

    code: ClassVar[Code] = Code.IN_DATA_EXCHANGE
    status: int
    data: bytes = b""
    more: bool = False

    def parameters(self) -> bytes:
        return bytes((self.status | (MORE if self.more else 0),)) + self.data

    def __repr__(self) -> str:
        return f"DataExchanged({status_words(self.status)}, {len(self.data)} octets)"


@dataclass(frozen=True, slots=True)
class InRelease:
    """Lets activated cards go; target 0 means all (7.3.11)."""

    code: ClassVar[Code] = Code.IN_RELEASE
    target: int = 0

    def parameters(self) -> bytes:
        return bytes((self.target,))


@dataclass(frozen=True, slots=True)
class InDeselect:
    """Deselects cards, which stay known to the chip (7.3.10)."""

    code: ClassVar[Code] = Code.IN_DESELECT
    target: int = 0

    def parameters(self) -> bytes:
        return bytes((self.target,))


@dataclass(frozen=True, slots=True)
class Released:
    """The answer to InRelease."""

    code: ClassVar[Code] = Code.IN_RELEASE
    status: int = 0

    def parameters(self) -> bytes:
        return bytes((self.status,))


@dataclass(frozen=True, slots=True)
class Deselected:
    """The answer to InDeselect."""

    code: ClassVar[Code] = Code.IN_DESELECT
    status: int = 0

    def parameters(self) -> bytes:
        return bytes((self.status,))


@dataclass(frozen=True, slots=True)
class Done:
    """A reply that carries nothing but its code."""

    code: Code

    def parameters(self) -> bytes:
        return b""


Command = (
    GetFirmwareVersion
    | SamConfiguration
    | RfConfiguration
    | SetParameters
    | InListPassiveTarget
    | InDataExchange
    | InRelease
    | InDeselect
)
Reply = FirmwareVersion | Targets | DataExchanged | Released | Deselected | Done


class Message(Protocol):
    """Anything that a frame carries: a code, and what stands behind it."""

    @property
    def code(self) -> Code: ...
    def parameters(self) -> bytes: ...


def command_frame(command: Message) -> Frame:
    """The frame that asks."""
    return Frame(HOST_TO_CHIP, bytes((command.code,)) + command.parameters())


def reply_frame(reply: Message) -> Frame:
    """The frame that answers: the chip's side."""
    return Frame(CHIP_TO_HOST, bytes((reply.code + 1,)) + reply.parameters())
