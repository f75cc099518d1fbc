# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Host commands that verify PINs: BC BE CK CM DA DC EA EC GO GQ. The error code is the whole answer."""

from collections.abc import Mapping

from hsm_sim.engine.engine import Engine
from hsm_sim.engine.key_types import TPK, ZPK
from hsm_sim.engine.pin_requests import PinSource, Reference, VerifyPin
from hsm_sim.payshield.handlers import Handler
from hsm_sim.payshield.pin_terms import ibm, ibm_offset, kept, pvv_reference, under_dukpt, under_key
from protocols.hsm.codes import ErrorCode
from protocols.hsm.commands.pin_checks import (
    BC,
    BD,
    BE,
    BF,
    CK,
    CL,
    CM,
    CN,
    DA,
    DB,
    DC,
    DD,
    EA,
    EB,
    EC,
    ED,
    GO,
    GP,
    GQ,
    GR,
)
from protocols.hsm.layout import Fields


def _verified(engine: Engine, source: PinSource, reference: Reference, right: Fields) -> Fields | ErrorCode:
    return right if engine.perform(VerifyPin(source, reference)) else ErrorCode.VERIFICATION_FAILED


def bc(engine: Engine, request: BC) -> Fields | ErrorCode:
    """TPK, by comparison."""
    source = under_key(TPK, request.tpk, request.block, request.format, request.account)
    return _verified(engine, source, kept(request.pin, request.account), BD())


def be(engine: Engine, request: BE) -> Fields | ErrorCode:
    """ZPK, by comparison."""
    source = under_key(ZPK, request.zpk, request.block, request.format, request.account)
    return _verified(engine, source, kept(request.pin, request.account), BF())


def _offset(request: CK | DA | EA | GO) -> Reference:
    scheme = ibm(request.pvk, request.table, request.validation, request.check_length, request.account)
    return ibm_offset(scheme, request.offset)


def ck(engine: Engine, request: CK) -> Fields | ErrorCode:
    """DUKPT, by offset; the block is of format 0, since the command has no format field."""
    source = under_dukpt(request.bdk, request.ksn, request.block, request.account)
    return _verified(engine, source, _offset(request), CL())


def go(engine: Engine, request: GO) -> Fields | ErrorCode:
    """DUKPT, by offset."""
    source = under_dukpt(request.bdk, request.ksn, request.block, request.account, request.format)
    return _verified(engine, source, _offset(request), GP())


def da(engine: Engine, request: DA) -> Fields | ErrorCode:
    """TPK, by offset."""
    source = under_key(TPK, request.tpk, request.block, request.format, request.account)
    return _verified(engine, source, _offset(request), DB())


def ea(engine: Engine, request: EA) -> Fields | ErrorCode:
    """ZPK, by offset."""
    source = under_key(ZPK, request.zpk, request.block, request.format, request.account)
    return _verified(engine, source, _offset(request), EB())


def cm(engine: Engine, request: CM) -> Fields | ErrorCode:
    """DUKPT, by PVV; the block is of format 0, since the command has no format field."""
    source = under_dukpt(request.bdk, request.ksn, request.block, request.account)
    return _verified(engine, source, pvv_reference(request.pvk, request.pvki, request.pvv), CN())


def gq(engine: Engine, request: GQ) -> Fields | ErrorCode:
    """DUKPT, by PVV."""
    source = under_dukpt(request.bdk, request.ksn, request.block, request.account, request.format)
    reference = pvv_reference(request.pvk, request.pvki, request.pvv, request.pvv_account)
    return _verified(engine, source, reference, GR())


def dc(engine: Engine, request: DC) -> Fields | ErrorCode:
    """TPK, by PVV."""
    source = under_key(TPK, request.tpk, request.block, request.format, request.account)
    return _verified(engine, source, pvv_reference(request.pvk, request.pvki, request.pvv), DD())


def ec(engine: Engine, request: EC) -> Fields | ErrorCode:
    """ZPK, by PVV."""
    source = under_key(ZPK, request.zpk, request.block, request.format, request.account)
    reference = pvv_reference(request.pvk, request.pvki, request.pvv, request.pvv_account)
    return _verified(engine, source, reference, ED())


HANDLERS: Mapping[type, Handler] = {
    BC: bc,
    BE: be,
    CK: ck,
    CM: cm,
    DA: da,
    DC: dc,
    EA: ea,
    EC: ec,
    GO: go,
    GQ: gq,
}
