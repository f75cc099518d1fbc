# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Cards to hold to a reader twin: one that echoes, so that every octet of an exchange can be checked."""

from device_profiles.twins.activation import Activated, Activation, ActivationB
from device_profiles.twins.card import CardTorn
from device_profiles.twins.reader import Hand


class EchoCard:
    """Answers a command with its own octets, as often as its P2 says, and 9000; counts what it was asked."""

    def __init__(self, sak: int = 0x20, torn_at: int = -1) -> None:
        self.sak = sak
        self.torn_at = torn_at
        self.commands: list[bytes] = []
        self.powered = 0

    def power_on(self) -> Activated:
        self.powered += 1
        return Activation(b"\x00\x04", self.sak, bytes.fromhex("08112233"), bytes.fromhex("0578807002"))

    def power_off(self) -> None:
        self.powered -= 1

    def apdu(self, command: bytes) -> bytes:
        self.commands.append(command)
        if len(self.commands) - 1 == self.torn_at:
            raise CardTorn
        return command * (command[3] if len(command) > 3 and command[3] else 1) + b"\x90\x00"


class EchoCardB(EchoCard):
    """The same with a chip of type B."""

    def power_on(self) -> Activated:
        self.powered += 1
        return ActivationB(bytes.fromhex("08112233"), bytes(4), bytes.fromhex("008171"))


def hand(after_s: float = 0.05, sak: int = 0x20, torn_at: int = -1) -> tuple[Hand, EchoCard]:
    card = EchoCard(sak, torn_at)
    return Hand(card, after_s), card
