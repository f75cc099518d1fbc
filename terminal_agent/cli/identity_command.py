# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""``terminal-agent identity``: apply, read head office's answers, activate, renew. Writes documents; sends none."""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tillguard.exits import Exit
from tillguard.settings import without_waiting
from tillguard.voice import Fault, Voice

if TYPE_CHECKING:
    from terminal_agent.processes.identity import Applicant

EXAMPLES = """\
examples:
  terminal-agent identity apply --profile terminal.toml --out application
  terminal-agent identity take --profile terminal.toml answer
  terminal-agent identity activate --profile terminal.toml --out activation      asks for the merchant's code
  terminal-agent identity show --profile terminal.toml
  terminal-agent identity renew --profile terminal.toml --out renewal

A document goes to head office by any way, a memory stick too (fleet-console enrol); its answer comes back the same way.
The agent may run meanwhile: it takes a new certificate on trial at its next connection.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.description = EXAMPLES
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    _verb(verbs, "show", "where the terminal stands: life, binding, certificates")
    _written(_verb(verbs, "apply", "make a key and an application for a certificate"))
    take = _verb(verbs, "take", "read what head office answered: a review, or the certificate")
    take.add_argument("answer", type=Path, metavar="FILE", help="the answer's document")
    activate = _written(_verb(verbs, "activate", "prove the code that the merchant got by another way"))
    activate.add_argument("--code-file", type=Path, metavar="FILE", help="the code; without it, it is asked for")
    _written(_verb(verbs, "renew", "make the next key; the one in use stands for it"))
    _written(_verb(verbs, "rebind", "apply for the binding that the profile says now"))
    recover = _written(_verb(verbs, "recover", "give up all keys and apply anew; a technician stands for it"))
    recover.add_argument("--technician", type=Path, required=True, metavar="PEM", help="the technician's private key")


def run(options: argparse.Namespace) -> int:
    """One verb."""
    from protocols.errors import ProtocolError
    from terminal_agent.errors import AgentError
    from terminal_agent.processes.identity import applicant

    voice = Voice("terminal-agent", as_json=options.json)
    _must_have_room(getattr(options, "out", None))
    try:
        _VERBS[options.verb](options, applicant(options.profile), voice)
    except AgentError as fault:
        raise Fault(fault.what, fault.hint, Exit.REFUSED) from None
    except ProtocolError as fault:
        raise Fault(str(fault), "is it the document that head office made for this terminal?", Exit.INTEGRITY) from None
    return int(Exit.OK)


def _verb(verbs: Any, name: str, words: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = verbs.add_parser(name, help=words, allow_abbrev=False)
    parser.add_argument("--profile", type=Path, required=True, metavar="FILE", help="the terminal profile")
    parser.add_argument("--json", action="store_true", help="the answer as JSON")
    return parser


def _written(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="where to write the document")
    return parser


def _show(options: argparse.Namespace, terminal: "Applicant", voice: Voice) -> None:
    standing = terminal.enrolment.standing()
    record = standing.record
    document: dict[str, object] = {
        "terminal": record.terminal,
        "life": record.life,
        "binding": record.version,
        "waiting": bool(record.waiting),
        "renewal_due": terminal.enrolment.renewal_due(),
    }
    lines = [f"{record.terminal}: {record.life or 'never applied'}; binding {record.version or 'none'}"]
    for name, found in (("in_use", standing.in_use), ("on_trial", standing.candidate)):
        if found is not None:
            document[name] = {
                "serial": found.serial,
                "ends": found.ends.isoformat(),
                "renewal": found.renewal().isoformat(),
            }
            lines.append(f"{name.replace('_', ' ')}: certificate {found.serial} until {found.ends:%Y-%m-%d %H:%M} UTC")
    if record.waiting:
        lines.append("an application waits for head office's answer")
    voice.answer(document, "\n".join(lines))


def _apply(options: argparse.Namespace, terminal: "Applicant", voice: Voice) -> None:
    _put(options.out, terminal.enrolment.apply(terminal.contract, terminal.model), voice, "fleet-console enrol file")


def _take(options: argparse.Namespace, terminal: "Applicant", voice: Voice) -> None:
    from protocols.identity.documents import LARGEST

    words = terminal.enrolment.take(_octets(options.answer, LARGEST + 1))
    voice.answer({"answer": words}, words)


def _activate(options: argparse.Namespace, terminal: "Applicant", voice: Voice) -> None:
    from protocols.errors import DecodeError

    if options.code_file is not None:
        typed = _octets(options.code_file, 256).decode("utf-8", "replace").strip()
    else:
        sys.stderr.write("activation code: ")
        sys.stderr.flush()
        typed = sys.stdin.readline().strip()
    try:
        activation = terminal.enrolment.activate(typed)
    except DecodeError as fault:
        raise Fault(str(fault), "as the merchant got it, such as P7J4-KB2C-344X-N660", Exit.INTEGRITY) from None
    _put(options.out, activation, voice, "fleet-console enrol activate")


def _renew(options: argparse.Namespace, terminal: "Applicant", voice: Voice) -> None:
    _put(options.out, terminal.enrolment.renew(terminal.model), voice, "fleet-console enrol renew")


def _rebind(options: argparse.Namespace, terminal: "Applicant", voice: Voice) -> None:
    _put(options.out, terminal.enrolment.rebind(terminal.contract, terminal.model), voice, "fleet-console enrol file")


def _recover(options: argparse.Namespace, terminal: "Applicant", voice: Voice) -> None:
    from protocols.errors import DecodeError

    try:
        octets = terminal.enrolment.recover(terminal.contract, terminal.model, options.technician)
    except DecodeError as fault:
        raise Fault(
            str(fault), "the technician's private key: openssl genpkey -algorithm ed25519", Exit.USAGE
        ) from None
    _put(options.out, octets, voice, "fleet-console enrol file")


def _must_have_room(out: Path | None) -> None:
    """Before anything is done: keys must not be given up for a document that nobody can write."""
    if out is not None and not os.access(out.absolute().parent, os.W_OK | os.X_OK):
        raise Fault(f"{out}: its folder cannot be written to", "name another file with --out", Exit.USAGE)


def _put(path: Path, octets: bytes, voice: Voice, next_command: str) -> None:
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644), "wb") as file:
            file.write(octets)
    except OSError as fault:
        raise Fault(f"{path}: {fault.strerror}", "name another file with --out", Exit.USAGE) from None
    voice.answer({"written": str(path)}, f"{path}: written; at head office: {next_command} {path.name}")


def _octets(path: Path, most: int) -> bytes:
    try:
        with open(path, "rb", opener=without_waiting) as file:
            return file.read(most)
    except OSError as fault:
        raise Fault(f"{path}: {fault.strerror}", "name the file that holds it", Exit.USAGE) from None


_VERBS: dict[str, Callable[[argparse.Namespace, "Applicant", Voice], None]] = {
    "show": _show,
    "apply": _apply,
    "take": _take,
    "activate": _activate,
    "renew": _renew,
    "rebind": _rebind,
    "recover": _recover,
}
