# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The engine's reasons as error codes of the host protocol, and its terms as the protocol's codes. Data only."""

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from types import MappingProxyType

from hsm_sim.engine.key_types import KeyType
from hsm_sim.engine.refusal import Reason, Refused
from hsm_sim.engine.requests import KeyUnderLmk
from hsm_sim.engine.wrapping import WrappedKey
from protocols.hsm.codes import LEGACY_SINGLE, ErrorCode, KeyScheme, PinBlockCode
from protocols.hsm.fields import KEYS_REMEMBERED, KeyField
from protocols.pin.iso9564 import Format

CODES: Mapping[Reason, ErrorCode] = MappingProxyType(
    {
        Reason.SOURCE_KEY_PARITY: ErrorCode.SOURCE_KEY_PARITY,
        Reason.DESTINATION_KEY_PARITY: ErrorCode.DESTINATION_KEY_PARITY,
        Reason.IMPORTED_KEY_PARITY: ErrorCode.DESTINATION_KEY_PARITY,
        Reason.WEAK_KEY: ErrorCode.DESTINATION_KEY_PARITY,
        Reason.KEY_SCHEME: ErrorCode.INVALID_KEY_SCHEME,
        Reason.KEY_LENGTH: ErrorCode.INCOMPATIBLE_KEY_LENGTH,
        Reason.KEY_TYPE: ErrorCode.INVALID_KEY_TYPE,
        Reason.NOT_PERMITTED: ErrorCode.FUNCTION_NOT_PERMITTED,
        Reason.NOT_AUTHORISED: ErrorCode.NOT_AUTHORISED,
        Reason.SINGLE_LENGTH_POSING: ErrorCode.SINGLE_LENGTH_POSING,
        Reason.NOT_STORED: ErrorCode.USER_STORAGE_EMPTY,
        Reason.NO_OLD_LMK: ErrorCode.LMK_CHANGE_STORAGE,
        Reason.PIN_BLOCK: ErrorCode.INVALID_PIN_BLOCK,
        Reason.PIN_BLOCK_FORMAT: ErrorCode.INVALID_PIN_BLOCK_FORMAT,
        Reason.PIN_BLOCK_FORMAT_DISABLED: ErrorCode.PIN_BLOCK_FORMAT_DISABLED,
        Reason.PIN_UNDER_LMK: ErrorCode.INVALID_PIN_UNDER_LMK,
        Reason.PIN_LENGTH: ErrorCode.INVALID_PIN_LENGTH,
        Reason.PIN_LENGTH_MISMATCH: ErrorCode.ZERO_LENGTH,
        Reason.EXCLUDED_PIN: ErrorCode.EXCLUDED_PIN,
        Reason.DECIMALISATION_TABLE: ErrorCode.DECIMALISATION_TABLE,
        Reason.TOO_MANY_GUESSES: ErrorCode.FRAUD_DETECTION,
        Reason.NOT_KEPT: ErrorCode.INTERNAL,
        Reason.DATA_LENGTH: ErrorCode.DATA_LENGTH,
        Reason.INPUT: ErrorCode.INVALID_INPUT,
        Reason.DIGEST_INFO: ErrorCode.DIGEST_INFO,
        Reason.ALGORITHM: ErrorCode.ALGORITHM_NOT_LICENSED,
        Reason.PRIVATE_KEY: ErrorCode.PRIVATE_KEY,
        Reason.PRIVATE_KEY_LENGTH: ErrorCode.PRIVATE_KEY_LENGTH,
        Reason.PUBLIC_KEY: ErrorCode.VERIFICATION_FAILED,
        Reason.KEY_BLOCK_FORMAT: ErrorCode.KEY_BLOCK_FORMAT,
        Reason.KEY_BLOCK_AUTHENTICATION: ErrorCode.KEY_BLOCK_AUTHENTICATION,
        Reason.KEY_BLOCK_HEADER: ErrorCode.KEY_BLOCK_MISCELLANEOUS,
        Reason.KEY_BLOCK_USAGE: ErrorCode.KEY_BLOCK_USAGE,
        Reason.KEY_BLOCK_LENGTH: ErrorCode.KEY_BLOCK_LENGTH,
        Reason.KEY_BLOCK_ALGORITHM: ErrorCode.KEY_BLOCK_ALGORITHM,
        Reason.KEY_BLOCK_MODE: ErrorCode.KEY_BLOCK_MODE,
        Reason.KEY_BLOCK_EXPORT: ErrorCode.KEY_BLOCK_EXPORT,
        Reason.LMK_SCHEME: ErrorCode.LMK_SCHEMES_DIFFER,
        Reason.LMK_IDS: ErrorCode.LMK_IDS_DIFFER,
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


@lru_cache(KEYS_REMEMBERED)
def under_lmk(kind: KeyType, key: KeyField) -> KeyUnderLmk:
    """A key field as the engine takes it; remembered, so that the same field gives the same object."""
    return KeyUnderLmk(kind, WrappedKey(key.scheme, key.cryptogram))


def key_field(key: WrappedKey) -> KeyField:
    """A wrapped key as a field."""
    return KeyField(key.scheme, key.cryptogram)


def bare(key: KeyField) -> KeyField:
    """The key without its tag, where it has a form without."""
    return replace(key, bare=True) if key.scheme is KeyScheme.DOUBLE_X917 else key


def kept_scheme(code: str) -> KeyScheme | None:
    """The scheme of an optional scheme field, in which 0 keeps the one that the key has."""
    return None if code == LEGACY_SINGLE else KeyScheme(code)


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
