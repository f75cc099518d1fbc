# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Keys on their way: import, export, forming from components, change of scheme or of LMK. Knows no wire.

The variant method and X9.17 encipher a key part by part and authenticate nothing: whoever can import may send halves of
two keys as one, or noise until some of it passes for a key (Bond, 2004; PCI PIN Security, Key Blocks, 2017). What can
be refused is: keys with equal or weak parts, wrong parity, another length. The rest is the policy's to close.
"""

from collections.abc import Callable, Mapping
from typing import Any

from hsm_sim.engine.check_values import SHORT, key_check_value, long_check_value
from hsm_sim.engine.dukpt import initial_key
from hsm_sim.engine.key_requests import (
    ChangeScheme,
    DerivedKey,
    DeriveInitialKey,
    ExportKey,
    FormKey,
    ImportKey,
    KeptKey,
    KeyFromOldLmk,
    RandomOctets,
    SentKey,
    TransportKey,
)
from hsm_sim.engine.key_types import IN_BLOCK, ZMK, KeyType, Use
from hsm_sim.engine.key_usages import EXPORT_NONE, EXPORT_SENSITIVE, EXPORTABILITIES, TERMINAL_USAGES, USAGES, fits
from hsm_sim.engine.keyring import Keyring
from hsm_sim.engine.purpose import AES, TDES
from hsm_sim.engine.refusal import Reason, Refused
from hsm_sim.engine.requests import KeyUnderLmk
from hsm_sim.engine.transports import IN_BLOCKS, Transport, exporting, importing
from hsm_sim.engine.wrapping import SCHEME_VARIANTS, WrappedKey, WrappingKey
from protocols.hsm.codes import KeyScheme
from protocols.hsm.key_block import BlockHeader
from protocols.octets import xor
from protocols.primitives import has_odd_parity, with_odd_parity
from protocols.secret import ClearKey

TERMINAL_KEYS = frozenset({"002", "003", "302", "70D", "00B", "30B"})
"""What may travel under a terminal's master key: the terminal's own keys."""
UNRESTRICTED_MODES = frozenset({"N", "B", "C", "X"})
"""Modes of use that take nothing away from what a key of its usage is for (X9.143:2021, table 5)."""
_X917 = frozenset({KeyScheme.DOUBLE_X917, KeyScheme.TRIPLE_X917})
_USUAL_SCHEMES = {8: KeyScheme.SINGLE, 16: KeyScheme.DOUBLE, 24: KeyScheme.TRIPLE}
_COMPONENTS = range(2, 10)
_RANDOM = range(1, 257)


def import_key(keyring: Keyring, request: ImportKey) -> KeptKey:
    """A key from under a ZMK to under the LMK."""
    transport = importing(keyring, request.under.key)
    if request.wrapped.scheme in IN_BLOCKS:
        return _import_block(keyring, request, transport)
    policy = keyring.policy
    wrapped = request.wrapped
    if keyring.lmk.authenticates:
        raise Refused(Reason.LMK_SCHEME)
    scheme = _fitting(request.scheme, wrapped.scheme)
    if not policy.unauthenticated_transport or (request.kind is ZMK and not policy.transport_key_import):
        raise Refused(Reason.NOT_PERMITTED)
    if wrapped.scheme in _X917 and not policy.x917_import:
        raise Refused(Reason.KEY_SCHEME)
    clear, corrected = _arrived(keyring, transport.parts(request.under.variant), wrapped)
    with clear:
        if len(clear) not in request.kind.octets:
            raise Refused(Reason.KEY_LENGTH)
        keyring.judge(clear)
        return KeptKey(keyring.wrap(clear, request.kind, scheme), long_check_value(keyring, clear), corrected)


def _import_block(keyring: Keyring, request: ImportKey, transport: Transport) -> KeptKey:
    """A key that says itself what it is; under a variant LMK it must be what the host says too."""
    header, clear = transport.open(request.wrapped)
    with clear:
        if header.algorithm == TDES:
            keyring.judge(clear)
        fits(header, request.kind)
        if keyring.lmk.authenticates:
            kept = keyring.wrap(clear, IN_BLOCK, request.scheme or KeyScheme.KEY_BLOCK, header)
        else:
            _loses_nothing(header)
            if header.algorithm != TDES:
                raise Refused(Reason.KEY_BLOCK_ALGORITHM)
            if len(clear) not in request.kind.octets:
                raise Refused(Reason.KEY_LENGTH)
            if not has_odd_parity(clear):
                raise Refused(Reason.IMPORTED_KEY_PARITY)
            kept = keyring.wrap(clear, request.kind, request.scheme or _USUAL_SCHEMES[len(clear)])
        return KeptKey(kept, long_check_value(keyring, clear, header.algorithm))


def _loses_nothing(header: BlockHeader) -> None:
    """Refuse a key whose block forbids what nothing could forbid any more once it lies outside a block."""
    if header.exportability == EXPORT_NONE:
        raise Refused(Reason.KEY_BLOCK_EXPORT)
    if header.mode not in UNRESTRICTED_MODES:
        raise Refused(Reason.KEY_BLOCK_MODE)


def _arrived(keyring: Keyring, transport: WrappingKey, wrapped: WrappedKey) -> tuple[ClearKey, bool]:
    clear = transport.unwrap(wrapped)
    if has_odd_parity(clear):
        return clear, False
    with clear:
        if not keyring.policy.correct_parity:
            raise Refused(Reason.IMPORTED_KEY_PARITY)
        return ClearKey(with_odd_parity(clear)), True


def export_key(keyring: Keyring, request: ExportKey) -> SentKey:
    """A key from under the LMK to under a ZMK or TMK."""
    keyring.release(request.key)
    key = keyring.resolved(request.key)
    header = keyring.header(key)
    transport = _above(keyring, request.under, key.kind, header)
    if header is None:
        scheme = _fitting(request.scheme, key.wrapped.scheme)
        _may_leave(keyring, key.kind, scheme)
        with keyring.unwrap(key, destination=True) as clear:
            sent = transport.parts(request.under.variant).wrap(clear, scheme)
            return SentKey(sent, long_check_value(keyring, clear))
    with keyring.unwrap(key) as clear:
        sent = send_block(
            keyring, clear, header, transport, request.scheme or KeyScheme.KEY_BLOCK, request.exportability
        )
        return SentKey(sent, long_check_value(keyring, clear, header.algorithm))


def send_block(
    keyring: Keyring,
    clear: ClearKey,
    header: BlockHeader,
    transport: Transport,
    scheme: KeyScheme,
    exportability: str = EXPORT_NONE,
) -> WrappedKey:
    """A key that says itself whether it may leave, and how."""
    if header.exportability == EXPORT_NONE:
        raise Refused(Reason.KEY_BLOCK_EXPORT)
    if scheme in IN_BLOCKS:
        if exportability not in EXPORTABILITIES:
            raise Refused(Reason.KEY_BLOCK_EXPORT)
        outer = BlockHeader(header.usage, header.algorithm, header.mode, header.key_version, exportability)
        return transport.close(outer, clear, scheme, keyring)
    if header.exportability != EXPORT_SENSITIVE or not keyring.policy.unauthenticated_transport:
        raise Refused(Reason.KEY_BLOCK_EXPORT)
    if scheme in _X917 and not keyring.policy.x917_export:
        raise Refused(Reason.KEY_SCHEME)
    if header.algorithm == AES:
        raise Refused(Reason.KEY_BLOCK_ALGORITHM)
    return transport.parts(0).wrap(clear, scheme)


def form_key(keyring: Keyring, request: FormKey) -> KeptKey:
    """A key of two to nine components; what makes a TDES key's parity odd is taken out of the sum."""
    if len(request.components) not in _COMPONENTS:
        raise Refused(Reason.INPUT)
    first, *others = map(keyring.resolved, request.components)
    header = _common_header(keyring, request)
    scheme = _fitting(request.scheme, first.wrapped.scheme)
    with keyring.unwrap(first) as clear:
        total = bytearray(clear.reveal())
    for other in others:
        with keyring.unwrap(other) as clear:
            if len(clear) != len(total):
                total[:] = bytes(len(total))
                raise Refused(Reason.KEY_LENGTH)
            total[:] = xor(total, clear.reveal())
    algorithm = TDES if header is None else header.algorithm
    with ClearKey(with_odd_parity(total) if algorithm == TDES else bytearray(total)) as made:
        total[:] = bytes(len(total))
        if header is None and len(made) not in request.kind.octets:
            raise Refused(Reason.KEY_LENGTH)
        if algorithm == TDES:
            keyring.judge(made)
        kept = keyring.wrap(made, request.kind, scheme, header)
        return KeptKey(kept, long_check_value(keyring, made, algorithm))


def _common_header(keyring: Keyring, request: FormKey) -> BlockHeader | None:
    """What all components' blocks say, with the new version; None where keys lie in no blocks."""
    headers = {keyring.header(component) for component in request.components}
    header = headers.pop()
    if headers:
        raise Refused(Reason.KEY_BLOCK_HEADER)
    if header is None:
        return None
    return BlockHeader(header.usage, header.algorithm, header.mode, request.key_version, header.exportability)


def change_scheme(keyring: Keyring, request: ChangeScheme) -> WrappedKey:
    """The same key, of the same type and length, in another scheme under the LMK."""
    keyring.release(request.key)
    key = keyring.resolved(request.key)
    if keyring.header(key) is not None:
        raise Refused(Reason.LMK_SCHEME)
    scheme = _fitting(request.scheme, key.wrapped.scheme)
    if scheme in _X917 and not keyring.policy.x917_export:
        raise Refused(Reason.KEY_SCHEME)
    with keyring.unwrap(key) as clear:
        return keyring.wrap(clear, key.kind, scheme)


def key_from_old_lmk(keyring: Keyring, request: KeyFromOldLmk) -> WrappedKey:
    """A key from under the old LMK to under the one in force."""
    old = keyring.old_lmk
    if old is None:
        raise Refused(Reason.NO_OLD_LMK)
    header = old.header(request.key.wrapped)
    scheme = _fitting(request.scheme, request.key.wrapped.scheme)
    with keyring.unwrap(request.key, old=True) as clear:
        return keyring.wrap(clear, request.key.kind, scheme, header)


def derive_initial_key(keyring: Keyring, request: DeriveInitialKey) -> DerivedKey:
    """A device's initial key; it is always of double length."""
    if request.header is None and request.scheme.octets != KeyScheme.DOUBLE.octets:
        raise Refused(Reason.KEY_SCHEME)
    above = None
    if request.under is not None:
        above = _above(keyring, request.under, request.kind, request.header)
        if request.header is None:
            _may_leave(keyring, request.kind, request.exported_scheme or request.scheme)
    if request.header is not None and not USAGES.get(request.header.usage, Use(0)) & Use.DUKPT_INITIAL:
        raise Refused(Reason.KEY_BLOCK_USAGE)
    with initial_key(keyring, request.bdk, request.ksn) as derived:
        # Its parity bits count: a device derives its keys from all 128. Only a variant LMK cannot hold it as it is.
        whole = keyring.lmk.authenticates
        with ClearKey(bytearray(derived.reveal()) if whole else with_odd_parity(derived)) as kept:
            return DerivedKey(
                keyring.wrap(kept, request.kind, request.scheme, request.header),
                None if above is None else _sent(keyring, derived, request, above),
                key_check_value(derived, SHORT),
            )


def _sent(keyring: Keyring, clear: ClearKey, request: DeriveInitialKey, above: Transport) -> WrappedKey:
    scheme = request.exported_scheme or request.scheme
    if request.header is not None:
        return send_block(keyring, clear, request.header, above, scheme)
    return above.parts(request.under.variant if request.under is not None else 0).wrap(clear, scheme)


def random_octets(keyring: Keyring, request: RandomOctets) -> bytes:
    """Fresh random octets."""
    if request.count not in _RANDOM:
        raise Refused(Reason.DATA_LENGTH)
    return keyring.random(request.count)


def above_new_key(
    keyring: Keyring, kind: KeyType, header: BlockHeader | None, under: KeyUnderLmk, scheme: KeyScheme
) -> Transport:
    """The transport key, if a new key may leave under it in ``scheme``."""
    if header is None:
        _may_leave(keyring, kind, scheme)
    return _above(keyring, TransportKey(under), kind, header)


def _may_leave(keyring: Keyring, kind: KeyType, scheme: KeyScheme) -> None:
    policy = keyring.policy
    if not policy.unauthenticated_transport or (kind is ZMK and not policy.transport_key_import):
        raise Refused(Reason.NOT_PERMITTED)
    if scheme not in SCHEME_VARIANTS or (scheme in _X917 and not policy.x917_export):
        raise Refused(Reason.KEY_SCHEME)


def _fitting(wanted: KeyScheme | None, there: KeyScheme) -> KeyScheme:
    """The scheme wanted, if it is of the same length as the one that is there."""
    scheme = there if wanted is None else wanted
    if scheme.octets != there.octets:
        raise Refused(Reason.KEY_SCHEME)
    return scheme


def _above(keyring: Keyring, under: TransportKey, kind: KeyType, header: BlockHeader | None) -> Transport:
    """The ZMK, or the TMK for what belongs to a terminal."""
    if under.key.kind.uses & Use.TRANSPORT:
        return exporting(keyring, under.key, to_terminal=False)
    if (kind.code not in TERMINAL_KEYS) if header is None else (header.usage not in TERMINAL_USAGES):
        raise Refused(Reason.NOT_PERMITTED)
    return exporting(keyring, under.key, to_terminal=True)


OPERATIONS: Mapping[type, Callable[[Keyring, Any], Any]] = {
    ImportKey: import_key,
    ExportKey: export_key,
    FormKey: form_key,
    ChangeScheme: change_scheme,
    KeyFromOldLmk: key_from_old_lmk,
    DeriveInitialKey: derive_initial_key,
    RandomOctets: random_octets,
}
