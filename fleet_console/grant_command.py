# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""`fleet-console grant`: what a technician may do at a terminal, signed by a person. Keeps no secret of theirs."""

import argparse
import base64
import os
import time
from pathlib import Path
from urllib.parse import quote, urlencode

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from fleet_console.files import octets_of, put
from fleet_console.persons import add_key, signing_key
from protocols.errors import DecodeError, EncodeError
from protocols.identity.grants import LONGEST_S, WORDS, Action, Grant, box_context
from protocols.identity.sealed_box import close
from protocols.public_key import public_from_pem
from protocols.signed import Envelope
from protocols.telemetry.topics import is_terminal_name
from tillguard.exits import Exit
from tillguard.voice import Fault, Voice

EXAMPLES = """\
examples:
  fleet-console grant "Tess Till" --terminal TG000001 --action recover --public tess.pub --key ada.key --out tess.grant
  fleet-console grant "Tom Till" --terminal TG000001 --action devices --totp --certificate tg000001.pem --key ada.key \\
      --out tom.grant

The grant goes to the terminal by any way (terminal-agent technician take). A TOTP secret is shown once, for the
technician's phone; in the grant it is enciphered to the terminal's own key.
"""
TOTP_OCTETS = 20
_DAY_S = 86_400


def configure(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    listed = "; ".join(f"{action}: {WORDS[action]}" for action in Action)
    parser.add_argument("person", metavar="PERSON", help="the technician's name, one to four words")
    parser.add_argument("--terminal", required=True, metavar="NAME", help="at which terminal")
    parser.add_argument("--action", action="append", required=True, choices=list(Action), help=f"for what ({listed})")
    proof = parser.add_mutually_exclusive_group(required=True)
    proof.add_argument("--public", type=Path, metavar="FILE", help="the technician's public key, Ed25519 in PEM")
    proof.add_argument("--totp", action="store_true", help="a secret for the technician's phone (RFC 6238)")
    parser.add_argument("--certificate", type=Path, metavar="FILE", help="--totp: the terminal's certificate, PEM")
    parser.add_argument("--days", type=int, default=7, metavar="N", help=f"1 to {LONGEST_S // _DAY_S} (7)")
    parser.add_argument("--version", type=int, default=1, metavar="N", help="number of the grant, for the record (1)")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="where to write the grant")
    parser.add_argument("--json", action="store_true", help="the answer as JSON")
    add_key(parser, needed=True)


def run(args: argparse.Namespace) -> int:
    """Sign it."""
    if not is_terminal_name(args.terminal):
        raise Fault("--terminal: a terminal's name expected", "such as TG000001", Exit.USAGE)
    if not 1 <= args.days <= LONGEST_S // _DAY_S:
        raise Fault(f"--days: 1 to {LONGEST_S // _DAY_S} expected", "a visit and its repetition", Exit.USAGE)
    secret = b""
    if args.totp:
        if args.certificate is None:
            raise Fault("--totp: --certificate expected", "the secret is enciphered to the terminal's key", Exit.USAGE)
        secret = os.urandom(TOTP_OCTETS)
    now_s = time.time_ns() // 1_000_000_000
    try:
        grant = Grant(
            args.person,
            tuple(dict.fromkeys(Action(one) for one in args.action)),
            key=b""
            if args.totp
            else public_from_pem(octets_of(args.public).decode("ascii", "replace"), str(args.public)),
            totp=close(secret, _public_of(args.certificate), box_context(args.terminal, args.person))
            if secret
            else b"",
        )
        statement = grant.statement(args.terminal, args.version, now_s, now_s + args.days * _DAY_S)
        octets_to_sign = statement.encode()
    except (DecodeError, EncodeError) as fault:
        raise Fault(str(fault), "fleet-console grant --help", Exit.USAGE) from None
    key = signing_key(args)
    envelope = Envelope(octets_to_sign).signed_by(key.public, key.sign)
    put(args.out, envelope.encode())
    _say(args, secret, Voice("fleet-console", as_json=args.json))
    return int(Exit.OK)


def _say(args: argparse.Namespace, secret: bytes, voice: Voice) -> None:
    document: dict[str, object] = {"written": str(args.out)}
    words = f"{args.out}: signed for {args.days} days; terminal-agent technician take it at {args.terminal}"
    if secret:
        told = base64.b32encode(secret).decode("ascii")
        label = quote(f"Tillguard {args.terminal}:{args.person}")
        uri = f"otpauth://totp/{label}?{urlencode({'secret': told, 'issuer': 'Tillguard'})}"
        document |= {"secret": told, "uri": uri}
        words += f"\nfor the technician's phone, shown this once:\n  {uri}"
    voice.answer(document, words)


def _public_of(path: Path) -> ec.EllipticCurvePublicKey:
    try:
        found = x509.load_pem_x509_certificate(octets_of(path)).public_key()
    except (ValueError, x509.InvalidVersion):
        raise Fault(
            f"{path}: not a certificate in PEM", "fleet-console enrol show names the terminal's", Exit.USAGE
        ) from None
    if not isinstance(found, ec.EllipticCurvePublicKey) or not isinstance(found.curve, ec.SECP256R1):
        raise Fault(f"{path}: a key on P-256 expected", "terminals' certificates have one", Exit.USAGE)
    return found
