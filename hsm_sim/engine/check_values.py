# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Check values of clear keys, inside the engine. Knows no request."""

from hsm_sim.engine.keyring import Keyring
from hsm_sim.engine.purpose import AES, TDES
from protocols.primitives import AesKey, TdesKey, check_value, check_value_cmac
from protocols.primitives import Use as CipherUse
from protocols.secret import ClearKey

LONG = 8
SHORT = 3


def long_check_value(keyring: Keyring, clear: ClearKey, algorithm: str = TDES) -> bytes:
    """The check value of 8 octets; of 3 and zeros where the policy allows no more."""
    if keyring.policy.short_check_values:
        return key_check_value(clear, SHORT, algorithm) + bytes(LONG - SHORT)
    return key_check_value(clear, LONG, algorithm)


def key_check_value(clear: ClearKey, octets: int, algorithm: str = TDES) -> bytes:
    """Zeros enciphered (TDES) or their CMAC (AES; X9.24-1:2017, Annex A), the left part."""
    if algorithm == AES:
        with AesKey(clear, CipherUse.CMAC) as key:
            return check_value_cmac(key, octets)
    with TdesKey(clear, CipherUse.ENCIPHER) as key:
        return check_value(key, octets)
