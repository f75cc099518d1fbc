# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Host commands on digests and HMACs: GM L0 LQ LS."""

import hashlib
from collections.abc import Mapping

from hsm_sim.engine.data_requests import Hash, MakeHmac, MakeHmacKey, VerifyHmac
from hsm_sim.engine.engine import Engine
from hsm_sim.payshield.handlers import Handler
from protocols.hsm.codes import ErrorCode
from protocols.hsm.commands.hashes import GM, GN, L0, L1, LQ, LR, LS, LT

HASHES: Mapping[str, Hash] = {
    "01": Hash.SHA_1,
    "02": Hash.MD5,
    "05": Hash.SHA_224,
    "06": Hash.SHA_256,
    "07": Hash.SHA_384,
    "08": Hash.SHA_512,
}


def gm(engine: Engine, request: GM) -> GN:
    """Hash; no key is touched, so the engine is not asked. MD5 and SHA-1 are here because hosts still ask for them."""
    function = HASHES[request.hash_id]
    return GN(digest=hashlib.new(function.value, request.data, usedforsecurity=False).digest())


def l0(engine: Engine, request: L0) -> L1:
    """A new key."""
    return L1(key=engine.perform(MakeHmacKey(HASHES[request.hash_id], int(request.length))))


def lq(engine: Engine, request: LQ) -> LR:
    """Make."""
    made = engine.perform(MakeHmac(HASHES[request.hash_id], request.key, request.data, int(request.length)))
    return LR(hmac=made)


def ls(engine: Engine, request: LS) -> LT | ErrorCode:
    """Verify."""
    right = engine.perform(VerifyHmac(HASHES[request.hash_id], request.key, request.data, request.hmac))
    return LT() if right else ErrorCode.VERIFICATION_FAILED


HANDLERS: Mapping[type, Handler] = {GM: gm, L0: l0, LQ: lq, LS: ls}
