# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Host commands that make keys or tell about them: A0 A4 BU FI GY HA HC IA KA."""

from collections.abc import Mapping

from hsm_sim.engine.engine import Engine
from hsm_sim.engine.key_requests import DeriveInitialKey, FormKey, KeptKey, TransportKey
from hsm_sim.engine.key_types import BDK, TAK, TMK, ZAK, ZEK, ZMK, ZPK, KeyType, key_type
from hsm_sim.engine.key_usages import EXPORT_NONE
from hsm_sim.engine.requests import BlockKind, CheckValue, Export, GeneratedKey, GenerateKey
from hsm_sim.engine.wrapping import WrappedKey
from hsm_sim.payshield.handlers import Handler
from hsm_sim.payshield.terms import bare, kept_scheme, key_field, scheme, under_lmk
from protocols.dukpt.ksn import TdesKsn
from protocols.hsm.codes import ErrorCode, KeyScheme
from protocols.hsm.commands.command import CheckValueOptions
from protocols.hsm.commands.keys import (
    A0,
    A1,
    A4,
    A5,
    BU,
    BV,
    FI,
    FJ,
    GY,
    GZ,
    HA,
    HB,
    HC,
    HD,
    IA,
    IB,
    KA,
    KB,
    A0Attributes,
    A0Derivation,
    A0Export,
    TmkOptions,
    ZmkOptions,
)
from protocols.hsm.fields import KeyField
from protocols.hsm.key_block import BlockHeader

LENGTH_FLAGS = {"0": 8, "1": 16, "2": 24, "F": 0}
SHORT, LONG = 3, 8
_TMK_FLAG = "1"
_DERIVE = frozenset({"A", "B"})
_MASTER_TYPES = {"1": BDK, "2": key_type("609"), "3": key_type("809")}
_COUNTER_DIGITS = "00000"  # the fifteen digits of a derivation leave the counter out
_KEY_OCTETS = {"T2": 16, "T3": 24, "A1": 16, "A2": 24, "A3": 32}
_OLD_TYPES = {"00": ZMK, "01": ZPK, "02": TMK, "03": TAK}


def a0(engine: Engine, request: A0) -> A1:
    """Random or derived, under the LMK and perhaps under a transport key."""
    kind = key_type(request.key_type)
    block = None if request.attributes is None else _block_kind(request.attributes)
    if request.mode in _DERIVE and request.derivation is not None:
        derived = engine.perform(_derivation(request.derivation, request.export, kind, scheme(request.scheme), block))
        return _a1(derived.under_lmk, derived.exported, derived.check_value)
    export = None
    if request.export is not None:
        above = under_lmk(_transport_kind(request.export), request.export.key)
        export = Export(above, scheme(request.export.scheme), request.exportability or EXPORT_NONE)
    made = engine.perform(GenerateKey(kind, scheme(request.scheme), export, block))
    return _a1(made.under_lmk, made.exported, made.check_value)


def _block_kind(given: A0Attributes) -> BlockKind:
    algorithm = given.algorithm[0]
    header = BlockHeader(given.usage, algorithm, given.mode, given.key_version, given.exportability)
    return BlockKind(header, _KEY_OCTETS[given.algorithm])


def _a1(under: WrappedKey, exported: WrappedKey | None, check_value: bytes) -> A1:
    return A1(
        key=key_field(under),
        exported=key_field(exported) if exported is not None else None,
        check_value=check_value[:SHORT],
    )


def _derivation(
    given: A0Derivation, export: A0Export | None, kind: KeyType, under_lmk_scheme: KeyScheme, block: BlockKind | None
) -> DeriveInitialKey:
    header = None if block is None else block.header
    ksn = TdesKsn.from_hex(given.ksn + _COUNTER_DIGITS)
    bdk = under_lmk(_MASTER_TYPES[given.master_type], given.bdk)
    if export is None:
        return DeriveInitialKey(bdk, ksn, kind, under_lmk_scheme, header=header)
    under = TransportKey(under_lmk(_transport_kind(export), export.key))
    return DeriveInitialKey(bdk, ksn, kind, under_lmk_scheme, under, scheme(export.scheme), header)


def _transport_kind(export: A0Export) -> KeyType:
    return TMK if export.flag == _TMK_FLAG else ZMK


def a4(engine: Engine, request: A4) -> A5:
    """Of any type."""
    kind = key_type(request.key_type)
    version = "00" if request.attributes is None else request.attributes.key_version
    made = _formed(engine, kind, _components(request), scheme(request.scheme), version)
    return A5(key=key_field(made.under_lmk), check_value=made.check_value[:SHORT])


def gy(engine: Engine, request: GY) -> GZ:
    """A ZMK; without options it comes back in the form of its components."""
    options = request.options
    wanted = None if options is None else kept_scheme(options.scheme)
    made = _formed(engine, ZMK, _components(request), wanted)
    short = options is not None and options.kind == "1"
    return GZ(
        zmk=bare(key_field(made.under_lmk)) if options is None else key_field(made.under_lmk),
        check_value=made.check_value[: SHORT if short else LONG],
    )


def _components(request: A4 | GY) -> list[KeyField]:
    given = (getattr(request, f"component_{number}") for number in range(1, 10))
    return [component for component in given if component is not None]


def _formed(
    engine: Engine, kind: KeyType, components: list[KeyField], wanted: KeyScheme | None, version: str = "00"
) -> KeptKey:
    parts = tuple(under_lmk(kind, component) for component in components)
    return engine.perform(FormKey(kind, parts, wanted, version))


def bu(engine: Engine, request: BU) -> BV | ErrorCode:
    """Without options the check value has 16 digits, as on old units."""
    kind = coded_type(request.type_code, request.key_type)
    if not says_length(request.length_flag, request.key):
        return ErrorCode.INVALID_LENGTH_FLAG
    return BV(check_value=_check_value(engine, kind, request.key, request.options))


def says_length(flag: str, key: KeyField) -> bool:
    """Whether a length flag fits a key field; of key blocks, which say their length themselves, any does."""
    return key.scheme.octets == LENGTH_FLAGS[flag] or key.scheme.octets == 0


def coded_type(type_code: str, code: str | None) -> KeyType:
    """The key type of an old two-digit code, or of the code of three digits where that is given."""
    return key_type(f"0{type_code}" if code is None else code)


def ka(engine: Engine, request: KA) -> KB:
    """The old form; the length of the key is what its field says."""
    return KB(check_value=_check_value(engine, _OLD_TYPES[request.type_code], request.key, request.options))


def _check_value(engine: Engine, kind: KeyType, key: KeyField, options: CheckValueOptions | None) -> bytes:
    short = options is not None and options.kind == "1"
    return engine.perform(CheckValue(under_lmk(kind, key), SHORT if short else LONG))


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


def ia(engine: Engine, request: IA) -> IB:
    """A ZPK under a ZMK and the LMK."""
    made = _under_zone_key(engine, ZPK, request.zmk, request.options)
    return IB(
        under_zmk=_exported(made),
        under_lmk=key_field(made.under_lmk),
        check_value=_asked_for(made.check_value, request.options),
    )


def fi(engine: Engine, request: FI) -> FJ:
    """A ZEK or ZAK under a ZMK and the LMK."""
    made = _under_zone_key(engine, data_or_mac(request.flag), request.zmk, request.options)
    return FJ(
        under_zmk=_exported(made),
        under_lmk=key_field(made.under_lmk),
        check_value=_asked_for(made.check_value, request.options),
    )


def data_or_mac(flag: str) -> KeyType:
    """The key type of a ZEK/ZAK flag."""
    return ZAK if flag == "1" else ZEK


def _under_zone_key(engine: Engine, kind: KeyType, zmk: KeyField, options: ZmkOptions | None) -> GeneratedKey:
    above = scheme(options.scheme_zmk) if options is not None else KeyScheme.SINGLE
    stored = scheme(options.scheme_lmk) if options is not None else KeyScheme.SINGLE
    return engine.perform(GenerateKey(kind, stored, Export(under_lmk(ZMK, zmk), above)))


def _asked_for(check_value: bytes, options: ZmkOptions | None) -> bytes:
    return check_value[: SHORT if options is not None and options.kind == "1" else LONG]


def _exported(made: GeneratedKey) -> KeyField:
    if made.exported is None:  # an export was asked for, so the engine gives one
        raise RuntimeError("the engine gave no key under the transport key")
    return key_field(made.exported)


HANDLERS: Mapping[type, Handler] = {
    A0: a0,
    A4: a4,
    BU: bu,
    FI: fi,
    GY: gy,
    HA: ha,
    HC: hc,
    IA: ia,
    KA: ka,
}
