# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""How vault records are sealed, and how the key that seals them is itself wrapped. Reads no file and opens no database.

Every record is sealed with AES-256-GCM (NIST SP 800-38D) under one random vault key, over everything that is said about
it in the clear, so no record can be changed, renamed, or moved to another vault. The vault key is never stored: it lies
wrapped under a key that a passphrase gives (scrypt, RFC 7914), or by a token (see :mod:`hsm_sim.engine.vault_token`).
Changing the passphrase rewraps 32 octets.

A seal binds one record in itself: whoever can write the file can still take a record out or put an old copy back. The
audit, whose head belongs elsewhere, is what shows that.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from protocols.errors import DecodeError, IntegrityError
from protocols.secret import ClearKey, Secret

KEY_OCTETS = 32
NONCE_OCTETS = 12
"""Random for every sealing: 2³² records and more before two are likely to meet (NIST SP 800-38D, 8.3)."""
TAG_OCTETS = 16
SALT_OCTETS = 16
SCRYPT_N = 1 << 15
"""32 MiB and some 0.1 s for each guess at a passphrase."""
SCRYPT_R, SCRYPT_P = 8, 1
LARGEST_SCRYPT_N = 1 << 20
SHORTEST_PASSPHRASE = 12
LONGEST_PASSPHRASE = 1024

Random = Callable[[int], bytes]


class Passphrase(Secret):
    """What a person or a file gives to open a vault."""

    __slots__ = ()


class Wrapping(Protocol):
    """Wraps and unwraps the vault key; what it needs to know again is in ``words``, and none of it is secret."""

    def words(self) -> Mapping[str, str | int]:
        """What to store beside the wrapped key."""

    def wrap(self, key: ClearKey, bound_to: bytes) -> bytes:
        """The vault key wrapped, bound to the vault's name."""

    def unwrap(self, wrapped: bytes, bound_to: bytes) -> ClearKey:
        """The vault key; :class:`IntegrityError` where passphrase or token is another one."""


class ByPassphrase:
    """Wraps under a key derived from a passphrase."""

    def __init__(self, passphrase: Passphrase, random: Random, stored: Mapping[str, str | int] | None = None) -> None:
        """``stored`` are the words of the wrapping that is to be opened; without, a new salt is drawn."""
        if not SHORTEST_PASSPHRASE <= len(passphrase) <= LONGEST_PASSPHRASE:
            raise DecodeError("passphrase", f"{SHORTEST_PASSPHRASE} to {LONGEST_PASSPHRASE} octets expected")
        self._passphrase = passphrase
        self._random = random
        self._salt = random(SALT_OCTETS)
        self._n = SCRYPT_N
        if stored is not None:
            salt, n = stored.get("salt"), stored.get("n")
            if (
                not isinstance(salt, str)
                or not isinstance(n, int)
                or not SCRYPT_N <= n <= LARGEST_SCRYPT_N
                or n & n - 1
            ):
                raise DecodeError("vault header", "a salt and a cost that this program takes expected")
            try:
                self._salt = bytes.fromhex(salt)
            except ValueError:
                raise DecodeError("vault header", "a salt in hexadecimal digits expected") from None
            self._n = n

    def words(self) -> Mapping[str, str | int]:
        """Method, salt and cost."""
        return {"method": "scrypt", "salt": self._salt.hex(), "n": self._n}

    def wrap(self, key: ClearKey, bound_to: bytes) -> bytes:
        """AES-256-GCM under the derived key."""
        return seal(self._derived(), self._random, key.reveal(), bound_to)

    def unwrap(self, wrapped: bytes, bound_to: bytes) -> ClearKey:
        """The other way round."""
        return ClearKey(unseal(self._derived(), wrapped, bound_to, "vault key"))

    def _derived(self) -> AESGCM:
        derived = bytearray(
            hashlib.scrypt(
                self._passphrase.reveal(),
                salt=self._salt,
                n=self._n,
                r=SCRYPT_R,
                p=SCRYPT_P,
                maxmem=2 * 128 * SCRYPT_R * self._n,
                dklen=KEY_OCTETS,
            )
        )
        try:
            return AESGCM(derived)
        finally:
            derived[:] = bytes(len(derived))


def seal(key: AESGCM, random: Random, clear: bytes | memoryview, said: bytes) -> bytes:
    """``clear`` sealed over itself and ``said``: nonce, ciphertext, tag."""
    nonce = random(NONCE_OCTETS)
    return nonce + key.encrypt(nonce, clear, said)


def unseal(key: AESGCM, sealed: bytes, said: bytes, where: str) -> bytearray:
    """What was sealed, for the caller to wipe; :class:`IntegrityError` where it, or what is said of it, was changed."""
    if len(sealed) < NONCE_OCTETS + TAG_OCTETS:
        raise IntegrityError(f"{where}: too short to be sealed")
    try:
        return bytearray(key.decrypt(sealed[:NONCE_OCTETS], sealed[NONCE_OCTETS:], said))
    except InvalidTag:
        raise IntegrityError(f"{where}: does not open: changed, or sealed under another key") from None


def said_of(**words: str | int) -> bytes:
    """What is said in the clear, in one form only, to be sealed over."""
    return json.dumps(words, sort_keys=True, separators=(",", ":")).encode()
