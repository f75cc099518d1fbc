# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Codes that prove a card's data: CVV, CVC and their relatives. Derives no card key; knows no stripe or chip.

CVV and CVC are one computation that Visa and Mastercard name differently, and the variants differ only in what stands
in the service code's place: CVV2 (printed) 000, iCVV (chip's track data) 999. CVC3 and dCVV are made by a card per
transaction under its own key. None of these owners publishes its specification; the docstrings say what confirms each.
"""

import hmac
from dataclasses import dataclass
from typing import Final

from protocols.errors import EncodeError
from protocols.mac import Padding, RetailMacKey
from protocols.pan import Pan
from protocols.pin.reference import decimalise
from protocols.primitives import KeyOctets, Octets, TdesKey, Use
from protocols.secret import Secret

CVV2_SERVICE_CODE: Final = "000"
ICVV_SERVICE_CODE: Final = "999"


class CardVerificationKey:
    """A card verification key pair (CVK A and B, 16 octets) as live contexts. Bound to one thread."""

    __slots__ = ("_first", "_second")

    def __init__(self, key: KeyOctets) -> None:
        octets = bytearray(key.reveal() if isinstance(key, Secret) else key)
        left = octets[:8]
        try:
            if len(octets) != 16:
                raise EncodeError(f"card verification key of {len(octets)} octets, 16 expected")
            self._first = TdesKey(left, Use.ENCIPHER)
            self._second = TdesKey(octets, Use.ENCIPHER)
        finally:
            octets[:] = bytes(len(octets))
            left[:] = bytes(len(left))

    def code(self, digits: str, length: int = 3) -> str:
        """The code over up to 32 digits: first block under A, the second added, under A, B, A; decimalised."""
        try:
            data = bytes.fromhex(digits.ljust(32, "0"))
        except ValueError:
            raise EncodeError("a card code is computed over hexadecimal digits") from None
        if len(data) != 16:
            raise EncodeError(f"a card code is computed over at most 32 digits, {len(digits)} given")
        first = int.from_bytes(self._first.encipher_unchecked(data[:8]), "big") ^ int.from_bytes(data[8:], "big")
        return decimalise(self._second.encipher_unchecked(first.to_bytes(8, "big")), length)

    def __repr__(self) -> str:
        return "CardVerificationKey(redacted)"


def cvv(key: CardVerificationKey, pan: Pan, expiry: str, service_code: str) -> str:
    """CVV or CVC of a magnetic stripe, 3 digits. Issuer's side, and its HSM.

    ``expiry`` is the 4 digits in the order the issuer chose (YYMM or MMYY), ``service_code`` 3 digits. Confirmed by the
    values of four public implementations.
    """
    return key.code(pan.digits + _digits(expiry, 4, "expiry") + _digits(service_code, 3, "service code"))


def cvv2(key: CardVerificationKey, pan: Pan, expiry: str) -> str:
    """CVV2 or CVC2, printed on the card: :func:`cvv` with service code 000."""
    return cvv(key, pan, expiry, CVV2_SERVICE_CODE)


def icvv(key: CardVerificationKey, pan: Pan, expiry: str) -> str:
    """iCVV or Chip CVC, in a chip's track 2 equivalent data: :func:`cvv` with service code 999."""
    return cvv(key, pan, expiry, ICVV_SERVICE_CODE)


def dcvv(key: CardVerificationKey, pan: Pan, expiry: str, service_code: str, counter: str) -> str:
    """Visa dynamic CVV of a contactless stripe-mode payment, 3 digits. Card's side, and its issuer's.

    ``key`` is the card's own key (the issuer's key for application cryptograms, diversified by PAN and sequence number
    00, EMV option A); ``counter`` is the application transaction counter as 4 characters, which stand in the place of
    the first 4 digits of the PAN. Confirmed by two values of one public implementation.
    """
    altered = _hex(counter, 4, "counter") + pan.digits[4:]
    return key.code(altered + _digits(expiry, 4, "expiry") + _digits(service_code, 3, "service code"))


def cavv(key: CardVerificationKey, pan: Pan, unpredictable: str, result: str, second_factor: str) -> str:
    """Visa CAVV of 3-D Secure 1: :func:`cvv` with 4 unpredictable digits, result digit, 2 second-factor digits.

    Access control server's side, and the issuer's. Confirmed by two values of one public implementation.
    """
    slots = _digits(unpredictable, 4, "unpredictable number") + _digits(result, 1, "result")
    return key.code(pan.digits + slots + _digits(second_factor, 2, "second factor"))


def cvc3_iv(card_key: KeyOctets, track: Octets) -> bytes:
    """IVCVC3, 2 octets: the end of a retail MAC over the static track template (PayPass M/Stripe). Card's side.

    ``card_key`` is the card's own 16-octet CVC3 key; ``track`` is packed track 2 data, or track 1 as ASCII.
    """
    return RetailMacKey(card_key).mac(track, Padding.ONE_AND_ZEROS)[-2:]


def cvc3(card_key: KeyOctets, iv: Octets, counter: Octets, unpredictable: Octets) -> str:
    """Mastercard dynamic CVC3, 5 digits of which a track carries the rightmost 3 to 5. Card's side, and its issuer's.

    ``iv`` from :func:`cvc3_iv`, ``counter`` 2 octets (9F36), ``unpredictable`` 4 octets (9F37). Confirmed by HSM values
    in the tests of one public implementation.
    """
    for octets, size, name in ((iv, 2, "IVCVC3"), (counter, 2, "counter"), (unpredictable, 4, "unpredictable number")):
        if len(octets) != size:
            raise EncodeError(f"{name} of {len(octets)} octets, {size} expected")
    with TdesKey(card_key, Use.ENCIPHER) as key:
        block = key.encipher(b"".join((iv, unpredictable, counter)))
    return f"{int.from_bytes(block[-2:], 'big'):05d}"


@dataclass(frozen=True, slots=True)
class CardSecurityCodes:
    """American Express card security codes of one card: 5 digits on the stripe, 4 on its front, 3 on its back."""

    five: str
    four: str
    three: str


_AMEX_LETTERS_LEFT: Final = str.maketrans("abcdef", "123456")
_AMEX_LETTERS: Final = str.maketrans("abcdef", "678901")
_AMEX_TURN: Final = 5  # nibbles read with the first table


def amex_csc(key: TdesKey, pan: Pan, expiry: str) -> CardSecurityCodes:
    """American Express card security codes, version 1 ("classic"). Issuer's side, and its HSM.

    ``expiry`` is YYMM. The block is 12 digits of the PAN, the issuer digits 34 or 37 left out, with the expiry behind
    (34) or in front (37). The enciphered block gives its decimal digits first, then its letters as digits. Known from
    one public implementation; no public value confirms it, and version 2 (with a service code) is not public at all.
    """
    digits = pan.digits
    _digits(expiry, 4, "expiry")
    if len(digits) != 15 or digits[:2] not in ("34", "37"):
        raise EncodeError("an American Express PAN has 15 digits and begins with 34 or 37")
    inner = digits[2:14]
    text = key.encipher(bytes.fromhex(expiry + inner if digits[1] == "7" else inner + expiry)).hex()
    letters = text[:_AMEX_TURN].translate(_AMEX_LETTERS_LEFT) + text[_AMEX_TURN:].translate(_AMEX_LETTERS)
    decimals = [new for old, new in zip(text, letters, strict=True) if old.isdigit()]
    decimals += [new for old, new in zip(text, letters, strict=True) if not old.isdigit()]
    codes = "".join(decimals)
    return CardSecurityCodes(codes[:5], codes[5:9], codes[9:12])


def matches(calculated: str, received: str) -> bool:
    """Whether a received code is the calculated one. Constant time; a mismatch is an outcome, not an error."""
    return hmac.compare_digest(calculated.encode(), received.encode())


def _digits(text: str, size: int, name: str) -> str:
    if len(text) != size or not (text.isascii() and text.isdigit()):
        raise EncodeError(f"{name}: {size} decimal digits expected")
    return text


def _hex(text: str, size: int, name: str) -> str:
    if len(text) != size or not all(character in "0123456789ABCDEFabcdef" for character in text):
        raise EncodeError(f"{name}: {size} hexadecimal digits expected")
    return text
