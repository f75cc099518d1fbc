# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Host commands on RSA keys and signatures: EI EO EW EY."""

from collections.abc import Mapping

from hsm_sim.engine.data_requests import Hash
from hsm_sim.engine.engine import Engine
from hsm_sim.engine.refusal import Reason, Refused
from hsm_sim.engine.rsa import MakeKeyPair, RsaUse, Sign, VerifySignature, VouchFor
from hsm_sim.payshield.handlers import Handler
from hsm_sim.payshield.hashes import HASHES
from protocols.errors import DecodeError
from protocols.hsm.codes import ErrorCode
from protocols.hsm.commands.rsa import EI, EJ, EO, EP, EW, EX, EY, EZ
from protocols.hsm.rsa_keys import SIGNED, UNSIGNED, RsaPublicKey

_USES = {"0": RsaUse.SIGNATURE, "1": RsaUse.KEY_MANAGEMENT, "2": RsaUse.SIGNATURE | RsaUse.KEY_MANAGEMENT}
_FUNCTIONS: Mapping[str, Hash | None] = {**HASHES, "04": None}


def ei(engine: Engine, request: EI) -> EJ | ErrorCode:
    """A new key pair."""
    try:
        made = engine.perform(MakeKeyPair(_USES[request.key_type], int(request.bits)))
    except Refused as refused:
        return _key_length(refused)
    return EJ(public_key=made.public.encode(request.encoding), private_key=made.sealed)


def eo(engine: Engine, request: EO) -> EP | ErrorCode:
    """Vouch for a public key."""
    public = RsaPublicKey.decode(request.public_key, request.encoding)
    try:
        mac = engine.perform(VouchFor(public, request.public_key))
    except Refused as refused:
        return _key_length(refused)
    return EP(mac=mac, public_key=request.public_key)


def _key_length(refused: Refused) -> ErrorCode:
    """These two commands have their own code for a key of a length that is not taken."""
    if refused.reason is Reason.DATA_LENGTH:
        return ErrorCode.INVALID_TYPE_CODE
    raise refused


def ew(engine: Engine, request: EW) -> EX | ErrorCode:
    """Sign."""
    try:
        made = engine.perform(Sign(_FUNCTIONS[request.hash_id], request.private_key, request.data))
    except Refused as refused:
        if refused.reason is Reason.NOT_PERMITTED:
            return ErrorCode.COMMAND_SPECIFIC_03
        raise
    return EX(signature=made)


def ey(engine: Engine, request: EY) -> EZ | ErrorCode:
    """Verify; 01 says that the public key is not one that the unit vouched for."""
    right = engine.perform(
        VerifySignature(
            _FUNCTIONS[request.hash_id],
            _either(request.public_key),
            request.public_key,
            request.mac,
            request.signature,
            request.data,
        )
    )
    return EZ() if right else ErrorCode.COMMAND_SPECIFIC_02


def _either(der: bytes) -> RsaPublicKey:
    """A public key in whichever encoding it was vouched for: this command has no field for it."""
    try:
        return RsaPublicKey.decode(der, UNSIGNED)
    except DecodeError:
        return RsaPublicKey.decode(der, SIGNED)


HANDLERS: Mapping[type, Handler] = {EI: ei, EO: eo, EW: ew, EY: ey}
