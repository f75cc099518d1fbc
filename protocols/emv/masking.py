# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""APDUs with what must not be kept written over, of the same shape: recordings for others. Decides as redaction does.

Octets stay octets and keep their number, so that a masked recording can still be played to a program. An account number
keeps its first six and last four digits, with zeros between; what :mod:`protocols.emv.redaction` would not show becomes
zeros; so does all that cannot be read as data objects of a card. A masked answer may so fail its checks: signatures
and cryptograms over what was masked are wrong.
"""

from protocols.emv import apdu, tlv
from protocols.emv.redaction import shown_value
from protocols.emv.tags import KNOWN, Sensitivity
from protocols.errors import DecodeError

_OPEN_DATA = {apdu.Ins.SELECT, apdu.Ins.GET_PROCESSING_OPTIONS, apdu.Ins.GENERATE_AC}
_FIRST, _LAST = 6, 4  # PCI DSS 4.0.1, 3.4.1


def masked_command(octets: bytes) -> bytes:
    """A command APDU: header and lengths stay; data stay only where no command of that kind carries a secret."""
    try:
        command = apdu.Command.decode(octets)
    except DecodeError:
        return octets[:4] + bytes(max(0, len(octets) - 4))
    if not command.data or (command.cla in (0x00, 0x80) and command.ins in _OPEN_DATA):
        return octets
    start = 7 if len(octets) > 7 and octets[4] == 0 else 5
    end = start + len(command.data)
    return octets[:start] + bytes(len(command.data)) + octets[end:]


def masked_response(octets: bytes) -> bytes:
    """A response APDU: the status stays, data objects as their types allow."""
    if len(octets) <= 2:
        return octets
    data, status = octets[:-2], octets[-2:]
    try:
        objects = tlv.decode(data)
        if tlv.encode(objects) != data:
            raise DecodeError("response", "not in the shortest form")
    except DecodeError:
        return bytes(len(data)) + status
    return tlv.encode(_masked(objects)) + status


def account_numbers(octets: bytes) -> frozenset[str]:
    """The account numbers that a response APDU gives in objects of that type, as digits."""
    try:
        objects = tlv.decode(octets[:-2])
    except DecodeError:
        return frozenset()
    found = set()
    for tag, value in objects.leaves():
        known = KNOWN.get(tag)
        if known is not None and known.sensitivity is Sensitivity.ACCOUNT:
            found.add(value.hex().upper().rstrip("F"))
        elif known is not None and known.sensitivity is Sensitivity.TRACK:
            found.add(value.hex().upper().partition("D")[0])
    return frozenset(found)


def _masked(objects: tlv.Objects) -> list[tlv.Item]:
    return [
        (tag, _value(tag, value) if isinstance(value, bytes) else tlv.Objects(tuple(_masked(value))))
        for tag, value in objects
    ]


def _value(tag: int, value: bytes) -> bytes:
    known = KNOWN.get(tag)
    if known is not None and known.sensitivity is Sensitivity.ACCOUNT:
        return _account(value.hex())
    if known is not None and known.sensitivity is Sensitivity.TRACK:
        digits = value.hex()
        account, separator, rest = digits.partition("d")
        return bytes.fromhex(_account_digits(account) + separator + "0" * len(rest)) if separator else bytes(len(value))
    shown = shown_value(tag, value)
    return bytes(len(value)) if shown.startswith("[") or "**" in shown else value


def _account(digits: str) -> bytes:
    number = digits.rstrip("f")
    return bytes.fromhex(_account_digits(number) + digits[len(number) :])


def _account_digits(number: str) -> str:
    hidden = len(number) - _FIRST - _LAST
    return number[:_FIRST] + "0" * hidden + number[-_LAST:] if hidden > 0 else "0" * len(number)
