# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Makes the files of a new vault: store, counter, and what the source of its key needs. Loads no key, serves nobody."""

import os
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from protocols.tpm2 import RC_NV_DEFINED
from terminal_agent.durable import sync_folder
from terminal_agent.processes import vault as process
from terminal_agent.processes.vault_settings import VaultSettings
from terminal_agent.sealed.arena import Arena, open_arena
from terminal_agent.sealed.fences import LinuxKernel
from terminal_agent.sealed.keys import ring as rings
from terminal_agent.sealed.keys import source
from terminal_agent.sealed.keys.elsewhere import COUNTER_OCTETS, FileCounter
from terminal_agent.sealed.keys.source import Head, Kind
from terminal_agent.sealed.keys.store import FILE_OCTETS, STORE_KEY_OCTETS, OpenFile, Store, StoreError
from terminal_agent.sealed.keys.tpm import Tpm, TpmCounter, TpmError
from tillguard.exits import Exit
from tillguard.voice import Fault

LARGEST_MATERIAL = 256  # a nonce, a wrapped key and a tag have 60 octets


def create(settings: VaultSettings, random: Callable[[int], bytes] = os.urandom) -> Kind:
    """Make a vault without keys; who gives its store's key. :class:`Fault` where anything of it is there already."""
    arena = open_arena(LinuxKernel())
    ring = rings.empty(arena)
    ring.custodians = tuple(_public(path) for path in settings.custodians)
    rate = round(settings.pin_interval * 1000) * settings.pin_burst
    ring.pin_credit_ms = rate
    key = arena.take(STORE_KEY_OCTETS)
    tpm = None
    try:
        tpm = process.open_tpm(settings.tpm, arena) if settings.tpm else None
        kind, material = _new_key(settings, arena, random, key, tpm)
        head = Head(random(source.IDENTITY_OCTETS), kind, material)
        made = _new_file(settings.store, FILE_OCTETS)
        try:
            disk = OpenFile(made)
            disk.write(0, head.encode())
            ring.generation = _begin_counter(settings, key, tpm)
            store = Store(disk, key, head.bound, arena, random)
            store.save(ring)
            store.save(ring)
            os.fsync(made)
        finally:
            os.close(made)
        sync_folder(settings.store.parent)
    except (process.CannotOpen, StoreError) as fault:
        raise Fault(str(fault), "see [vault] in docs/vault.md", Exit.FAILED) from None
    finally:
        if tpm is not None:
            tpm.close()
        arena.wipe()
    return kind


def _new_key(
    settings: VaultSettings, arena: Arena, random: Callable[[int], bytes], key: memoryview, tpm: Tpm | None
) -> tuple[Kind, bytes]:
    """The best source that the profile names, in the order of :class:`Kind`."""
    if tpm is not None:
        key[:] = random(STORE_KEY_OCTETS)
        return Kind.TPM, tpm.seal(key).octets
    if settings.token:
        key[:] = random(STORE_KEY_OCTETS)
        wrapped = memoryview(bytearray(LARGEST_MATERIAL))
        size = process.ask_token(str(settings.token), "wrap", key, wrapped)
        return Kind.TOKEN, bytes(wrapped[:size])
    made = settings.passphrase is not None and not settings.passphrase.exists()
    if settings.passphrase is not None and made:
        _write_passphrase(settings.passphrase, random)
    cost = source.COST_OF_RANDOM if made else source.COST_OF_WORDS
    material = random(source.SALT_OCTETS) + bytes((cost,))
    process.read_passphrase(str(settings.passphrase or ""), arena, material, key)
    return Kind.PASSPHRASE, material


def _write_passphrase(path: Path, random: Callable[[int], bytes]) -> None:
    """32 random octets as text, for nobody's eyes but root's."""
    try:
        made = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.write(made, random(STORE_KEY_OCTETS).hex().encode() + b"\n")
            os.fsync(made)
        finally:
            os.close(made)
    except OSError as fault:
        raise Fault(f"{path}: cannot be made: {fault.strerror}", "check the folder's rights and space") from None


def _begin_counter(settings: VaultSettings, key: memoryview, tpm: Tpm | None) -> int:
    if tpm is not None:
        in_tpm = TpmCounter(tpm, settings.tpm_index, key)
        try:
            in_tpm.begin()
        except TpmError as fault:
            if fault.code == RC_NV_DEFINED:
                raise Fault(
                    f"TPM index 0x{settings.tpm_index:08X} is defined already",
                    "choose another tpm-index, or remove that one: tpm2_nvundefine",
                    Exit.REFUSED,
                ) from None
            raise
        return in_tpm.value()
    if settings.counter is None:
        raise process.CannotOpen("the profile names no counter: [vault] counter")
    made = _new_file(settings.counter, COUNTER_OCTETS)
    try:
        counter = FileCounter(OpenFile(made), key)
        counter.write(0, 0)
        os.fsync(made)
        return counter.value()
    finally:
        os.close(made)
        sync_folder(settings.counter.parent)


def _new_file(path: Path, octets: int) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        made = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        os.posix_fallocate(made, 0, octets)
    except FileExistsError:
        raise Fault(
            f"{path}: is there already",
            "a vault is made once; take its keys out of use at the bank before you remove it",
            Exit.REFUSED,
        ) from None
    except OSError as fault:
        raise Fault(f"{path}: cannot be made: {fault.strerror}", "check the folder's rights and space") from None
    return made


def _public(path: Path) -> bytes:
    try:
        key = load_pem_public_key(path.read_bytes())
    except (OSError, ValueError):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise Fault(f"{path}: not a custodian's public key", "openssl genpkey -algorithm ed25519; openssl pkey -pubout")
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)
