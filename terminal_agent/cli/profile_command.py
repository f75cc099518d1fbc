# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""``terminal-agent profile``: begins a profile from one that is known, and reads one as the agent would.

A profile is that of a terminal, a reader or a PIN pad; its content says which. Opens no device.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tillguard.exits import Exit
from tillguard.voice import Fault, Voice

if TYPE_CHECKING:
    from terminal_agent.processes.profile import TerminalProfile

EXAMPLES = """examples:
  terminal-agent profile new pinpad mypad.toml --like ipp-uic
  terminal-agent profile new terminal terminal.toml
  terminal-agent profile validate mypad.toml
  terminal-agent profile check terminal.toml
"""
KINDS = {"terminal": "terminals", "reader": "readers", "pinpad": "pinpads"}
LIKE = {"terminal": "example", "reader": "pn532", "pinpad": "ipp-uic"}


def configure(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.description = EXAMPLES
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    new = verbs.add_parser("new", help="write a new profile that begins as one of ours", allow_abbrev=False)
    new.add_argument("kind", choices=KINDS, help="what the profile is of")
    new.add_argument("file", type=Path, help="the file to write; an existing one is left alone")
    new.add_argument("--like", metavar="MODEL", help="the model to begin with")
    new.add_argument("--json", action="store_true", help="the answer as JSON")
    for verb, summary in (
        ("validate", "say what a profile of any kind means, or what is wrong with it"),
        ("check", "the same, for a terminal's profile"),
    ):
        sub = verbs.add_parser(verb, help=summary, allow_abbrev=False)
        sub.add_argument("file", type=Path, help="the profile")
        sub.add_argument("--json", action="store_true", help="the answer as JSON")


def run(options: argparse.Namespace) -> int:
    """Exit code 0 for a sound profile; a fault names file, key and cure."""
    voice = Voice("terminal-agent", as_json=options.json)
    if options.verb == "new":
        return _new(options, voice)
    kind = "terminal" if options.verb == "check" else _kind(options.file)
    said = {"terminal": _terminal, "reader": _reader, "pinpad": _pinpad}[kind](options.file)
    voice.answer(
        {"file": str(options.file), "sound": True, "kind": kind, **said},
        f"{options.file}: sound\n" + "\n".join(f"  {name:<10}{value}" for name, value in said.items()),
    )
    return 0


def _new(options: argparse.Namespace, voice: Voice) -> int:
    from device_profiles import catalog

    source = catalog.find(KINDS[options.kind], options.like or LIKE[options.kind])
    if not source.is_file():
        raise Fault(f"{source}: no such file", "leave --like out, or name a model of the catalogue", Exit.USAGE)
    if _kind(source) != options.kind:
        raise Fault(f"{source}: no profile of a {options.kind}", "leave --like out, or name another", Exit.USAGE)
    text = source.read_text(encoding="utf-8")
    begun = False
    try:
        with options.file.open("x", encoding="utf-8") as made:
            begun = True
            made.write(text)
    except FileExistsError:
        raise Fault(f"{options.file}: exists already", "choose another name; nothing was changed", Exit.USAGE) from None
    except OSError as fault:
        if begun:  # else the next try would be told that it exists already
            options.file.unlink(missing_ok=True)
        raise Fault(
            f"{options.file}: cannot be written: {fault.strerror}", "choose another place", Exit.USAGE
        ) from None
    voice.answer(
        {"file": str(options.file), "kind": options.kind, "like": source.stem},
        f"{options.file}: begins as {source.stem}; edit it, then: terminal-agent profile validate {options.file}",
    )
    return 0


def _kind(path: Path) -> str:
    """What a profile is of, by its keys; whatever else is wrong with it is for its own reading to say."""
    from device_profiles.catalog import kind_of
    from tillguard.settings import read

    document = read(path)
    if "terminal" in document:
        return "terminal"
    return "pinpad" if kind_of(document, path) == "pinpads" else "reader"


def _terminal(path: Path) -> dict[str, str]:
    from terminal_agent.processes.persons import by_profile, usb_persons
    from terminal_agent.processes.profile import load, models

    profile = load(path)
    found = models(profile, path)
    by_profile(profile)
    usb_persons(profile)
    return {
        "terminal": profile.terminal.id,
        "reader": f"{found.reader.title} on {profile.reader.line}",
        "pad": f"{found.pad.title} on {profile.pad.line}",
        "acquirer": f"{profile.acquirer.address}, {profile.acquirer.dialect}",
        "link": "TLS" if profile.acquirer.tls else "plain, loopback only",
        "account": _account(profile, path),
        "CA keys": f"{len(found.authorities.keys)} of {', '.join(profile.emv.ca_keys) or 'no list'}",
        "broker": profile.report.broker,
        "state": str(profile.terminal.state),
    }


def _account(profile: "TerminalProfile", path: Path) -> str:
    """What becomes of account data; a fault where the vault is to encipher them and has no key for it."""
    if not profile.acquirer.encipher_account:
        return "in clear, inside the link"
    found = [key for key in _keys(profile, path) if key["slot"] == "data" and key["state"] == "serves"]
    if not found:
        raise Fault(
            f"{path}: acquirer.encipher-account: no key serves in the vault's slot data",
            f"terminal-agent keys load data --profile {path} --block FILE, or leave encipher-account out",
            Exit.USAGE,
        )
    return f"enciphered as soon as it is read, by the vault's data key {found[0]['check_value']}"


def _keys(profile: "TerminalProfile", path: Path) -> list[dict[str, Any]]:
    """The vault's inventory: of the running agent's, or of one that is started for this question."""
    from terminal_agent.cli.client import AgentClient
    from terminal_agent.processes.vault_offline import Call, OfflineKeys

    try:
        with AgentClient(profile.terminal.socket) as agent:
            running: list[dict[str, Any]] = agent.call("keys.list")["keys"]
            return running
    except Fault as nobody:
        if nobody.exit_code is not Exit.UNREACHABLE:
            raise

    async def look(call: Call) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await call("keys.list"))["keys"]
        return found

    stopped: list[dict[str, Any]] = OfflineKeys(path, Voice("terminal-agent")).run(look)
    return stopped


def _reader(path: Path) -> dict[str, str]:
    from device_profiles import catalog

    profile = catalog.reader(_as_path(path))
    line = f"{profile.line.baud} baud" if profile.line else f"PC/SC, name {profile.pcsc.name}"
    return {"model": profile.model, "title": profile.title, "protocol": profile.protocol.value, "line": line}


def _pinpad(path: Path) -> dict[str, str]:
    from device_profiles import catalog

    profile = catalog.pinpad(_as_path(path))
    line = f"{profile.line.baud} baud, {profile.line.data_bits} bits, parity {profile.line.parity.value}"
    return {"model": profile.model, "title": profile.title, "protocol": profile.protocol.value, "line": line}


def _as_path(path: Path) -> str:
    """A path that the catalogue cannot take for a model's name."""
    return str(path.absolute())
