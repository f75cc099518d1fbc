# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The engine's reasons as error codes of the host protocol, and its terms as the protocol's codes. Data only."""

from collections.abc import Mapping
from types import MappingProxyType

from hsm_sim.engine.key_types import KeyType
from hsm_sim.engine.refusal import Reason, Refused
from hsm_sim.engine.requests import KeyUnderLmk
from hsm_sim.engine.wrapping import WrappedKey
from protocols.hsm.codes import LEGACY_SINGLE, ErrorCode, KeyScheme, PinBlockCode
from protocols.hsm.fields import KeyField
from protocols.pin.iso9564 import Format

CODES: Mapping[Reason, ErrorCode] = MappingProxyType(
    {
        Reason.SOURCE_KEY_PARITY: ErrorCode.SOURCE_KEY_PARITY,
        Reason.DESTINATION_KEY_PARITY: ErrorCode.DESTINATION_KEY_PARITY,
        Reason.KEY_SCHEME: ErrorCode.INVALID_KEY_SCHEME,
        Reason.KEY_LENGTH: ErrorCode.INCOMPATIBLE_KEY_LENGTH,
        Reason.KEY_TYPE: ErrorCode.INVALID_KEY_TYPE,
        Reason.NOT_PERMITTED: ErrorCode.FUNCTION_NOT_PERMITTED,
        Reason.SINGLE_LENGTH_POSING: ErrorCode.SINGLE_LENGTH_POSING,
        Reason.PIN_BLOCK: ErrorCode.INVALID_PIN_BLOCK,
        Reason.PIN_BLOCK_FORMAT: ErrorCode.INVALID_PIN_BLOCK_FORMAT,
        Reason.PIN_BLOCK_FORMAT_DISABLED: ErrorCode.PIN_BLOCK_FORMAT_DISABLED,
        Reason.DATA_LENGTH: ErrorCode.DATA_LENGTH,
        Reason.INPUT: ErrorCode.INVALID_INPUT,
    }
)

_FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        PinBlockCode.ISO_0: Format.ISO_0,
        PinBlockCode.ISO_1: Format.ISO_1,
        PinBlockCode.ISO_2: Format.ISO_2,
        PinBlockCode.ISO_3: Format.ISO_3,
        PinBlockCode.ISO_4: Format.ISO_4,
    }
)


def under_lmk(kind: KeyType, key: KeyField) -> KeyUnderLmk:
    """A key field as the engine takes it."""
    return KeyUnderLmk(kind, WrappedKey(key.scheme, key.cryptogram))


def key_field(key: WrappedKey) -> KeyField:
    """A wrapped key as a field."""
    return KeyField(key.scheme, key.cryptogram)


def scheme(code: str) -> KeyScheme:
    """The scheme of a scheme field; older hosts write 0 for single length."""
    return KeyScheme.SINGLE if code == LEGACY_SINGLE else KeyScheme(code)


def pin_format(code: str) -> Format:
    """The format of a format field: one that exists but is not handled is disabled, any other is invalid."""
    found = _FORMATS.get(code)
    if found is None:
        known = code in PinBlockCode.__members__.values()
        raise Refused(Reason.PIN_BLOCK_FORMAT_DISABLED if known else Reason.PIN_BLOCK_FORMAT)
    return found
