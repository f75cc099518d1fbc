# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Operations with RSA keys: key pairs, signatures of PKCS #1 v1.5 (RFC 8017, 8.2). Knows no wire.

Hosts keep the private keys, sealed under the LMK with what they may do. A public key that came from elsewhere verifies
nothing until this unit has vouched for it, by a MAC of 4 octets as wide as hosts have room for.
"""

import hmac
from collections.abc import Callable, Mapping
from enum import Flag, auto
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

from hsm_sim.engine.data_requests import Hash
from hsm_sim.engine.keyring import Keyring
from hsm_sim.engine.refusal import Reason, Refused
from hsm_sim.engine.requests import Request, record
from hsm_sim.engine.sealing import seal, unseal
from protocols.hsm.rsa_keys import RsaPublicKey
from protocols.mac import hmac_sha2
from protocols.secret import ClearKey

PURPOSE = "RSA private keys"
VOUCHING = "RSA public keys"
MAC_OCTETS = 4
SHORTEST = 1024  # bits; hosts of old cards still ask for it
STEP = 8


class RsaUse(Flag):
    """What a private key may do."""

    SIGNATURE = auto()
    KEY_MANAGEMENT = auto()


@record
class KeyPair:
    """A public key, and the private one sealed."""

    public: RsaPublicKey
    sealed: bytes


@record
class MakeKeyPair(Request[KeyPair]):
    """A new key pair."""

    uses: RsaUse
    bits: int


@record
class VouchFor(Request[bytes]):
    """The MAC by which this unit knows a public key again; ``form`` is how the host wrote it."""

    public: RsaPublicKey
    form: bytes


@record
class Sign(Request[bytes]):
    """A signature; ``function`` None says that the data is a DigestInfo already."""

    function: Hash | None
    sealed: bytes
    data: bytes


@record
class VerifySignature(Request[bool]):
    """Whether a signature is right, once the public key's MAC is."""

    function: Hash | None
    public: RsaPublicKey
    form: bytes
    mac: bytes
    signature: bytes
    data: bytes


_FUNCTIONS: Mapping[Hash, hashes.HashAlgorithm] = {
    Hash.SHA_1: hashes.SHA1(),  # noqa: S303  # hosts of old cards still ask for it
    Hash.SHA_224: hashes.SHA224(),
    Hash.SHA_256: hashes.SHA256(),
    Hash.SHA_384: hashes.SHA384(),
    Hash.SHA_512: hashes.SHA512(),
}
_DIGEST_INFO = {
    bytes.fromhex(prefix): function
    for prefix, function in (
        ("3021300906052b0e03021a05000414", Hash.SHA_1),
        ("302d300d06096086480165030402040500041c", Hash.SHA_224),
        ("3031300d060960864801650304020105000420", Hash.SHA_256),
        ("3041300d060960864801650304020205000430", Hash.SHA_384),
        ("3051300d060960864801650304020305000440", Hash.SHA_512),
    )
}
"""RFC 8017, 9.2, note 1."""


def make_key_pair(keyring: Keyring, request: MakeKeyPair) -> KeyPair:
    """A key pair of a length that the unit's owner permits."""
    if not SHORTEST <= request.bits <= keyring.policy.largest_rsa or request.bits % STEP:
        raise Refused(Reason.DATA_LENGTH)
    made = keyring.rsa_keys.take(request.bits)
    numbers = made.public_key().public_numbers()
    octets = bytearray(made.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))
    with ClearKey(octets) as clear:
        return KeyPair(RsaPublicKey(numbers.n, numbers.e), seal(keyring, PURPOSE, b"R%03d" % request.uses.value, clear))


def vouch_for(keyring: Keyring, request: VouchFor) -> bytes:
    """The MAC over a public key of a length that the unit takes."""
    _checked(keyring, request.public)
    return _mac(keyring, request.form)


def sign(keyring: Keyring, request: Sign) -> bytes:
    """A signature by a key that may sign."""
    label, clear = unseal(keyring, PURPOSE, request.sealed)
    with clear:
        if not RsaUse(int(label[1:])) & RsaUse.SIGNATURE:
            raise Refused(Reason.NOT_PERMITTED)
        # The seal says that this unit made it: testing its primes again takes ten times as long as signing.
        key = load_der_private_key(bytes(clear.reveal()), None, unsafe_skip_rsa_key_validation=True)
    if not isinstance(key, rsa.RSAPrivateKey):  # nothing else was ever sealed
        raise Refused(Reason.PRIVATE_KEY)
    data, algorithm = _to_sign(request.function, request.data)
    return key.sign(data, padding.PKCS1v15(), algorithm)


def verify_signature(keyring: Keyring, request: VerifySignature) -> bool:
    """Whether a signature is right; refuses a public key that this unit did not vouch for."""
    if not hmac.compare_digest(_mac(keyring, request.form), request.mac):
        raise Refused(Reason.PUBLIC_KEY)
    public = _checked(keyring, request.public)
    data, algorithm = _to_sign(request.function, request.data)
    try:
        public.verify(request.signature, data, padding.PKCS1v15(), algorithm)
    except InvalidSignature:
        return False
    return True


def _checked(keyring: Keyring, public: RsaPublicKey) -> rsa.RSAPublicKey:
    bits = public.modulus.bit_length()
    if not SHORTEST <= bits <= keyring.policy.largest_rsa:
        raise Refused(Reason.DATA_LENGTH)
    try:
        return rsa.RSAPublicNumbers(public.exponent, public.modulus).public_key()
    except ValueError:
        raise Refused(Reason.INPUT) from None


def _mac(keyring: Keyring, form: bytes) -> bytes:
    with keyring.lmk.derived(VOUCHING) as key:
        return hmac_sha2(key, form)[:MAC_OCTETS]


def _to_sign(function: Hash | None, data: bytes) -> tuple[bytes, hashes.HashAlgorithm | Prehashed]:
    """What PKCS #1 signs, and how: the data, or the digest in a DigestInfo."""
    if function is not None:
        if function not in _FUNCTIONS:
            raise Refused(Reason.ALGORITHM)
        return data, _FUNCTIONS[function]
    for prefix, known in _DIGEST_INFO.items():
        algorithm = _FUNCTIONS[known]
        if data.startswith(prefix) and len(data) == len(prefix) + algorithm.digest_size:
            return data[len(prefix) :], Prehashed(algorithm)
    raise Refused(Reason.DIGEST_INFO)


OPERATIONS: Mapping[type, Callable[[Keyring, Any], Any]] = {
    MakeKeyPair: make_key_pair,
    VouchFor: vouch_for,
    Sign: sign,
    VerifySignature: verify_signature,
}
