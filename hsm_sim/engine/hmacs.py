# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Operations on HMACs (RFC 2104), whose keys hosts keep sealed under the LMK. Knows no wire."""

import hmac
from collections.abc import Callable, Mapping
from typing import Any

from hsm_sim.engine.data_requests import Hash, MakeHmac, MakeHmacKey, VerifyHmac
from hsm_sim.engine.keyring import Keyring
from hsm_sim.engine.refusal import Reason, Refused
from hsm_sim.engine.sealing import seal, unseal
from protocols.secret import ClearKey

PURPOSE = "HMAC keys"
DIGEST_OCTETS = {Hash.SHA_1: 20, Hash.SHA_224: 28, Hash.SHA_256: 32, Hash.SHA_384: 48, Hash.SHA_512: 64}
SHORTEST = 4  # octets of an HMAC that verify anything: the least that payment messages carry


def make_hmac_key(keyring: Keyring, request: MakeHmacKey) -> bytes:
    """A random key, from half a digest (NIST SP 800-107, 5.3.2: its strength) to a whole one."""
    whole = _digest_octets(request.function)
    if not whole // 2 <= request.octets <= whole:
        raise Refused(Reason.DATA_LENGTH)
    with ClearKey(bytearray(keyring.random(request.octets))) as key:
        return seal(keyring, PURPOSE, _label(request.function), key)


def make_hmac(keyring: Keyring, request: MakeHmac) -> bytes:
    """The left part of an HMAC."""
    return _hmac(keyring, request.function, request.key, request.data, request.octets)


def verify_hmac(keyring: Keyring, request: VerifyHmac) -> bool:
    """Whether the octets given are the left part of the HMAC, in constant time."""
    made = _hmac(keyring, request.function, request.key, request.data, len(request.hmac))
    return hmac.compare_digest(made, request.hmac)


def _hmac(keyring: Keyring, function: Hash, key: bytes, data: bytes, octets: int) -> bytes:
    if not SHORTEST <= octets <= _digest_octets(function):
        raise Refused(Reason.DATA_LENGTH)
    label, clear = unseal(keyring, PURPOSE, key)
    with clear:
        if label != _label(function):
            raise Refused(Reason.PRIVATE_KEY)
        return hmac.digest(clear.reveal(), data, function.value)[:octets]


def _digest_octets(function: Hash) -> int:
    if function not in DIGEST_OCTETS:
        raise Refused(Reason.ALGORITHM)
    return DIGEST_OCTETS[function]


def _label(function: Hash) -> bytes:
    return b"H%03d" % int(function.value.removeprefix("sha"))


OPERATIONS: Mapping[type, Callable[[Keyring, Any], Any]] = {
    MakeHmacKey: make_hmac_key,
    MakeHmac: make_hmac,
    VerifyHmac: verify_hmac,
}
