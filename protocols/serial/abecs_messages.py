# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Commands and responses of ABECS PIN pads, as far as a PIN, a MAC and a display need them. Packets: abecs.py.

A command is three letters and blocks, each behind its length in three digits; a response repeats the letters, then a
status of three digits, then blocks if the status is 000. Older commands have fields of fixed size in one block; newer
ones ("Abecs commands") have parameters: identifier and length of two octets each, and the value. Source: Pinpad Abecs,
protocol 2.12: structure 2.3 and 3.1, OPN 3.2.1, CLX 3.2.3, GIX 3.3.1, DSP and GPN 3.6, EBX 3.3, status codes 4.3.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum

from protocols.errors import DecodeError, EncodeError
from protocols.octets import unhex
from protocols.pan import Pan
from protocols.serial.abecs import Control, Event, Packet
from protocols.serial.framer import Damaged

BLOCK_OCTETS, KSN_OCTETS, WORKING_KEY_OCTETS = 8, 10, 16
LONGEST_BLOCK = 999
LONGEST_ENCIPHER = 256  # octets that a pad gives back at once (4.2, PP_DATAOUT)
DISPLAY_CHARACTERS = 32
PAN_CHARACTERS = 19
PIN_KSNS = 0x9100
"""Identifier of the KSN of the DUKPT:TDES:PIN key in place 0; those of the other places follow (3.1.3.2)."""
NOTIFICATION = "NTM"
UNKNOWN_COMMAND = "ERR"


class Status(IntEnum):
    """Status of a response (4.3), as far as it is told apart here."""

    OK = 0
    NO_SECURE_SESSION = 3
    PACKET_SECURITY = 9
    BAD_CALL = 10
    BAD_PARAMETER = 11
    TIMEOUT = 12
    CANCEL = 13
    MISSING_PARAMETER = 19
    INTERNAL = 40
    KEY_MISSING = 42
    NO_CARD = 43
    PIN_BUSY = 44


STATUS_WORDS: dict[int, str] = {
    Status.OK: "success",
    Status.NO_SECURE_SESSION: "no secure session is open",
    Status.PACKET_SECURITY: "the packet's encipherment is wrong",
    Status.BAD_CALL: "the command is unknown, or not to be called now",
    Status.BAD_PARAMETER: "a parameter is wrong",
    Status.TIMEOUT: "nobody did anything in time",
    Status.CANCEL: "the person cancelled",
    Status.MISSING_PARAMETER: "a parameter is missing",
    Status.INTERNAL: "the pad has a fault of its own",
    Status.KEY_MISSING: "the key is not in the pad",
    Status.NO_CARD: "there is no card",
    Status.PIN_BUSY: "PIN entries follow one another too fast",
}


def status_words(status: int) -> str:
    """A status in words."""
    return STATUS_WORDS.get(status, f"status {status:03d}")


class Parameter(IntEnum):
    """Identifiers of parameters, to the pad (00..) and from it (80..): 3.1.3."""

    IDENTIFIERS = 0x0001
    PIN_METHOD = 0x0002
    DATA_METHOD = 0x0003
    TAGS = 0x0004
    EMV_DATA = 0x0005
    WATCH = 0x0006
    KEY_INDEX = 0x0009
    WORKING_KEY = 0x000A
    TIMEOUT = 0x000C
    DATA_IN = 0x000F
    ACQUIRER = 0x0010
    AMOUNT = 0x0013
    DATE = 0x0015
    TIME = 0x0016
    CARD_OPTIONS = 0x0017
    GO_OPTIONS = 0x0018
    FINISH_OPTIONS = 0x0019
    RISK = 0x001A
    MESSAGE = 0x001B
    RESPONSE_CODE = 0x001C
    IV = 0x001D
    CURRENCY = 0x0022
    PAN_MASK = 0x0023
    SERIAL_NUMBER = 0x8001
    MODEL = 0x8003
    MAKER = 0x8004
    SPECIFICATION = 0x8007
    MASTER_KEYS_FOR_PINS = 0x8032
    MASTER_KEYS_FOR_DATA = 0x8033
    DUKPT_KEYS_FOR_PINS = 0x8035
    EVENT = 0x8040
    KSN = 0x804C
    DATA_OUT = 0x804E
    CARD_TYPE = 0x804F
    PAN = 0x8052
    PAN_SEQUENCE = 0x8053
    EMV_OBJECTS = 0x8054
    GO_RESULT = 0x8056
    PIN_BLOCK = 0x8057
    FINISH_RESULT = 0x8058
    LABEL = 0x805B


class PinMethod(IntEnum):
    """How the pad enciphers a PIN (GPN)."""

    MASTER_TDES = 1
    DUKPT_TDES = 3


MASTER_TDES_CBC = b"11"  # method of data encipherment: working key under a master key, TDES in CBC


@dataclass(frozen=True, slots=True)
class Command:
    """Three letters and blocks. Prints without the blocks."""

    name: str
    blocks: tuple[bytes, ...] = ()

    def packet(self) -> Packet:
        """As it travels."""
        return Packet(self.name.encode("ascii") + _joined(self.blocks))

    def __repr__(self) -> str:
        return f"Command({self.name}, {len(self.blocks)} blocks)"


@dataclass(frozen=True, slots=True)
class Response:
    """Three letters, a status and blocks. Prints without the blocks."""

    name: str
    status: int
    blocks: tuple[bytes, ...] = ()

    def packet(self) -> Packet:
        """As it travels."""
        if not 0 <= self.status <= 999:
            raise EncodeError("a status of three digits expected")
        return Packet(self.name.encode("ascii") + b"%03d" % self.status + _joined(self.blocks))

    def __repr__(self) -> str:
        return f"Response({self.name} {self.status:03d}, {len(self.blocks)} blocks)"


def decode_command(packet: Packet) -> Command:
    """What a host asks: the pad's side."""
    name = _name(packet.data, "ABECS command")
    return Command(name, _blocks(packet.data[3:], f"ABECS {name}"))


def decode_response(packet: Packet) -> Response:
    """What a pad answers: the host's side."""
    name = _name(packet.data, "ABECS response")
    status = packet.data[3:6]
    if len(status) != 3 or not (status.isascii() and status.isdigit()):
        raise DecodeError(f"ABECS {name}", "a status of three digits expected")
    return Response(name, int(status), _blocks(packet.data[6:], f"ABECS {name}"))


def parameters(values: Mapping[Parameter, bytes] | Mapping[int, bytes]) -> bytes:
    """A block of parameters, in the order given."""
    return b"".join(name.to_bytes(2, "big") + len(value).to_bytes(2, "big") + value for name, value in values.items())


def decode_parameters(blocks: tuple[bytes, ...], where: str) -> dict[int, bytes]:
    """The parameters of all blocks; one that stands there twice is refused."""
    found: dict[int, bytes] = {}
    for block in blocks:
        place = 0
        while place < len(block):
            name, size = (
                int.from_bytes(block[place : place + 2], "big"),
                int.from_bytes(block[place + 2 : place + 4], "big"),
            )
            value = block[place + 4 : place + 4 + size]
            if len(block) < place + 4 or len(value) != size:
                raise DecodeError(where, "a parameter beyond the end of its block")
            if name in found:
                raise DecodeError(where, f"parameter {name:04X} stands there twice")
            found[name] = value
            place += 4 + size
    return found


def _joined(blocks: tuple[bytes, ...]) -> bytes:
    if any(len(block) > LONGEST_BLOCK for block in blocks):
        raise EncodeError(f"an ABECS block has {LONGEST_BLOCK} octets at most")
    return b"".join(b"%03d" % len(block) + block for block in blocks)


def _name(data: bytes, where: str) -> str:
    name = data[:3].decode("ascii", "replace")
    if len(name) != 3 or not (name.isascii() and name.isalnum() and name.isupper()):
        raise DecodeError(where, "three capital letters expected first")
    return name


def _blocks(data: bytes, where: str) -> tuple[bytes, ...]:
    blocks = []
    place = 0
    while place < len(data):
        digits = data[place : place + 3]
        if len(digits) != 3 or not digits.isdigit():
            raise DecodeError(where, "the length of a block, three digits, expected")
        block = data[place + 3 : place + 3 + int(digits)]
        if len(block) != int(digits):
            raise DecodeError(where, "a block beyond the end of the packet")
        blocks.append(block)
        place += 3 + int(digits)
    return tuple(blocks)


OPEN = Command("OPN")


def close() -> Command:
    """CLX: end the session."""
    return Command("CLX", (b"",))


def display(text: str) -> Command:
    """DSP: two lines of 16 characters."""
    if len(text) > DISPLAY_CHARACTERS or not (text.isascii() and text.isprintable()):
        raise EncodeError(f"display text takes up to {DISPLAY_CHARACTERS} printable ASCII characters")
    return Command("DSP", (text.ljust(DISPLAY_CHARACTERS).encode("ascii"),))


def get_info(*identifiers: int) -> Command:
    """GIX: ask for properties; without identifiers for all. :data:`PIN_KSNS` and a place: the KSN of that key."""
    if not identifiers:
        return Command("GIX", (b"",))
    listed = b"".join(identifier.to_bytes(2, "big") for identifier in identifiers)
    return Command("GIX", (parameters({Parameter.IDENTIFIERS: listed}),))


@dataclass(frozen=True, slots=True)
class PinRequest:
    """GPN: have the person enter a PIN, enciphered in format 0 with this PAN."""

    method: PinMethod
    key_index: int
    pan: Pan
    message: str
    working_key: bytes = bytes(WORKING_KEY_OCTETS)
    """Enciphered under the master key; zeros for DUKPT."""
    least: int = 4
    most: int = 12

    def command(self) -> Command:
        """As it travels: fields of fixed size in one block."""
        if not 0 <= self.key_index <= 99 or len(self.working_key) != WORKING_KEY_OCTETS:
            raise EncodeError("GPN takes a key index of 0 to 99 and a working key of 16 octets")
        if len(self.message) > DISPLAY_CHARACTERS or not (self.message.isascii() and self.message.isprintable()):
            raise EncodeError(f"GPN takes a message of up to {DISPLAY_CHARACTERS} printable ASCII characters")
        digits = self.pan.digits
        block = (
            f"{self.method:d}{self.key_index:02d}{self.working_key.hex().upper()}{len(digits):02d}"
            f"{digits.ljust(PAN_CHARACTERS)}1{self.least:02d}{self.most:02d}{self.message.ljust(DISPLAY_CHARACTERS)}"
        )
        return Command("GPN", (block.encode("ascii"),))


_PIN_REQUEST_OCTETS = 1 + 2 + 2 * WORKING_KEY_OCTETS + 2 + PAN_CHARACTERS + 1 + 2 + 2 + DISPLAY_CHARACTERS


def decode_pin_request(command: Command) -> PinRequest:
    """The fields of GPN: the pad's side."""
    if command.name != "GPN" or len(command.blocks) != 1 or len(command.blocks[0]) != _PIN_REQUEST_OCTETS:
        raise DecodeError("ABECS GPN", f"one block of {_PIN_REQUEST_OCTETS} octets expected")
    try:
        text = command.blocks[0].decode("ascii")
    except UnicodeDecodeError:
        raise DecodeError("ABECS GPN", "ASCII expected") from None
    numbers = text[0] + text[1:3] + text[35:37] + text[56:61]
    if not (numbers.isascii() and numbers.isdigit()) or text[56] != "1":
        raise DecodeError("ABECS GPN", "digits, and one entry, expected in its number fields")
    size, least, most = int(text[35:37]), int(text[57:59]), int(text[59:61])
    digits = text[37 : 37 + size]
    if size > PAN_CHARACTERS or text[37 + size : 56].strip():
        raise DecodeError("ABECS GPN", "the PAN does not have its length")
    try:
        method = PinMethod(int(text[0]))
    except ValueError:
        raise DecodeError("ABECS GPN", "a method of 1 or 3 expected") from None
    if not 4 <= least <= most <= 12 or not text[61:].isprintable():
        raise DecodeError("ABECS GPN", "4 to 12 digits and a printable message expected")
    working_key = unhex(text[3:35], "ABECS GPN working key")
    return PinRequest(method, int(text[1:3]), Pan(digits), text[61:].rstrip(), working_key, least, most)


@dataclass(frozen=True, slots=True)
class PinBlock:
    """The data of a good response to GPN: enciphered block (8 octets) and KSN (10; zeros with a master key)."""

    block: bytes
    ksn: bytes

    def data(self) -> bytes:
        """One block of 36 hexadecimal digits."""
        return (self.block + self.ksn).hex().upper().encode("ascii")


def decode_pin_block(response: Response) -> PinBlock:
    """What a good response to GPN brings."""
    size = 2 * (BLOCK_OCTETS + KSN_OCTETS)
    if len(response.blocks) != 1 or len(response.blocks[0]) != size:
        raise DecodeError("ABECS GPN", f"one block of {size} hexadecimal digits expected")
    octets = unhex(response.blocks[0].decode("ascii", "replace"), "ABECS GPN")
    return PinBlock(octets[:BLOCK_OCTETS], octets[BLOCK_OCTETS:])


def encipher(key_index: int, working_key: bytes, iv: bytes, data: bytes) -> Command:
    """EBX: TDES in CBC under a working key that the master key of a slot deciphers."""
    if not 0 <= key_index <= 99 or len(working_key) != WORKING_KEY_OCTETS or len(iv) != BLOCK_OCTETS:
        raise EncodeError("EBX takes a key index of 0 to 99, a working key of 16 octets and an IV of 8")
    if not data or len(data) % BLOCK_OCTETS or len(data) > LONGEST_ENCIPHER:
        raise EncodeError(f"EBX takes whole 8-octet blocks, at most {LONGEST_ENCIPHER} octets")
    values = {
        Parameter.DATA_IN: data,
        Parameter.DATA_METHOD: MASTER_TDES_CBC,
        Parameter.KEY_INDEX: b"%02d" % key_index,
        Parameter.WORKING_KEY: working_key,
        Parameter.IV: iv,
    }
    return Command("EBX", (parameters(values),))


def redacted_command(event: Event) -> str:
    """What the host says, in words: no key, no data, a masked PAN; of an unknown command the length."""
    return _redacted(event, _command_words)


def redacted_response(event: Event) -> str:
    """What the pad says, in words; of a block its length, except KSNs."""
    return _redacted(event, _response_words)


def _redacted(event: Event, words: Callable[[Packet], str]) -> str:
    if isinstance(event, Control):
        return event.name
    if isinstance(event, Damaged):
        return f"damaged ({event.why})"
    try:
        return words(event)
    except DecodeError:
        return f"packet of {len(event.data)} octets"


def _command_words(packet: Packet) -> str:
    command = decode_command(packet)
    if command.name == "GPN":
        request = decode_pin_request(command)
        return f"GPN method {request.method}, key {request.key_index:02d}, PAN {request.pan.masked}"
    return f"{command.name} {sum(map(len, command.blocks))} octets" if command.blocks else command.name


def _response_words(packet: Packet) -> str:
    response = decode_response(packet)
    if response.name == "GPN" and response.status == Status.OK:
        return f"GPN success, KSN {decode_pin_block(response).ksn.hex().upper()}, block of {BLOCK_OCTETS} octets"
    more = f", {sum(map(len, response.blocks))} octets" if response.blocks else ""
    return f"{response.name} {status_words(response.status)}{more}"
