# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""``terminal-agent keys``: the vault's keys by slot and check value. Sees no key, and no custodian's but to sign with.

With ``--socket`` (or nothing) a running agent's vault is asked; with ``--profile`` the vault of a terminal whose agent
is stopped, which the command starts and ends.
"""

import argparse
import getpass
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from protocols.vault import Load, Renew, Request, Rotate, Zeroise, approval_message
from terminal_agent.cli import keys_delivery
from terminal_agent.cli.client import AgentClient, add_socket_option, socket_path
from tillguard.exits import Exit
from tillguard.voice import Fault, Voice

EXAMPLES = """\
examples:
  terminal-agent keys init --profile terminal.toml
  terminal-agent keys load transport --profile terminal.toml --component first.hex --component second.hex
  terminal-agent keys load pin --block pin.keyblock --approve alice.pem --approve bob.pem
  terminal-agent keys ask /media/usb --profile terminal.toml
  terminal-agent keys load pin --token /media/usb/key.kt --ksn FFFF9876543210E00000 --profile terminal.toml
  terminal-agent keys list
  terminal-agent keys verify pin 8F0FC4
  terminal-agent keys rotate mac-master
  terminal-agent keys zeroise --all
  terminal-agent keys renew --approve alice.pem --approve bob.pem

slots: transport, pin, data, mac-master, binding
"""
Call = Callable[..., Awaitable[Any]]
LONGEST_BLOCK = 9_999  # ANSI X9.143:2021: a block says its length in four digits
LARGEST_KEY_FILE = 16_384
LONGEST_BLOCK_FILE = LONGEST_BLOCK + 100  # with blanks and line ends around it


def configure(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.description = EXAMPLES
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    made = verbs.add_parser("init", help="make a vault without keys", allow_abbrev=False)
    made.add_argument("--profile", type=Path, required=True, metavar="FILE", help="the terminal profile")
    made.add_argument("--json", action="store_true", help="the answer as JSON")
    _verb(verbs, "list", "every key by slot, usage and check value")
    _verb(verbs, "status", "the vault's phase, fences, counters, and what was destroyed")
    load = _verb(verbs, "load", "a key into a slot; an occupied slot keeps it until it is rotated", approved=True)
    load.add_argument("slot", help="what the key is for")
    load.add_argument("--block", type=Path, metavar="FILE", help="a key block (ANSI X9.143) under the transport key")
    load.add_argument("--token", type=Path, metavar="FILE", help="a key token (TR-34) of the host, only with --profile")
    load.add_argument("--ksn", default="", metavar="HEX", help="initial KSN, where the block does not say it")
    load.add_argument(
        "--component",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="a component of the transport key, hexadecimal; from two persons, only with --profile",
    )
    rotate = _verb(verbs, "rotate", "the waiting key serves, the serving one is destroyed", approved=True)
    rotate.add_argument("slot", help="which")
    zeroise = _verb(verbs, "zeroise", "destroy keys", approved=True)
    zeroise.add_argument("slot", nargs="?", default="", help="which")
    zeroise.add_argument("--all", action="store_true", help="all of them, the transport key too")
    _verb(verbs, "renew", "begin again without keys, after tampering and inspection", approved=True)
    keys_delivery.configure(lambda name, words, **how: _verb(verbs, name, words, **how))
    verify = _verb(verbs, "verify", "whether the key of a slot has that check value")
    verify.add_argument("slot", help="which")
    verify.add_argument("kcv", help="6 or 10 hexadecimal digits")


def _verb(verbs: Any, name: str, words: str, *, approved: bool = False) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = verbs.add_parser(name, help=words, allow_abbrev=False)
    parser.add_argument("--json", action="store_true", help="the answer as JSON")
    parser.add_argument("--profile", type=Path, metavar="FILE", help="of a terminal whose agent is stopped")
    add_socket_option(parser)
    if approved:
        parser.add_argument(
            "--approve",
            type=Path,
            action="append",
            default=[],
            metavar="PEM",
            help="a custodian's private key (Ed25519); given twice, by two persons, where the vault knows custodians",
        )
    return parser


def run(options: argparse.Namespace) -> int:
    """One verb."""
    voice = Voice("terminal-agent", as_json=options.json)
    if options.verb == "init":
        return _init(options, voice)
    talk = _VERBS[options.verb]
    components = getattr(options, "component", [])
    if components and (options.slot != "transport" or options.block or options.token):  # before any vault has them
        raise Fault("--component: only the transport key comes in components", "load others with --block", Exit.USAGE)
    if options.profile is not None:
        from terminal_agent.processes.vault_offline import OfflineKeys

        delivery = options.verb in keys_delivery.VERBS or getattr(options, "token", None) is not None
        OfflineKeys(options.profile, voice, components, delivery=delivery).run(lambda call: talk(options, call, voice))
        return int(Exit.OK)
    if components:
        raise Fault("--component: only with --profile", "stop the agent: components are read by the vault", Exit.USAGE)
    import asyncio

    with AgentClient(socket_path(options.socket)) as agent:

        async def call(method: str, **parameters: object) -> Any:
            return agent.call(method, **parameters)

        asyncio.run(talk(options, call, voice))
    return int(Exit.OK)


def _init(options: argparse.Namespace, voice: Voice) -> int:
    from terminal_agent.processes import profile, vault_setup

    settings = profile.vault_settings(profile.load(options.profile), options.profile)
    kind = vault_setup.create(settings)
    voice.answer(
        {"store": str(settings.store), "source": kind.value},
        f"{settings.store}: made, without keys; a {kind.value} gives its key\n"
        "load the transport key next: terminal-agent keys load transport --component FILE --component FILE",
    )
    return int(Exit.OK)


async def _list(options: argparse.Namespace, call: Call, voice: Voice) -> None:
    found = await call("keys.list")
    lines = [
        f"{key['slot']:<11} {key['state']:<7} {key['usage']} {key['algorithm']}  {key['check_value']:<10} {key['ksn']}"
        for key in found["keys"]
    ]
    voice.answer(found, "\n".join(lines) or "no keys")


async def _status(options: argparse.Namespace, call: Call, voice: Voice) -> None:
    found = await call("keys.status")
    voice.answer(found, "\n".join(found["lines"]))


async def _load(options: argparse.Namespace, call: Call, voice: Voice) -> None:
    if options.component:
        found = await call("keys.list")
        key = next((one for one in reversed(found["keys"]) if one["slot"] == "transport"), None)
        if key is None:
            why = [line for line in (await call("keys.status"))["lines"] if line.startswith("why ")]
            raise Fault("the transport key was not taken", why[0][4:] if why else "see keys status", Exit.REFUSED)
        voice.answer(key, f"transport {key['check_value']} {key['state']}, of {len(options.component)} components")
        return
    if options.token is not None and options.block is not None:
        raise Fault("--block and --token: one of them", "a key comes in a key block or in a token", Exit.USAGE)
    if options.token is not None:
        await keys_delivery.load(options, _hex(options.ksn), call, voice, _approvals)
        return
    if options.block is None:
        raise Fault("--block: a key block is missing", "name a file with one, or with --token a token", Exit.USAGE)
    block = _key_block(options.block)
    request = Load(options.slot, block, _hex(options.ksn))
    approvals = await _approvals(request, options.approve, call)
    _said(voice, await call("keys.load", slot=options.slot, block=block, ksn=options.ksn, approvals=approvals))


def _key_block(path: Path) -> str:
    try:
        with path.open("rb") as file:
            text = file.read(LONGEST_BLOCK_FILE + 1).decode("ascii").strip()
    except (OSError, UnicodeDecodeError):
        raise Fault(f"{path}: cannot be read as a key block", "one line of text", Exit.USAGE) from None
    if len(text) > LONGEST_BLOCK:
        raise Fault(f"{path}: longer than a key block can be", "one line of text, 9,999 characters at most", Exit.USAGE)
    return text


async def _rotate(options: argparse.Namespace, call: Call, voice: Voice) -> None:
    approvals = await _approvals(Rotate(options.slot), options.approve, call)
    _said(voice, await call("keys.rotate", slot=options.slot, approvals=approvals))


async def _zeroise(options: argparse.Namespace, call: Call, voice: Voice) -> None:
    if bool(options.slot) == options.all:
        raise Fault("say which: a slot, or --all", "terminal-agent keys zeroise pin", Exit.USAGE)
    approvals = await _approvals(Zeroise(options.slot), options.approve, call)
    _said(voice, await call("keys.zeroise", slot=options.slot, approvals=approvals))


async def _verify(options: argparse.Namespace, call: Call, voice: Voice) -> None:
    _hex(options.kcv)
    _said(voice, await call("keys.verify", slot=options.slot, kcv=options.kcv.upper()))


async def _renew(options: argparse.Namespace, call: Call, voice: Voice) -> None:
    approvals = await _approvals(Renew(), options.approve, call)
    _said(voice, await call("keys.renew", approvals=approvals))


async def _credential(options: argparse.Namespace, call: Call, voice: Voice) -> None:
    await keys_delivery.credential(options, call, voice, _approvals)


async def _certify(options: argparse.Namespace, call: Call, voice: Voice) -> None:
    await keys_delivery.certify(options, call, voice, _approvals)


async def _bind(options: argparse.Namespace, call: Call, voice: Voice) -> None:
    await keys_delivery.bind(options, call, voice, _approvals)


async def _ask(options: argparse.Namespace, call: Call, voice: Voice) -> None:
    await keys_delivery.ask(options, call, voice, _approvals)


_VERBS = {
    "list": _list,
    "status": _status,
    "load": _load,
    "rotate": _rotate,
    "zeroise": _zeroise,
    "verify": _verify,
    "renew": _renew,
    "credential": _credential,
    "certify": _certify,
    "bind": _bind,
    "ask": _ask,
}


async def _approvals(request: Request, keys: Sequence[Path], call: Call) -> str:
    """The custodians' signatures, in hexadecimal; nothing where nobody signs."""
    if not keys:
        return ""
    places = _places(await call("keys.status"))
    challenge = bytes.fromhex((await call("keys.challenge"))["challenge"])
    message = approval_message(request, challenge)
    return b"".join(_signed(path, message, places) for path in keys).hex()


def _places(status: dict[str, Any]) -> dict[str, int]:
    found = {}
    for line in status["lines"]:
        name, _, rest = line.partition(" ")
        if name == "custodian":
            place, key = rest.split()
            found[key] = int(place)
    return found


def _signed(path: Path, message: bytes, places: dict[str, int]) -> bytes:
    import hashlib

    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        with path.open("rb") as file:
            octets = file.read(LARGEST_KEY_FILE)
    except OSError as fault:
        raise Fault(f"{path}: cannot be read: {fault.strerror}", "a custodian's own key in PEM", Exit.USAGE) from None
    try:
        word = getpass.getpass(f"passphrase of {path}: ").encode() if b"ENCRYPTED" in octets else None
        key = load_pem_private_key(octets, word)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise Fault(f"{path}: no custodian's key, or another passphrase", "an Ed25519 key in PEM", Exit.USAGE)
    name = hashlib.sha256(key.public_key().public_bytes_raw()).hexdigest()[:8].upper()
    if name not in places:
        raise Fault(f"{path}: its owner is no custodian of this vault", "see: terminal-agent keys status", Exit.REFUSED)
    return bytes((places[name],)) + key.sign(message)


def _hex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise Fault("hexadecimal digits expected", "check value as keys list prints it", Exit.USAGE) from None


def _said(voice: Voice, found: dict[str, Any]) -> None:
    voice.answer(found, found["words"])
