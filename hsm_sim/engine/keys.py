# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Operations on keys themselves: generation, export at birth, check values. Knows no wire."""

from collections.abc import Callable, Mapping
from typing import Any

from hsm_sim.engine.check_values import LONG, SHORT, key_check_value, long_check_value
from hsm_sim.engine.key_transport import above_new_key, send_block
from hsm_sim.engine.key_usages import judge
from hsm_sim.engine.keyring import Keyring
from hsm_sim.engine.purpose import AES, TDES
from hsm_sim.engine.refusal import Reason, Refused
from hsm_sim.engine.requests import BlockKind, CheckValue, GeneratedKey, GenerateKey, LmkCheckValue
from hsm_sim.engine.wrapping import SCHEME_VARIANTS


def lmk_check_value(keyring: Keyring, request: LmkCheckValue) -> bytes:
    """The check value of the LMK."""
    return keyring.lmk.check_value()


def generate_key(keyring: Keyring, request: GenerateKey) -> GeneratedKey:
    """A random key under the LMK and, where asked for, under a ZMK or TMK."""
    if request.block is not None or keyring.lmk.authenticates:
        return _generate_block(keyring, request, request.block)
    if request.scheme not in SCHEME_VARIANTS:
        raise Refused(Reason.KEY_SCHEME)
    if request.scheme.octets not in request.kind.octets:
        raise Refused(Reason.KEY_LENGTH)
    above = None
    if request.export is not None:
        if request.export.scheme.octets != request.scheme.octets:
            raise Refused(Reason.KEY_SCHEME)
        above = above_new_key(keyring, request.kind, None, request.export.under, request.export.scheme)
    with keyring.generate(request.scheme.octets) as clear:
        return GeneratedKey(
            keyring.wrap(clear, request.kind, request.scheme),
            above.parts(0).wrap(clear, request.export.scheme) if above is not None and request.export else None,
            long_check_value(keyring, clear),
        )


def _generate_block(keyring: Keyring, request: GenerateKey, block: BlockKind | None) -> GeneratedKey:
    if block is None or not keyring.lmk.authenticates:
        raise Refused(Reason.LMK_SCHEME)
    header, export, above = block.header, request.export, None
    judge(header, block.octets)
    if export is not None:
        above = above_new_key(keyring, request.kind, header, export.under, export.scheme)
    with keyring.generate_aes(block.octets) if header.algorithm == AES else keyring.generate(block.octets) as clear:
        return GeneratedKey(
            keyring.wrap(clear, request.kind, request.scheme, header),
            send_block(keyring, clear, header, above, export.scheme, export.exportability)
            if above is not None and export
            else None,
            long_check_value(keyring, clear, header.algorithm),
        )


def check_value_of(keyring: Keyring, request: CheckValue) -> bytes:
    """The check value of any key."""
    if request.octets not in (SHORT, LONG):
        raise Refused(Reason.DATA_LENGTH)
    if keyring.policy.short_check_values and request.octets > SHORT:
        raise Refused(Reason.NOT_PERMITTED)
    header = keyring.header(request.key)
    with keyring.unwrap(request.key) as clear:
        return key_check_value(clear, request.octets, TDES if header is None else header.algorithm)


OPERATIONS: Mapping[type, Callable[[Keyring, Any], Any]] = {
    LmkCheckValue: lmk_check_value,
    GenerateKey: generate_key,
    CheckValue: check_value_of,
}
