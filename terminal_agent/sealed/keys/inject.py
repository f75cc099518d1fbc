# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""How a key gets into a slot: key blocks, and components of the first transport key.

Whatever the way, the same judge: is it for this slot, did it serve before, does another slot have it. A key that was
taken waits beside the one that serves until somebody rotates the slot; an empty slot takes it at once.
"""

import hashlib
import hmac
from collections.abc import Iterable
from typing import Final

from protocols.dukpt.ksn import AesKsn, TdesKsn
from protocols.dukpt.originator import AesOriginator, TdesOriginator
from protocols.errors import DecodeError, EncodeError
from protocols.keyblock.codes import Algorithm
from protocols.keyblock.header import Header
from protocols.keyblock.x9143 import ProtectionKey
from protocols.primitives import AesKey, KeyOctets, TdesKey, check_value, check_value_cmac
from protocols.secret import ClearKey, Secret
from terminal_agent.sealed.keys import slots
from terminal_agent.sealed.keys.ring import Destroyed, Held, Ring
from terminal_agent.sealed.keys.slots import SLOTS, Slot, Way

MOST_FAILED_LOADS: Final = 10
"""Blocks in a row that are not authentic, after which none is opened until the keys are zeroised."""
FINGERPRINT_OCTETS: Final = 8
LEAST_COMPONENTS: Final = 2
_SPENT: Final = "this key has served here before and was destroyed; a destroyed key does not come back"


class LoadRefused(Exception):
    """The key is not taken; the words say why and quote nothing."""


def open_block(ring: Ring, text: str) -> tuple[Header, ClearKey, Way]:
    """Header, key and way of a key block; :class:`IntegrityError` where it is not authentic."""
    transport = ring.serving[slots.TRANSPORT]
    if not transport:
        raise LoadRefused("there is no transport key to open a key block with")
    make = ProtectionKey.aes if transport.algorithm == Algorithm.AES else ProtectionKey.tdes
    with ClearKey(transport.octets) as octets, make(octets) as protection:
        opened = protection.unwrap(text)
        return opened.header, opened.key, Way.of_block(opened.header.version, protection.octets)


def check_value_of(algorithm: str, key: KeyOctets) -> bytes:
    """3 octets by zeros for TDES, 5 by CMAC for AES (X9.24-1:2017, Annex A), of HMAC keys 3 of SHA-256 of "".

    For HMAC no standard has one; it is the left of HMAC over nothing.
    """
    if algorithm == Algorithm.HMAC:
        octets = key.reveal() if isinstance(key, Secret) else key
        return hmac.digest(octets, b"", hashlib.sha256)[:3]
    if algorithm == Algorithm.AES:
        with AesKey(key) as aes:
            return check_value_cmac(aes)
    with TdesKey(key) as tdes:
        return check_value(tdes)


def take(ring: Ring, name: str, header: Header, key: ClearKey, way: Way, ksn: bytes, now_ms: int) -> Held:
    """Judge a key and put it into its slot, or beside the one that serves there. Where it rests now.

    :class:`LoadRefused` with the reason. ``ksn``: of a DUKPT key, where its block does not say it. ``key`` is wiped.
    """
    with key:
        slot = _slot(name)
        reason = slots.refusal(slot, header, key, way)
        if reason is not None:
            raise LoadRefused(reason)
        print_ = _new(ring, key)
        place = ring.waiting[name] if ring.serving[name] else ring.serving[name]
        if slot.dukpt:
            _begin_dukpt(place, header, key, ksn)
            ring.used[name] = 0 if place is ring.serving[name] else ring.used[name]
        else:
            place.put(key.reveal())
        place.usage, place.algorithm, place.origin = header.usage, header.algorithm, way.origin
        place.check_value, place.fingerprint = check_value_of(header.algorithm, key), print_
        place.loaded_ms = now_ms
        return place


def _new(ring: Ring, key: ClearKey) -> bytes:
    """Its fingerprint; :class:`LoadRefused` for a key that is here already, or was and is destroyed."""
    found = fingerprint(key)
    if found in ring.spent:
        raise LoadRefused(_SPENT)
    for other in SLOTS:
        for held in (ring.serving[other], ring.waiting[other]):
            if held and held.fingerprint == found:
                raise LoadRefused(f"slot {other} holds the same key: each purpose has its own")
    return found


def take_components(ring: Ring, components: Iterable[bytearray], now_ms: int) -> Held:
    """The first transport key, of two or more components of AES keys. Each is wiped. Nobody here saw the whole."""
    total = bytearray()
    count = 0
    for component in components:
        if total and len(component) != len(total):
            raise LoadRefused("components of different length")
        total = total or bytearray(len(component))
        for at, octet in enumerate(component):
            total[at] ^= octet
        component[:] = bytes(len(component))
        count += 1
    with ClearKey(total) as key:
        if count < LEAST_COMPONENTS:
            raise LoadRefused(f"{count} component: {LEAST_COMPONENTS} at least, from different persons")
        if len(key) not in (16, 24, 32):
            raise LoadRefused("components of an AES key of 16, 24 or 32 octets expected")
        if not any(key.reveal()):
            raise LoadRefused("the components cancel one another out: each person gives a different one")
        serving = ring.serving[slots.TRANSPORT]
        if serving and serving.fingerprint == fingerprint(key):
            return serving  # given once more: it is here
        print_ = _new(ring, key)
        place = ring.waiting[slots.TRANSPORT] if ring.serving[slots.TRANSPORT] else ring.serving[slots.TRANSPORT]
        place.put(key.reveal())
        place.usage, place.algorithm, place.origin = "K1", Algorithm.AES.value, f"{count} components"
        place.check_value, place.fingerprint = check_value_of(Algorithm.AES.value, key), print_
        place.loaded_ms = now_ms
        return place


def rotate(ring: Ring, name: str, now_ms: int) -> Destroyed:
    """The waiting key serves from now on; the evidence that the other one is gone."""
    slot = _slot(name)
    if not ring.waiting[name]:
        raise LoadRefused(f"no key waits in slot {name}: load one first")
    gone = destroy(ring, name, "rotated", now_ms)
    ring.serving[name].take_over(ring.waiting[name])
    if slot.dukpt:
        ring.used[name] = 0
    return gone


def destroy(ring: Ring, name: str, why: str, now_ms: int) -> Destroyed:
    """Wipe what serves in a slot; the evidence, which the ring keeps too."""
    return _destroyed(ring, name, ring.serving[name], why, now_ms)


def _destroyed(ring: Ring, name: str, held: Held, why: str, now_ms: int) -> Destroyed:
    gone = Destroyed(name, held.check_value, why, now_ms)
    if held:
        ring.spent.append(held.fingerprint)
        ring.destroyed.append(gone)
    held.wipe()
    return gone


def zeroise(ring: Ring, why: str, now_ms: int) -> tuple[Destroyed, ...]:
    """Wipe every key, those that wait too, and the bond with a host."""
    gone = tuple(
        _destroyed(ring, name, held, why, now_ms)
        for name in SLOTS
        for held in (ring.serving[name], ring.waiting[name])
        if held
    )
    if ring.credential:
        lost = Destroyed(slots.CREDENTIAL, ring.credential.check_value, why, now_ms)
        ring.destroyed.append(lost)
        gone = (*gone, lost)
    ring.wipe_keys()
    ring.failed_loads = 0
    return gone


def fingerprint(key: ClearKey) -> bytes:
    """What the ring remembers of a key: enough to know it again, of no use to find it."""
    return hmac.digest(b"tillguard vault fingerprint", key.reveal(), hashlib.sha256)[:FINGERPRINT_OCTETS]


def _slot(name: str) -> Slot:
    if name not in SLOTS:
        raise LoadRefused(f"no slot of that name; there are {', '.join(SLOTS)}")
    return SLOTS[name]


def _begin_dukpt(place: Held, header: Header, key: ClearKey, ksn: bytes) -> None:
    try:
        originator: AesOriginator | TdesOriginator
        if header.algorithm == Algorithm.AES:
            originator = AesOriginator(key, AesKsn(_initial(header, "IK", ksn, AesKsn.size)))
        else:
            originator = TdesOriginator(key, TdesKsn(_initial(header, "KS", ksn, TdesKsn.size)))
    except (DecodeError, EncodeError) as fault:
        raise LoadRefused(f"initial KSN: {fault}") from None
    with originator.state() as state:
        place.put(state.reveal())
    originator.wipe()


def _initial(header: Header, identifier: str, given: bytes, size: int) -> bytes:
    block = header.first(identifier)
    octets = given if block is None else bytes.fromhex(block.data)
    if block is not None and given and given.ljust(size, b"\0") != octets.ljust(size, b"\0"):
        raise DecodeError("KSN", "another one than the key block says")
    return octets.ljust(size, b"\0") if identifier == "IK" else octets
