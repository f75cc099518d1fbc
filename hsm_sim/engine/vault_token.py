# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The vault key wrapped by a key that never leaves a PKCS#11 token. The only importer of ``pkcs11``; stores nothing.

The token does one thing: AES-256-GCM over the 32 octets of the vault key (PKCS#11 v3.0, 2.11.11: CKM_AES_GCM). Working
inside the token throughout is not offered: through PKCS#11 a block costs 45 times what it costs in process, and tokens
have neither DUKPT nor a retail MAC.
"""

from collections.abc import Mapping
from typing import Any

import pkcs11
from pkcs11.exceptions import PKCS11Error

from hsm_sim.engine.vault_seal import KEY_OCTETS, NONCE_OCTETS, TAG_OCTETS, Random
from protocols.errors import DecodeError, IntegrityError, ProtocolError
from protocols.secret import ClearKey, Secret


class TokenError(ProtocolError):
    """The token is not there, does not take the PIN, or cannot do what is asked; the text quotes no PIN."""


class TokenPin(Secret):
    """The user PIN of a token."""

    __slots__ = ()


class ByToken:
    """Wraps under a named AES key of a named token; the key is made in the token if it has none of that name."""

    def __init__(self, module: str, token: str, key: str, pin: TokenPin, random: Random) -> None:
        """``module`` is the path of the token's library, ``token`` and ``key`` are labels."""
        self._module = module
        self._token = token
        self._key = key
        self._pin = pin
        self._random = random

    def words(self) -> Mapping[str, str | int]:
        """Method and labels; where the library lies is the settings' to say."""
        return {"method": "pkcs11", "token": self._token, "key": self._key}

    def wrap(self, key: ClearKey, bound_to: bytes) -> bytes:
        """Nonce, ciphertext and tag."""
        nonce = self._random(NONCE_OCTETS)
        with self._session(write=True) as session:
            wrapping = self._found(session) or self._made(session)
            made: bytes = wrapping.encrypt(
                bytes(key.reveal()), mechanism=pkcs11.Mechanism.AES_GCM, mechanism_param=_parameters(nonce, bound_to)
            )
        return nonce + made

    def unwrap(self, wrapped: bytes, bound_to: bytes) -> ClearKey:
        """The vault key; :class:`IntegrityError` where the token's key is another one."""
        nonce, rest = wrapped[:NONCE_OCTETS], wrapped[NONCE_OCTETS:]
        if len(rest) != KEY_OCTETS + TAG_OCTETS:
            raise DecodeError("wrapped vault key", f"{NONCE_OCTETS + KEY_OCTETS + TAG_OCTETS} octets expected")
        with self._session(write=False) as session:
            wrapping = self._found(session)
            if wrapping is None:
                raise TokenError(f"token {self._token}: no AES key {self._key}")
            try:
                clear = wrapping.decrypt(
                    rest, mechanism=pkcs11.Mechanism.AES_GCM, mechanism_param=_parameters(nonce, bound_to)
                )
            except PKCS11Error:
                raise IntegrityError("vault key: does not open: changed, or wrapped by another key") from None
        return ClearKey(bytearray(clear))

    def _session(self, *, write: bool) -> Any:
        try:
            library = pkcs11.lib(self._module)
        except (PKCS11Error, RuntimeError):
            raise TokenError(f"{self._module}: cannot be loaded as a PKCS#11 module") from None
        try:
            token = library.get_token(token_label=self._token)
            return token.open(user_pin=bytes(self._pin.reveal()).decode("utf-8", "replace"), rw=write)
        except (PKCS11Error, RuntimeError) as fault:
            raise TokenError(f"token {self._token}: {type(fault).__name__}") from None

    def _found(self, session: Any) -> Any:
        keys = list(
            session.get_objects(
                {
                    pkcs11.Attribute.CLASS: pkcs11.ObjectClass.SECRET_KEY,
                    pkcs11.Attribute.KEY_TYPE: pkcs11.KeyType.AES,
                    pkcs11.Attribute.LABEL: self._key,
                }
            )
        )
        if len(keys) > 1:
            raise TokenError(f"token {self._token}: {len(keys)} AES keys are called {self._key}, one expected")
        return keys[0] if keys else None

    def _made(self, session: Any) -> Any:
        try:
            return session.generate_key(
                pkcs11.KeyType.AES,
                KEY_OCTETS * 8,
                label=self._key,
                store=True,
                template={pkcs11.Attribute.SENSITIVE: True, pkcs11.Attribute.EXTRACTABLE: False},
            )
        except PKCS11Error as fault:
            raise TokenError(f"token {self._token}: no key can be made: {type(fault).__name__}") from None


def _parameters(nonce: bytes, bound_to: bytes) -> Any:
    return pkcs11.GCMParams(nonce, bound_to, TAG_OCTETS * 8)
