# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Host commands on keys: A0, BU, HA, HC."""

from collections.abc import Mapping

from hsm_sim.engine.engine import Engine
from hsm_sim.engine.key_types import TAK, TMK, ZMK, KeyType, key_type
from hsm_sim.engine.requests import CheckValue, Export, GeneratedKey, GenerateKey
from hsm_sim.payshield.handlers import Handler
from hsm_sim.payshield.terms import key_field, scheme, under_lmk
from protocols.hsm.codes import ErrorCode, KeyScheme
from protocols.hsm.commands import A0, A1, BU, BV, HA, HB, HC, HD, TmkOptions
from protocols.hsm.fields import KeyField

_LENGTH_FLAGS = {"0": 8, "1": 16, "2": 24}
_TMK_FLAG = "1"


def a0(engine: Engine, request: A0) -> A1:
    """Modes 0 and 1."""
    export = None
    if request.export is not None:
        kind = TMK if request.export.flag == _TMK_FLAG else ZMK
        export = Export(under_lmk(kind, request.export.key), scheme(request.export.scheme))
    made = engine.perform(GenerateKey(key_type(request.key_type), scheme(request.scheme), export))
    return A1(
        key=key_field(made.under_lmk),
        exported=key_field(made.exported) if made.exported is not None else None,
        check_value=made.check_value,
    )


def bu(engine: Engine, request: BU) -> BV | ErrorCode:
    """Without options the check value has 16 digits, as on old units."""
    kind = key_type(f"0{request.type_code}" if request.key_type is None else request.key_type)
    if _LENGTH_FLAGS[request.length_flag] != request.key.scheme.octets:
        return ErrorCode.INVALID_LENGTH_FLAG
    octets = 3 if request.options is not None and request.options.kind == "1" else 8
    return BV(check_value=engine.perform(CheckValue(under_lmk(kind, request.key), octets)))


def ha(engine: Engine, request: HA) -> HB:
    """A TAK under a TMK and the LMK."""
    made = _under_terminal_key(engine, TAK, request.tmk, request.options)
    return HB(under_tmk=_exported(made), under_lmk=key_field(made.under_lmk))


def hc(engine: Engine, request: HC) -> HD:
    """A TMK, TPK or PVK under one of its kind and the LMK."""
    made = _under_terminal_key(engine, TMK, request.current, request.options)
    return HD(under_current=_exported(made), under_lmk=key_field(made.under_lmk))


def _under_terminal_key(engine: Engine, kind: KeyType, key: KeyField, options: TmkOptions | None) -> GeneratedKey:
    above = scheme(options.scheme_tmk) if options is not None else KeyScheme.SINGLE
    stored = scheme(options.scheme_lmk) if options is not None else KeyScheme.SINGLE
    return engine.perform(GenerateKey(kind, stored, Export(under_lmk(TMK, key), above)))


def _exported(made: GeneratedKey) -> KeyField:
    if made.exported is None:  # an export was asked for, so the engine gives one
        raise RuntimeError("the engine gave no key under the transport key")
    return key_field(made.exported)


HANDLERS: Mapping[type, Handler] = {A0: a0, BU: bu, HA: ha, HC: hc}
