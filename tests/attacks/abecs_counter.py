# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A checkout counter with an ABECS pad, and men in the middle of its line. Driver and pad are the shipped ones.

A man in the middle is a device like any other: the terminal's line ends in him, and he has a line to the pad.
"""

import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

from device_profiles.model import AbecsProfile, AbecsSession, PanPolicy
from device_profiles.serve.pty import SerialTwin
from protocols.secret import ClearKey
from protocols.serial.abecs import Control, Packet, PacketFramer
from protocols.serial.abecs_messages import Response, decode_command, decode_response
from protocols.serial.abecs_secure import (
    SessionCipher,
    decode_open_secure,
    decode_opened,
    is_sealed,
    open_secure,
    opened_block,
    wrap_session_key,
)
from terminal_agent.pad.drivers import open_pad
from terminal_agent.pad.port import IdentifiedPad
from tests.attacks.counter import Counter, PluggedPad, own_load
from tests.device_profiles.twins.pads import ABECS, abecs_pad
from tests.terminal_agent.line.twin_line import TwinLine


def profile(session: AbecsSession, pan: PanPolicy) -> AbecsProfile:
    """The shipped profile with these two decisions."""
    return dataclasses.replace(ABECS, abecs=dataclasses.replace(ABECS.abecs, session=session, pan=pan))


@cache
def thiefs_key() -> RSAPrivateKey:
    """His own."""
    return generate_private_key(65537, 2048)


class ManInTheMiddle:
    """Hears both sides packet by packet. What he makes of them is up to ``host_says`` and ``pad_says``."""

    def __init__(self, pad: SerialTwin) -> None:
        self._pad = pad
        self._from_host, self._from_pad = PacketFramer(), PacketFramer()

    def feed(self, octets: bytes, now: float) -> bytes:
        out = b""
        for event in self._from_host.feed(octets):
            if isinstance(event, Packet):
                packet, answer = self.host_says(event)
                out += answer
                if packet is not None:
                    out += self._relayed(self._pad.feed(packet.encode(), now))
            elif isinstance(event, Control):
                out += self._relayed(self._pad.feed(bytes((event,)), now))
        return out

    def tick(self, now: float) -> bytes:
        return self._relayed(self._pad.tick(now))

    @property
    def due(self) -> float | None:
        return self._pad.due

    def _relayed(self, octets: bytes) -> bytes:
        out = b""
        for event in self._from_pad.feed(octets):
            if isinstance(event, Packet):
                out += self.pad_says(event).encode()
            elif isinstance(event, Control):
                out += bytes((event,))
        return out

    def host_says(self, packet: Packet) -> tuple[Packet | None, bytes]:
        """What the pad hears instead, None for nothing; and what the terminal is answered at once."""
        return packet, b""

    def pad_says(self, packet: Packet) -> Packet:
        """What the terminal hears instead."""
        return packet


class OtherModulus(ManInTheMiddle):
    """Puts his own RSA modulus in the place of the terminal's, and so has a session with each of the two."""

    def __init__(self, pad: SerialTwin) -> None:
        super().__init__(pad)
        self.heard = bytearray()
        self._modulus, self._exponent = b"", 0
        self._to_host: SessionCipher | None = None
        self._to_pad: SessionCipher | None = None

    def host_says(self, packet: Packet) -> tuple[Packet | None, bytes]:
        if packet.data[:3] == b"OPN":
            self._modulus, self._exponent = decode_open_secure(decode_command(packet))
            mine = thiefs_key().public_key().public_numbers().n.to_bytes(256, "big")
            return open_secure(mine, 65537).packet(), b""
        assert self._to_host is not None
        assert self._to_pad is not None
        clear = self._to_host.open(packet)
        self.heard += clear.data
        return self._to_pad.seal(clear), b""

    def pad_says(self, packet: Packet) -> Packet:
        if not is_sealed(packet) and packet.data[:3] == b"OPN":
            key = thiefs_key().decrypt(decode_opened(decode_response(packet)), PKCS1v15())
            self._to_pad, self._to_host = SessionCipher(key), SessionCipher(bytes(range(16)))
            wrapped = wrap_session_key(self._modulus, self._exponent, ClearKey(bytes(range(16))))
            return Response("OPN", 0, (opened_block(wrapped),)).packet()
        assert self._to_host is not None
        assert self._to_pad is not None
        return self._to_host.seal(self._to_pad.open(packet))


class OldAnswers(ManInTheMiddle):
    """Has no key. He keeps the first answer to a PIN request, known by its length, and gives it again."""

    REQUEST, ANSWER = 1 + 112, 1 + 64  # DC2 and whole blocks around GPN (101 octets) and its answer (45)

    def __init__(self, pad: SerialTwin) -> None:
        super().__init__(pad)
        self._kept: Packet | None = None

    def host_says(self, packet: Packet) -> tuple[Packet | None, bytes]:
        if is_sealed(packet) and len(packet.data) == self.REQUEST and self._kept is not None:
            return None, b"\x06" + self._kept.encode()
        return packet, b""

    def pad_says(self, packet: Packet) -> Packet:
        if self._kept is None and len(packet.data) == self.ANSWER:
            self._kept = packet
        return packet


class OtherWords(ManInTheMiddle):
    """Changes the amount that the customer is to see."""

    def __init__(self, pad: SerialTwin, said: bytes, shown: bytes) -> None:
        super().__init__(pad)
        self._said, self._shown = said, shown

    def host_says(self, packet: Packet) -> tuple[Packet | None, bytes]:
        return Packet(packet.data.replace(self._said, self._shown)), b""


class AbecsCounter(Counter):
    """A counter whose pad is an ABECS one."""

    def __init__(self, folder: Path, settings: AbecsProfile, identity: str) -> None:
        super().__init__(folder, PluggedPad(own_load()), "", "")
        self.abecs_pad = abecs_pad()[0]
        self.at_the_line: SerialTwin = self.abecs_pad
        self._settings, self._identity = settings, identity

    async def put_between(self, man: ManInTheMiddle) -> None:
        """Cut the line, and have him stand there."""
        assert self.line is not None
        self.line.unplug()
        self.at_the_line = man
        if self.attached.present:
            await self.attached.drop(self.attached.driver(), "it was unplugged")
        await self.attached.open()

    def shown(self) -> list[str]:
        """What the customer saw."""
        return [one.text for one in self.abecs_pad.drain_shown()]

    async def _open(self) -> IdentifiedPad:
        self.line = TwinLine(self.at_the_line)
        return await open_pad(self._settings, self.line, None, self._identity)


@asynccontextmanager
async def abecs_counter(
    folder: Path, session: AbecsSession, pan: PanPolicy, identity: str = ""
) -> AsyncIterator[AbecsCounter]:
    """A counter; ``identity`` as in a terminal's profile."""
    (folder / "state").mkdir()
    made = AbecsCounter(folder, profile(session, pan), identity)
    try:
        yield made
    finally:
        await made.close()
