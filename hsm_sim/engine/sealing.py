# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What hosts keep for the unit in a form of ours, sealed under the LMK: HMAC keys, RSA private keys. Knows no wire.

AES-256-GCM (NIST SP 800-38D) under a key of the LMK's own for each purpose; what is said about the sealed octets is
associated data and lies in front in the clear. How units write such keys is not public, so this is own.
"""

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hsm_sim.engine.keyring import Keyring
from hsm_sim.engine.refusal import Reason, Refused
from protocols.secret import ClearKey

NONCE = 12
TAG = 16
LABEL = 4
"""Octets in front that say what is sealed; their meaning is the purpose's."""


def seal(keyring: Keyring, purpose: str, label: bytes, secret: ClearKey) -> bytes:
    """Label, nonce, and the secret enciphered and authenticated."""
    nonce = keyring.random(NONCE)
    with keyring.lmk.derived(purpose) as key:
        return label + nonce + AESGCM(bytes(key.reveal())).encrypt(nonce, bytes(secret.reveal()), label)


def unseal(keyring: Keyring, purpose: str, sealed: bytes) -> tuple[bytes, ClearKey]:
    """Label and secret; refuses what this LMK did not seal for that purpose."""
    if len(sealed) <= LABEL + NONCE + TAG:
        raise Refused(Reason.PRIVATE_KEY_LENGTH)
    label, nonce, rest = sealed[:LABEL], sealed[LABEL : LABEL + NONCE], sealed[LABEL + NONCE :]
    with keyring.lmk.derived(purpose) as key:
        try:
            return label, ClearKey(bytearray(AESGCM(bytes(key.reveal())).decrypt(nonce, rest, label)))
        except InvalidTag:
            raise Refused(Reason.PRIVATE_KEY) from None
