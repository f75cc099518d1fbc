# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Host commands on MACs from before M6: MA MC ME MQ MS."""

from collections.abc import Mapping

from hsm_sim.engine.engine import Engine
from hsm_sim.engine.key_types import TAK, ZAK
from hsm_sim.engine.refusal import Reason, Refused
from hsm_sim.engine.requests import KeyUnderLmk, MacAlgorithm, MacInput, MakeMac, Piece, VerifyMac
from hsm_sim.payshield.handlers import Handler
from hsm_sim.payshield.terms import under_lmk
from protocols.hsm.codes import ErrorCode
from protocols.hsm.commands.legacy_macs import MA, MB, MC, MD, ME, MF, MQ, MR, MS, MT
from protocols.hsm.fields import KeyField
from protocols.mac import Padding

_PIECES = {"0": Piece.WHOLE, "1": Piece.FIRST, "2": Piece.MIDDLE, "3": Piece.LAST}
_KEY_TYPES = {"0": TAK, "1": ZAK}
_HALF = 4


def ma(engine: Engine, request: MA) -> MB:
    """Make."""
    return MB(mac=engine.perform(MakeMac(_whole(request.tak, request.data)))[:_HALF])


def mc(engine: Engine, request: MC) -> MD | ErrorCode:
    """Verify."""
    right = engine.perform(VerifyMac(_whole(request.tak, request.data), request.mac))
    return MD() if right else ErrorCode.VERIFICATION_FAILED


def me(engine: Engine, request: ME) -> MF | ErrorCode:
    """Verify and make; a wrong MAC gets no other."""
    if not engine.perform(VerifyMac(_whole(request.source_tak, request.data), request.mac)):
        return ErrorCode.VERIFICATION_FAILED
    try:
        return MF(mac=engine.perform(MakeMac(_whole(request.destination_tak, request.data)))[:_HALF])
    except Refused as refused:
        if refused.reason is Reason.SOURCE_KEY_PARITY:
            return ErrorCode.DESTINATION_KEY_PARITY
        raise


def _whole(tak: KeyField, data: bytes) -> MacInput:
    return MacInput(under_lmk(TAK, tak), MacAlgorithm.CBC, Padding.ZEROS, Piece.WHOLE, data)


def mq(engine: Engine, request: MQ) -> MR:
    """One piece."""
    key = under_lmk(ZAK, request.zak)
    return MR(mac=_piece(engine, key, MacAlgorithm.CBC, request.piece, request.data, request.chaining))


def ms(engine: Engine, request: MS) -> MT:
    """One piece; under a key of single length the retail MAC is algorithm 1."""
    field = request.single if request.single is not None else request.double
    data = request.data if request.data is not None else request.hexadecimal
    if field is None or data is None:  # the layout gives one of each
        raise RuntimeError("neither key nor data")
    algorithm = MacAlgorithm.CBC if request.single is not None else MacAlgorithm.RETAIL
    key = under_lmk(_KEY_TYPES[request.key_type], field)
    return MT(mac=_piece(engine, key, algorithm, request.piece, data, request.chaining))


def _piece(
    engine: Engine, key: KeyUnderLmk, algorithm: MacAlgorithm, piece: str, data: bytes, chaining: bytes | None
) -> bytes:
    return engine.perform(MakeMac(MacInput(key, algorithm, Padding.ZEROS, _PIECES[piece], data, chaining)))


HANDLERS: Mapping[type, Handler] = {MA: ma, MC: mc, ME: me, MQ: mq, MS: ms}
