# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What the octets on the vault's pipe mean: messages to packets and back. Opens no pipe, computes nothing with keys.

One packet of a SOCK_SEQPACKET pair is one message: a number chosen by the asker (0 for events), a code, then the
fields of that code in the order in which its dataclass has them: octets and text with a length of two octets in front,
numbers as eight octets. There is no version to negotiate: both ends come from one distribution.
"""

from collections.abc import Mapping
from dataclasses import fields, replace
from types import MappingProxyType
from typing import Any

from protocols.errors import DecodeError, EncodeError
from protocols.vault.messages import (
    REPLIES,
    REQUESTS,
    Bind,
    Certify,
    Load,
    LoadToken,
    Renew,
    Reply,
    Request,
    RequestCredential,
    Rotate,
    Zeroise,
)

LARGEST_PACKET = 32_768
"""Octets: a key block has 9,999 characters at most; a host message to be MACed has less than 4 KiB."""
HEAD_OCTETS = 2
EVENT_NUMBER = 0


def _shapes(*kinds: type) -> Mapping[int, tuple[type, tuple[str, ...]]]:
    """By code: the class, and for each field o(ctets), t(ext) or n(umber)."""
    letters = {str: "t", int: "n"}
    return MappingProxyType(
        {kind.code: (kind, tuple(letters.get(field.type, "o") for field in fields(kind))) for kind in kinds}  # type: ignore[attr-defined, arg-type]  # every kind has a code and fields
    )


_REQUEST_SHAPES, _REPLY_SHAPES = _shapes(*REQUESTS), _shapes(*REPLIES)
_APPROVABLE = (Load, Rotate, Zeroise, RequestCredential, Certify, Bind, LoadToken, Renew)
_NAMES = {kind: tuple(field.name for field in fields(kind)) for kind in (*REQUESTS, *REPLIES)}


def encode(number: int, message: Request | Reply) -> bytes:
    """The packet of a message."""
    parts = [bytes((number, message.code))]
    for name in _NAMES[type(message)]:
        value = getattr(message, name)
        if isinstance(value, int):
            parts.append(value.to_bytes(8, "big"))
            continue
        octets = value.encode() if isinstance(value, str) else value
        if len(octets) > 0xFFFF:
            raise EncodeError(f"{name}: {len(octets)} octets do not fit")
        parts += (len(octets).to_bytes(2, "big"), octets)
    packet = b"".join(parts)
    if len(packet) > LARGEST_PACKET:
        raise EncodeError(f"a message of {len(packet)} octets, {LARGEST_PACKET} at most")
    return packet


def decode_request(packet: memoryview) -> tuple[int, Request]:
    """Number and request. Octet fields are views of ``packet``: nothing is copied, so they end with it."""
    return _decode(packet, _REQUEST_SHAPES)  # type: ignore[return-value]  # the shapes are those of Request


def decode_reply(packet: bytes) -> tuple[int, Reply]:
    """Number and reply; its octet fields are copied."""
    number, reply = _decode(memoryview(packet), _REPLY_SHAPES, copy=True)
    return number, reply  # type: ignore[return-value]  # the shapes are those of Reply


def approval_message(request: Request, challenge: bytes) -> bytes:
    """What custodians sign: a label, the vault's fresh number, and the request without approvals."""
    bare = replace(request, approvals=b"") if isinstance(request, _APPROVABLE) else request
    return b"tillguard vault approval 1\0" + challenge + encode(0, bare)


def _decode(
    packet: memoryview, shapes: Mapping[int, tuple[type, tuple[str, ...]]], *, copy: bool = False
) -> tuple[int, object]:
    if len(packet) < HEAD_OCTETS or packet[1] not in shapes:
        raise DecodeError("vault message", "a number and a known code expected")
    kind, letters = shapes[packet[1]]
    values: list[Any] = []
    place = HEAD_OCTETS
    for letter in letters:
        size = 8 if letter == "n" else int.from_bytes(packet[place : place + 2], "big")
        start = place if letter == "n" else place + 2
        place = start + size
        if place > len(packet):
            raise DecodeError("vault message", "cut short")
        part = packet[start:place]
        if letter == "t":
            try:
                values.append(str(part, "utf-8"))
            except UnicodeDecodeError:
                raise DecodeError("vault message", "text that is not UTF-8") from None
        else:
            values.append(int.from_bytes(part, "big") if letter == "n" else bytes(part) if copy else part)
    if place != len(packet):
        raise DecodeError("vault message", "octets behind the last field")
    return packet[0], kind(*values)
