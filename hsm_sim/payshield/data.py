# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Host commands that encipher data: M0 M2 M4 HE HG."""

from collections.abc import Mapping
from typing import TypeVar

from hsm_sim.engine.data_requests import (
    Chained,
    DataKey,
    DecipherBlock,
    DecipherData,
    EncipherBlock,
    EncipherData,
    Mode,
    MoveData,
)
from hsm_sim.engine.engine import Engine
from hsm_sim.engine.key_types import TAK, key_type
from hsm_sim.engine.refusal import Reason, Refused
from hsm_sim.engine.requests import Request
from hsm_sim.payshield.handlers import Handler
from hsm_sim.payshield.terms import under_lmk
from protocols.dukpt.ksn import TdesKsn
from protocols.hsm.codes import ErrorCode
from protocols.hsm.commands.data import HE, HEXADECIMAL, HF, HG, HH, M0, M1, M2, M3, M4, M5, TEXT, DataNumber
from protocols.hsm.fields import FieldError, KeyField
from protocols.octets import unhex

R = TypeVar("R")
_MODES = {"00": Mode.ECB, "01": Mode.CBC, "02": Mode.CFB_8, "03": Mode.CFB}


def m0(engine: Engine, request: M0) -> M1:
    """Encipher."""
    how = Chained(_MODES[request.mode], request.iv or request.long_iv)
    key = _key(request.key_type, request.key, request.number)
    made = _performed(engine, EncipherData(key, how, _taken(request.input_format, request.data)))
    return M1(next_iv=made.next_iv, data=_given(request.output_format, made.data))


def m2(engine: Engine, request: M2) -> M3:
    """Decipher."""
    how = Chained(_MODES[request.mode], request.iv or request.long_iv)
    key = _key(request.key_type, request.key, request.number)
    made = _performed(engine, DecipherData(key, how, _taken(request.input_format, request.data)))
    return M3(next_iv=made.next_iv, data=_given(request.output_format, made.data))


def m4(engine: Engine, request: M4) -> M5:
    """Move."""
    made = _performed(
        engine,
        MoveData(
            _key(request.source_type, request.source, request.source_number),
            Chained(_MODES[request.source_mode], request.source_iv or request.source_long_iv),
            _key(request.key_type, request.key, request.number),
            Chained(_MODES[request.mode], request.iv or request.long_iv),
            _taken(request.input_format, request.data),
        ),
    )
    return M5(data=_given(request.output_format, made))


def he(engine: Engine, request: HE) -> HF:
    """Encipher one block."""
    return HF(block=engine.perform(EncipherBlock(under_lmk(TAK, request.tak), request.block)))


def hg(engine: Engine, request: HG) -> HH:
    """Decipher one block."""
    return HH(block=engine.perform(DecipherBlock(under_lmk(TAK, request.tak), request.block)))


def _key(code: str, key: KeyField, number: DataNumber | None) -> DataKey:
    return DataKey(under_lmk(key_type(code), key), None if number is None else TdesKsn(number.ksn))


def _performed(engine: Engine, request: Request[R]) -> R:
    """The result; these commands have their own code for data that is not whole blocks."""
    try:
        return engine.perform(request)
    except Refused as refused:
        if refused.reason is Reason.DATA_LENGTH:
            raise FieldError("data", "another length expected", ErrorCode.COMMAND_SPECIFIC_06) from None
        raise


def _taken(form: str, data: bytes) -> bytes:
    if form == HEXADECIMAL:
        return unhex(data, "data")
    if form == TEXT:
        _printable(data)
    return data


def _given(form: str, data: bytes) -> bytes:
    if form == HEXADECIMAL:
        return data.hex().upper().encode("ascii")
    if form == TEXT:
        _printable(data)
    return data


def _printable(data: bytes) -> None:
    if not (data.isascii() and data.decode("ascii").isprintable()):
        raise FieldError("data", "printable text expected", ErrorCode.ILLEGAL_MESSAGE_FORMAT)


HANDLERS: Mapping[type, Handler] = {M0: m0, M2: m2, M4: m4, HE: he, HG: hg}
