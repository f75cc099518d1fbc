# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Commands of an issuer to its card: their MAC, their enciphered data, the PIN change. Sends none of them.

After an online answer an issuer may send commands in a script (EMV 4.3 Book 2, 9). The card obeys only what carries a
MAC under its key for script integrity; confidential data, such as a new PIN, are enciphered under another. The MAC, of
format 2, covers the command header, the data as sent, and for Visa and Mastercard cards, between the two and not sent,
counter and cryptogram of the transaction.

Three habits for padding what is enciphered: Visa writes a length in front, Mastercard pads only what is not whole
blocks, EMV always pads. Which keys: :mod:`protocols.emv.card_keys`. With several commands in a script, a Mastercard
card counts the cryptogram up by one for each, in MAC and key alike: see :func:`counted_up`.
"""

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType

from protocols.emv.card_keys import session_key, visa_script_key
from protocols.errors import EncodeError
from protocols.mac import Padding, RetailMacKey, pad
from protocols.pin.iso9564 import encode_format_2
from protocols.pin.pin_change import encode_visa
from protocols.primitives import AesKey, KeyOctets, TdesKey, Use
from protocols.secret import ClearKey, ClearPinBlock, Pin

LEAST_MAC, MOST_MAC = 4, 8  # octets: EMV 4.3 Book 2, 9.2.3
PIN_CHANGE = bytes.fromhex("8424")
WITHOUT_CURRENT_PIN, WITH_CURRENT_PIN = 0x02, 0x01  # P2 of PIN CHANGE/UNBLOCK, EMV 4.3 Book 3, 6.5.10
_LONGEST_DATA = 255 - MOST_MAC  # octets that a short command takes beside the MAC


class ScriptKeys(Enum):
    """How the keys of a script are made of the card's (SMI and SMC)."""

    VISA = "of the counter"
    COMMON = "of the cryptogram"


class Encipherment(Enum):
    """How confidential data are padded and chained."""

    VISA = "length in front, ECB"
    MASTERCARD = "padded only if not whole blocks, CBC"
    EMV = "always padded, CBC"


SCRIPT_KEYS: Mapping[str, Mapping[int, ScriptKeys]] = MappingProxyType(
    {
        "visa": MappingProxyType({10: ScriptKeys.VISA, 18: ScriptKeys.VISA, 0x22: ScriptKeys.COMMON}),
        "mastercard": MappingProxyType(dict.fromkeys((16, 17, 20, 21), ScriptKeys.COMMON)),
    }
)
"""By scheme and cryptogram version. Version 17 of Visa belongs to cards that take no scripts."""


def script_key(kind: ScriptKeys, card_key: KeyOctets, counter: bytes, cryptogram: bytes) -> ClearKey:
    """The session key of a script, from the card's key for integrity or for confidentiality. Card and issuer."""
    if kind is ScriptKeys.VISA:
        return visa_script_key(card_key, counter)
    return session_key(card_key, cryptogram)


def command_mac(
    key: KeyOctets, header: bytes, data: bytes = b"", transaction: bytes = b"", octets: int = MOST_MAC
) -> bytes:
    """The MAC of a command under the session key for integrity (EMV 4.3 Book 2, 9.2.3): the left 4 to 8 octets.

    ``header`` is CLA, INS, P1, P2 and Lc as sent, so Lc counts the MAC; ``data`` is what stands before the MAC.
    ``transaction`` is counter and cryptogram, 10 octets, where the card's specification adds them.
    """
    return RetailMacKey(key).mac(_covered(header, data, transaction, octets), Padding.ONE_AND_ZEROS)[:octets]


def aes_command_mac(
    key: KeyOctets, header: bytes, data: bytes = b"", transaction: bytes = b"", octets: int = MOST_MAC
) -> bytes:
    """The same under an AES session key: CMAC (EMV 4.3 Book 2, 9.2.3 and A1.2.2)."""
    with AesKey(key, Use.CMAC) as aes:
        return aes.cmac(_covered(header, data, transaction, octets))[:octets]


def encipher_data(key: KeyOctets, data: bytes | ClearPinBlock, how: Encipherment) -> bytes:
    """Confidential command data under the session key for confidentiality (EMV 4.3 Book 2, 9.3.2). Issuer's side."""
    clear = bytes(data.reveal()) if isinstance(data, ClearPinBlock) else data
    if not 1 <= len(clear) <= _LONGEST_DATA:
        raise EncodeError(f"command data of {len(clear)} octets, 1 to {_LONGEST_DATA} expected")
    with TdesKey(key, Use.ENCIPHER | Use.CHAIN) as tdes:
        if how is Encipherment.VISA:
            return tdes.encipher(pad(bytes((len(clear),)) + clear, Padding.ONE_AND_ZEROS, 8))
        if how is Encipherment.EMV or len(clear) % 8:
            clear = pad(clear, Padding.ONE_AND_ZEROS, 8)
        return tdes.cbc_encipher(bytes(8), clear)


def aes_encipher_data(key: KeyOctets, data: bytes | ClearPinBlock) -> bytes:
    """The same under an AES session key: always padded, CBC (EMV 4.3 Book 2, A1.1)."""
    clear = bytes(data.reveal()) if isinstance(data, ClearPinBlock) else data
    if not 1 <= len(clear) <= _LONGEST_DATA:
        raise EncodeError(f"command data of {len(clear)} octets, 1 to {_LONGEST_DATA} expected")
    with AesKey(key, Use.CHAIN) as aes:
        return aes.cbc_encipher(bytes(16), pad(clear, Padding.ONE_AND_ZEROS, 16))


def visa_pin_change(
    integrity: KeyOctets,
    confidentiality: KeyOctets,
    card_key: KeyOctets,
    counter: bytes,
    cryptogram: bytes,
    new_pin: Pin,
    current_pin: Pin | None = None,
) -> bytes:
    """PIN CHANGE/UNBLOCK for a Visa card: the whole command (Visa VIS, C.11). Issuer's side.

    ``card_key`` is the card's master key for cryptograms, which the PIN block of VIS is made with; the two others are
    session keys of the script.
    """
    with encode_visa(new_pin, card_key, current_pin) as block:
        data = encipher_data(confidentiality, block, Encipherment.VISA)
    p2 = WITHOUT_CURRENT_PIN if current_pin is None else WITH_CURRENT_PIN
    return _command(integrity, p2, counter, cryptogram, data)


def iso_2_pin_change(
    integrity: KeyOctets,
    confidentiality: KeyOctets,
    counter: bytes,
    cryptogram: bytes,
    new_pin: Pin,
    how: Encipherment = Encipherment.MASTERCARD,
) -> bytes:
    """PIN CHANGE/UNBLOCK with a PIN block of format 2: the whole command (M/Chip, and Visa version 22 with VISA)."""
    with encode_format_2(new_pin) as block:
        data = encipher_data(confidentiality, block, how)
    return _command(integrity, WITHOUT_CURRENT_PIN, counter, cryptogram, data)


def counted_up(cryptogram: bytes, commands: int) -> bytes:
    """The cryptogram as the card counts it for the command after ``commands`` others of one script (M/Chip)."""
    number = int.from_bytes(cryptogram, "big") + commands
    return (number % (1 << 8 * len(cryptogram))).to_bytes(len(cryptogram), "big")


def _command(integrity: KeyOctets, p2: int, counter: bytes, cryptogram: bytes, data: bytes) -> bytes:
    header = PIN_CHANGE + bytes((0, p2, len(data) + MOST_MAC))
    return header + data + command_mac(integrity, header, data, counter + cryptogram)


def _covered(header: bytes, data: bytes, transaction: bytes, octets: int) -> bytes:
    if len(header) != 5 or len(transaction) not in (0, 10) or not LEAST_MAC <= octets <= MOST_MAC:
        raise EncodeError(
            "a command MAC takes a header of 5 octets, counter and cryptogram of 10 or none, and has 4 to 8 itself"
        )
    return header + transaction + data
