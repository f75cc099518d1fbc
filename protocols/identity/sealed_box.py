# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A secret for one terminal alone: enciphered to the key of its certificate. ``cryptography`` draws the randomness.

Ephemeral ECDH on P-256 (NIST SP 800-56A rev. 3, 5.7.1.2), a key by HKDF-SHA-256 (RFC 5869) over both public keys, and
AES-256-GCM. The box is the ephemeral public key (65 octets, uncompressed), then ciphertext and tag. A key is used once,
so its nonce is zero.
"""

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from protocols.errors import DecodeError, IntegrityError

_POINT = 65
_TAG = 16
_NONCE = bytes(12)
_CURVE = ec.SECP256R1()


def close(secret: bytes, public: ec.EllipticCurvePublicKey, context: bytes) -> bytes:
    """Encipher ``secret`` to a terminal's key; ``context`` must be given again to open it."""
    once = ec.generate_private_key(_CURVE)
    mine = _point(once.public_key())
    return mine + AESGCM(_key(once, public, mine + _point(public))).encrypt(_NONCE, secret, context)


def open_box(box: bytes, key_pem: bytes, context: bytes) -> bytes:
    """The secret; :class:`IntegrityError` for a box of another terminal or context, or one that was changed."""
    if len(box) <= _POINT + _TAG:
        raise DecodeError("sealed box", f"{len(box)} octets, more than {_POINT + _TAG} expected")
    private = load_pem_private_key(key_pem, None)
    if not isinstance(private, ec.EllipticCurvePrivateKey):
        raise DecodeError("sealed box", "it opens with a key on P-256")
    try:
        theirs = ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, box[:_POINT])
        key = _key(private, theirs, box[:_POINT] + _point(private.public_key()))
        return AESGCM(key).decrypt(_NONCE, box[_POINT:], context)
    except (ValueError, InvalidTag):
        raise IntegrityError("the sealed box is not for this terminal, or was changed") from None


def _key(mine: ec.EllipticCurvePrivateKey, theirs: ec.EllipticCurvePublicKey, both: bytes) -> bytes:
    shared = mine.exchange(ec.ECDH(), theirs)
    return HKDF(SHA256(), 32, None, b"tillguard sealed box 1\0" + both).derive(shared)


def _point(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
