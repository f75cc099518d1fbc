# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A tag with a web address, such as a poster has: NFC Forum Type 4, read only. It is a wrong card: it pays nothing.

Two files behind one application: what the tag can do (E103), and the message (E104), both read with READ BINARY.
Source: NFC Forum, Type 4 Tag Operation 2.0, 5; URI records: NFC Forum, RTD URI 1.0, 3.2.
"""

from collections.abc import Callable

from device_profiles.twins.activation import Activation
from device_profiles.twins.card_answer import CardTorn, Refused, answered
from protocols.emv.apdu import Command, Ins
from protocols.emv.status import Status

APPLICATION = bytes.fromhex("D2760000850101")
CAPABILITIES, MESSAGE = 0xE103, 0xE104
LONGEST_ADDRESS = 250  # octets: a short record, whose length has one octet
READ_BINARY = 0xB0
_VERSION = 0x20
_LARGEST_ANSWER, _LARGEST_COMMAND = 0x00FB, 0x00F6
_READABLE, _NOT_WRITABLE = 0x00, 0xFF
_BY_NAME, _BY_FILE = 0x04, 0x00
_SHORT_URI_RECORD = b"\xd1\x01"  # begins and ends the message, short, well-known type of one octet
_NO_PREFIX = b"\x00"


def uri_message(address: str) -> bytes:
    """An NDEF message of one URI record; :class:`ValueError` for one that is too long or not ASCII."""
    octets = address.encode("ascii")
    if not 1 <= len(octets) <= LONGEST_ADDRESS:
        raise ValueError(f"an address of 1 to {LONGEST_ADDRESS} characters expected")
    payload = _NO_PREFIX + octets
    return _SHORT_URI_RECORD + bytes((len(payload),)) + b"U" + payload


class NdefTag:
    """One tag. ``random`` gives octets for the identifier of each tap."""

    def __init__(self, message: bytes, random: Callable[[int], bytes]) -> None:
        whole = len(message).to_bytes(2, "big") + message
        control = MESSAGE.to_bytes(2, "big") + len(whole).to_bytes(2, "big") + bytes((_READABLE, _NOT_WRITABLE))
        limits = _LARGEST_ANSWER.to_bytes(2, "big") + _LARGEST_COMMAND.to_bytes(2, "big")
        capabilities = bytes((_VERSION,)) + limits + bytes((0x04, len(control))) + control
        self._files = {CAPABILITIES: (2 + len(capabilities)).to_bytes(2, "big") + capabilities, MESSAGE: whole}
        self._random = random
        self._powered = False
        self._selected = False
        self._file = b""

    def power_on(self) -> Activation:
        """The tag comes into the field."""
        self._powered, self._selected, self._file = True, False, b""
        return Activation(b"\x00\x04", 0x20, b"\x08" + self._random(3), bytes.fromhex("0578807002"))

    def power_off(self) -> None:
        """The tag leaves the field."""
        self._powered = False

    def apdu(self, command: bytes) -> bytes:
        """Answer one command. Raises :class:`CardTorn` when the tag is not in the field, and nothing else."""
        if not self._powered:
            raise CardTorn
        return answered(self._answer, command)

    def _answer(self, octets: bytes) -> bytes:
        command = Command.decode(octets)
        if command.cla != 0x00:
            raise Refused(Status.CLA_NOT_SUPPORTED)
        if command.ins == Ins.SELECT:
            return self._select(command)
        if command.ins == READ_BINARY:
            return self._read(command)
        raise Refused(Status.INS_NOT_SUPPORTED)

    def _select(self, command: Command) -> bytes:
        if command.p1 == _BY_NAME:
            self._selected, self._file = command.data == APPLICATION, b""
            if not self._selected:
                raise Refused(Status.FILE_NOT_FOUND)
            return b""
        found = self._files.get(int.from_bytes(command.data, "big")) if self._selected else None
        if command.p1 != _BY_FILE or found is None:
            raise Refused(Status.FILE_NOT_FOUND)
        self._file = found
        return b""

    def _read(self, command: Command) -> bytes:
        if not self._file:
            raise Refused(Status.COMMAND_NOT_ALLOWED)
        start = command.p1 << 8 | command.p2
        if start >= len(self._file):
            raise Refused(Status.WRONG_P1_P2)
        return self._file[start : start + min(command.expected or 0, _LARGEST_ANSWER)]
