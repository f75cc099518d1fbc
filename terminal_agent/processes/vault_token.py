# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A process of its own that asks a PKCS#11 token for the store's key and ends. The vault never loads a token's library.

``python -I -m terminal_agent.processes.vault_token TOKEN.toml wrap|unwrap``: what is to be wrapped or unwrapped on
stdin, the outcome on stdout, both pipes of the vault's. The token does AES-256-GCM with a key that does not leave it.
"""

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tillguard import settings

KEY_OCTETS = 32
NONCE_OCTETS = 12
TAG_OCTETS = 16
LARGEST_INPUT = 4_096
BOUND = b"tillguard vault store key"


@dataclass(frozen=True, slots=True)
class Token:
    """The token's file."""

    module: str
    """Path of the token's PKCS#11 library."""
    token: str
    """Its label."""
    key: str
    """Label of the AES-256 key; made in the token where there is none."""
    pin_file: Path
    """A file with the user PIN."""


def main(argv: list[str]) -> int:
    """0 and the outcome on stdout; 1 and the reason, which quotes no PIN, on stderr."""
    try:
        given = os.read(0, LARGEST_INPUT)
        found = settings.load(Path(argv[0]), Token)
        outcome = (_wrap if argv[1] == "wrap" else _unwrap)(found, given)
    except Exception as fault:
        what = getattr(fault, "what", None) or type(fault).__name__
        os.write(2, f"terminal-agent vault: token: {what}\n".encode())
        return 1
    os.write(1, outcome)
    return 0


def _wrap(found: Token, key: bytes) -> bytes:
    import pkcs11

    nonce = os.urandom(NONCE_OCTETS)
    with _session(found, write=True) as session:
        wrapping = _key(session, found.key) or session.generate_key(
            pkcs11.KeyType.AES,
            KEY_OCTETS * 8,
            label=found.key,
            store=True,
            template={pkcs11.Attribute.SENSITIVE: True, pkcs11.Attribute.EXTRACTABLE: False},
        )
        sealed: bytes = wrapping.encrypt(key, mechanism=pkcs11.Mechanism.AES_GCM, mechanism_param=_parameters(nonce))
    return nonce + sealed


def _unwrap(found: Token, material: bytes) -> bytes:
    import pkcs11

    with _session(found, write=False) as session:
        wrapping = _key(session, found.key)
        if wrapping is None:
            raise LookupError
        clear: bytes = wrapping.decrypt(
            material[NONCE_OCTETS:],
            mechanism=pkcs11.Mechanism.AES_GCM,
            mechanism_param=_parameters(material[:NONCE_OCTETS]),
        )
    return clear


def _session(found: Token, *, write: bool) -> Any:
    import pkcs11

    token = pkcs11.lib(found.module).get_token(token_label=found.token)
    return token.open(user_pin=found.pin_file.read_text().strip(), rw=write)


def _key(session: Any, label: str) -> Any:
    import pkcs11

    wanted = {pkcs11.Attribute.CLASS: pkcs11.ObjectClass.SECRET_KEY, pkcs11.Attribute.LABEL: label}
    return next(iter(session.get_objects(wanted)), None)


def _parameters(nonce: bytes) -> Any:
    import pkcs11

    return pkcs11.GCMParams(nonce, BOUND, TAG_OCTETS * 8)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
