# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A typed PIN becomes data that one card alone can read, for one VERIFY. Recovers no card's key and asks no card.

EMV 4.4 Book 2, 7.2: header, PIN block of format 2, the number that the card drew, random fill, raised to the exponent
of the card's key. RSA without padding of a library's takes integers, and Python cannot wipe an integer. So the PIN
never becomes one: header and block are multiplied, octet by octet out of the arena, into a random number, and what that
number did is divided out behind the exponentiation (Chaum's blinding).
"""

from collections.abc import Callable
from typing import Final

from protocols.emv.oda import PublicKey
from protocols.errors import DecodeError, EncodeError
from protocols.secret import PIN_DIGITS
from protocols.vault import EnterCardPin, Reply, Result
from terminal_agent.sealed.keys.counters import Counters
from terminal_agent.sealed.pin.block import pin_field

HEADER: Final = 0x7F
CHALLENGE_OCTETS: Final = 8
FRONT_OCTETS: Final = 9
"""Header and PIN block."""
LEAST_KEY: Final = 96
"""Octets of modulus. EMV has no least; 768 bits is what has been factored in public, and less is no secret."""


class CardPins:
    """For a vault that is permitted to make them."""

    def __init__(self, counters: Counters, random: Callable[[int], bytes]) -> None:
        self._counters = counters
        self._random = random

    def made_by(self, request: EnterCardPin, field: memoryview) -> Callable[[memoryview], Reply]:
        """What makes the reply of the PIN, in ``field`` of the arena; nothing of the request is secret.

        :class:`DecodeError` where that is no key or no challenge. The throttle is charged on the disk before.
        """
        if len(request.challenge) != CHALLENGE_OCTETS or len(request.modulus) < LEAST_KEY:
            raise DecodeError("card", f"{CHALLENGE_OCTETS} octets that it drew, a key of {LEAST_KEY} at least expected")
        key = PublicKey.of(bytes(request.modulus), request.exponent.to_bytes(8, "big"))
        challenge = bytes(request.challenge)

        def made(pin: memoryview) -> Reply:
            self._counters.charge_pin()
            return Result(enciphered(key, pin, challenge, self._random, field))

        return made


def enciphered(
    key: PublicKey, pin: memoryview, challenge: bytes, random: Callable[[int], bytes], field: memoryview
) -> bytes:
    """The enciphered PIN data: as many octets as the card's key has (EMV 4.4 Book 2, 7.2, table 25).

    ``pin``: one digit per octet; ``challenge``: 8 octets of the card's; ``field``: 9 octets or more of the arena to
    work in, zeros afterwards. :class:`EncodeError` where key, challenge or PIN are not what they should be.
    """
    if len(pin) not in PIN_DIGITS or len(challenge) != CHALLENGE_OCTETS or key.octets < LEAST_KEY:
        raise EncodeError(
            f"PIN for a card: 4 to 12 digits, {CHALLENGE_OCTETS} octets drawn by the card and a key of {LEAST_KEY} "
            "octets at least expected"
        )
    rest = challenge + random(key.octets - FRONT_OCTETS - CHALLENGE_OCTETS)
    blind = int.from_bytes(random(key.octets), "big") % key.modulus
    try:
        unblind = pow(blind, -1, key.modulus)
    except ValueError:
        raise EncodeError("PIN for a card: the modulus is no product of two large primes") from None
    blinded = 0
    try:
        field[0] = HEADER
        pin_field(2, 0xF, pin, field[1:FRONT_OCTETS])
        for octet in field[:FRONT_OCTETS]:
            blinded = (blinded * 256 + octet * blind) % key.modulus
    finally:
        field[:] = bytes(len(field))
    blinded = ((blinded << 8 * len(rest)) + int.from_bytes(rest, "big") * blind) % key.modulus
    made = pow(blinded, key.exponent, key.modulus) * pow(unblind, key.exponent, key.modulus) % key.modulus
    return made.to_bytes(key.octets, "big")
