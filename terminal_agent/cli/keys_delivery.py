# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The verbs of ``terminal-agent keys`` for keys by certificates (TR-34). They carry files; the vault judges them.

Tokens travel in a folder that goes back and forth between terminal and key distribution host: ``device.ct`` and
``device.rt`` go to the host, ``host.ct`` and ``key.kt`` come from it. Nothing in it is secret.
"""

import argparse
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from protocols.vault import Bind, Binding, Certify, LoadToken, Request, RequestCredential
from tillguard.exits import Exit
from tillguard.voice import Fault, Voice

Call = Callable[..., Awaitable[Any]]
Approve = Callable[[Request, Sequence[Path], Call], Awaitable[str]]
NEW_CREDENTIAL, RANDOM, HOST, ANOTHER_HOST, NO_HOST = "device.ct", "device.rt", "host.ct", "host.rbt", "host.ubt"
LARGEST_FILE = 12_000  # octets: a token has some 3,000, a certificate in PEM some 2,000
VERBS = ("credential", "certify", "ask", "bind")
_BINDINGS = {
    "bind": (Binding.BIND, HOST),
    "rebind": (Binding.REBIND, ANOTHER_HOST),
    "unbind": (Binding.UNBIND, NO_HOST),
}


def configure(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Options of the verbs; ``add`` makes one."""
    asked = add("credential", "a new RSA key in the vault, and the request for its certificate", approved=True)
    asked.add_argument("--subject", required=True, metavar="NAME", help="as CN=terminal 42,O=Shop")
    asked.add_argument("--out", type=Path, required=True, metavar="FILE", help="where the request goes, in PEM")
    certified = add("certify", "the vault's certificate, and the authority of hosts", approved=True)
    certified.add_argument("--certificate", type=Path, required=True, metavar="PEM", help="of the vault's key")
    certified.add_argument("--hosts", type=Path, required=True, metavar="PEM", help="of the authority of hosts")
    bound = add("bind", "take the host of FOLDER/host.ct", approved=True)
    bound.add_argument("folder", type=Path, metavar="FOLDER", help="with the host's token")
    bound.add_argument("--rebind", action="store_true", help="another host, which the present one names: host.rbt")
    bound.add_argument("--unbind", action="store_true", help="no host any more, which the present one says: host.ubt")
    ask = add("ask", "what the host needs for a key: FOLDER/device.ct, and once bound device.rt")
    ask.add_argument("folder", type=Path, metavar="FOLDER", help="to be taken to the host")


async def credential(options: argparse.Namespace, call: Call, voice: Voice, approve: Approve) -> None:
    """Make the key; write the request."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    if options.out.is_dir() or not options.out.absolute().parent.is_dir():
        raise Fault(f"{options.out}: cannot be written", "name a file, in a folder that is there", Exit.USAGE)
    signed = await approve(RequestCredential(options.subject), options.approve, call)
    found = await call("keys.credential", subject=options.subject, approvals=signed)
    made = x509.load_der_x509_csr(bytes.fromhex(found["request"]))
    _write(options.out, made.public_bytes(Encoding.PEM))
    voice.answer(
        {"wrote": str(options.out)},
        f"{options.out}: have the devices' authority certify it, then: terminal-agent keys certify",
    )


async def certify(options: argparse.Namespace, call: Call, voice: Voice, approve: Approve) -> None:
    """Give the certificates in."""
    own, hosts = _der(options.certificate), _der(options.hosts)
    signed = await approve(Certify(own, hosts), options.approve, call)
    found = await call("keys.certify", certificate=own.hex(), hosts=hosts.hex(), approvals=signed)
    voice.answer(found, found["words"])


async def bind(options: argparse.Namespace, call: Call, voice: Voice, approve: Approve) -> None:
    """Give the host's token in."""
    if options.rebind and options.unbind:
        raise Fault("--rebind and --unbind: one of them", "see: terminal-agent keys bind --help", Exit.USAGE)
    how, name = _BINDINGS["rebind" if options.rebind else "unbind" if options.unbind else "bind"]
    token = _read(options.folder / name)
    signed = await approve(Bind(how, token), options.approve, call)
    found = await call("keys.bind", how=int(how), token=token.hex(), approvals=signed)
    voice.answer(found, found["words"])


async def ask(options: argparse.Namespace, call: Call, voice: Voice, approve: Approve) -> None:
    """Write what the host needs."""
    wrote = [options.folder / NEW_CREDENTIAL]
    _write(wrote[0], bytes.fromhex((await call("keys.announce"))["token"]))
    lines = (await call("keys.status"))["lines"]
    if any(line.startswith("delivery bound ") for line in lines):
        wrote.append(options.folder / RANDOM)
        _write(wrote[1], bytes.fromhex((await call("keys.ask"))["token"]))
    voice.answer({"wrote": [str(path) for path in wrote]}, "\n".join(f"wrote {path}" for path in wrote))


async def load(options: argparse.Namespace, ksn: bytes, call: Call, voice: Voice, approve: Approve) -> None:
    """Give a key token in."""
    token = _read(options.token)
    signed = await approve(LoadToken(options.slot, token, ksn), options.approve, call)
    found = await call("keys.load-token", slot=options.slot, token=token.hex(), ksn=ksn.hex(), approvals=signed)
    voice.answer(found, found["words"])


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            octets = file.read(LARGEST_FILE + 1)
    except OSError as fault:
        raise Fault(f"{path}: cannot be read: {fault.strerror}", "fetch it from the host", Exit.USAGE) from None
    if len(octets) > LARGEST_FILE:
        raise Fault(f"{path}: larger than any token or certificate", "is this the right file?", Exit.USAGE)
    return octets


def _write(path: Path, octets: bytes) -> None:
    try:
        path.write_bytes(octets)
    except OSError as fault:
        raise Fault(f"{path}: cannot be written: {fault.strerror}", "name a folder that is there") from None


def _der(path: Path) -> bytes:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    try:
        return x509.load_pem_x509_certificate(_read(path)).public_bytes(Encoding.DER)
    except ValueError:
        raise Fault(f"{path}: no certificate", "a certificate in PEM", Exit.USAGE) from None
