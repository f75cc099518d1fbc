# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What PIN commands have in common, as the engine takes it: blocks, accounts, references. Computes nothing."""

from hsm_sim.engine.key_types import BDK, IN_BLOCK, PVK, TPK, ZPK, KeyType, key_type
from hsm_sim.engine.pin_requests import IbmOffset, IbmScheme, PinUnderDukpt, PinUnderKey, PinUnderLmk
from hsm_sim.engine.refusal import Reason, Refused
from hsm_sim.engine.requests import EncipheredPin, Pvv
from hsm_sim.payshield.terms import pin_format, under_lmk
from protocols.dukpt.ksn import TdesKsn
from protocols.errors import DecodeError
from protocols.hsm.fields import KeyField
from protocols.hsm.pin_fields import ACCOUNT_MARK, VALIDATION_TAG
from protocols.pan import Pan
from protocols.pin.iso9564 import Format

_ACCOUNT_DIGITS = 5  # how many the N of validation data stands for
BDK_2 = key_type("609")
BDK_1_FLAG = "*"
DUKPT_FLAGS = {BDK_1_FLAG: BDK, "~": BDK_2}
_BLOCK_KEYS = frozenset({ZPK, TPK, key_type("70D"), IN_BLOCK})


def pan_of(account: str) -> Pan:
    """Account digits as a PAN: its check digit is not on the wire, and no computation here looks at it."""
    return Pan(account + "0")


def block(octets: bytes, form: str, account: str) -> EncipheredPin:
    """A PIN block with the code of its format."""
    return EncipheredPin(octets, pin_format(form), pan_of(account))


def under_key(kind: KeyType, key: KeyField, octets: bytes, form: str, account: str) -> PinUnderKey:
    """A PIN block under a key of a type."""
    return PinUnderKey(block(octets, form, account), under_lmk(kind, key))


def under_typed_key(code: str, key: KeyField, octets: bytes, form: str, account: str) -> PinUnderKey:
    """A PIN block under a key whose type the command names: TPK or ZPK."""
    kind = key_type(code)
    if kind not in _BLOCK_KEYS:
        raise Refused(Reason.KEY_TYPE)
    return under_key(kind, key, octets, form, account)


def under_dukpt(
    bdk: KeyField, ksn: bytes, octets: bytes, account: str, form: str | None = None, kind: KeyType = BDK
) -> PinUnderDukpt:
    """A PIN block under a DUKPT key; of format 0 where the command has no format field."""
    found = Format.ISO_0 if form is None else pin_format(form)
    return PinUnderDukpt(EncipheredPin(octets, found, pan_of(account)), under_lmk(kind, bdk), TdesKsn(ksn))


def kept(text: str, account: str) -> PinUnderLmk:
    """A PIN under the LMK."""
    return PinUnderLmk(text, pan_of(account))


def pvv_reference(pvk: KeyField, index: str, value: str = "", account: str | None = None) -> Pvv:
    """A PVV, of another account where one is given."""
    return Pvv(under_lmk(PVK, pvk), int(index), value, None if account is None else pan_of(account))


def ibm(pvk: KeyField, table: str, validation: str, check_length: str, account: str) -> IbmScheme:
    """How an IBM PIN is made: in the validation data N stands for the last five account digits."""
    if validation[:1] == chr(VALIDATION_TAG):
        data = validation[1:]
    else:
        data = validation.replace(ACCOUNT_MARK, account[-_ACCOUNT_DIGITS:])
    length = int(check_length)
    if not 4 <= length <= 12:
        raise DecodeError("check length", "4 to 12 expected")
    return IbmScheme(under_lmk(PVK, pvk), table, data, length)


def ibm_offset(scheme: IbmScheme, value: str) -> IbmOffset:
    """An offset of that scheme."""
    return IbmOffset(scheme, value)
