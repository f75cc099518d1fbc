# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Command and response APDUs as octets, short and extended (ISO/IEC 7816-4:2020, 5). Sends nothing, chains nothing."""

from dataclasses import dataclass
from enum import IntEnum

from protocols.emv.status import Status
from protocols.errors import DecodeError, EncodeError

SHORT_DATA = 255  # ISO/IEC 7816-4:2020, 5.2: Lc of one octet
SHORT_ANSWER = 256  # ibid.: Le of one octet, 00 meaning 256
EXTENDED_DATA = 65_535  # ibid.: Lc of 00 and two octets
EXTENDED_ANSWER = 65_536  # ibid.: Le of two octets, 0000 meaning 65536

CDA_REQUESTED = 0x10  # EMV 4.4 Book 3, 6.5.5.2, table 12: P1 bit 5 of GENERATE AC
PLAIN_PIN, ENCIPHERED_PIN = 0x80, 0x88  # ibid., 6.5.12.2, table 24: P2 of VERIFY

PPSE = b"2PAY.SYS.DDF01"  # Contactless Book B 2.10, 3.3.2.2
PSE = b"1PAY.SYS.DDF01"  # EMV 4.4 Book 1, 12.3.2


class Ins(IntEnum):
    """Instruction octets (EMV 4.4 Book 3, 6.5; Book 1, 11; Books C-2 and C-3, 5)."""

    APPLICATION_BLOCK = 0x1E
    APPLICATION_UNBLOCK = 0x18
    CARD_BLOCK = 0x16
    COMPUTE_CRYPTOGRAPHIC_CHECKSUM = 0x2A
    EXCHANGE_RELAY_RESISTANCE_DATA = 0xEA
    EXTERNAL_AUTHENTICATE = 0x82
    GENERATE_AC = 0xAE
    GET_CHALLENGE = 0x84
    GET_DATA = 0xCA
    GET_PROCESSING_OPTIONS = 0xA8
    GET_RESPONSE = 0xC0
    INTERNAL_AUTHENTICATE = 0x88
    PIN_CHANGE_UNBLOCK = 0x24
    PUT_DATA = 0xDA
    READ_RECORD = 0xB2
    RECOVER_AC = 0xD0
    SELECT = 0xA4
    UPDATE_RECORD = 0xDC
    VERIFY = 0x20

    @property
    def words(self) -> str:
        """The command's name as the books write it."""
        return self.name.replace("_", " ")


@dataclass(frozen=True, slots=True)
class Command:
    """A command APDU. ``expected`` is the number of octets that may come back (Le), None for no field at all.

    It prints its header and lengths only: data may be a PIN.
    """

    cla: int
    ins: int
    p1: int
    p2: int
    data: bytes = b""
    expected: int | None = None

    def encode(self) -> bytes:
        """The command's octets: the short form where it fits, else the extended one (5.2). Terminal side."""
        size = len(self.data)
        expected = self.expected
        if not all(0 <= octet <= 0xFF for octet in (self.cla, self.ins, self.p1, self.p2)):
            raise EncodeError("a command's header holds four octets")
        if size > EXTENDED_DATA or (expected is not None and not 1 <= expected <= EXTENDED_ANSWER):
            raise EncodeError(f"command with {size} octets of data and Le {expected}: beyond ISO/IEC 7816-4:2020, 5.2")
        header = bytes((self.cla, self.ins, self.p1, self.p2))
        if size <= SHORT_DATA and (expected is None or expected <= SHORT_ANSWER):
            length = bytes((size,)) if size else b""
            answer = b"" if expected is None else bytes((expected & 0xFF,))
            return b"".join((header, length, self.data, answer))
        length = b"\0" + size.to_bytes(2, "big") if size else b""
        answer = b"" if expected is None else (expected & 0xFFFF).to_bytes(2, "big")
        if not size:
            answer = b"\0" + answer
        return b"".join((header, length, self.data, answer))

    @classmethod
    def decode(cls, octets: bytes) -> "Command":
        """Read a command of any of the seven forms (5.2). Card side; raises :class:`DecodeError`."""
        if len(octets) < 4:
            raise DecodeError("command APDU", f"{len(octets)} octets, a header takes 4")
        cla, ins, p1, p2 = octets[:4]
        body = octets[4:]
        data, expected = _body(body)
        return cls(cla, ins, p1, p2, data, expected)

    def __repr__(self) -> str:
        header = bytes((self.cla, self.ins, self.p1, self.p2)).hex().upper()
        return f"Command({header}, {len(self.data)} octets of data, Le {self.expected})"


def _body(body: bytes) -> tuple[bytes, int | None]:
    """Data and Le of a command's body, by the form that its lengths announce."""
    size = len(body)
    if size == 0:
        return b"", None
    first = body[0]
    if size == 1:
        return b"", first or SHORT_ANSWER
    if first:
        if size == 1 + first:
            return body[1:], None
        if size == 2 + first:
            return body[1:-1], body[-1] or SHORT_ANSWER
    elif size == 3:
        return b"", int.from_bytes(body[1:3], "big") or EXTENDED_ANSWER
    elif size > 3:
        count = int.from_bytes(body[1:3], "big")
        if count and size == 3 + count:
            return body[3:], None
        if count and size == 5 + count:
            return body[3:-2], int.from_bytes(body[-2:], "big") or EXTENDED_ANSWER
    raise DecodeError("command APDU, octet 4", f"a body of {size} octets that its length field does not announce")


@dataclass(frozen=True, slots=True)
class Response:
    """A response APDU: the data field and the status word. It prints only the length of the data."""

    data: bytes
    status: int

    @property
    def ok(self) -> bool:
        """Whether the card says 9000."""
        return self.status == Status.OK

    def encode(self) -> bytes:
        """The response's octets. Card side."""
        if len(self.data) > EXTENDED_ANSWER or not 0 <= self.status <= 0xFFFF:
            raise EncodeError("a response takes at most 65536 octets of data and a status word of two")
        return self.data + self.status.to_bytes(2, "big")

    @classmethod
    def decode(cls, octets: bytes) -> "Response":
        """Read a response (5.6). Terminal side; raises :class:`DecodeError` when there is no status word."""
        if not 2 <= len(octets) <= EXTENDED_ANSWER + 2:
            raise DecodeError("response APDU", f"{len(octets)} octets, 2 to {EXTENDED_ANSWER + 2} expected")
        return cls(bytes(octets[:-2]), int.from_bytes(octets[-2:], "big"))

    def __repr__(self) -> str:
        return f"Response({len(self.data)} octets of data, {self.status:04X})"


def select(name: bytes, *, following: bool = False) -> Command:
    """SELECT by name, the first or the next that matches (EMV 4.4 Book 1, 11.3.2). Terminal side."""
    if not 5 <= len(name) <= 16:
        raise EncodeError(f"a DF name of {len(name)} octets, 5 to 16 expected")
    return Command(0x00, Ins.SELECT, 0x04, 0x02 if following else 0x00, name, SHORT_ANSWER)


def get_processing_options(values: bytes) -> Command:
    """GET PROCESSING OPTIONS with the values that the PDOL asked for (EMV 4.4 Book 3, 6.5.8). Terminal side."""
    if len(values) > SHORT_DATA - 3:
        raise EncodeError(f"PDOL values of {len(values)} octets do not fit one command")
    size = len(values)
    length = bytes((size,)) if size < 0x80 else bytes((0x81, size))
    return Command(0x80, Ins.GET_PROCESSING_OPTIONS, 0x00, 0x00, b"\x83" + length + values, SHORT_ANSWER)


def read_record(sfi: int, record: int) -> Command:
    """READ RECORD ``record`` of the file ``sfi`` (EMV 4.4 Book 3, 6.5.11). Terminal side."""
    if not (1 <= sfi <= 30 and 1 <= record <= 255):
        raise EncodeError(f"record {record} of file {sfi}: files are 1 to 30, records 1 to 255")
    return Command(0x00, Ins.READ_RECORD, record, sfi << 3 | 0x04, expected=SHORT_ANSWER)


def get_data(tag: int) -> Command:
    """GET DATA of a primitive object with a tag of two octets (EMV 4.4 Book 3, 6.5.7). Terminal side."""
    if not 0x0000 <= tag <= 0xFFFF:
        raise EncodeError(f"GET DATA of tag {tag:X}: P1 and P2 hold two octets")
    return Command(0x80, Ins.GET_DATA, tag >> 8, tag & 0xFF, expected=SHORT_ANSWER)


def generate_ac(kind: int, values: bytes, *, signed: bool = False) -> Command:
    """GENERATE AC, ``kind`` 0 AAC, 1 TC or 2 ARQC, over the CDOL's values (EMV 4.4 Book 3, 6.5.5). Terminal side.

    ``signed``: the card shall sign its answer as well (CDA, P1 bit 5).
    """
    if not 0 <= kind <= 2 or not 1 <= len(values) <= SHORT_DATA:
        raise EncodeError(f"GENERATE AC of type {kind} with {len(values)} octets: types are 0 to 2, octets 1 to 255")
    return Command(0x80, Ins.GENERATE_AC, kind << 6 | (CDA_REQUESTED if signed else 0), 0x00, values, SHORT_ANSWER)


def external_authenticate(answer: bytes) -> Command:
    """EXTERNAL AUTHENTICATE with issuer authentication data (EMV 4.4 Book 3, 6.5.4). Terminal side."""
    if not 8 <= len(answer) <= 16:
        raise EncodeError(f"issuer authentication data of {len(answer)} octets, 8 to 16 expected")
    return Command(0x00, Ins.EXTERNAL_AUTHENTICATE, 0x00, 0x00, answer)


def internal_authenticate(values: bytes) -> Command:
    """INTERNAL AUTHENTICATE over the DDOL's values (EMV 4.4 Book 3, 6.5.9). Terminal side."""
    if not 1 <= len(values) <= SHORT_DATA:
        raise EncodeError(f"INTERNAL AUTHENTICATE over {len(values)} octets, 1 to {SHORT_DATA} expected")
    return Command(0x00, Ins.INTERNAL_AUTHENTICATE, 0x00, 0x00, values, SHORT_ANSWER)


def exchange_relay_resistance_data(entropy: bytes) -> Command:
    """EXCHANGE RELAY RESISTANCE DATA: four random octets of the terminal for four of the card. Terminal side."""
    if len(entropy) != 4:
        raise EncodeError(f"relay resistance entropy of {len(entropy)} octets, 4 expected")
    return Command(0x80, Ins.EXCHANGE_RELAY_RESISTANCE_DATA, 0x00, 0x00, entropy, SHORT_ANSWER)


def recover_ac(values: bytes) -> Command:
    """RECOVER AC over the DRDOL's values: the cryptogram whose answer was torn off (Book C-2). Terminal side."""
    if not 1 <= len(values) <= SHORT_DATA:
        raise EncodeError(f"RECOVER AC over {len(values)} octets, 1 to {SHORT_DATA} expected")
    return Command(0x80, Ins.RECOVER_AC, 0x00, 0x00, values, SHORT_ANSWER)


def get_challenge() -> Command:
    """GET CHALLENGE: eight octets for an enciphered PIN (EMV 4.4 Book 3, 6.5.6). Terminal side."""
    return Command(0x00, Ins.GET_CHALLENGE, 0x00, 0x00, expected=SHORT_ANSWER)


def verify_enciphered(data: bytes) -> Command:
    """VERIFY with a PIN that is enciphered under the card's key (EMV 4.4 Book 3, 6.5.12). Terminal side."""
    if not 1 <= len(data) <= SHORT_DATA:
        raise EncodeError(f"an enciphered PIN of {len(data)} octets, 1 to {SHORT_DATA} expected")
    return Command(0x00, Ins.VERIFY, 0x00, ENCIPHERED_PIN, data)


PLAIN_PIN_TEMPLATE = bytes((0x00, Ins.VERIFY, 0x00, PLAIN_PIN, 0x08, 0x20)) + b"\xff" * 7
"""VERIFY with a PIN block of format 2 that holds no digit yet: the reader writes them in (EMV 4.4 Book 3, 6.5.12.3)."""


def get_response(octets: int) -> Command:
    """GET RESPONSE for ``octets`` that wait, 256 for all (ISO/IEC 7816-4:2020, 11.9.1). Terminal side, T=0."""
    if not 1 <= octets <= SHORT_ANSWER:
        raise EncodeError(f"GET RESPONSE for {octets} octets, 1 to 256 can be fetched")
    return Command(0x00, Ins.GET_RESPONSE, 0x00, 0x00, expected=octets)
