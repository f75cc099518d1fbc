# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The simulator put together from settings and state folder: vault, audit, faults, certificates. Opens no port."""

import os
import ssl
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hsm_sim.audit import Audit, AuditError
from hsm_sim.config import Settings, Tls, Token
from hsm_sim.config import Vault as VaultSettings
from hsm_sim.engine.vault import Vault, VaultError
from hsm_sim.engine.vault_seal import LONGEST_PASSPHRASE, SHORTEST_PASSPHRASE, ByPassphrase, Passphrase, Wrapping
from hsm_sim.faults import Injector, Script
from hsm_sim.simulator import REMEMBERED, Simulator
from protocols.errors import DecodeError, IntegrityError, ProtocolError
from tillguard.exits import Exit
from tillguard.settings import load
from tillguard.voice import Fault

AUDIT, VAULT = "audit.jsonl", "vault.db"
OWNER_ONLY = 0o700


def assemble(settings: Settings, stop: Callable[[str, str], None], tell: Callable[[str], None]) -> Simulator:
    """Everything but the sockets; :class:`Fault` where a file is missing, in use, damaged or not for this unit.

    ``stop`` is told when the unit must stop, ``tell`` what its owner should hear.
    """
    script = load(settings.faults, Script) if settings.faults is not None else Script()
    if settings.state is not None:
        _private_folder(settings.state)
    vault = _vault(settings.state, settings.vault) if settings.state is not None else None
    audit = None
    try:
        audit = Audit(_unix_ms, settings.state / AUDIT if settings.state is not None else None, REMEMBERED)
        return Simulator(
            settings,
            random=os.urandom,
            clock=time.monotonic,
            clock_ms=_unix_ms,
            audit=audit,
            vault=vault,
            injector=Injector(script.faults) if script.faults else None,
            stop=stop,
            tell=tell,
        )
    except BaseException as fault:
        if vault is not None:
            vault.close()
        if audit is not None:
            audit.close()
        if isinstance(fault, AuditError):
            raise Fault(str(fault), fault.hint, Exit.INTEGRITY if fault.damaged else Exit.FAILED) from None
        if isinstance(fault, IntegrityError):
            raise Fault(str(fault), "restore the vault from a copy", Exit.INTEGRITY) from None
        if isinstance(fault, ProtocolError | ValueError):
            raise Fault(str(fault), "check the settings", Exit.USAGE) from None
        raise


def tls_context(settings: Tls) -> ssl.SSLContext:
    """The server side of TLS 1.2 and later; with an authority for hosts, only hosts that it knows."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(settings.certificate, settings.key, password=_no_password)
        if settings.client_ca is not None:
            context.load_verify_locations(settings.client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
    except OSError as fault:
        why = "a file cannot be read" if not isinstance(fault, ssl.SSLError) else "not a certificate and its own key"
        raise Fault(f"[tls]: {why}", "check certificate, key (PEM, without passphrase) and client-ca") from None
    return context


def _no_password() -> str:
    raise ssl.SSLError("the key has a passphrase")


def _vault(folder: Path, settings: VaultSettings | None) -> Vault | None:
    path = folder / VAULT
    if settings is None:
        if path.exists():
            raise Fault(f"{path} is there, and nothing to open it with", "add [vault] to the settings", Exit.USAGE)
        return None
    with _faults(path):
        if path.exists():
            return Vault.open(path, lambda words: _wrapping(settings, words), os.urandom)
        return Vault.create(path, _wrapping(settings, None), os.urandom)


@contextmanager
def _faults(path: Path) -> Iterator[None]:
    """What can go wrong with a vault, in a person's words."""
    try:
        yield
    except IntegrityError as fault:
        raise Fault(
            f"{path}: {fault}", "is this the passphrase, or the token, of this vault?", Exit.INTEGRITY
        ) from None
    except VaultError as fault:
        raise Fault(f"{path}: {fault}", fault.hint or "check [vault] and the state folder") from None
    except DecodeError as fault:
        hint = "check [vault] and the state folder; a vault that was damaged is restored from a copy"
        raise Fault(f"{path}: {fault}", hint) from None
    except ProtocolError as fault:  # the token's own
        raise Fault(f"{path}: {fault}", "check [vault.token]: module, token, key and pin-file") from None


def rewrap(now: Settings, new: Settings) -> None:
    """Let the vault of a stopped unit be opened as ``new`` says, in place of as ``now`` says."""
    if now.state is None or now.vault is None or new.vault is None:
        raise Fault("no vault in these settings", "give both files state and [vault]", Exit.USAGE)
    path = now.state / VAULT
    former: list[Wrapping] = []

    def open_former(words: Mapping[str, Any]) -> Wrapping:
        former.append(_wrapping(now.vault, words))
        return former[0]

    with _faults(path):
        vault = Vault.open(path, open_former, os.urandom)
        try:
            vault.rewrap(_wrapping(new.vault, None), former[0])
        finally:
            vault.close()


def _wrapping(settings: VaultSettings | None, stored: Mapping[str, Any] | None) -> Wrapping:
    if settings is None:
        raise VaultError("the settings say nothing that opens it")
    method = "scrypt" if settings.token is None else "pkcs11"
    if stored is not None and stored.get("method") != method:
        raise VaultError(f"it opens by {stored.get('method')}, the settings say {method}")
    if settings.passphrase_file is not None:
        words = _secret(settings.passphrase_file)
        if not SHORTEST_PASSPHRASE <= len(words) <= LONGEST_PASSPHRASE:
            hint = f"choose one of {SHORTEST_PASSPHRASE} to {LONGEST_PASSPHRASE} octets"
            raise Fault(f"{settings.passphrase_file}: too short or too long a passphrase", hint, Exit.USAGE)
        return ByPassphrase(Passphrase(words), os.urandom, stored)
    if settings.token is not None:
        return _by_token(settings.token)
    raise VaultError("the settings say nothing that opens it")


def _by_token(settings: Token) -> Wrapping:
    try:
        from hsm_sim.engine.vault_token import ByToken, TokenPin
    except ImportError:
        raise Fault("no PKCS#11 here", "pip install tillguard[token]", Exit.ABSENT) from None
    if not settings.module.is_file():
        hint = "install the token's library and name it in [vault.token] module (SoftHSM2: libsofthsm2.so)"
        raise Fault(f"{settings.module}: no such file", hint, Exit.ABSENT)
    pin = TokenPin(_secret(settings.pin_file))
    return ByToken(str(settings.module), settings.token, settings.key, pin, os.urandom)


def _secret(path: Path) -> bytearray:
    """A secret's file, which nobody else may read; the end of its line is not part of it."""
    try:
        with path.open("rb", buffering=0) as stored:
            if os.fstat(stored.fileno()).st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise Fault(f"{path} can be read by others", f"run: chmod 600 {path}", Exit.REFUSED)
            found = bytearray(LONGEST_PASSPHRASE + 2)
            size = stored.readinto(found) or 0
    except OSError as fault:
        raise Fault(f"{path}: {fault.strerror}", "check the path", Exit.USAGE) from None
    end = size
    while end and found[end - 1] in b"\r\n":
        end -= 1
    secret = bytearray(memoryview(found)[:end])
    found[:] = bytes(len(found))
    return secret


def _private_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True, mode=OWNER_ONLY)
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise Fault(f"{path} is open to others", f"run: chmod 700 {path}", Exit.REFUSED)
    except OSError as fault:
        raise Fault(f"{path}: {fault.strerror}", "choose another folder with --state") from None


def _unix_ms() -> int:
    return time.time_ns() // 1_000_000
