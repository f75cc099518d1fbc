# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What a PIN pad's twin keeps over a power cycle, as octets under a key of the pad. Stores nothing by itself.

Whether it was tampered with, credit of the throttle, DUKPT engines, master keys, session keys. As in a pad, the memory
is enciphered and authenticated by a key that only this pad has: here, one made from its TEST load. The authentication
code serves as initial vector, so that no randomness is needed and one memory has one form.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from device_profiles.pinpad_load import PinpadLoad, SlotUse
from device_profiles.twins.pinpad_slots import MasterKey
from protocols.dukpt.originator import OriginatorState
from protocols.errors import DecodeError
from protocols.primitives import AesKey
from protocols.secret import ClearKey

MARK = b"TGP2"
CODE_OCTETS = BLOCK = 16
_USES = tuple(SlotUse)
_HEAD = 10


@dataclass(frozen=True, slots=True)
class Kept:
    """A pad's memory, taken apart."""

    tampered: bool
    credit: int
    selected: int
    engines: tuple[OriginatorState | None, ...]
    slots: tuple[tuple[str, MasterKey], ...]
    sessions: bytes


class StorageKey:
    """The key of one pad's memory."""

    def __init__(self, load: PinpadLoad) -> None:
        seed = load.serial.encode() + load.initial_ksn.octets + bytes(load.test_initial_key.reveal())
        octets = hashlib.sha512(b"tillguard TEST pad memory" + seed).digest()
        self._mac, self._cipher = AesKey(octets[:32]), AesKey(octets[32:])

    def seal(self, kept: Kept) -> bytes:
        """The octets of a memory."""
        out = bytearray((kept.tampered, kept.selected)) + kept.credit.to_bytes(8, "big")
        _put(out, [b"" if engine is None else bytes(engine.reveal()) for engine in kept.engines])
        for slot, held in kept.slots:
            attributes = slot.ljust(2) + held.attributes
            _put(out, [attributes.encode() + bytes((_USES.index(held.use),)) + bytes(held.key.reveal())])
        _put(out, [b"", kept.sessions])
        out += b"\x80" + bytes(-(len(out) + 1) % BLOCK)
        code = self._mac.cmac(out)
        sealed = self._cipher.cbc_encipher(code, out)
        out[:] = bytes(len(out))
        return MARK + code + sealed

    def open(self, octets: bytes, engines: int) -> Kept:
        """The memory in octets; :class:`DecodeError` if they are damaged or of another pad or load."""
        code, sealed = octets[len(MARK) : len(MARK) + CODE_OCTETS], octets[len(MARK) + CODE_OCTETS :]
        if not octets.startswith(MARK) or not sealed or len(sealed) % BLOCK:
            raise DecodeError("pad memory", "damaged, or not one of a virtual pad")
        body = self._cipher.cbc_decipher(code, sealed)
        if self._mac.cmac(body) != code:
            raise DecodeError("pad memory", "damaged, or of another pad or load")
        parts = _take(body.rstrip(b"\x00")[:-1], _HEAD)
        slots = []
        place = engines
        while parts[place]:
            part = parts[place]
            text = part[:5].decode("ascii")
            slots.append((text[:2].strip(), MasterKey(_USES[part[5]], text[2:4], text[4], ClearKey(part[6:]))))
            place += 1
        return Kept(
            bool(body[0]),
            int.from_bytes(body[2:_HEAD], "big"),
            body[1],
            tuple(OriginatorState(part) if part else None for part in parts[:engines]),
            tuple(slots),
            parts[place + 1],
        )


def _put(out: bytearray, parts: Sequence[bytes]) -> None:
    for part in parts:
        out += len(part).to_bytes(2, "big") + part


def _take(body: bytes, place: int) -> list[bytes]:
    parts = []
    while place < len(body):
        size = int.from_bytes(body[place : place + 2], "big")
        parts.append(body[place + 2 : place + 2 + size])
        place += 2 + size
    return parts
