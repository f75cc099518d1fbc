# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The persons who approve what one alone may not do: their names, and how their passphrases are known. Asks nobody.

Kept in the unit's vault as scrypt of each passphrase (RFC 7914). Who adds an officer where there are two already needs
both, or any other two: else one person could make himself a second one.
"""

import hashlib
import hmac
import json
import re
from collections.abc import Callable, Sequence

from hsm_sim.engine.vault import Kind, Vault
from protocols.secret import Secret

NEEDED = 2
SHORTEST, MOST = 12, 20
_NAME = re.compile(r"[a-z][a-z0-9-]{1,15}")
_RECORD = "officers"
_SALT = 16
_COST, _BLOCK, _LANES = 1 << 14, 8, 1


class Officers:
    """The officers of one unit."""

    def __init__(self, vault: Vault, random: Callable[[int], bytes]) -> None:
        self._vault = vault
        self._random = random
        kept = vault.kept(Kind.STATE, _RECORD)
        self._known: dict[str, dict[str, str]] = json.loads(bytes(kept)) if kept is not None else {}

    @property
    def names(self) -> tuple[str, ...]:
        """Who there is."""
        return tuple(sorted(self._known))

    def expect_new(self, name: str) -> None:
        """:class:`ValueError` where nobody can be added by that name."""
        if not _NAME.fullmatch(name) or name in self._known or len(self._known) >= MOST:
            raise ValueError(
                f"a new name of 2 to 16 small letters, digits and '-' expected, of {MOST} officers at most"
            )

    def expect_two(self, names: Sequence[str]) -> None:
        """:class:`ValueError` unless these are two different officers."""
        if len(set(names)) < NEEDED or not set(names) <= set(self._known):
            raise ValueError(f"the names of {NEEDED} different officers expected; see: officers list")

    def add(self, name: str, passphrase: Secret) -> None:
        """Know a person from now on; :class:`ValueError` for a passphrase that is too short."""
        self.expect_new(name)
        if len(passphrase) < SHORTEST:
            raise ValueError(f"a passphrase of {SHORTEST} characters or more expected")
        salt = self._random(_SALT)
        self._known[name] = {"salt": salt.hex(), "scrypt": _worked(passphrase, salt).hex()}
        self._vault.keep(Kind.STATE, _RECORD, json.dumps(self._known).encode())

    def is_right(self, name: str, passphrase: Secret) -> bool:
        """Whether that is the passphrase of ``name``."""
        known = self._known[name]
        return hmac.compare_digest(_worked(passphrase, bytes.fromhex(known["salt"])), bytes.fromhex(known["scrypt"]))


def _worked(passphrase: Secret, salt: bytes) -> bytes:
    return hashlib.scrypt(bytes(passphrase.reveal()), salt=salt, n=_COST, r=_BLOCK, p=_LANES, dklen=32)
