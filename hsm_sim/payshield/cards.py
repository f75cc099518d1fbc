# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Host commands of card issuers: CW, CY, KQ, KW, RY."""

from collections.abc import Mapping

from hsm_sim.engine.engine import Engine
from hsm_sim.engine.key_types import CVK, MK_AC
from hsm_sim.engine.requests import (
    CardCodeInput,
    CheckCryptogram,
    MakeCardCode,
    MakeSecurityCodes,
    StatusUpdate,
    VerifyCardCode,
    VerifySecurityCodes,
)
from hsm_sim.payshield.handlers import Handler
from hsm_sim.payshield.terms import under_lmk
from protocols.emv.cryptogram import CVN_10, MASTERCARD_VERSIONS, Version
from protocols.hsm.codes import ErrorCode
from protocols.hsm.commands.cards import CW, CX, CY, CZ, KQ, KR, KW, KX, RY, RZ
from protocols.pan import Pan

_SCHEMES: Mapping[str, Version] = {"0": CVN_10, "1": MASTERCARD_VERSIONS[16]}
"""KQ's: no session key, or one of counter and unpredictable number. Of the versions, what they cover is the host's."""
_COMMON: Mapping[str, Version] = {"2": MASTERCARD_VERSIONS[20]}
"""KW's: the common session key, of the counter; a card's master key by option A."""
_ANSWER_ONLY = "2"
_ANSWERS_ONLY = ("3", "4")
_ANSWER_OCTETS = 8  # an answer by method 2 has four, and zeros behind


def cw(engine: Engine, request: CW) -> CX:
    """Make."""
    return CX(cvv=engine.perform(MakeCardCode(_card_code(request))))


def cy(engine: Engine, request: CY) -> CZ | ErrorCode:
    """Verify."""
    right = engine.perform(VerifyCardCode(_card_code(request), request.cvv))
    return CZ() if right else ErrorCode.VERIFICATION_FAILED


def _card_code(request: CW | CY) -> CardCodeInput:
    return CardCodeInput(under_lmk(CVK, request.cvk), request.pan, request.expiry, request.service_code)


def kq(engine: Engine, request: KQ) -> KR | ErrorCode:
    """A wrong cryptogram gets neither an answer nor the right one."""
    verdict = engine.perform(
        CheckCryptogram(
            under_lmk(MK_AC, request.mk_ac),
            request.pan_sequence,
            _SCHEMES[request.scheme],
            request.data or b"",
            request.arqc,
            verify=request.mode != _ANSWER_ONLY,
            answer=request.arc,
            counter=request.atc,
            unpredictable_number=request.unpredictable_number,
        )
    )
    return KR(arpc=verdict.arpc) if verdict.right else ErrorCode.VERIFICATION_FAILED


def kw(engine: Engine, request: KW) -> KX | ErrorCode:
    """As KQ, with the common session key, and the answer by either method."""
    update = None if request.csu is None else StatusUpdate(request.csu, request.proprietary or b"")
    verdict = engine.perform(
        CheckCryptogram(
            under_lmk(MK_AC, request.mk_ac),
            request.pan_sequence,
            _COMMON[request.scheme],
            request.data or b"",
            request.arqc,
            verify=request.mode not in _ANSWERS_ONLY,
            answer=request.arc if update is None else update,
            counter=request.atc,
        )
    )
    if not verdict.right:
        return ErrorCode.VERIFICATION_FAILED
    return KX(arpc=verdict.arpc.ljust(_ANSWER_OCTETS, b"\0") if verdict.arpc is not None else None)


def ry(engine: Engine, request: RY) -> RZ | ErrorCode:
    """Card security codes."""
    key, pan = under_lmk(CVK, request.csck), Pan(request.account.lstrip("0"))
    if request.codes is None:
        return RZ(codes=engine.perform(MakeSecurityCodes(key, pan, request.expiry)))
    right = engine.perform(VerifySecurityCodes(key, pan, request.expiry, request.codes))
    return RZ() if right else ErrorCode.VERIFICATION_FAILED


HANDLERS: Mapping[type, Handler] = {CW: cw, CY: cy, KQ: kq, KW: kw, RY: ry}
