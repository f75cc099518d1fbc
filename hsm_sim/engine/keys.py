# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Operations on keys themselves: generation, export at birth, check values. Knows no wire."""

from collections.abc import Callable, Mapping
from typing import Any

from hsm_sim.engine.key_types import Use
from hsm_sim.engine.keyring import Keyring
from hsm_sim.engine.refusal import Reason, Refused
from hsm_sim.engine.requests import CheckValue, GeneratedKey, GenerateKey, LmkCheckValue
from hsm_sim.engine.wrapping import WrappingKey
from protocols.hsm.codes import KeyScheme
from protocols.primitives import TdesKey, check_value
from protocols.primitives import Use as CipherUse
from protocols.secret import ClearKey

TERMINAL_KEYS = frozenset({"002", "003", "00B", "30B"})
"""What may travel under a terminal's master key: the terminal's own working keys."""
CHECK_VALUE_OCTETS = 3
_CHECK_VALUE_LENGTHS = (3, 8)


def lmk_check_value(keyring: Keyring, request: LmkCheckValue) -> bytes:
    """The check value of the LMK."""
    return keyring.lmk_check_value


def generate_key(keyring: Keyring, request: GenerateKey) -> GeneratedKey:
    """A random key under the LMK and, where asked for, under a ZMK or TMK."""
    if request.scheme.octets not in request.kind.octets:
        raise Refused(Reason.KEY_LENGTH)
    transport = None
    if request.export is not None:
        under = request.export.under
        if under.kind.uses & Use.TRANSPORT:
            transport = keyring.use(under, Use.TRANSPORT, _wrapping)
        else:
            transport = keyring.use(under, Use.TERMINAL_TRANSPORT, _wrapping)
            if request.kind.code not in TERMINAL_KEYS:
                raise Refused(Reason.NOT_PERMITTED)
        if request.export.scheme.octets != request.scheme.octets:
            raise Refused(Reason.KEY_SCHEME)
    with keyring.generate(request.scheme) as clear:
        return GeneratedKey(
            keyring.wrap(clear, request.kind, request.scheme),
            transport.wrap(clear, request.export.scheme) if transport is not None and request.export else None,
            _check_value(clear, CHECK_VALUE_OCTETS),
        )


def key_check_value(keyring: Keyring, request: CheckValue) -> bytes:
    """The check value of any key."""
    if request.octets not in _CHECK_VALUE_LENGTHS:
        raise Refused(Reason.DATA_LENGTH)
    with keyring.unwrap(request.key) as clear:
        return _check_value(clear, request.octets)


def _wrapping(clear: ClearKey) -> WrappingKey:
    if len(clear) < KeyScheme.DOUBLE.octets:
        raise Refused(Reason.KEY_LENGTH)
    return WrappingKey(ClearKey(bytearray(clear.reveal())))


def _check_value(clear: ClearKey, octets: int) -> bytes:
    with TdesKey(clear, CipherUse.ENCIPHER) as key:
        return check_value(key, octets)


OPERATIONS: Mapping[type, Callable[[Keyring, Any], Any]] = {
    LmkCheckValue: lmk_check_value,
    GenerateKey: generate_key,
    CheckValue: key_check_value,
}
