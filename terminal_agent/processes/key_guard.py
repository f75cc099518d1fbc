# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""What a terminal's own private keys are enciphered under: a passphrase that its TPM or its PKCS#11 token gives.

TLS needs the keys in this process, so a TPM cannot keep them to itself. It keeps them from whoever takes the disk: the
passphrase is 32 random octets, and what lies beside the keys opens on this machine, or with this token, alone.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from terminal_agent.durable import replace_whole
from terminal_agent.identity.folder import IdentityError, Passphrase, in_clear
from terminal_agent.identity.settings import IdentitySettings

if TYPE_CHECKING:
    from terminal_agent.sealed.keys.tpm import Tpm

SECRET_OCTETS = 32
LARGEST_WRAPPED = 256  # a nonce, a wrapped secret and a tag have 60 octets
_CURE = "see docs/identity.md, Where the keys lie; what another machine sealed is lost: have the terminal recovered"


def guard_of(settings: IdentitySettings | None, path: Path, random: Callable[[int], bytes] = os.urandom) -> Passphrase:
    """The passphrase, asked for at its first use, made where ``path`` is not there; none where keys lie in clear.

    Calling it raises :class:`IdentityError` where TPM or token does not give it.
    """
    if settings is None or not (settings.tpm or settings.token):
        return in_clear
    kind, known = ("tpm" if settings.tpm else "token"), list[bytes]()

    def passphrase() -> bytes:
        if not known:
            secret = _kept(settings, kind, path) if path.exists() else _made(settings, kind, path, random)
            known.append(secret.hex().encode())
        return known[0]

    return passphrase


def _made(settings: IdentitySettings, kind: str, path: Path, random: Callable[[int], bytes]) -> bytes:
    secret = random(SECRET_OCTETS)
    sealed = _sealed(settings, memoryview(bytearray(secret)))
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_whole(path, f"{kind} {sealed.hex()}\n".encode())
    except OSError as fault:
        raise IdentityError(f"{path}: {fault.strerror}", "free space, check the folder's rights") from None
    return secret


def _kept(settings: IdentitySettings, kind: str, path: Path) -> bytes:
    try:
        found, _, sealed = path.read_text("ascii").strip().partition(" ")
        material = bytes.fromhex(sealed)
    except (OSError, ValueError):
        raise IdentityError(
            f"{path}: cannot be read, or is damaged", "restore it; the keys open with it alone"
        ) from None
    if found != kind:
        raise IdentityError(f"{path}: a {found} keeps the keys' passphrase", f"name it in [identity]: {found} = …")
    return _opened(settings, material)


def _sealed(settings: IdentitySettings, secret: memoryview) -> bytes:
    from terminal_agent.processes.vault import ask_token

    with _in_words():
        if settings.tpm:
            with _tpm(settings.tpm) as tpm:
                return bytes(tpm.seal(secret).octets)
        wrapped = memoryview(bytearray(LARGEST_WRAPPED))
        return bytes(wrapped[: ask_token(str(settings.token), "wrap", secret, wrapped)])


def _opened(settings: IdentitySettings, material: bytes) -> bytes:
    from protocols.tpm2 import Sealed
    from terminal_agent.processes.vault import ask_token

    secret = memoryview(bytearray(SECRET_OCTETS))
    with _in_words():
        if settings.tpm:
            with _tpm(settings.tpm) as tpm:
                tpm.unseal(Sealed(material), secret)
        else:
            ask_token(str(settings.token), "unwrap", memoryview(material), secret)
    return bytes(secret)


@contextmanager
def _tpm(path: str) -> "Iterator[Tpm]":
    from terminal_agent.processes.vault import open_tpm
    from terminal_agent.sealed.arena import open_arena
    from terminal_agent.sealed.fences import LinuxKernel

    arena = open_arena(LinuxKernel())
    tpm = open_tpm(path, arena)
    try:
        yield tpm
    finally:
        tpm.close()
        arena.wipe()


@contextmanager
def _in_words() -> Iterator[None]:
    """What TPM or token refuse, as this room's error."""
    from terminal_agent.processes.vault import CannotOpen
    from terminal_agent.sealed.keys.store import StoreError

    try:
        yield
    except (CannotOpen, StoreError) as fault:
        raise IdentityError(f"the passphrase of the terminal's keys: {fault}", _CURE) from None
