# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""``terminal-agent technician``: take grants, list them, let a technician in. Does none of what they are let in for."""

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

from protocols.errors import ProtocolError
from protocols.identity.grants import LARGEST_GRANT, WORDS, Action, to_be_answered
from terminal_agent.cli.client import AgentClient, add_socket_option, socket_path
from tillguard.exits import Exit
from tillguard.settings import without_waiting
from tillguard.voice import Fault, Voice

if TYPE_CHECKING:
    from protocols.ed25519 import SigningKey

Call = Callable[..., Awaitable[Any]]

EXAMPLES = """\
examples:
  terminal-agent technician take tess.grant
  terminal-agent technician list
  terminal-agent technician enter "Tess Till" diagnostics --key tess.pem
  terminal-agent technician enter "Tom Till" devices               asks for the code of the phone
  terminal-agent technician enter "Tom Till" recover --profile terminal.toml      where the agent is stopped

No line to head office is needed, and there is no password. Whoever is let in stands in the terminal's audit log.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.description = EXAMPLES
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    _verb(verbs, "take", "keep a grant that head office signed").add_argument("grant", type=Path, metavar="FILE")
    _verb(verbs, "list", "the grants that hold now")
    _verb(verbs, "tidy", "remove the grants that are over")
    enter = _verb(verbs, "enter", "let a technician in, by key or by the phone's code")
    enter.add_argument("person", metavar="PERSON", help="the technician's name as in the grant")
    enter.add_argument("action", choices=list(Action), help="; ".join(f"{one}: {WORDS[one]}" for one in Action))
    enter.add_argument("--key", type=Path, metavar="FILE", help="the technician's private key; without it, a code")
    enter.add_argument("--code-file", type=Path, metavar="FILE", help="the code; without it, it is asked for")


def run(options: argparse.Namespace) -> int:
    """One verb."""
    voice = Voice("terminal-agent", as_json=options.json)
    talk = _VERBS[options.verb]
    if options.profile is not None:
        from terminal_agent.processes.door import with_stopped_agent

        asyncio.run(with_stopped_agent(options.profile, lambda call: talk(options, call, voice)))
        return int(Exit.OK)
    with AgentClient(socket_path(options.socket)) as agent:

        async def call(method: str, **parameters: object) -> Any:
            return agent.call(method, **parameters)

        asyncio.run(talk(options, call, voice))
    return int(Exit.OK)


def _verb(verbs: Any, name: str, words: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = verbs.add_parser(name, help=words, allow_abbrev=False)
    parser.add_argument("--profile", type=Path, metavar="FILE", help="of a terminal whose agent is stopped")
    parser.add_argument("--json", action="store_true", help="the answer as JSON")
    add_socket_option(parser)
    return parser


async def _take(options: argparse.Namespace, call: Call, voice: Voice) -> None:
    taken = await call("technician.take", grant=_octets(options.grant).hex())
    voice.answer(taken, f"{taken['person']} may: {', '.join(taken['actions'])}")


async def _list(_: argparse.Namespace, call: Call, voice: Voice) -> None:
    found = await call("technician.list")
    lines = [f"{one['person']}, by {one['by']}: {', '.join(one['actions'])}" for one in found["grants"]]
    if locked := found["locked_ms"]:
        lines.append(f"locked for {-(-locked // 1000)} s after wrong tries")
    voice.answer(found, "\n".join(lines) or "no grant holds: nobody is let in")


async def _tidy(_: argparse.Namespace, call: Call, voice: Voice) -> None:
    gone = await call("technician.tidy")
    voice.answer(gone, f"{gone['removed']} grants removed")


async def _enter(options: argparse.Namespace, call: Call, voice: Voice) -> None:
    who = {"person": options.person, "action": options.action}
    if options.key is None:
        entered = await call("technician.code", **who, code=_code(options))
    else:
        key = _key(options.key)
        hello = {} if options.profile is not None else await call("system.hello")
        terminal = hello.get("terminal") or _terminal(options.profile)
        challenge = bytes.fromhex((await call("technician.challenge"))["challenge"])
        signature = key.sign(to_be_answered(terminal, Action(options.action), challenge))
        entered = await call("technician.answer", **who, signature=signature.hex())
    granted = ", ".join(entered["granted_by"])
    voice.answer(entered, f"{entered['person']} is let in for {entered['action']}; granted by {granted}")


def _terminal(path: Path) -> str:
    from terminal_agent.processes.profile import load

    return load(path).terminal.id


def _key(path: Path) -> "SigningKey":
    from protocols.ed25519 import SigningKey

    try:
        return SigningKey(_octets(path), None, str(path))
    except ProtocolError as fault:
        raise Fault(str(fault), "the technician's private key, Ed25519 in PEM, not enciphered", Exit.USAGE) from None


def _code(options: argparse.Namespace) -> str:
    if options.code_file is not None:
        return _octets(options.code_file).decode("utf-8", "replace").strip()
    sys.stderr.write("code: ")
    sys.stderr.flush()
    return sys.stdin.readline().strip() if sys.stdin is not None else ""


def _octets(path: Path) -> bytes:
    try:
        with open(path, "rb", opener=without_waiting) as file:
            return file.read(LARGEST_GRANT + 1)
    except OSError as fault:
        raise Fault(f"{path}: {fault.strerror}", "name the file that holds it", Exit.USAGE) from None


_VERBS: dict[str, Callable[[argparse.Namespace, Call, Voice], Coroutine[Any, Any, None]]] = {
    "take": _take,
    "list": _list,
    "tidy": _tidy,
    "enter": _enter,
}
