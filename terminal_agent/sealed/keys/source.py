# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Who gives the store's key, and the first block of the store that says so, in clear. Opens no file and no token.

In this order, whichever a terminal has: a TPM, which unseals it on this machine alone; a PKCS#11 token, whose key never
leaves it; a passphrase file, which is as safe as the place where it lies. The block is bound to what is sealed under
the key, so nobody can turn a store that a TPM guards into one that a file opens.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from protocols.errors import DecodeError
from terminal_agent.sealed.keys.store import HEAD_OCTETS, STORE_KEY_OCTETS

MARK: Final = b"TGVH1\0"
IDENTITY_OCTETS: Final = 16
SALT_OCTETS: Final = 16
LARGEST_PASSPHRASE: Final = 1_024
LEAST_PASSPHRASE: Final = 12
SCRYPT_R: Final = 8
COST_OF_WORDS: Final = 14
COST_OF_RANDOM: Final = 4
"""Binary logarithms of scrypt's N (RFC 7914). A person's words need 16 MiB and 45 ms of work against guessing; random
octets, 32 of which ``keys init`` writes where there is no file yet, cannot be guessed at any price."""
MATERIAL_OCTETS: Final = SALT_OCTETS + 1


class Kind(StrEnum):
    """The sources, the best first."""

    TPM = "tpm"
    TOKEN = "token"
    PASSPHRASE = "passphrase"


@dataclass(frozen=True, slots=True)
class Head:
    """The first block: which store this is, who gives its key, and what he needs for it. None of it is secret."""

    identity: bytes
    kind: Kind
    material: bytes
    """Salt and cost; or what the TPM sealed; or what the token wrapped."""

    @property
    def bound(self) -> bytes:
        """What is authenticated with every place of the store."""
        return self.identity + self.kind.value.encode()

    def encode(self) -> bytes:
        """The block, filled with zeros."""
        kind = self.kind.value.encode()
        parts = (MARK, self.identity, bytes((len(kind),)), kind, len(self.material).to_bytes(2, "big"), self.material)
        octets = b"".join(parts)
        if len(octets) > HEAD_OCTETS:
            raise DecodeError("store head", "what the source gave is too long")
        return octets.ljust(HEAD_OCTETS, b"\0")

    @classmethod
    def decode(cls, octets: bytes) -> "Head":
        """Read it; :class:`DecodeError` for what is no store of a vault's."""
        if octets[: len(MARK)] != MARK or len(octets) != HEAD_OCTETS:
            raise DecodeError("store", "not the store of a vault")
        place = len(MARK) + IDENTITY_OCTETS
        identity, size = octets[len(MARK) : place], octets[place]
        kind = octets[place + 1 : place + 1 + size]
        place += 1 + size
        length = int.from_bytes(octets[place : place + 2], "big")
        try:
            return cls(identity, Kind(kind.decode()), octets[place + 2 : place + 2 + length])
        except ValueError:
            raise DecodeError("store head", "a source of keys that this version does not know") from None


def by_passphrase(passphrase: memoryview, material: bytes, key: memoryview) -> None:
    """The store's key into ``key``, 32 octets of the arena, from a passphrase in the arena (scrypt, RFC 7914).

    ``material``: the salt, and an octet with the binary logarithm of N.
    """
    if len(material) != MATERIAL_OCTETS or not COST_OF_RANDOM <= material[-1] <= COST_OF_WORDS:
        raise DecodeError("store head", "salt and cost of a passphrase expected")
    salt, cost = material[:SALT_OCTETS], 1 << material[-1]
    Scrypt(salt=salt, length=STORE_KEY_OCTETS, n=cost, r=SCRYPT_R, p=1).derive_into(passphrase, key)


def trimmed(passphrase: memoryview) -> memoryview:
    """Without the line end that an editor puts behind it."""
    size = len(passphrase)
    while size and passphrase[size - 1] in b"\r\n":
        size -= 1
    return passphrase[:size]
