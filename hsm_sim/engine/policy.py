# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What the unit's owner permits beyond what the protocol can say. Data with checks; changes nothing at run time.

Defaults deny, except where hosts could not work at all: the variant method and X9.17 are how most of them still carry
keys. :meth:`Policy.hardened` denies these too, since neither authenticates a key (PCI PIN Security, Key Blocks, 2017).
"""

from dataclasses import dataclass, replace
from typing import Self

from protocols.pin.iso9564 import Format
from protocols.secret import PIN_DIGITS

INTERCHANGE_FORMATS = frozenset({Format.ISO_0, Format.ISO_1, Format.ISO_3, Format.ISO_4})
"""What may be enciphered for interchange (ISO 9564-1:2017, 9.3)."""
RSA_BITS = range(1024, 4097)
"""Shorter keys protect nothing; longer ones take minutes to make."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Settings that decide what operations refuse; :class:`ValueError` for one that makes no sense."""

    pin_length: int = PIN_DIGITS.stop - 1
    """Digits of the longest PIN that can be held under the LMK; such a PIN takes one character more on the wire."""
    pin_formats: frozenset[Format] = INTERCHANGE_FORMATS
    excluded_pins: frozenset[str] = frozenset()
    """PINs that no cardholder may have."""
    encrypted_tables: bool = True
    """Take decimalisation tables only as this unit enciphered them: a host cannot vary what it cannot write."""
    table_checks: bool = True
    """Refuse tables with fewer than 8 different digits or one digit more than 4 times."""
    clear_pins: bool = False
    """Let clear PINs in and out (BA, NG)."""
    account_change: bool = False
    """Let a PIN under the LMK move to another account (QK)."""
    single_length_transport: bool = False
    """Take transport keys of single length, as zones had them before TDES."""
    single_length_posing: bool = False
    """Take keys of double or triple length whose parts are equal."""
    x917_import: bool = True
    x917_export: bool = True
    """Carry keys by ANSI X9.17 (schemes X and Y), part by part in ECB mode."""
    unauthenticated_transport: bool = True
    """Carry keys by X9.17 and the variant method at all; otherwise only in key blocks."""
    transport_key_import: bool = False
    """Take a ZMK under another ZMK (BY, A6)."""
    correct_parity: bool = False
    """Correct an imported key's parity and say so, instead of refusing it."""
    short_check_values: bool = False
    """Give no check value of more than 6 digits."""
    largest_rsa: int = 2048
    """Bits of the largest RSA key that is made: 4096 take seconds, for which the host that asked must wait."""

    def __post_init__(self) -> None:
        if self.pin_length not in PIN_DIGITS:
            raise ValueError(f"PIN length {self.pin_length}, 4 to 12 expected")
        if self.largest_rsa not in RSA_BITS:
            raise ValueError(f"largest RSA key: {RSA_BITS.start} to {RSA_BITS.stop - 1} bits expected")
        if not self.pin_formats <= INTERCHANGE_FORMATS:
            raise ValueError("PIN block formats: only 0, 1, 3 and 4 are for interchange")
        if any(len(pin) not in PIN_DIGITS or not (pin.isascii() and pin.isdigit()) for pin in self.excluded_pins):
            raise ValueError("excluded PINs: 4 to 12 digits each expected")

    def hardened(self) -> Self:
        """The same with every way closed that carries or keeps keys unauthenticated, halves, or bare tables."""
        return replace(
            self,
            encrypted_tables=True,
            table_checks=True,
            clear_pins=False,
            account_change=False,
            single_length_transport=False,
            single_length_posing=False,
            x917_import=False,
            x917_export=False,
            unauthenticated_transport=False,
            transport_key_import=False,
            correct_parity=False,
            short_check_values=True,
        )
