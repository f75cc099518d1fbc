# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Host commands that translate PIN blocks between keys: CA CC CI G0."""

from collections.abc import Mapping

from hsm_sim.engine.engine import Engine
from hsm_sim.engine.key_types import BDK, TPK, ZPK
from hsm_sim.engine.pin_requests import PinUnderKey, TranslateDukptPin, TranslatePinToDukpt
from hsm_sim.engine.requests import EncipheredPin, TranslatedPin, TranslatePin
from hsm_sim.payshield.handlers import Handler
from hsm_sim.payshield.pin_terms import BDK_1_FLAG, BDK_2, DUKPT_FLAGS, pan_of, under_dukpt
from hsm_sim.payshield.terms import pin_format, under_lmk
from protocols.dukpt.ksn import TdesKsn
from protocols.hsm.commands.pins import CA, CB, CC, CD, CI, CJ, G0, G1

TWO_DIGITS = tuple(f"{count:02}" for count in range(100))


def ca(engine: Engine, request: CA) -> CB:
    """TPK to ZPK, or to a DUKPT key where the destination is flagged."""
    pin = EncipheredPin(request.block, pin_format(request.source_format), pan_of(request.account))
    source = under_lmk(TPK, request.tpk)
    form = pin_format(request.destination_format)
    if request.number is None:
        made = engine.perform(TranslatePin(pin, source, under_lmk(ZPK, request.zpk), form))
    else:
        destination = under_lmk(DUKPT_FLAGS[request.flag or BDK_1_FLAG], request.zpk)
        ksn = TdesKsn(request.number.ksn)
        made = engine.perform(TranslatePinToDukpt(PinUnderKey(pin, source), form, destination, ksn))
    return CB(length=TWO_DIGITS[made.digits], block=made.block, format=request.destination_format)


def cc(engine: Engine, request: CC) -> CD:
    """ZPK to ZPK."""
    made = engine.perform(
        TranslatePin(
            EncipheredPin(request.block, pin_format(request.source_format), pan_of(request.account)),
            under_lmk(ZPK, request.source_zpk),
            under_lmk(ZPK, request.destination_zpk),
            pin_format(request.destination_format),
        )
    )
    return CD(length=TWO_DIGITS[made.digits], block=made.block, format=request.destination_format)


def ci(engine: Engine, request: CI) -> CJ:
    """DUKPT to ZPK; the source block is of format 0, since the command has no field for it."""
    made = engine.perform(
        TranslateDukptPin(
            under_dukpt(request.bdk, request.ksn, request.block, request.account),
            pin_format(request.destination_format),
            under_lmk(ZPK, request.zpk),
        )
    )
    return CJ(length=TWO_DIGITS[made.digits], block=made.block, format=request.destination_format)


def g0(engine: Engine, request: G0) -> G1:
    """DUKPT to ZPK or to another DUKPT key."""
    made = _g0(engine, request)
    return G1(length=TWO_DIGITS[made.digits], block=made.block, format=request.destination_format)


def _g0(engine: Engine, request: G0) -> TranslatedPin:
    kind = BDK if request.source_flag is None else BDK_2
    source = under_dukpt(request.bdk, request.ksn, request.block, request.account, request.source_format, kind)
    form = pin_format(request.destination_format)
    if request.number is None:
        return engine.perform(TranslateDukptPin(source, form, under_lmk(ZPK, request.destination)))
    destination = under_lmk(DUKPT_FLAGS[request.flag or BDK_1_FLAG], request.destination)
    return engine.perform(TranslateDukptPin(source, form, destination, TdesKsn(request.number.ksn)))


HANDLERS: Mapping[type, Handler] = {CA: ca, CC: cc, CI: ci, G0: g0}
