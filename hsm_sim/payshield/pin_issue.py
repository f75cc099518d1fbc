# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Host commands of PIN issuers: BA BG BK CU DE DG DU EE FW JA JC JE JG LO NG QK."""

from collections.abc import Mapping

from hsm_sim.engine.engine import Engine
from hsm_sim.engine.key_types import TPK, ZPK
from hsm_sim.engine.pin_requests import (
    ChangePin,
    DerivePin,
    KeepClearPin,
    KeepPin,
    MakeOffset,
    MakePvv,
    MovePin,
    PinFromOldLmk,
    RandomPin,
    RevealPin,
    SealTable,
    SendPin,
)
from hsm_sim.payshield.handlers import Handler
from hsm_sim.payshield.pin_terms import (
    ibm,
    ibm_offset,
    kept,
    pan_of,
    pvv_reference,
    under_key,
    under_typed_key,
)
from hsm_sim.payshield.terms import pin_format, under_lmk
from protocols.hsm.codes import ErrorCode
from protocols.hsm.commands.pin_issue import BA, BB, BG, BH, JA, JB, JC, JD, JE, JF, JG, JH, NG, NH, QK, QL
from protocols.hsm.commands.pin_references import BK, BL, CU, CV, DE, DF, DG, DH, DU, DV, EE, EF, FW, FX, LO, LP
from protocols.hsm.pin_fields import PaddedPin

_USUAL_PIN = "04"


def ba(engine: Engine, request: BA) -> BB:
    """In, where the unit's owner lets clear PINs in."""
    return BB(pin=engine.perform(KeepClearPin(request.pin.pin, pan_of(request.account))))


def ng(engine: Engine, request: NG) -> NH:
    """Out, where the unit's owner lets clear PINs out."""
    return NH(pin=PaddedPin(engine.perform(RevealPin(kept(request.pin, request.account))), len(request.pin)))


def bg(engine: Engine, request: BG) -> BH:
    """From the LMK before."""
    return BH(pin=engine.perform(PinFromOldLmk(kept(request.pin, request.account))))


def qk(engine: Engine, request: QK) -> QL:
    """To another account."""
    return QL(pin=engine.perform(MovePin(kept(request.pin, request.account), pan_of(request.new_account))))


def ja(engine: Engine, request: JA) -> JB:
    """Random."""
    digits = int(request.length or _USUAL_PIN)
    return JB(pin=engine.perform(RandomPin(pan_of(request.account), digits, request.excluded or ())))


def jc(engine: Engine, request: JC) -> JD:
    """From a TPK."""
    source = under_key(TPK, request.tpk, request.block, request.format, request.account)
    return JD(pin=engine.perform(KeepPin(source)))


def je(engine: Engine, request: JE) -> JF:
    """From a ZPK."""
    source = under_key(ZPK, request.zpk, request.block, request.format, request.account)
    return JF(pin=engine.perform(KeepPin(source)))


def jg(engine: Engine, request: JG) -> JH:
    """To a ZPK."""
    source = kept(request.pin, request.account)
    return JH(block=engine.perform(SendPin(source, under_lmk(ZPK, request.zpk), pin_format(request.format))))


def de(engine: Engine, request: DE) -> DF:
    """Of a PIN under the LMK."""
    scheme = ibm(request.pvk, request.table, request.validation, request.check_length, request.account)
    source = kept(request.pin, request.account)
    return DF(offset=engine.perform(MakeOffset(source, scheme, request.excluded or ())))


def bk(engine: Engine, request: BK) -> BL:
    """Of a PIN in a block."""
    scheme = ibm(request.pvk, request.table, request.validation, request.check_length, request.account)
    source = under_typed_key(request.key_type, request.key, request.block, request.format, request.account)
    return BL(offset=engine.perform(MakeOffset(source, scheme, request.excluded or ())))


def ee(engine: Engine, request: EE) -> EF:
    """Natural PIN and offset."""
    scheme = ibm(request.pvk, request.table, request.validation, request.check_length, request.account)
    offset = ibm_offset(scheme, request.offset)
    return EF(pin=engine.perform(DerivePin(offset, pan_of(request.account), request.excluded or ())))


def dg(engine: Engine, request: DG) -> DH:
    """Of a PIN under the LMK."""
    reference = pvv_reference(request.pvk, request.pvki)
    return DH(pvv=engine.perform(MakePvv(kept(request.pin, request.account), reference, request.excluded or ())))


def fw(engine: Engine, request: FW) -> FX:
    """Of a PIN in a block."""
    source = under_typed_key(request.key_type, request.key, request.block, request.format, request.account)
    reference = pvv_reference(request.pvk, request.pvki)
    return FX(pvv=engine.perform(MakePvv(source, reference, request.excluded or ())))


def cu(engine: Engine, request: CU) -> CV | ErrorCode:
    """By PVV."""
    source = under_typed_key(request.key_type, request.key, request.block, request.format, request.account)
    reference = pvv_reference(request.pvk, request.pvki, request.pvv)
    made = engine.perform(ChangePin(source, reference, request.new_block, request.excluded or ()))
    return ErrorCode.VERIFICATION_FAILED if made is None else CV(pvv=made)


def du(engine: Engine, request: DU) -> DV | ErrorCode:
    """By offset."""
    source = under_typed_key(request.key_type, request.key, request.block, request.format, request.account)
    scheme = ibm(request.pvk, request.table, request.validation, request.check_length, request.account)
    reference = ibm_offset(scheme, request.offset)
    made = engine.perform(ChangePin(source, reference, request.new_block, request.excluded or ()))
    return ErrorCode.VERIFICATION_FAILED if made is None else DV(offset=made)


def lo(engine: Engine, request: LO) -> LP:
    """Enciphered for this unit alone."""
    return LP(table=engine.perform(SealTable(request.table)))


HANDLERS: Mapping[type, Handler] = {
    BA: ba,
    BG: bg,
    BK: bk,
    CU: cu,
    DE: de,
    DG: dg,
    DU: du,
    EE: ee,
    FW: fw,
    JA: ja,
    JC: jc,
    JE: je,
    JG: jg,
    LO: lo,
    NG: ng,
    QK: qk,
}
