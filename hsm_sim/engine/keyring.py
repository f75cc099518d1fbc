# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Keys on their way from host to cipher: unwrapped, checked, and remembered as live contexts. No operation of its own.

Unwrapping and key schedules cost ten times an encipherment, so a key that was used is remembered in the form that the
operation wants, by what the host sent for it. The memory is bounded; what is longest unused goes first.
"""

import hashlib
from collections.abc import Callable
from typing import Any, TypeVar

from hsm_sim.engine.key_types import KeyType, Use
from hsm_sim.engine.refusal import Reason, Refused
from hsm_sim.engine.requests import KeyUnderLmk
from hsm_sim.engine.wrapping import VariantLmk, WrappedKey
from protocols.hsm.codes import KeyScheme
from protocols.primitives import has_odd_parity, is_single_strength, with_odd_parity
from protocols.secret import ClearKey

T = TypeVar("T")
Random = Callable[[int], bytes]
"""So many octets of fresh randomness."""
REMEMBERED = 1024  # keys; a host works with dozens

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


class Keyring:
    """The LMK, the source of randomness, and the keys in use. Bound to one thread."""

    __slots__ = ("_lmk", "_random", "_remembered", "_size", "lmk_check_value")

    def __init__(self, lmk: VariantLmk, random: Random, remember: int = REMEMBERED) -> None:
        self._lmk = lmk
        self._random = random
        self._remembered: dict[tuple[Any, ...], Any] = {}
        self._size = remember
        octets = lmk.octets()
        self.lmk_check_value = hashlib.sha256(octets).digest()[:8]
        """The left 8 octets of SHA-256 over all pairs; how a unit does it is not public."""
        octets[:] = bytes(len(octets))

    def use(self, key: KeyUnderLmk, use: Use, make: Callable[[ClearKey], T], *, destination: bool = False) -> T:
        """The key as ``make`` builds it for one purpose; refuses a type without that use, and a key that is none."""
        name = (make, key.kind.code, key.wrapped.scheme, key.wrapped.cryptogram)
        remembered = self._remembered
        found: T | None = remembered.pop(name, None)
        if found is None:
            key.kind.permits(use)
            with self.unwrap(key, destination=destination) as clear:
                found = make(clear)
            if len(remembered) >= self._size:
                del remembered[next(iter(remembered))]
        remembered[name] = found
        return found

    def unwrap(self, key: KeyUnderLmk, *, destination: bool = False) -> ClearKey:
        """The clear key for the engine alone; refuses wrong parity and a short key posing as a long one."""
        clear = self._lmk.unwrap(key.wrapped, key.kind)
        if not has_odd_parity(clear):
            clear.wipe()
            raise Refused(Reason.DESTINATION_KEY_PARITY if destination else Reason.SOURCE_KEY_PARITY)
        if len(clear) > 8 and is_single_strength(clear):
            clear.wipe()
            raise Refused(Reason.SINGLE_LENGTH_POSING)
        return clear

    def generate(self, scheme: KeyScheme) -> ClearKey:
        """A random key of odd parity, of the scheme's length, no part of it weak and no two parts equal."""
        while True:
            drawn = bytearray(self._random(scheme.octets))
            octets = with_odd_parity(drawn)
            drawn[:] = bytes(len(drawn))
            parts = [bytes(octets[start : start + 8]) for start in range(0, len(octets), 8)]
            if len(set(parts)) == len(parts) and not _WEAK.intersection(parts):
                return ClearKey(octets)

    def wrap(self, key: ClearKey, kind: KeyType, scheme: KeyScheme) -> WrappedKey:
        """A clear key under the LMK as one of type ``kind``."""
        return self._lmk.wrap(key, kind, scheme)

    def random(self, count: int) -> bytes:
        """Fresh random octets."""
        return self._random(count)
