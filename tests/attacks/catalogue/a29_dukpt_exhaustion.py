# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""A29: a DUKPT key is driven to the end of its life, in the hope that it starts again."""

import mmap
import os
from pathlib import Path

from terminal_agent.sealed.arena import Arena
from terminal_agent.sealed.fences import Fence
from terminal_agent.sealed.keys import ring as rings
from terminal_agent.sealed.keys.source import Head, by_passphrase
from terminal_agent.sealed.keys.store import HEAD_OCTETS, OpenFile, Store
from tests.attacks.harness import Attack, Case
from tests.attacks.vaults import VaultTarget, vault
from tests.terminal_agent.sealed.vaults import PASSPHRASE

NEARLY = bytes.fromhex("1FE000")  # some hundred values before 1FF800, the last one of a TDES key
TRIES = 600


def fast_forward(store: Path) -> None:
    """As a million payments would: the counter of the data key near its end. The keys behind do not matter here."""
    descriptor = os.open(store, os.O_RDWR)
    try:
        disk = OpenFile(descriptor)
        head = Head.decode(disk.read(0, HEAD_OCTETS))
        arena = Arena(mmap.mmap(-1, 256 * 1024), Fence("arena", True, ""))
        key, ring = arena.take(32), rings.empty(arena)
        by_passphrase(memoryview(PASSPHRASE.strip().encode()), head.material, key)
        opened = Store(disk, key, head.bound, arena, os.urandom)
        opened.load(ring)
        octets = ring.serving["data"].octets
        octets[11:14] = bytes((octets[11] & 0xE0 | NEARLY[0],)) + NEARLY[1:]
        opened.save(ring)
        opened.save(ring)
    finally:
        os.close(descriptor)


async def use_it_up_and_go_on(target: VaultTarget) -> bool:
    """Encipher until it refuses for good; a KSN that comes twice is a key that served twice."""
    target.stop()
    fast_forward(target.wanted.store)
    target.start()
    seen: set[bytes] = set()
    for _ in range(TRIES):
        ksn = target.encrypt()
        if ksn is None:
            continue
        if ksn in seen:
            return True
        seen.add(ksn)
    assert seen, "an attack that enciphers nothing shows nothing"
    return False


ATTACK = Attack(
    id="A29",
    title="DUKPT key driven to its end",
    reference="ANSI X9.24-1:2009, Annex A.3: 1,048,575 transactions, after which the device is out of service",
    attacker="may use the vault as often as he likes, and wants a key to serve twice",
    soft="an originator that begins again when the counter is at its end",
    defence="the state itself says that its life has ended, no request leads back, and the end is told when a tenth is "
    "left",
    cases=(
        Case(
            "a counter near its end",
            soft=lambda folder: vault(folder, "wrapping"),
            hardened=vault,
            strike=use_it_up_and_go_on,
            alert="vault.key_low",
            told="head office, as vault.alert",
        ),
    ),
)
