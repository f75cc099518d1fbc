# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The enciphered session of ABECS pads: how it is opened, and packets in it. Decides not whom to trust; makes no key.

The host sends an RSA modulus with OPN; the pad answers with a session key of 16 octets under it (PKCS #1 v1.5). From
then on the data of a packet are ``DC2`` and AES in CBC of ``length (2) | CRC (2) | data | zeros``. Source: Pinpad
Abecs, protocol 2.12, 3.2.2 and 5.2.

What this is worth: it keeps who only listens from reading. It proves neither side's identity, so a man in the middle
opens one session with each; the CRC is no MAC; the initialisation vector is zero and packets are not counted, so an old
one is as good as a new one. Against these stands abecs_identity.py, which is an extension of ours.
"""

from typing import Self

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers

from protocols.errors import DecodeError, EncodeError, IntegrityError
from protocols.octets import crc16, unhex
from protocols.primitives import AesKey, KeyOctets, Use
from protocols.secret import ClearKey
from protocols.serial.abecs import Packet
from protocols.serial.abecs_messages import Command, Response

DC2 = 0x12
SESSION_KEY_OCTETS, MODULUS_OCTETS, BLOCK = 16, 256, 16
LARGEST_CLEAR = 2044  # octets of data in an enciphered packet (5.2.2)
_HEAD = 4
_IV = bytes(BLOCK)
_EXPONENT_OCTETS = range(1, 4)


def open_secure(modulus: bytes, exponent: int) -> Command:
    """OPN with the host's RSA key: 256 octets of modulus (3.2.2). Host's side."""
    if len(modulus) != MODULUS_OCTETS or not 3 <= exponent <= 0xFFFFFF:
        raise EncodeError(f"OPN takes a modulus of {MODULUS_OCTETS} octets and an exponent of up to 3")
    octets = exponent.to_bytes((exponent.bit_length() + 7) // 8, "big")
    block = f"0{MODULUS_OCTETS:03d}{modulus.hex().upper()}{len(octets):d}{octets.hex().upper()}"
    return Command("OPN", (block.encode("ascii"),))


def decode_open_secure(command: Command) -> tuple[bytes, int]:
    """Modulus and exponent of an OPN that has a block: the pad's side."""
    text = command.blocks[0] if len(command.blocks) == 1 else b""
    size = 4 + 2 * MODULUS_OCTETS
    digits = text[size : size + 1]
    if text[:4] != b"0%03d" % MODULUS_OCTETS or not digits.isdigit() or int(digits) not in _EXPONENT_OCTETS:
        raise DecodeError("ABECS OPN", f"mode 0, a modulus of {MODULUS_OCTETS} octets and a short exponent expected")
    if len(text) != size + 1 + 2 * int(digits):
        raise DecodeError("ABECS OPN", "as much as the lengths say expected")
    exponent = int.from_bytes(unhex(text[size + 1 :], "ABECS OPN exponent"), "big")
    return unhex(text[4:size], "ABECS OPN modulus"), exponent


def opened_block(cryptogram: bytes) -> bytes:
    """What a good response to it carries: the pad's side."""
    return b"%03d" % len(cryptogram) + cryptogram.hex().upper().encode("ascii")


def decode_opened(response: Response) -> bytes:
    """The session key under the host's RSA key. A response without it comes from a pad that knows only plain ones."""
    text = response.blocks[0] if len(response.blocks) == 1 else b""
    if len(text) != 3 + 2 * MODULUS_OCTETS or text[:3] != b"%03d" % MODULUS_OCTETS:
        raise DecodeError("ABECS OPN", f"a cryptogram of {MODULUS_OCTETS} octets expected")
    return unhex(text[3:], "ABECS OPN cryptogram")


def wrap_session_key(modulus: bytes, exponent: int, key: ClearKey) -> bytes:
    """The key as the pad sends it (5.2.1). ``cryptography`` draws the filling itself; DecodeError for no RSA key."""
    try:
        public = RSAPublicNumbers(exponent, int.from_bytes(modulus, "big")).public_key()
        return public.encrypt(bytes(key.reveal()), PKCS1v15())
    except ValueError:
        raise DecodeError("ABECS OPN", "an RSA public key expected") from None


class SessionCipher:
    """One session's key, both ways. Wiped with it."""

    __slots__ = ("_key",)

    def __init__(self, key: KeyOctets) -> None:
        if len(key) != SESSION_KEY_OCTETS:
            raise EncodeError(f"an ABECS session key has {SESSION_KEY_OCTETS} octets")
        self._key = AesKey(key, Use.CHAIN | Use.DECIPHER)

    def seal(self, clear: Packet) -> Packet:
        """``clear`` as it travels (5.2.2.1)."""
        data = clear.data
        if len(data) > LARGEST_CLEAR:
            raise EncodeError(f"{len(data)} octets in an enciphered ABECS packet, at most {LARGEST_CLEAR} expected")
        whole = len(data).to_bytes(2, "big") + crc16(data, 0).to_bytes(2, "big") + data
        return Packet(bytes((DC2,)) + self._key.cbc_encipher(_IV, whole + bytes(-len(whole) % BLOCK)))

    def open(self, sealed: Packet) -> Packet:
        """What travelled (5.2.2.2); :class:`IntegrityError` for what no holder of the key can have sent."""
        octets = sealed.data[1:]
        if not is_sealed(sealed) or not octets or len(octets) % BLOCK:
            raise IntegrityError("ABECS session: whole blocks behind DC2 expected")
        whole = self._key.cbc_decipher(_IV, octets)
        size = int.from_bytes(whole[:2], "big")
        data = whole[_HEAD : _HEAD + size]
        if not 0 < size == len(data) or crc16(data, 0) != int.from_bytes(whole[2:_HEAD], "big"):
            raise IntegrityError("ABECS session: length or CRC is not that of the packet")
        return Packet(data)

    def wipe(self) -> None:
        """Forget the key."""
        self._key.wipe()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.wipe()


def is_sealed(packet: Packet) -> bool:
    """Whether the data are enciphered."""
    return packet.data[:1] == bytes((DC2,))
