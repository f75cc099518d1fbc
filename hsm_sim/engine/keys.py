# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Operations on keys themselves: generation, export at birth, check values. Knows no wire."""

from collections.abc import Callable, Mapping
from typing import Any

from hsm_sim.engine.key_transport import (
    CHECK_VALUE_OCTETS,
    SHORT_CHECK_VALUE,
    key_check_value,
    long_check_value,
    may_leave,
)
from hsm_sim.engine.keyring import Keyring
from hsm_sim.engine.refusal import Reason, Refused
from hsm_sim.engine.requests import CheckValue, GeneratedKey, GenerateKey, LmkCheckValue

_CHECK_VALUE_LENGTHS = (SHORT_CHECK_VALUE, CHECK_VALUE_OCTETS)


def lmk_check_value(keyring: Keyring, request: LmkCheckValue) -> bytes:
    """The check value of the LMK."""
    return keyring.lmk.check_value()


def generate_key(keyring: Keyring, request: GenerateKey) -> GeneratedKey:
    """A random key under the LMK and, where asked for, under a ZMK or TMK."""
    if request.scheme.octets not in request.kind.octets:
        raise Refused(Reason.KEY_LENGTH)
    transport = None
    if request.export is not None:
        if request.export.scheme.octets != request.scheme.octets:
            raise Refused(Reason.KEY_SCHEME)
        transport = may_leave(keyring, request.kind, request.export.under, request.export.scheme)
    with keyring.generate(request.scheme) as clear:
        return GeneratedKey(
            keyring.wrap(clear, request.kind, request.scheme),
            transport.wrap(clear, request.export.scheme) if transport is not None and request.export else None,
            long_check_value(keyring, clear),
        )


def check_value_of(keyring: Keyring, request: CheckValue) -> bytes:
    """The check value of any key."""
    if request.octets not in _CHECK_VALUE_LENGTHS:
        raise Refused(Reason.DATA_LENGTH)
    if keyring.policy.short_check_values and request.octets > SHORT_CHECK_VALUE:
        raise Refused(Reason.NOT_PERMITTED)
    with keyring.unwrap(request.key) as clear:
        return key_check_value(clear, request.octets)


OPERATIONS: Mapping[type, Callable[[Keyring, Any], Any]] = {
    LmkCheckValue: lmk_check_value,
    GenerateKey: generate_key,
    CheckValue: check_value_of,
}
