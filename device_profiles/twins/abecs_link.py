# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The session of an ABECS pad's twin, and the key with which it signs. It knows no PIN and no display.

Randomness is an argument; only the filling of the session key's cryptogram is drawn by the library. Source: Pinpad
Abecs, protocol 2.12, 5.2; the signing is ours, see protocols/serial/abecs_identity.py.
"""

import contextlib
from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from protocols.errors import IntegrityError
from protocols.secret import ClearKey
from protocols.serial.abecs import Packet
from protocols.serial.abecs_identity import session_statement
from protocols.serial.abecs_messages import Command, Status
from protocols.serial.abecs_secure import (
    SESSION_KEY_OCTETS,
    SessionCipher,
    decode_open_secure,
    is_sealed,
    opened_block,
    wrap_session_key,
)


class SessionFault(Exception):
    """A packet that this session does not take; the pad says ``status``."""

    def __init__(self, status: Status) -> None:
        super().__init__(status)
        self.status = status


class PadSession:
    """From OPN to CLX."""

    def __init__(self, random: Callable[[int], bytes]) -> None:
        self._random = random
        self._cipher: SessionCipher | None = None
        self._modulus = b""
        self._key = ClearKey(b"")
        self.open = False

    def begin(self, command: Command) -> tuple[bytes, ...]:
        """OPN: the blocks of the response. With a modulus the session is enciphered behind it."""
        if not command.blocks:
            self.end()
            self.open = True
            return ()
        modulus, exponent = decode_open_secure(command)
        key = ClearKey(self._random(SESSION_KEY_OCTETS))
        wrapped = wrap_session_key(modulus, exponent, key)
        self.end()
        self.open = True
        self._modulus, self._key, self._cipher = modulus, key, SessionCipher(key)
        return (opened_block(wrapped),)

    def end(self) -> None:
        """CLX, or a packet that was tampered with: the key is gone."""
        if self._cipher is not None:
            self._cipher.wipe()
        self._key.wipe()
        self._cipher, self._modulus, self._key, self.open = None, b"", ClearKey(b""), False

    def received(self, packet: Packet) -> Packet:
        """What the host said in clear; :class:`SessionFault` where it may not say it so."""
        if not is_sealed(packet):
            if self._cipher is not None and packet.data[:3] != b"OPN":
                raise SessionFault(Status.PACKET_SECURITY)
            return packet
        if self._cipher is None:
            raise SessionFault(Status.NO_SECURE_SESSION)
        try:
            return self._cipher.open(packet)
        except IntegrityError:
            self.end()
            raise SessionFault(Status.PACKET_SECURITY) from None

    def readable(self, packet: Packet) -> Packet:
        """The same in clear, for a trace; as it is where this session's key does not open it."""
        with contextlib.suppress(IntegrityError):
            return self._cipher.open(packet) if self._cipher is not None and is_sealed(packet) else packet
        return packet

    def sent(self, packet: Packet) -> Packet:
        """What the pad says, as it travels."""
        return packet if self._cipher is None else self._cipher.seal(packet)

    def statement(self, challenge: bytes, serial: str) -> bytes:
        """What is signed of this session."""
        return session_statement(challenge, serial, self._modulus, bytes(self._key.reveal()))


class PadIdentity:
    """The pad's own signing key; a pad without one proves nothing."""

    def __init__(self, seed: ClearKey | None) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(bytes(seed.reveal())) if seed is not None else None

    @property
    def public(self) -> bytes:
        """Its public half."""
        return b"" if self._key is None else self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    def signed(self, statement: bytes) -> bytes | None:
        """Public key and signature; None where there is no key."""
        return None if self._key is None else self.public + self._key.sign(statement)

    def erase(self) -> None:
        """The pad was opened."""
        self._key = None
