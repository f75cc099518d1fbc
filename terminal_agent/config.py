# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What of a terminal's profile belongs to no room: who it is, where its devices are plugged in. Reads no file."""

import re
from dataclasses import dataclass
from pathlib import Path

LONGEST_SOCKET = 107
_TERMINAL = re.compile(r"[A-Z0-9]{8}", re.ASCII)
_KSN = re.compile(r"[0-9A-F]{20}", re.ASCII)
_IDENTITY = re.compile("[0-9A-F]{64}", re.ASCII)
_MERCHANT = re.compile(r"[A-Z0-9 ]{1,15}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Identity:
    """[terminal]: identity, state folder and local socket."""

    id: str
    """Terminal identification, 8 capitals or digits (ISO 8583 DE41); also its name in MQTT topics and certificates."""
    merchant: str
    """Merchant identification, up to 15 characters (DE42)."""
    state: Path = Path("/var/lib/tillguard")
    socket: Path = Path("/run/tillguard/agent.sock")

    def __post_init__(self) -> None:
        if not _TERMINAL.fullmatch(self.id):
            raise ValueError("id: 8 capital letters or digits expected")
        if len(bytes(self.socket)) > LONGEST_SOCKET:
            raise ValueError(f"socket: the whole path may have {LONGEST_SOCKET} octets at most (unix(7))")
        if not _MERCHANT.fullmatch(self.merchant):
            raise ValueError("merchant: 1 to 15 capital letters, digits or spaces expected")


@dataclass(frozen=True, slots=True)
class Device:
    """[reader]: which model, and which line it is plugged into."""

    model: str
    """A model of the catalogue (``device-twin list``), or the path of a profile of your own."""
    line: str
    """``/dev/ttyUSB0`` or ``usb:VVVV:PPPP:SERIAL``; ``socket://host:port`` or ``rfc2217://host:port`` for a serial
    server; ``pcsc:PART OF ITS NAME`` for a PC/SC reader."""


@dataclass(frozen=True, slots=True)
class PadDevice:
    """[pad]: model and line as for the reader, and which one of that model: an exchanged pad is noticed."""

    model: str
    line: str
    serial: str = ""
    """Serial number, as ``terminal-agent pad check`` prints it; empty: any."""
    ksn: str = ""
    """Any KSN of its DUKPT key, 20 hexadecimal digits; empty: any key."""
    identity: str = ""
    """The public key with which it signs, 64 hexadecimal digits, as ``pad check`` prints it; for ABECS pads."""

    def __post_init__(self) -> None:
        if self.identity and not _IDENTITY.fullmatch(self.identity):
            raise ValueError("identity: 64 hexadecimal digits expected, in capitals")
        if self.ksn and not _KSN.fullmatch(self.ksn):
            raise ValueError("ksn: 20 hexadecimal digits expected, in capitals")


@dataclass(frozen=True, slots=True)
class Waits:
    """[timeouts]: how long each side may take, in seconds."""

    card: float = 30.0
    pin: float = 60.0
    acquirer: float = 15.0
    answer: float = 60.0
    """For what a payment asks people besides the PIN: the application, the signature."""

    def __post_init__(self) -> None:
        if not all(0 < seconds <= 600 for seconds in (self.card, self.pin, self.acquirer, self.answer)):
            raise ValueError("timeouts: more than 0 and at most 600 seconds expected")
