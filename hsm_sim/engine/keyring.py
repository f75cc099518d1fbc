# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Keys on their way from host to cipher: unwrapped, checked, and remembered as live contexts. No operation of its own.

Unwrapping and key schedules cost ten times an encipherment, so a key that was used is remembered in the form that the
operation wants, by what the host sent for it. The memory is bounded and has two halves: what is used comes into the
younger one, and when that is full, it becomes the older one and what was in that, long unused, is forgotten.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeVar

from hsm_sim.engine.key_types import KeyType
from hsm_sim.engine.lmk import Lmk
from hsm_sim.engine.policy import Policy
from hsm_sim.engine.purpose import Purpose
from hsm_sim.engine.refusal import Reason, Refused
from hsm_sim.engine.requests import KeyUnderLmk
from hsm_sim.engine.rsa_keys import RsaKeys
from hsm_sim.engine.stored_key import StoredKey
from hsm_sim.engine.wrapping import WrappedKey
from protocols.hsm.codes import KeyScheme
from protocols.hsm.key_block import BlockHeader
from protocols.pin.translation import verdict
from protocols.primitives import has_odd_parity, is_single_strength, with_odd_parity
from protocols.secret import ClearKey

T = TypeVar("T")
Random = Callable[[int], bytes]
"""So many octets of fresh randomness."""
Storage = Callable[[str], StoredKey | None]
"""The key at a place in user storage, three hexadecimal digits."""
DEFAULT = Policy()
REMEMBERED = 1024  # keys; a host works with dozens
_IN_STORAGE = KeyScheme.STORED  # asking an enumeration for a member takes as long as finding a key

# NIST SP 800-67 rev. 2, 3.3.2: single DES keys that undo themselves or each other, with odd parity.
_WEAK = frozenset(
    bytes.fromhex(text)
    for text in (
        "0101010101010101", "FEFEFEFEFEFEFEFE", "E0E0E0E0F1F1F1F1", "1F1F1F1F0E0E0E0E",
        "011F011F010E010E", "1F011F010E010E01", "01E001E001F101F1", "E001E001F101F101",
        "01FE01FE01FE01FE", "FE01FE01FE01FE01", "1FE01FE00EF10EF1", "E01FE01FF10EF10E",
        "1FFE1FFE0EFE0EFE", "FE1FFE1FFE0EFE0E", "E0FEE0FEF1FEF1FE", "FEE0FEE0FEF1FEF1",
    )
)  # fmt: skip


def _nothing_stored(index: str) -> StoredKey | None:
    return None


NO_STORAGE: Storage = _nothing_stored


class Keyring:
    """The LMK, the source of randomness, and the keys in use. Bound to one thread."""

    __slots__ = (
        "_half",
        "_older",
        "_random",
        "_remembered",
        "lmk",
        "old_lmk",
        "policy",
        "rsa_keys",
        "storage",
        "translations",
    )

    def __init__(
        self,
        lmk: Lmk,
        random: Random,
        policy: Policy = DEFAULT,
        old_lmk: Lmk | None = None,
        remember: int = REMEMBERED,
        storage: Storage = NO_STORAGE,
    ) -> None:
        self.lmk = lmk
        self.old_lmk = old_lmk
        """What keys and PINs are translated from after an LMK change."""
        self.storage = storage
        self.rsa_keys = RsaKeys()
        self.policy = policy
        self.translations = frozenset(
            (source, destination)
            for source in policy.pin_formats
            for destination in policy.pin_formats
            if verdict(source, destination).permitted
        )
        """PIN block formats as pairs: what the unit takes and the standard permits between hosts."""
        self._random = random
        self._remembered: dict[tuple[Any, ...], Any] = {}
        self._older: dict[tuple[Any, ...], Any] = {}
        self._half = remember // 2

    def use(self, key: KeyUnderLmk, purpose: Purpose[T], *, destination: bool = False) -> T:
        """The live key for a purpose; refuses a key that is not for it, and what is no key."""
        if key.wrapped.scheme is _IN_STORAGE:
            self._found(key).permit(purpose)
            key = self.resolved(key)
        name = (purpose, key)
        found: T | None = self._remembered.get(name)
        if found is None:
            found = self._older.pop(name, None)
            if found is None:
                algorithm = self.lmk.permits(key.wrapped, key.kind, purpose)
                with self.unwrap(key, destination=destination) as clear:
                    found = purpose.live(algorithm, clear)
            if len(self._remembered) >= self._half:
                self._older, self._remembered = self._remembered, {}
            self._remembered[name] = found
        return found

    def unwrap(self, key: KeyUnderLmk, *, destination: bool = False, old: bool = False) -> ClearKey:
        """The clear key for the engine alone; refuses wrong parity and a short key posing as a long one."""
        lmk: Lmk | None = self.old_lmk if old else self.lmk
        if lmk is None:
            raise Refused(Reason.NO_OLD_LMK)
        key = self.resolved(key)
        clear = lmk.unwrap(key.wrapped, key.kind)
        if lmk.authenticates:
            return clear
        if not has_odd_parity(clear):
            clear.wipe()
            raise Refused(Reason.DESTINATION_KEY_PARITY if destination else Reason.SOURCE_KEY_PARITY)
        self.judge(clear)
        return clear

    def resolved(self, key: KeyUnderLmk) -> KeyUnderLmk:
        """The key itself, where a host named a place in user storage instead."""
        if key.wrapped.scheme is not _IN_STORAGE:
            return key
        return _stored(key.kind, self._found(key).as_type(key.kind))

    def release(self, key: KeyUnderLmk) -> None:
        """Refuse the export of a key that user storage says must stay."""
        if key.wrapped.scheme is _IN_STORAGE:
            self._found(key).release()

    def _found(self, key: KeyUnderLmk) -> StoredKey:
        stored = self.storage(key.wrapped.cryptogram.decode("ascii"))
        if stored is None:
            raise Refused(Reason.NOT_STORED)
        return stored

    def header(self, key: KeyUnderLmk) -> BlockHeader | None:
        """What the key's block says, which unwrapping authenticates; None where keys lie in none."""
        return self.lmk.header(self.resolved(key).wrapped)

    def judge(self, clear: ClearKey) -> None:
        """Refuse, and wipe, a key that no one should make, form or bring: weak, or a short one posing as a long one."""
        reason = None
        if len(clear) > 8 and not self.policy.single_length_posing and is_single_strength(clear):
            reason = Reason.SINGLE_LENGTH_POSING
        elif _holds_weak(clear):
            reason = Reason.WEAK_KEY
        if reason is not None:
            clear.wipe()
            raise Refused(reason)

    def generate_aes(self, count: int) -> ClearKey:
        """A random AES key."""
        return ClearKey(bytearray(self._random(count)))

    def generate(self, count: int) -> ClearKey:
        """A random TDES key of odd parity, of so many octets, no part of it weak and no two parts equal."""
        while True:
            drawn = bytearray(self._random(count))
            octets = with_odd_parity(drawn)
            drawn[:] = bytes(len(drawn))
            parts = [bytes(octets[start : start + 8]) for start in range(0, len(octets), 8)]
            if len(set(parts)) == len(parts) and not _WEAK.intersection(parts):
                return ClearKey(octets)

    def wrap(self, key: ClearKey, kind: KeyType, scheme: KeyScheme, header: BlockHeader | None = None) -> WrappedKey:
        """A clear key under the LMK as one of type ``kind``, or with what its key block shall say."""
        return self.lmk.wrap(key, kind, scheme, header, self._random)

    def random(self, count: int) -> bytes:
        """Fresh random octets."""
        return self._random(count)


@lru_cache(REMEMBERED)
def _stored(kind: KeyType, wrapped: WrappedKey) -> KeyUnderLmk:
    """One object for one stored key, so that it is remembered by it."""
    return KeyUnderLmk(kind, wrapped)


def _holds_weak(clear: ClearKey) -> bool:
    octets = clear.reveal()
    return any(octets[start : start + 8] == weak for start in range(0, len(clear), 8) for weak in _WEAK)
