# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""``terminal-agent usb sign``, ``approve``, ``verify``: persons put their names under policies and exceptions."""

import argparse
import getpass
import sys
from pathlib import Path

from protocols.ed25519 import SigningKey, verify
from protocols.errors import DecodeError, EncodeError, IntegrityError
from protocols.signed import Envelope, Refused, Statement, believe, key_id, read, signers
from protocols.usb.rules import printable
from terminal_agent.cli import usb_files
from terminal_agent.usb.document_text import parse_exception, parse_policy
from terminal_agent.usb.lint import Weight, lint
from terminal_agent.usb.store import EXCEPTION_KIND, LONGEST_EXCEPTION_S, POLICY_KIND
from terminal_agent.usb.trust import load_trust
from tillguard.exits import Exit
from tillguard.voice import Fault, Voice

KINDS = {"policy": POLICY_KIND, "exception": EXCEPTION_KIND}
_DAY_S, _MINUTE_S = 86_400, 60
LARGEST_KEY = 16_384
LARGEST_VERSION = (1 << 53) - 1  # what a signed statement takes


def configure_sign(parser: argparse.ArgumentParser) -> None:
    """Options of ``usb sign``."""
    parser.add_argument("file", type=Path, help="the policy or exception (TOML)")
    parser.add_argument("--kind", choices=tuple(KINDS), default="policy", help="which of the two (default: policy)")
    parser.add_argument("--for", dest="audience", default="*", metavar="TERMINAL", help="for whom (default: * for all)")
    parser.add_argument("--version", type=int, required=True, metavar="N", help="higher than the last one's")
    parser.add_argument("--from", dest="begins", metavar="MOMENT", help="from when (default: now)")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--days", type=int, metavar="N", help="for how long: a policy's default is 365 days")
    length.add_argument("--minutes", type=int, metavar="N", help="for how long: an exception's default is 60 minutes")
    _add_key(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="where the signed file goes")


def run_sign(options: argparse.Namespace, voice: Voice) -> int:
    """The first signature."""
    if not 1 <= options.version <= LARGEST_VERSION:
        raise Fault(f"--version: 1 to {LARGEST_VERSION} expected", "one more than the last one's", Exit.USAGE)
    text = usb_files.text_of(options.file)
    _check(options.kind, text, options.file)
    options.at = options.begins
    begins_s = usb_files.moment(options, "--from").utc_s
    lasts_s = _lasts(options)
    try:
        statement = Statement(
            KINDS[options.kind], options.audience, options.version, begins_s, begins_s + lasts_s, text
        )
        envelope = Envelope(statement.encode())
    except EncodeError as fault:
        raise Fault(str(fault), "correct that option", Exit.USAGE) from None
    return _put_name(envelope, options, options.out, voice)


def configure_approve(parser: argparse.ArgumentParser) -> None:
    """Options of ``usb approve``."""
    parser.add_argument("file", type=Path, help="what another person signed")
    _add_key(parser)
    parser.add_argument("--out", type=Path, metavar="FILE", help="where it goes (default: the same file)")


def run_approve(options: argparse.Namespace, voice: Voice) -> int:
    """One signature more, after showing what is signed."""
    envelope = envelope_of(options.file)
    statement = _statement(envelope, options.file)
    _check("policy" if statement.kind == POLICY_KIND else "exception", statement.body, options.file)
    if not options.json:
        voice.tell(_words(statement))
        voice.tell(statement.body if statement.body.isprintable() else printable_lines(statement.body))
    return _put_name(envelope, options, options.out or options.file, voice)


def configure_verify(parser: argparse.ArgumentParser) -> None:
    """Options of ``usb verify``."""
    parser.add_argument("file", type=Path, help="a signed policy or exception")
    parser.add_argument("--trust", type=Path, required=True, metavar="FILE", help="trust.toml: whose signatures count")
    parser.add_argument("--terminal", default="", metavar="ID", help="whether it is for this terminal")
    parser.add_argument("--at", metavar="MOMENT", help="as at this moment (default: now)")


def run_verify(options: argparse.Namespace, voice: Voice) -> int:
    """Exit code 6 where it is not to be believed, with the reason."""
    envelope, trust = envelope_of(options.file), load_trust(options.trust)
    statement = _statement(envelope, options.file)
    names = [person.name for person in signers(envelope, trust, verify)]
    try:
        believed = believe(
            envelope,
            trust,
            verify,
            kind=statement.kind,
            terminal=options.terminal or statement.audience,
            now_s=usb_files.moment(options).utc_s,
        )
    except Refused as fault:
        raise Fault(
            f"{options.file}: {fault}", f"signed by: {', '.join(names) or 'nobody who is known'}", Exit.INTEGRITY
        ) from None
    except DecodeError as fault:
        raise Fault(f"{options.file}: {fault}", "it was signed by something else than this", Exit.INTEGRITY) from None
    voice.answer(
        {"believed": True, "kind": statement.kind, "for": statement.audience, "version": statement.version,
         "from": statement.from_s, "until": statement.until_s, "persons": list(believed.persons),
         "digest": believed.digest},
        f"{_words(statement)}\nsigned by {' and '.join(believed.persons)}",
    )  # fmt: skip
    return 0


def envelope_of(path: Path) -> Envelope:
    """A signed file; a fault where it is none."""
    try:
        return read(usb_files.text_of(path).encode("utf-8", "surrogateescape"))
    except DecodeError as fault:
        raise Fault(f"{path}: {fault}", "a file that `terminal-agent usb sign` wrote is expected", Exit.USAGE) from None


def printable_lines(text: str) -> str:
    """A text with its line breaks, everything else that is not printable escaped."""
    return "\n".join(line if line.isprintable() else printable(line) for line in text.split("\n"))


def _statement(envelope: Envelope, path: Path) -> Statement:
    try:
        return envelope.unverified
    except DecodeError as fault:
        raise Fault(f"{path}: {fault}", "a file that `terminal-agent usb sign` wrote is expected", Exit.USAGE) from None


def _check(kind: str, text: str, path: Path) -> None:
    """Nobody puts a name under what no terminal would take, or what lint calls an error."""
    if kind == "exception":
        parse_exception(text, path)
        return
    errors = [one for one in lint(parse_policy(text, path), usb_files.now()) if one.weight is Weight.ERROR]
    if errors:
        first = errors[0]
        raise Fault(
            f"{path}: rule {first.rule_id}: {first.words}" if first.rule_id else f"{path}: {first.words}",
            f"{len(errors)} errors; see: terminal-agent usb lint {path}",
            Exit.REFUSED,
        )


def _lasts(options: argparse.Namespace) -> int:
    if options.days is None and options.minutes is None:
        return 365 * _DAY_S if options.kind == "policy" else 60 * _MINUTE_S
    found = options.days * _DAY_S if options.days is not None else options.minutes * _MINUTE_S
    if found < _MINUTE_S or found > 3650 * _DAY_S:
        raise Fault("--days, --minutes: a minute to ten years expected", "correct that option", Exit.USAGE)
    if options.kind == "exception" and found > LONGEST_EXCEPTION_S:
        raise Fault("an exception of more than 72 hours", "what is to stay belongs into the policy", Exit.USAGE)
    return int(found)


def _add_key(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--key", type=Path, required=True, metavar="FILE", help="your private key, Ed25519 in PEM")
    parser.add_argument(
        "--passphrase-file", type=Path, metavar="FILE", help="what the key is enciphered under (default: you are asked)"
    )


def _key(options: argparse.Namespace) -> SigningKey:
    pem = usb_files.text_of(options.key, LARGEST_KEY).encode("utf-8", "surrogateescape")
    passphrase: bytes | None = None
    if options.passphrase_file is not None:
        passphrase = usb_files.text_of(options.passphrase_file, LARGEST_KEY).rstrip("\n").encode()
    elif b"ENCRYPTED" in pem:
        if sys.stdin is None or not sys.stdin.isatty():
            raise Fault(f"{options.key}: is enciphered", "give --passphrase-file, or run it at a terminal", Exit.USAGE)
        passphrase = getpass.getpass(f"passphrase of {options.key}: ").encode()
    try:
        return SigningKey(pem, passphrase, str(options.key))
    except (IntegrityError, DecodeError) as fault:
        raise Fault(str(fault), "openssl genpkey -algorithm ed25519 makes one", Exit.USAGE) from None


def _put_name(envelope: Envelope, options: argparse.Namespace, out: Path, voice: Voice) -> int:
    key = _key(options)
    signed = envelope.signed_by(key.public, key.sign)
    try:
        out.write_bytes(signed.encode())
    except OSError as fault:
        raise Fault(f"{out}: {fault.strerror}", "name a file that can be written", Exit.USAGE) from None
    count = len(signed.signatures)
    voice.answer(
        {"file": str(out), "key": key_id(key.public), "signatures": count},
        f"{out}: signed with key {key_id(key.public)}; {count} signature{'s' if count > 1 else ''}",
    )
    return 0


def _words(statement: Statement) -> str:
    whom = "every terminal" if statement.audience == "*" else statement.audience
    return f"{statement.kind}, version {statement.version}, for {whom}, {_span(statement)}"


def _span(statement: Statement) -> str:
    lasts = statement.until_s - statement.from_s
    return f"for {lasts // _DAY_S} days" if lasts >= _DAY_S else f"for {lasts // _MINUTE_S} minutes"
