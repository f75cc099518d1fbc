# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Vaults for tests: real processes in a folder of their own, with a passphrase file and a counter file."""

import contextlib
import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from protocols.keyblock.header import Header
from protocols.keyblock.optional import OptionalBlock
from protocols.keyblock.x9143 import ProtectionKey, randomness_needed
from protocols.vault import LARGEST_PACKET, Done, Happened, Load, Reply, Request, decode_reply, encode
from terminal_agent.processes import vault_child, vault_setup
from terminal_agent.processes.vault_child import PROGRAM, VaultChild
from terminal_agent.processes.vault_settings import VaultSettings

PASSPHRASE = "six words that open nothing else\n"
ANSWER_WITHIN_S = 20.0


def made_key(name: str, octets: int = 16) -> bytes:
    """A TEST key with odd parity, made from its name."""
    made = hashlib.shake_256(f"tillguard vault TEST {name}".encode()).digest(octets)
    return bytes(octet & 0xFE | (octet >> 1).bit_count() + 1 & 1 for octet in made)


TRANSPORT = made_key("transport", 32)
PIN_KSN = bytes.fromhex("FFFF1111110000000000")
DATA_KSN = bytes.fromhex("FFFF2222220000000000")


def settings(folder: Path, **more: Any) -> VaultSettings:
    """A vault's settings below ``folder``; nothing is made yet but the passphrase."""
    (folder / "passphrase").write_text(PASSPHRASE)
    given = {"pin_interval": 0.001, "pin_burst": 1000, "passphrase": folder / "passphrase"} | more
    return VaultSettings(folder / "vault" / "store", folder / "elsewhere" / "counter", **given)


def component_files(folder: Path, key: bytes = TRANSPORT) -> list[str]:
    """Two components of ``key`` as files."""
    first = hashlib.shake_256(b"component").digest(len(key))
    paths = []
    for number, octets in enumerate((first, bytes(a ^ b for a, b in zip(first, key, strict=True)))):
        path = folder / f"component-{number}"
        path.write_text(octets.hex().upper() + "\n")
        paths.append(str(path))
    return paths


def block(usage: str, algorithm: str, mode: str, key: bytes, ksn: bytes = b"", under: bytes = TRANSPORT) -> str:
    """A key block of version D under the transport key."""
    optional = (OptionalBlock("KS", ksn.hex().upper()),) if ksn else ()
    header = Header("D", usage, algorithm, mode, optional=optional)
    with ProtectionKey.aes(under) as protection:
        return protection.wrap(header, key, os.urandom(randomness_needed(header, len(key)) + 64))


class Asker:
    """The other end of a vault's pipe, blocking."""

    def __init__(self, child: VaultChild) -> None:
        self.child = child
        self.events: list[Happened] = []
        self._number = 0
        child.pipe.settimeout(ANSWER_WITHIN_S)

    def send(self, request: Request) -> int:
        """Without waiting."""
        self._number = self._number % 250 + 1
        self.child.pipe.send(encode(self._number, request))
        return self._number

    def answer(self, number: int) -> Reply:
        """The reply of that number; events on the way are kept."""
        while True:
            packet = self.child.pipe.recv(LARGEST_PACKET)
            if not packet:
                raise EOFError("the vault ended")
            found, reply = decode_reply(packet)
            if isinstance(reply, Happened):
                self.events.append(reply)
            elif found == number:
                return reply

    def ask(self, request: Request) -> Reply:
        """Request and reply."""
        return self.answer(self.send(request))

    def status(self) -> dict[str, list[str]]:
        """The status' lines by their first word."""
        from protocols.vault import Status

        reply = self.ask(Status())
        assert isinstance(reply, Done)
        found: dict[str, list[str]] = {}
        for line in reply.words.splitlines():
            name, _, rest = line.partition(" ")
            found.setdefault(name, []).append(rest)
        return found

    def load(self, slot: str, text: str) -> Reply:
        """A key block into a slot."""
        return self.ask(Load(slot, text))


@contextlib.contextmanager
def running(wanted: VaultSettings, program: Sequence[str] = PROGRAM, **more: object) -> Iterator[Asker]:
    """A vault process; ended at the end."""
    child = vault_child.start(wanted, program=program, more=more)
    try:
        yield Asker(child)
    finally:
        child.stop()


def made(folder: Path, **more: Any) -> VaultSettings:
    """A vault's files, without keys."""
    wanted = settings(folder, **more)
    vault_setup.create(wanted)
    return wanted


def load_all(asker: Asker) -> None:
    """Every slot but the transport key's."""
    for slot, text in (
        ("pin", block("B1", "T", "X", made_key("pin"), PIN_KSN)),
        ("mac-master", block("K0", "T", "B", made_key("mac-master"))),
        ("data", block("B1", "T", "X", made_key("data"), DATA_KSN)),
        ("binding", block("M6", "T", "C", made_key("binding"))),
    ):
        reply = asker.load(slot, text)
        assert isinstance(reply, Done), reply


def keypad_pair(folder: Path) -> tuple[int, Path]:
    """A pseudo terminal as a keypad: our end, and the path of the vault's."""
    import tty

    ours, theirs = os.openpty()
    tty.setraw(theirs)
    link = folder / "keypad"
    link.symlink_to(os.ttyname(theirs))
    return ours, link
