# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Keys on their way: import, export, forming from components, change of scheme or of LMK. Knows no wire.

The variant method and X9.17 encipher a key part by part and authenticate nothing: whoever can import may send halves of
two keys as one, or noise until some of it passes for a key (Bond, 2004; PCI PIN Security, Key Blocks, 2017). What can
be refused is: keys with equal or weak parts, wrong parity, another length. The rest is the policy's to close.
"""

from collections.abc import Callable, Mapping
from typing import Any

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
from hsm_sim.engine.key_types import ZMK, KeyType, Use
from hsm_sim.engine.keyring import Keyring
from hsm_sim.engine.refusal import Reason, Refused
from hsm_sim.engine.requests import KeyUnderLmk
from hsm_sim.engine.wrapping import WrappedKey, WrappingKey
from protocols.dukpt.tdes import Receiver
from protocols.errors import DecodeError
from protocols.hsm.codes import KeyScheme
from protocols.octets import xor
from protocols.primitives import TdesKey, check_value, has_odd_parity, with_odd_parity
from protocols.primitives import Use as CipherUse
from protocols.secret import ClearKey

TERMINAL_KEYS = frozenset({"002", "003", "302", "70D", "00B", "30B"})
"""What may travel under a terminal's master key: the terminal's own keys."""
CHECK_VALUE_OCTETS = 8
SHORT_CHECK_VALUE = 3
ATALLA_STEP = 8  # variant n adds 8n to the first octet of each half of the transport key, by exclusive or
_X917 = frozenset({KeyScheme.DOUBLE_X917, KeyScheme.TRIPLE_X917})
_COMPONENTS = range(2, 10)
_RANDOM = range(1, 257)


def import_key(keyring: Keyring, request: ImportKey) -> KeptKey:
    """A key from under a ZMK to under the LMK."""
    policy = keyring.policy
    wrapped = request.wrapped
    scheme = _fitting(request.scheme, wrapped.scheme)
    if not policy.unauthenticated_transport or (request.kind is ZMK and not policy.transport_key_import):
        raise Refused(Reason.NOT_PERMITTED)
    if wrapped.scheme in _X917 and not policy.x917_import:
        raise Refused(Reason.KEY_SCHEME)
    clear, corrected = _arrived(keyring, _transport(keyring, request.under, request.kind), wrapped)
    with clear:
        if len(clear) not in request.kind.octets:
            raise Refused(Reason.KEY_LENGTH)
        keyring.judge(clear)
        return KeptKey(keyring.wrap(clear, request.kind, scheme), long_check_value(keyring, clear), corrected)


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
    key = request.key
    scheme = _fitting(request.scheme, key.wrapped.scheme)
    _may_leave(keyring, key.kind, scheme)
    transport = _transport(keyring, request.under, key.kind)
    with keyring.unwrap(key, destination=True) as clear:
        return SentKey(transport.wrap(clear, scheme), long_check_value(keyring, clear))


def form_key(keyring: Keyring, request: FormKey) -> KeptKey:
    """A key of two to nine components; what makes the parity odd is taken out of the sum."""
    if len(request.components) not in _COMPONENTS:
        raise Refused(Reason.INPUT)
    first, *others = request.components
    scheme = _fitting(request.scheme, first.wrapped.scheme)
    if any(len(other.wrapped.cryptogram) != len(first.wrapped.cryptogram) for other in others):
        raise Refused(Reason.KEY_LENGTH)
    with keyring.unwrap(first) as clear:
        total = bytearray(clear.reveal())
    for other in others:
        with keyring.unwrap(other) as clear:
            total[:] = xor(total, clear.reveal())
    with ClearKey(with_odd_parity(total)) as made:
        total[:] = bytes(len(total))
        if len(made) not in request.kind.octets:
            raise Refused(Reason.KEY_LENGTH)
        keyring.judge(made)
        return KeptKey(keyring.wrap(made, request.kind, scheme), long_check_value(keyring, made))


def change_scheme(keyring: Keyring, request: ChangeScheme) -> WrappedKey:
    """The same key, of the same type and length, in another scheme under the LMK."""
    scheme = _fitting(request.scheme, request.key.wrapped.scheme)
    if scheme in _X917 and not keyring.policy.x917_export:
        raise Refused(Reason.KEY_SCHEME)
    with keyring.unwrap(request.key) as clear:
        return keyring.wrap(clear, request.key.kind, scheme)


def key_from_old_lmk(keyring: Keyring, request: KeyFromOldLmk) -> WrappedKey:
    """A key from under the old LMK to under the one in force."""
    scheme = _fitting(request.scheme, request.key.wrapped.scheme)
    with keyring.unwrap(request.key, old=True) as clear:
        return keyring.wrap(clear, request.key.kind, scheme)


def derive_initial_key(keyring: Keyring, request: DeriveInitialKey) -> DerivedKey:
    """A device's initial key; it is always of double length."""
    if request.scheme.octets != KeyScheme.DOUBLE.octets:
        raise Refused(Reason.KEY_SCHEME)
    transport = None
    if request.under is not None:
        _may_leave(keyring, request.kind, request.exported_scheme or request.scheme)
        transport = _transport(keyring, request.under, request.kind)
    receiver = keyring.use(request.bdk, Use.DUKPT, dukpt_receiver)
    try:
        clear = receiver.initial_key(request.ksn)
    except DecodeError:
        raise Refused(Reason.INPUT) from None
    with clear, ClearKey(with_odd_parity(clear)) as initial:
        return DerivedKey(
            keyring.wrap(initial, request.kind, request.scheme),
            transport.wrap(initial, request.exported_scheme or request.scheme) if transport is not None else None,
            key_check_value(initial, SHORT_CHECK_VALUE),
        )


def random_octets(keyring: Keyring, request: RandomOctets) -> bytes:
    """Fresh random octets."""
    if request.count not in _RANDOM:
        raise Refused(Reason.DATA_LENGTH)
    return keyring.random(request.count)


def may_leave(keyring: Keyring, kind: KeyType, under: KeyUnderLmk, scheme: KeyScheme) -> WrappingKey:
    """The transport key, if a key of type ``kind`` may leave under it in ``scheme``."""
    _may_leave(keyring, kind, scheme)
    return _transport(keyring, TransportKey(under), kind)


def _may_leave(keyring: Keyring, kind: KeyType, scheme: KeyScheme) -> None:
    policy = keyring.policy
    if not policy.unauthenticated_transport or (kind is ZMK and not policy.transport_key_import):
        raise Refused(Reason.NOT_PERMITTED)
    if scheme in _X917 and not policy.x917_export:
        raise Refused(Reason.KEY_SCHEME)


def _fitting(wanted: KeyScheme | None, there: KeyScheme) -> KeyScheme:
    """The scheme wanted, if it is of the same length as the one that is there."""
    scheme = there if wanted is None else wanted
    if scheme.octets != there.octets:
        raise Refused(Reason.KEY_SCHEME)
    return scheme


def _transport(keyring: Keyring, under: TransportKey, kind: KeyType) -> WrappingKey:
    """The wrapping key of a ZMK, or of a TMK for what belongs to a terminal."""
    if under.key.kind.uses & Use.TRANSPORT:
        use = Use.TRANSPORT
    else:
        use = Use.TERMINAL_TRANSPORT
        if kind.code not in TERMINAL_KEYS:
            raise Refused(Reason.NOT_PERMITTED)
    make = wrapping_short if keyring.policy.single_length_transport else wrapping
    transport = keyring.use(under.key, use, make)
    return transport.with_variant(ATALLA_STEP * under.variant) if under.variant else transport


def wrapping(clear: ClearKey) -> WrappingKey:
    """A transport key of double or triple length."""
    if len(clear) < KeyScheme.DOUBLE.octets:
        raise Refused(Reason.KEY_LENGTH)
    return wrapping_short(clear)


def wrapping_short(clear: ClearKey) -> WrappingKey:
    """A transport key of any length."""
    return WrappingKey(ClearKey(bytearray(clear.reveal())))


def dukpt_receiver(clear: ClearKey) -> Receiver:
    """A BDK on the receiving side of X9.24-1."""
    if len(clear) != KeyScheme.DOUBLE.octets:
        raise Refused(Reason.KEY_LENGTH)
    return Receiver(clear)


def long_check_value(keyring: Keyring, clear: ClearKey) -> bytes:
    """The check value of 8 octets; of 3 and zeros where the policy allows no more."""
    if keyring.policy.short_check_values:
        return key_check_value(clear, SHORT_CHECK_VALUE) + bytes(CHECK_VALUE_OCTETS - SHORT_CHECK_VALUE)
    return key_check_value(clear, CHECK_VALUE_OCTETS)


def key_check_value(clear: ClearKey, octets: int) -> bytes:
    """The check value of a clear key."""
    with TdesKey(clear, CipherUse.ENCIPHER) as key:
        return check_value(key, octets)


OPERATIONS: Mapping[type, Callable[[Keyring, Any], Any]] = {
    ImportKey: import_key,
    ExportKey: export_key,
    FormKey: form_key,
    ChangeScheme: change_scheme,
    KeyFromOldLmk: key_from_old_lmk,
    DeriveInitialKey: derive_initial_key,
    RandomOctets: random_octets,
}
