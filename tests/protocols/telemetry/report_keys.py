# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""TEST keys that sign reports and receipts, made from names. In the open: they protect nothing."""

from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from protocols.telemetry.keys import PublicKey, from_public_pem, signer_from_pem
from protocols.telemetry.seal import Signer


def _key(name: str, ed25519: bool) -> ec.EllipticCurvePrivateKey | Ed25519PrivateKey:
    seed = sha256(f"tillguard TEST reporter {name}".encode()).digest()
    if ed25519:
        return Ed25519PrivateKey.from_private_bytes(seed)
    return ec.derive_private_key(int.from_bytes(seed) >> 1, ec.SECP256R1())


def private_pem(name: str, *, ed25519: bool = False) -> bytes:
    return _key(name, ed25519).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def public_pem(name: str, *, ed25519: bool = False) -> bytes:
    return _key(name, ed25519).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def signer(name: str, *, ed25519: bool = False) -> Signer:
    return signer_from_pem(private_pem(name, ed25519=ed25519), name)


def public(name: str, *, ed25519: bool = False) -> PublicKey:
    return from_public_pem(public_pem(name, ed25519=ed25519), name)
