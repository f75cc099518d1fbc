# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Two custodians sign what is done to keys: what exactly they sign, and whether enough of them did. Asks nobody.

Each signs a fresh number of the vault's, the request's code and everything in it, so that a signature is good for one
request, once. Their private keys are on their own media; the vault keeps the public ones in its sealed store.
"""

import hashlib
from collections.abc import Sequence
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from protocols.vault import Request, approval_message

NEEDED: Final = 2
CHALLENGE_OCTETS: Final = 16
_SIGNATURE = 64
_ENTRY = 1 + _SIGNATURE


def approved(
    request: Request, approvals: bytes, challenge: bytes, custodians: Sequence[bytes]
) -> tuple[str, ...] | None:
    """Who signed ``request`` with ``challenge``, two custodians at least; nobody where none is known; None: not enough.

    ``approvals``: for each an octet with the place of his key and 64 octets of Ed25519 signature (RFC 8032).
    """
    if not custodians:
        return ()
    if not challenge or len(approvals) % _ENTRY:
        return None
    message = approval_message(request, challenge)
    persons = set()
    for start in range(0, len(approvals), _ENTRY):
        place = approvals[start]
        if place >= len(custodians):
            return None
        try:
            Ed25519PublicKey.from_public_bytes(custodians[place]).verify(approvals[start + 1 : start + _ENTRY], message)
        except InvalidSignature:
            return None
        persons.add(custodians[place])
    return tuple(sorted(map(key_name, persons))) if len(persons) >= NEEDED else None


def key_name(public: bytes) -> str:
    """What a custodian's key is called in lists: the left of its SHA-256."""
    return hashlib.sha256(public).hexdigest()[:8].upper()
