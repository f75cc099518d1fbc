# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Requests about PINs: where a PIN comes from, what it is checked against, what is made of it. Free of any wire.

A PIN comes enciphered under a key, under the DUKPT key of a serial number, or under the LMK; what an operation does
with it does not depend on which.
"""

from hsm_sim.engine.requests import EncipheredPin, KeyUnderLmk, Pvv, Request, TranslatedPin, record
from protocols.dukpt.ksn import Ksn
from protocols.pan import Pan
from protocols.pin.iso9564 import Format
from protocols.secret import Pin


@record
class PinUnderKey:
    """A PIN block under a TPK or ZPK."""

    pin: EncipheredPin
    key: KeyUnderLmk


@record
class PinUnderDukpt:
    """A PIN block under the DUKPT key of a serial number. Receiving side."""

    pin: EncipheredPin
    bdk: KeyUnderLmk
    ksn: Ksn


@record
class PinUnderLmk:
    """A PIN as this unit keeps it for hosts: digits that only the unit can read, bound to an account."""

    text: str
    pan: Pan


PinSource = PinUnderKey | PinUnderDukpt | PinUnderLmk


@record
class IbmScheme:
    """How an IBM 3624 PIN of an account is made: key, table, validation data of 16 digits, digits to check."""

    key: KeyUnderLmk
    table: str
    validation_data: str
    check_length: int


@record
class IbmOffset:
    """An IBM 3624 offset and what it belongs to."""

    scheme: IbmScheme
    value: str


Reference = Pvv | IbmOffset | PinUnderLmk


@record
class VerifyPin(Request[bool]):
    """Whether a PIN is the one that a PVV, an offset or a PIN under the LMK stands for."""

    source: PinSource
    reference: Reference


@record
class TranslateDukptPin(Request[TranslatedPin]):
    """Move a PIN block from the DUKPT key of a serial number to another key, which may be a DUKPT key too."""

    source: PinUnderDukpt
    format: Format
    destination: KeyUnderLmk
    destination_ksn: Ksn | None = None


@record
class TranslatePinToDukpt(Request[TranslatedPin]):
    """Move a PIN block from a TPK to the DUKPT key of a serial number."""

    source: PinUnderKey
    format: Format
    destination: KeyUnderLmk
    destination_ksn: Ksn


@record
class KeepPin(Request[str]):
    """A PIN under the LMK instead of under a key."""

    source: PinUnderKey


@record
class SendPin(Request[bytes]):
    """A PIN block under a ZPK of a PIN under the LMK."""

    source: PinUnderLmk
    key: KeyUnderLmk
    format: Format


@record
class RandomPin(Request[str]):
    """A random PIN under the LMK."""

    pan: Pan
    digits: int
    excluded: tuple[str, ...] = ()


@record
class KeepClearPin(Request[str]):
    """A clear PIN under the LMK."""

    pin: Pin
    pan: Pan


@record
class RevealPin(Request[Pin]):
    """The clear PIN of a PIN under the LMK; the caller wipes it."""

    source: PinUnderLmk


@record
class MovePin(Request[str]):
    """A PIN under the LMK bound to another account."""

    source: PinUnderLmk
    pan: Pan


@record
class PinFromOldLmk(Request[str]):
    """A PIN from under the LMK that was before."""

    source: PinUnderLmk


@record
class MakePvv(Request[str]):
    """The Visa PVV of a PIN, 4 digits; ``value`` of the reference says nothing."""

    source: PinSource
    reference: Pvv
    excluded: tuple[str, ...] = ()


@record
class MakeOffset(Request[str]):
    """The IBM offset of a PIN, as many digits as are checked."""

    source: PinSource
    scheme: IbmScheme
    excluded: tuple[str, ...] = ()


@record
class DerivePin(Request[str]):
    """The PIN under the LMK that an IBM offset stands for."""

    offset: IbmOffset
    pan: Pan
    excluded: tuple[str, ...] = ()


@record
class ChangePin(Request[str | None]):
    """The reference of a new PIN, PVV or offset, once the current one is proved; None where it is not."""

    current: PinUnderKey
    reference: Pvv | IbmOffset
    new_block: bytes
    excluded: tuple[str, ...] = ()


@record
class SealTable(Request[str]):
    """A decimalisation table as only this unit can write it, 16 or 32 hexadecimal digits."""

    digits: str
