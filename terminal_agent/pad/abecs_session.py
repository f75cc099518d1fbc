# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The terminal's side of an ABECS session: its RSA key, the session's cipher, and the pad's proofs. Sends nothing.

Trust is not in the cipher but in the proof: a line is trusted when the pad that the profile names has signed this very
session. Without that, whoever holds the cable may be at its other end.
"""

from functools import cache

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

from protocols import ed25519
from protocols.errors import IntegrityError
from protocols.secret import ClearKey
from protocols.serial.abecs import Packet
from protocols.serial.abecs_identity import entry_statement, session_statement
from protocols.serial.abecs_messages import Command
from protocols.serial.abecs_secure import MODULUS_OCTETS, SESSION_KEY_OCTETS, SessionCipher, is_sealed, open_secure
from terminal_agent.errors import WrongDevice
from terminal_agent.pad.port import PadAbsent, PinEntered

EXPONENT = 65537


class LineAltered(PadAbsent, WrongDevice):
    """Somebody at the line changes what pad and terminal say."""


def altered(what: str) -> LineAltered:
    """The same in words."""
    return LineAltered(
        f"the pad's line is tampered with: {what}", "look at the cable and what is plugged into it; then at the pad"
    )


@cache
def host_key() -> RSAPrivateKey:
    """The terminal's RSA key: one for the life of the process, never on a disk. The library draws it."""
    return generate_private_key(EXPONENT, 8 * MODULUS_OCTETS)


class Session:
    """One session from OPN to CLX, enciphered from :meth:`establish` on."""

    def __init__(self) -> None:
        self._cipher: SessionCipher | None = None
        self._modulus = b""
        self._key = ClearKey(b"")

    def opening(self) -> Command:
        """The OPN of an enciphered session."""
        modulus = host_key().public_key().public_numbers().n.to_bytes(MODULUS_OCTETS, "big")
        self._modulus = modulus
        return open_secure(modulus, EXPONENT)

    def establish(self, cryptogram: bytes) -> None:
        """Take the key that the pad sent. One that was made up deciphers to noise, and nothing after it opens."""
        try:
            key = host_key().decrypt(cryptogram, PKCS1v15())
        except ValueError:
            key = b""
        if len(key) != SESSION_KEY_OCTETS:
            raise altered("the session key is not under the terminal's own key")
        self._key = ClearKey(key)
        self._cipher = SessionCipher(self._key)

    def forget(self) -> None:
        """The session is over."""
        if self._cipher is not None:
            self._cipher.wipe()
        self._key.wipe()
        self._cipher, self._modulus, self._key = None, b"", ClearKey(b"")

    @property
    def enciphered(self) -> bool:
        """Whether packets are enciphered now."""
        return self._cipher is not None

    def outgoing(self, packet: Packet) -> Packet:
        """As it goes over the line."""
        return packet if self._cipher is None else self._cipher.seal(packet)

    def incoming(self, packet: Packet) -> Packet:
        """What the pad said; :class:`LineAltered` where it cannot be the pad."""
        if self._cipher is None:
            return packet  # an enciphered one is of an earlier session, and answers nothing that is asked now
        if not is_sealed(packet):
            raise altered("an answer in clear inside an enciphered session")
        try:
            return self._cipher.open(packet)
        except IntegrityError:
            raise altered("an answer was changed on its way") from None

    def signed_by(self, public: bytes, signature: bytes, challenge: bytes, serial: str) -> bool:
        """Whether the holder of ``public`` signed this session."""
        statement = session_statement(challenge, serial, self._modulus, bytes(self._key.reveal()))
        return ed25519.verify(public, statement, signature)

    @staticmethod
    def entry_signed_by(
        public: bytes, signature: bytes, challenge: bytes, serial: str, shown: str, entered: PinEntered
    ) -> bool:
        """Whether the holder of ``public`` showed these words above this entry."""
        statement = entry_statement(challenge, serial, shown, entered.ksn, entered.block)
        return ed25519.verify(public, statement, signature)
