# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Keys formed from clear components that persons bring to the console. Asks no person and remembers no component.

Components and their check values are :mod:`protocols.keyblock.component`'s; here the joined key is judged as one that a
host brings would be, and leaves only under the LMK.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hsm_sim.engine.key_types import KeyType
from hsm_sim.engine.keyring import Keyring
from hsm_sim.engine.purpose import AES
from hsm_sim.engine.refusal import Reason, Refused
from hsm_sim.engine.requests import Request
from hsm_sim.engine.wrapping import WrappedKey
from protocols.errors import DecodeError
from protocols.hsm.codes import KeyScheme
from protocols.hsm.key_block import BlockHeader
from protocols.keyblock.codes import Cipher
from protocols.keyblock.component import join, key_check_value
from protocols.secret import ClearKey


@dataclass(frozen=True, slots=True)
class FormedKey:
    """A key formed from components, under the LMK, and its check value."""

    under_lmk: WrappedKey
    check_value: bytes


@dataclass(frozen=True, slots=True)
class FormFromClear(Request[FormedKey]):
    """Form a key from clear components, which are wiped; its parity is made odd, since that of components adds up."""

    kind: KeyType
    scheme: KeyScheme
    components: tuple[ClearKey, ...]
    header: BlockHeader | None = None
    """What its key block shall say, under an LMK that wraps in key blocks."""


def form_key(keyring: Keyring, request: FormFromClear) -> FormedKey:
    """The key under the LMK; refuses components that do not fit together, and a weak key."""
    cipher = Cipher.AES if request.header is not None and request.header.algorithm == AES else Cipher.TDES
    try:
        clear = join(request.components, odd_parity=cipher is Cipher.TDES)
    except DecodeError:
        raise Refused(Reason.INPUT) from None
    finally:
        for component in request.components:
            component.wipe()
    with clear:
        if request.header is None and not len(clear) == request.scheme.octets in request.kind.octets:
            raise Refused(Reason.KEY_LENGTH)
        if cipher is Cipher.TDES:
            keyring.judge(clear)
        wrapped = keyring.wrap(clear, request.kind, request.scheme, request.header)
        return FormedKey(wrapped, key_check_value(cipher, clear))


OPERATIONS: Mapping[type, Callable[[Keyring, Any], Any]] = {FormFromClear: form_key}
