# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Persons with TEST signing keys, made from their names. Their keys are in the open: they protect nothing."""

from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from protocols.ed25519 import SigningKey
from protocols.signed import Envelope, Person, Statement, Trust


def private_pem(name: str) -> bytes:
    """A TEST key in PEM."""
    key = Ed25519PrivateKey.from_private_bytes(sha256(f"tillguard TEST person {name}".encode()).digest())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def public_pem(name: str) -> str:
    """Its public half in PEM."""
    key = Ed25519PrivateKey.from_private_bytes(sha256(f"tillguard TEST person {name}".encode()).digest())
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def key(name: str) -> SigningKey:
    """A person's TEST key."""
    return SigningKey(private_pem(name), None, name)


def trust(*names: str, needed: int = 2, kinds: tuple[str, ...] = ("usb-policy", "usb-exception")) -> Trust:
    """These persons may sign these kinds."""
    persons = tuple(Person(name.split("#")[0], key(name).public, frozenset(kinds)) for name in names)
    return Trust(persons, dict.fromkeys(kinds, needed))


def sealed(statement: Statement, *names: str) -> Envelope:
    """The statement with these persons' signatures."""
    envelope = Envelope(statement.encode())
    for name in names:
        envelope = envelope.signed_by(key(name).public, key(name).sign)
    return envelope
