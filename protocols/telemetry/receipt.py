# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A receipt: what head office has committed of one life of a terminal, signed. Bytes only; decides on no key.

The line of :mod:`protocols.telemetry.seal`, then one line of JSON::

    {"v":1,"terminal":"TG000001","boot":…,"upto":…,"also":[[a,b],…],"missing":[[a,b],…],"at":ms,"serial":…}

Committed are all reports of that boot up to ``upto`` and those of the ranges ``also``, ends included; reports that the
terminal itself said it had dropped count as committed. ``missing`` is asked for again. ``serial`` only grows for a
terminal, so that an old receipt cannot be played again: it would take nothing back, but could ask for everything.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from protocols.errors import DecodeError, EncodeError
from protocols.strict_json import strict_object
from protocols.telemetry.envelope import LARGEST_COUNT
from protocols.telemetry.events import TIME_MS
from protocols.telemetry.ranges import Range
from protocols.telemetry.seal import Sealed, Signer, open_seal, seal
from protocols.telemetry.topics import is_terminal_name

CONTEXT = b"tillguard receipt, version 1\n"
VERSION = 1
LARGEST_RECEIPT = 4_096
MOST_RANGES = 64
_NAMES = frozenset({"v", "terminal", "boot", "upto", "also", "missing", "at", "serial"})


@dataclass(frozen=True, slots=True)
class Receipt:
    """What head office has of one boot of a terminal. ``at_ms`` is head office's Unix time in milliseconds."""

    terminal: str
    boot: int
    upto: int
    at_ms: int
    serial: int
    also: tuple[Range, ...] = ()
    missing: tuple[Range, ...] = ()


def encode_receipt(receipt: Receipt, signer: Signer) -> bytes:
    """A signed receipt; head office's side. :class:`EncodeError` for what :func:`read_receipt` would refuse.

    More ranges than fit must be left out by the caller, the highest first: the next receipt says them.
    """
    if fault := _fault(receipt):
        raise EncodeError(f"receipt: {fault}")
    document = {
        "v": VERSION,
        "terminal": receipt.terminal,
        "boot": receipt.boot,
        "upto": receipt.upto,
        "also": receipt.also,
        "missing": receipt.missing,
        "at": receipt.at_ms,
        "serial": receipt.serial,
    }
    octets = seal(CONTEXT, json.dumps(document, separators=(",", ":")).encode("ascii") + b"\n", signer)
    if len(octets) > LARGEST_RECEIPT:
        raise EncodeError(f"receipt of {len(octets)} octets, at most {LARGEST_RECEIPT} expected")
    return octets


def read_receipt(octets: bytes) -> Sealed:
    """Its signature and body; verify it (``PublicKey.signed(sealed, CONTEXT)``) before :func:`receipt`."""
    return open_seal(octets, "receipt", LARGEST_RECEIPT)


def receipt(sealed: Sealed) -> Receipt:
    """What a receipt says whose signature fits; :class:`DecodeError` for anything else."""
    if not sealed.body.endswith(b"\n"):
        raise DecodeError("receipt", "one line expected")
    document = strict_object(sealed.body[:-1], "receipt", _NAMES)
    if type(document["v"]) is not int or document["v"] != VERSION or type(document["terminal"]) is not str:
        raise DecodeError("receipt", f"version {VERSION} and a terminal's name expected")
    for name in ("boot", "upto", "at", "serial"):
        if type(document[name]) is not int:
            raise DecodeError(f"receipt, {name}", "a whole number expected")
    also, missing = (tuple(_ranges(document[name], name)) for name in ("also", "missing"))
    found = Receipt(
        document["terminal"], document["boot"], document["upto"], document["at"], document["serial"], also, missing
    )
    if fault := _fault(found):
        raise DecodeError("receipt", fault)
    return found


def _ranges(listed: object, name: str) -> Iterator[Range]:
    if type(listed) is not list or len(listed) > MOST_RANGES:
        raise DecodeError(f"receipt, {name}", f"a list of at most {MOST_RANGES} ranges expected")
    for one in listed:
        if type(one) is not list or len(one) != 2 or any(type(end) is not int for end in one):
            raise DecodeError(f"receipt, {name}", "pairs of first and last expected")
        yield one[0], one[1]


def _fault(receipt: Receipt) -> str | None:
    if not is_terminal_name(receipt.terminal):
        return "a terminal's name expected"
    if not all(0 <= number <= LARGEST_COUNT for number in (receipt.boot, receipt.upto, receipt.serial)):
        return "boot, upto and serial: 0 to 2**63-1 expected"
    if receipt.at_ms not in TIME_MS:
        return "at: milliseconds since 1970 expected, below 2**53"
    for name, ranges in (("also", receipt.also), ("missing", receipt.missing)):
        if len(ranges) > MOST_RANGES:
            return f"{name}: at most {MOST_RANGES} ranges expected"
        before = receipt.upto
        for first, last in ranges:
            if not before < first <= last <= LARGEST_COUNT:
                return f"{name}: rising ranges above upto expected"
            before = last
    return None
