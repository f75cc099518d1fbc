# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Host commands on MACs: M6, M8, GW."""

import hmac
from collections.abc import Mapping

from hsm_sim.engine.data_requests import MakeDukptMac, VerifyDukptMac
from hsm_sim.engine.engine import Engine
from hsm_sim.engine.key_types import BDK, key_type
from hsm_sim.engine.refusal import Reason, Refused
from hsm_sim.engine.requests import MacAlgorithm, MacInput, MakeMac, Piece, VerifyMac
from hsm_sim.payshield.handlers import Handler
from hsm_sim.payshield.terms import under_lmk
from protocols.dukpt.ksn import TdesKsn
from protocols.hsm.codes import ErrorCode
from protocols.hsm.commands.macs import GW, GX, M6, M7, M8, M9
from protocols.mac import Padding
from protocols.octets import unhex

_PIECES = {"0": Piece.WHOLE, "1": Piece.FIRST, "2": Piece.MIDDLE, "3": Piece.LAST}
_SIZES = {"0": 4, "1": 8}
_HEXADECIMAL = "1"
_WHOLE, _RIGHT_HALF = "4", ("3", "6")


def m6(engine: Engine, request: M6) -> M7 | ErrorCode:
    """Make."""
    try:
        made = engine.perform(MakeMac(_input(request)))
    except Refused as refused:
        return _data_length(refused)
    return M7(mac=made if request.mode in ("1", "2") else made[: _SIZES[request.size]])


def m8(engine: Engine, request: M8) -> M9 | ErrorCode:
    """Verify; the first and middle pieces of a message only move the chaining value on."""
    try:
        if request.mac is None:
            return M9(chaining=engine.perform(MakeMac(_input(request))))
        if len(request.mac) != _SIZES[request.size]:
            return ErrorCode.INVALID_INPUT
        right = engine.perform(VerifyMac(_input(request), request.mac))
    except Refused as refused:
        return _data_length(refused)
    return M9() if right else ErrorCode.VERIFICATION_FAILED


def gw(engine: Engine, request: GW) -> GX | ErrorCode:
    """A terminal's MAC, whole or a half of it."""
    bdk, ksn = under_lmk(BDK, request.bdk), TdesKsn(request.ksn)
    if request.whole is not None:
        right = engine.perform(VerifyDukptMac(bdk, ksn, request.data, request.whole))
        return GX() if right else ErrorCode.VERIFICATION_FAILED
    made = engine.perform(MakeDukptMac(bdk, ksn, request.data))
    half = made[4:] if request.mode in _RIGHT_HALF else made[:4]
    if request.half is not None:
        return GX() if hmac.compare_digest(half, request.half) else ErrorCode.VERIFICATION_FAILED
    return GX(mac=made if request.mode == _WHOLE else half)


def _input(request: M6 | M8) -> MacInput:
    data = unhex(request.data, "data") if request.input_format == _HEXADECIMAL else request.data
    return MacInput(
        under_lmk(key_type(request.key_type), request.key),
        MacAlgorithm(int(request.algorithm)),
        Padding(int(request.padding)),
        _PIECES[request.mode],
        data,
        request.chaining,
    )


def _data_length(refused: Refused) -> ErrorCode:
    """These two commands have their own code for data that is not whole blocks."""
    if refused.reason is Reason.DATA_LENGTH:
        return ErrorCode.COMMAND_SPECIFIC_06
    raise refused


HANDLERS: Mapping[type, Handler] = {M6: m6, M8: m8, GW: gw}
