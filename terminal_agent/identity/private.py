# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A private key as it lies on the disk, enciphered or not, and as it is used. Makes none and keeps none."""

from collections.abc import Callable

from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from protocols.telemetry.keys import ENCIPHERED


def enciphered_key(pem: bytes, passphrase: bytes | None) -> bytes:
    """PKCS #8 in PEM under the passphrase (RFC 5958, 3); as it is where there is none."""
    if passphrase is None:
        return pem
    key = load_pem_private_key(pem, None)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(passphrase))


def clear_key(octets: bytes, passphrase: Callable[[], bytes | None]) -> bytes:
    """The key in clear; the passphrase is asked for only where one is needed. :class:`ValueError` for a wrong one."""
    if not octets.startswith(ENCIPHERED):
        return octets
    given = passphrase()
    if given is None:
        raise ValueError
    key = load_pem_private_key(octets, given)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
