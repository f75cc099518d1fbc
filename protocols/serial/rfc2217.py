# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A serial port behind Telnet, the client's side (RFC 2217; RFC 854, 855 and 856). Octets in, octets out: no socket.

The client offers the COM port option, asks for binary transmission both ways and sets speed and shape of a character;
the server confirms each value. Data travels with FF doubled. What the server asks beyond that is declined.
"""

import struct
from collections.abc import Mapping
from enum import IntEnum

from protocols.errors import DecodeError

SE, SB, WILL, WONT, DO, DONT, IAC = 240, 250, 251, 252, 253, 254, 255
BINARY, SUPPRESS_GO_AHEAD, COM_PORT = 0, 3, 44
LONGEST_SUBNEGOTIATION = 64
_ANSWERS = 100  # a server's confirmation has the command's number plus this (RFC 2217, 3)


class Setting(IntEnum):
    """Commands of the client that the server confirms with a value (RFC 2217, 3)."""

    BAUD = 1
    DATA_SIZE = 2
    PARITY = 3
    STOP_SIZE = 4
    CONTROL = 5


NO_FLOW_CONTROL = 1
PARITIES = {"none": 1, "odd": 2, "even": 3}
_AGREED = {(DO, COM_PORT), (WILL, BINARY), (DO, BINARY), (WILL, SUPPRESS_GO_AHEAD), (DO, SUPPRESS_GO_AHEAD)}
_DECLINED = {WILL: DONT, DO: WONT}


def settings(baud: int, data_bits: int, parity: str, stop_bits: int) -> dict[Setting, int]:
    """The values of a line: parity ``none``, ``odd`` or ``even``; no flow control."""
    return {
        Setting.BAUD: baud,
        Setting.DATA_SIZE: data_bits,
        Setting.PARITY: PARITIES[parity],
        Setting.STOP_SIZE: stop_bits,
        Setting.CONTROL: NO_FLOW_CONTROL,
    }


def escaped(data: bytes) -> bytes:
    """Data as it travels: FF doubled (RFC 854)."""
    return data.replace(b"\xff", b"\xff\xff")


class Rfc2217Client:
    """One connection. Send :meth:`hello`, feed what comes; data comes out, and answers that must be sent."""

    def __init__(self, wanted: Mapping[Setting, int]) -> None:
        self._wanted = dict(wanted)
        self._open = dict(wanted)
        self._buffer = bytearray()
        self.refused = ""
        """Why the server is of no use, in words; empty as long as it may be."""

    @property
    def settled(self) -> bool:
        """Whether the server confirmed every value."""
        return not self._open and not self.refused

    def hello(self) -> bytes:
        """What the client says first."""
        offers = ((WILL, COM_PORT), (WILL, BINARY), (DO, BINARY), (WILL, SUPPRESS_GO_AHEAD), (DO, SUPPRESS_GO_AHEAD))
        return b"".join(bytes((IAC, verb, option)) for verb, option in offers) + self._set()

    def feed(self, octets: bytes) -> tuple[bytes, bytes]:
        """Octets from the server; returns data of the port, and what to answer. :class:`DecodeError` for no Telnet."""
        self._buffer += octets
        data, answer = bytearray(), bytearray()
        while (taken := self._take(data, answer)) > 0:
            del self._buffer[:taken]
        return bytes(data), bytes(answer)

    def _set(self) -> bytes:
        out = b""
        for setting, value in self._wanted.items():
            packed = struct.pack(">I", value) if setting is Setting.BAUD else bytes((value,))
            out += bytes((IAC, SB, COM_PORT, setting)) + escaped(packed) + bytes((IAC, SE))
        return out

    def _take(self, data: bytearray, answer: bytearray) -> int:
        """Use up the beginning of the buffer; returns how much, 0 where more is needed."""
        buffer = self._buffer
        start = buffer.find(IAC)
        if start:
            plain = len(buffer) if start < 0 else start
            data += buffer[:plain]
            return plain
        if len(buffer) < 2:
            return 0
        verb = buffer[1]
        if verb == IAC:
            data.append(IAC)
            return 2
        if verb in (WILL, WONT, DO, DONT):
            if len(buffer) < 3:
                return 0
            answer += self._negotiated(verb, buffer[2])
            return 3
        if verb == SB:
            return self._subnegotiation()
        return 2  # a Telnet command that says nothing to a serial port

    def _negotiated(self, verb: int, option: int) -> bytes:
        if option == COM_PORT and verb == DONT:
            self.refused = "the server does not speak RFC 2217"
        elif option == BINARY and verb in (WONT, DONT):
            self.refused = "the server does not carry binary data"
        if verb in _DECLINED and (verb, option) not in _AGREED:
            return bytes((IAC, _DECLINED[verb], option))
        return b""

    def _subnegotiation(self) -> int:
        buffer = self._buffer
        content = bytearray()
        place = 2
        while True:
            if place + 1 >= len(buffer):
                if len(buffer) > LONGEST_SUBNEGOTIATION:
                    raise DecodeError("RFC 2217", f"a subnegotiation of more than {LONGEST_SUBNEGOTIATION} octets")
                return 0
            octet, following = buffer[place], buffer[place + 1]
            if octet != IAC:
                content.append(octet)
                place += 1
            elif following == IAC:
                content.append(IAC)
                place += 2
            else:
                break
        self._confirmed(bytes(content))
        return place + 2

    def _confirmed(self, content: bytes) -> None:
        if len(content) < 3 or content[0] != COM_PORT or content[1] - _ANSWERS not in set(Setting):
            return  # modem and line states, and what else a server may tell
        setting = Setting(content[1] - _ANSWERS)
        value = int.from_bytes(content[2:], "big")
        if value == self._wanted.get(setting):
            self._open.pop(setting, None)
        elif setting is not Setting.CONTROL:
            name = setting.name.lower().replace("_", " ")
            self.refused = f"the server set the {name} to {value}, {self._wanted.get(setting)} was asked for"
        else:
            self._open.pop(setting, None)  # flow control that cannot be switched off is the port's own affair
