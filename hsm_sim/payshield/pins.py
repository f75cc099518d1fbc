# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Host commands on PIN blocks: CA, CC, CM, DC, EC."""

from collections.abc import Mapping

from hsm_sim.engine.engine import Engine
from hsm_sim.engine.key_types import BDK, PVK, TPK, ZPK, KeyType
from hsm_sim.engine.requests import (
    EncipheredPin,
    KeyUnderLmk,
    Pvv,
    TranslatedPin,
    TranslatePin,
    VerifyDukptPinByPvv,
    VerifyPinByPvv,
)
from hsm_sim.payshield.handlers import Handler
from hsm_sim.payshield.terms import pin_format, under_lmk
from protocols.dukpt.ksn import TdesKsn
from protocols.hsm.codes import ErrorCode
from protocols.hsm.commands import CA, CB, CC, CD, CM, CN, DC, DD, EC, ED
from protocols.hsm.fields import KeyField
from protocols.pan import Pan
from protocols.pin.iso9564 import Format


def ca(engine: Engine, request: CA) -> CB:
    """TPK to ZPK."""
    made = _translate(engine, request, under_lmk(TPK, request.tpk), under_lmk(ZPK, request.zpk))
    return CB(length=f"{made.digits:02}", block=made.block, format=request.destination_format)


def cc(engine: Engine, request: CC) -> CD:
    """ZPK to ZPK."""
    made = _translate(engine, request, under_lmk(ZPK, request.source_zpk), under_lmk(ZPK, request.destination_zpk))
    return CD(length=f"{made.digits:02}", block=made.block, format=request.destination_format)


def cm(engine: Engine, request: CM) -> CN | ErrorCode:
    """DUKPT; the block is of format 0, since the command has no format field."""
    right = engine.perform(
        VerifyDukptPinByPvv(
            EncipheredPin(request.block, Format.ISO_0, _pan(request.account)),
            under_lmk(BDK, request.bdk),
            TdesKsn(request.ksn),
            _reference(request.pvk, request.pvki, request.pvv),
        )
    )
    return CN() if right else ErrorCode.VERIFICATION_FAILED


def dc(engine: Engine, request: DC) -> DD | ErrorCode:
    """Under a TPK."""
    return DD() if _verify(engine, request, TPK, request.tpk) else ErrorCode.VERIFICATION_FAILED


def ec(engine: Engine, request: EC) -> ED | ErrorCode:
    """Under a ZPK."""
    return ED() if _verify(engine, request, ZPK, request.zpk) else ErrorCode.VERIFICATION_FAILED


def _translate(engine: Engine, request: CA | CC, source: KeyUnderLmk, destination: KeyUnderLmk) -> TranslatedPin:
    pin = EncipheredPin(request.block, pin_format(request.source_format), _pan(request.account))
    return engine.perform(TranslatePin(pin, source, destination, pin_format(request.destination_format)))


def _verify(engine: Engine, request: DC | EC, kind: KeyType, key: KeyField) -> bool:
    return engine.perform(
        VerifyPinByPvv(
            EncipheredPin(request.block, pin_format(request.format), _pan(request.account)),
            under_lmk(kind, key),
            _reference(request.pvk, request.pvki, request.pvv),
        )
    )


def _reference(pvk: KeyField, index: str, value: str) -> Pvv:
    return Pvv(under_lmk(PVK, pvk), int(index), value)


def _pan(account: str) -> Pan:
    """Account digits as a PAN: its check digit is not on the wire, and no computation here looks at it."""
    return Pan(account + "0")


HANDLERS: Mapping[type, Handler] = {CA: ca, CC: cc, CM: cm, DC: dc, EC: ec}
