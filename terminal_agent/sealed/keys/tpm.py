# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A TPM 2.0 behind an open descriptor: it unseals the store's key and keeps the counter. Opens no device.

The descriptor stays open behind the fences, since the counter moves while the vault runs. Its commands are few enough
to be written here (:mod:`protocols.tpm2`): the usual libraries open files and start programs, and both are forbidden
there (docs/adr/0012).
"""

import hashlib
import hmac
import os
from typing import Final

from protocols import tpm2
from protocols.errors import DecodeError
from protocols.tpm2 import Sealed
from terminal_agent.sealed.keys.store import StoreError

_AUTH_LABEL: Final = b"tillguard vault counter authorisation"
_TRIES: Final = 5


class TpmError(StoreError):
    """The TPM is not there, or refuses; ``code`` is its response code, 0 where it gave none."""

    def __init__(self, words: str, code: int = 0) -> None:
        super().__init__(f"TPM: {words}")
        self.code = code


class Tpm:
    """One TPM. ``region`` takes its responses, in the arena: one of them is the store's key."""

    def __init__(self, descriptor: int, region: memoryview) -> None:
        self._descriptor = descriptor
        self._region = region

    def seal(self, secret: memoryview) -> Sealed:
        """An object that only this TPM opens."""
        parent = tpm2.handle_of(self.run(tpm2.create_storage_key()))
        try:
            return tpm2.sealed_of(self.run(tpm2.create_sealed(parent, secret)))
        finally:
            self.run(tpm2.flush(parent))

    def unseal(self, sealed: Sealed, key: memoryview) -> None:
        """What was sealed, into ``key``; :class:`TpmError` where another TPM sealed it."""
        parent = tpm2.handle_of(self.run(tpm2.create_storage_key()))
        try:
            item = tpm2.handle_of(self.run(tpm2.load(parent, sealed)))
            try:
                found = tpm2.data_of(self.run(tpm2.unseal(item)))
                if len(found) != len(key):
                    raise TpmError(f"{len(found)} octets were sealed, {len(key)} expected")
                key[:] = found
                self._region[:] = bytes(len(self._region))
            finally:
                self.run(tpm2.flush(item))
        finally:
            self.run(tpm2.flush(parent))

    def run(self, command: bytes) -> memoryview:
        """The response to a command, valid until the next one."""
        for _ in range(_TRIES):
            try:
                os.write(self._descriptor, command)
                response = self._response()
            except OSError as fault:
                raise TpmError(f"does not answer: {fault.strerror}") from None
            code = tpm2.response_code(response)
            if code == tpm2.RC_SUCCESS:
                return response
            if code == tpm2.RC_INITIALIZE:
                os.write(self._descriptor, tpm2.startup())
                self._response()
            elif code != tpm2.RC_RETRY:
                raise TpmError(f"refused, response code {code:03X} (TPM 2.0 part 2, 6.6)", code)
        raise TpmError("busy")

    def close(self) -> None:
        """Let go of it: a simulator serves one program at a time."""
        os.close(self._descriptor)

    def _response(self) -> memoryview:
        """One response. A character device gives it whole, a simulator's socket may give it in pieces."""
        have = 0
        while have < tpm2.HEADER or have < int.from_bytes(self._region[2:6], "big"):
            count = os.readv(self._descriptor, [self._region[have:]])
            if not count:
                raise TpmError("has gone")
            have += count
        return self._region[:have]


class TpmCounter:
    """The number kept elsewhere, in the TPM's non-volatile memory; see :class:`.elsewhere.Elsewhere`."""

    words = "the TPM's counter, which nobody can set back"

    def __init__(self, tpm: Tpm, index: int, key: memoryview) -> None:
        """``key``: the store's; who does not have it can neither read the counter nor move it."""
        self._tpm = tpm
        self._index = index
        self._auth = hmac.digest(key, _AUTH_LABEL, hashlib.sha256)

    def begin(self) -> None:
        """Define the counter and count once, without which it cannot be read."""
        self._tpm.run(tpm2.define_counter(self._index, self._auth))
        self.advance()

    def value(self) -> int:
        """See :class:`.elsewhere.Elsewhere`."""
        try:
            return int.from_bytes(tpm2.data_of(self._tpm.run(tpm2.read_counter(self._index, self._auth))), "big")
        except DecodeError as fault:
            raise TpmError(str(fault)) from None

    def advance(self) -> None:
        """See :class:`.elsewhere.Elsewhere`."""
        self._tpm.run(tpm2.increment(self._index, self._auth))
