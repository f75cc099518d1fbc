# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""PINs under the LMK: how this unit keeps a PIN in the few digits that hosts have for it. Checks no PIN.

How units do it is not public, and every open simulator writes something of its own. Ours: a text of L digits holds the
number of digits beyond 4, the PIN, zeros; it is enciphered as a number of L digits by FF1 (NIST SP 800-38G) under a key
of the LMK's own, with the account as tweak. So it keeps the length, tells nothing, and another account does not open
it, but for chance: so few digits have no room for redundancy, and one text in nine opens to some PIN.
"""

from hsm_sim.engine.ff1 import decipher, encipher
from hsm_sim.engine.keyring import Keyring
from hsm_sim.engine.lmk import Lmk
from hsm_sim.engine.refusal import Reason, Refused
from protocols.pan import Pan
from protocols.primitives import AesKey
from protocols.primitives import Use as CipherUse
from protocols.secret import PIN_DIGITS, Pin

PURPOSE = "pins"
_SHORTEST = PIN_DIGITS.start


def close_lmk_pin(keyring: Keyring, pin: Pin, pan: Pan) -> str:
    """A PIN under the LMK for an account; refuses one longer than the unit is set to."""
    if len(pin) > keyring.policy.pin_length:
        raise Refused(Reason.PIN_LENGTH)
    digits = f"{len(pin) - _SHORTEST}{''.join(map(str, pin))}".ljust(keyring.policy.pin_length + 1, "0")
    with _key(keyring.lmk) as key:
        return encipher(key, _tweak(pan), digits)


def open_lmk_pin(keyring: Keyring, text: str, pan: Pan, *, old: bool = False) -> Pin:
    """The clear PIN; refuses a text that is none for this account."""
    lmk = keyring.old_lmk if old else keyring.lmk
    if lmk is None:
        raise Refused(Reason.NO_OLD_LMK)
    if len(text) != keyring.policy.pin_length + 1 or not text.isdigit():
        raise Refused(Reason.PIN_UNDER_LMK)
    with _key(lmk) as key:
        digits = decipher(key, _tweak(pan), text)
    length = int(digits[0]) + _SHORTEST
    if length > keyring.policy.pin_length or any(digit != "0" for digit in digits[1 + length :]):
        raise Refused(Reason.PIN_UNDER_LMK)
    return Pin.from_text(digits[1 : 1 + length])


def _key(lmk: Lmk) -> AesKey:
    with lmk.derived(PURPOSE) as clear:
        return AesKey(clear, CipherUse.ENCIPHER | CipherUse.CHAIN)


def _tweak(pan: Pan) -> bytes:
    return pan.account_field.encode("ascii")
