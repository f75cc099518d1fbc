# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Host commands that carry keys between LMK and transport keys, or change how they are wrapped."""

from collections.abc import Callable, Mapping

from hsm_sim.engine.engine import Engine
from hsm_sim.engine.key_requests import (
    ChangeScheme,
    ExportKey,
    ImportKey,
    KeptKey,
    KeyFromOldLmk,
    SentKey,
    TransportKey,
)
from hsm_sim.engine.key_types import BDK, TAK, TMK, ZMK, ZPK, KeyType, key_type
from hsm_sim.engine.key_usages import EXPORT_NONE
from hsm_sim.engine.requests import CheckValue, KeyUnderLmk
from hsm_sim.engine.wrapping import WrappedKey
from hsm_sim.payshield.handlers import Advice, Handler
from hsm_sim.payshield.keys import LONG, SHORT, coded_type, data_or_mac, says_length
from hsm_sim.payshield.terms import kept_scheme, key_field, scheme, under_lmk
from protocols.hsm.codes import ErrorCode
from protocols.hsm.commands.key_changes import AE, AF, AG, AH, B0, B1, BW, BX, TmkExportOptions
from protocols.hsm.commands.transport import (
    A6,
    A7,
    A8,
    A9,
    DW,
    DX,
    DY,
    DZ,
    FA,
    FB,
    FC,
    FD,
    FE,
    FF,
    FK,
    FL,
    FM,
    FN,
    GC,
    GD,
    MG,
    MH,
    MI,
    MJ,
    ExportOptions,
    Given,
    ImportOptions,
    Taken,
)
from protocols.hsm.fields import KeyField
from protocols.hsm.layout import Fields

_TMK_FLAG = "1"


def a6(engine: Engine, request: A6) -> Fields | Advice:
    """Any type."""
    kind = key_type(request.key_type)
    made = engine.perform(
        ImportKey(kind, _zmk(request.zmk, request.atalla), _wrapped(request.key), scheme(request.scheme))
    )
    return _advised(made, A7(key=key_field(made.under_lmk), check_value=made.check_value[:SHORT]))


def _import(
    engine: Engine,
    kind: KeyType,
    zmk: KeyField,
    key: KeyField,
    atalla: str | None,
    options: ImportOptions | None,
    answer: Callable[..., Taken],
) -> Fields | Advice:
    wanted = None if options is None else kept_scheme(options.scheme)
    made = engine.perform(ImportKey(kind, _zmk(zmk, atalla), _wrapped(key), wanted))
    short = options is not None and options.kind == "1"
    return _advised(
        made, answer(key=key_field(made.under_lmk), check_value=made.check_value[: SHORT if short else LONG])
    )


def _advised(made: KeptKey, fields: Fields) -> Fields | Advice:
    return Advice(ErrorCode.VERIFICATION_FAILED, fields) if made.parity_corrected else fields


def dw(engine: Engine, request: DW) -> Fields | Advice:
    """A BDK."""
    return _import(engine, BDK, request.zmk, request.bdk, request.atalla, request.options, DX)


def fa(engine: Engine, request: FA) -> Fields | Advice:
    """A ZPK."""
    return _import(engine, ZPK, request.zmk, request.zpk, request.atalla, request.options, FB)


def fc(engine: Engine, request: FC) -> Fields | Advice:
    """A TMK, TPK or PVK."""
    return _import(engine, TMK, request.zmk, request.key, request.atalla, request.options, FD)


def fk(engine: Engine, request: FK) -> Fields | Advice:
    """A ZEK or ZAK."""
    return _import(engine, data_or_mac(request.flag), request.zmk, request.key, request.atalla, request.options, FL)


def mi(engine: Engine, request: MI) -> Fields | Advice:
    """A TAK."""
    return _import(engine, TAK, request.zmk, request.tak, request.atalla, request.options, MJ)


def a8(engine: Engine, request: A8) -> A9:
    """Any type."""
    above = under_lmk(TMK if request.flag == _TMK_FLAG else ZMK, request.transport_key)
    sent = engine.perform(
        ExportKey(
            under_lmk(key_type(request.key_type), request.key),
            TransportKey(above, _number(request.atalla)),
            scheme(request.scheme),
            request.exportability or EXPORT_NONE,
        )
    )
    return A9(key=key_field(sent.wrapped), check_value=sent.check_value[:SHORT])


def _export(
    engine: Engine,
    kind: KeyType,
    zmk: KeyField,
    key: KeyField,
    atalla: str | None,
    options: ExportOptions | None,
    answer: Callable[..., Given],
) -> Given:
    wanted = None if options is None else kept_scheme(options.scheme)
    sent = engine.perform(ExportKey(under_lmk(kind, key), _zmk(zmk, atalla), wanted))
    short = options is not None and options.kind == "1"
    return answer(key=key_field(sent.wrapped), check_value=sent.check_value[: SHORT if short else LONG])


def dy(engine: Engine, request: DY) -> Given:
    """A BDK."""
    return _export(engine, BDK, request.zmk, request.bdk, request.atalla, request.options, DZ)


def gc(engine: Engine, request: GC) -> Given:
    """A ZPK."""
    return _export(engine, ZPK, request.zmk, request.zpk, request.atalla, request.options, GD)


def fe(engine: Engine, request: FE) -> Given:
    """A TMK, TPK or PVK."""
    return _export(engine, TMK, request.zmk, request.key, request.atalla, request.options, FF)


def fm(engine: Engine, request: FM) -> Given:
    """A ZEK or ZAK."""
    return _export(engine, data_or_mac(request.flag), request.zmk, request.key, request.atalla, request.options, FN)


def mg(engine: Engine, request: MG) -> Given:
    """A TAK."""
    return _export(engine, TAK, request.zmk, request.tak, request.atalla, request.options, MH)


def ae(engine: Engine, request: AE) -> AF:
    """A TMK, TPK or PVK under another one."""
    return AF(key=key_field(_to_terminal(engine, TMK, request.current, request.stored, request.options).wrapped))


def ag(engine: Engine, request: AG) -> AH:
    """A TAK under a TMK."""
    sent = _to_terminal(engine, TAK, request.tmk, request.tak, request.options)
    return AH(key=key_field(sent.wrapped), check_value=sent.check_value)


def _to_terminal(
    engine: Engine, kind: KeyType, tmk: KeyField, key: KeyField, options: TmkExportOptions | None
) -> SentKey:
    wanted = None if options is None else kept_scheme(options.scheme)
    return engine.perform(ExportKey(under_lmk(kind, key), TransportKey(under_lmk(TMK, tmk)), wanted))


def b0(engine: Engine, request: B0) -> B1:
    """Another scheme, the same key."""
    key = under_lmk(key_type(request.key_type), request.key)
    return B1(key=key_field(engine.perform(ChangeScheme(key, scheme(request.scheme)))))


def bw(engine: Engine, request: BW) -> BX | ErrorCode:
    """From the LMK before; without options the scheme stays."""
    more = request.more
    kind = coded_type(request.type_code, None if more is None else more.key_type)
    if not says_length(request.length_flag, request.key):
        return ErrorCode.INVALID_LENGTH_FLAG
    wanted = None if more is None or more.options is None else kept_scheme(more.options.scheme)
    moved = engine.perform(KeyFromOldLmk(under_lmk(kind, request.key), wanted))
    if request.check is None or request.check.wanted == "0":
        return BX(key=key_field(moved))
    octets = SHORT if request.check.kind == "1" else LONG
    value = engine.perform(CheckValue(KeyUnderLmk(kind, moved), octets))
    return BX(key=key_field(moved), check_value=value)


def _zmk(key: KeyField, atalla: str | None) -> TransportKey:
    return TransportKey(under_lmk(ZMK, key), _number(atalla))


def _number(atalla: str | None) -> int:
    return int(atalla) if atalla is not None else 0


def _wrapped(key: KeyField) -> WrappedKey:
    return WrappedKey(key.scheme, key.cryptogram)


HANDLERS: Mapping[type, Handler] = {
    A6: a6,
    A8: a8,
    AE: ae,
    AG: ag,
    B0: b0,
    BW: bw,
    DW: dw,
    DY: dy,
    FA: fa,
    FC: fc,
    FE: fe,
    FK: fk,
    FM: fm,
    GC: gc,
    MG: mg,
    MI: mi,
}
