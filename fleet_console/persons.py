# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Persons who give orders: the list of them, and one person's key file. Keeps no key longer than a command runs."""

import argparse
import getpass
import sys
from pathlib import Path

from fleet_console.files import octets_of
from protocols.ed25519 import SigningKey
from protocols.errors import DecodeError, IntegrityError
from protocols.signed import Trust
from protocols.telemetry.orders import read_trust
from tillguard.exits import Exit
from tillguard.voice import Fault

_MAKE = "openssl genpkey -algorithm ed25519 makes one"


def add_key(parser: argparse.ArgumentParser, *, needed: bool) -> None:
    """``--key`` and ``--passphrase-file``."""
    parser.add_argument("--key", type=Path, required=needed, metavar="FILE", help="your private key, Ed25519 in PEM")
    parser.add_argument(
        "--passphrase-file", type=Path, metavar="FILE", help="what the key is enciphered under (default: you are asked)"
    )


def signing_key(args: argparse.Namespace) -> SigningKey:
    """The person's key; raises :class:`Fault` with the cure."""
    pem = octets_of(args.key)
    passphrase: bytes | None = None
    if args.passphrase_file is not None:
        passphrase = octets_of(args.passphrase_file).rstrip(b"\n")
    elif b"ENCRYPTED" in pem:
        if sys.stdin is None or not sys.stdin.isatty():
            raise Fault(f"{args.key}: is enciphered", "give --passphrase-file, or run it at a terminal", Exit.USAGE)
        passphrase = getpass.getpass(f"passphrase of {args.key}: ").encode()
    try:
        return SigningKey(pem, passphrase, str(args.key))
    except (IntegrityError, DecodeError) as fault:
        raise Fault(str(fault), _MAKE, Exit.USAGE) from None


def trust_of(path: Path | None, settings: Path) -> Trust:
    """The list of persons that the settings name; raises :class:`Fault` with the cure."""
    if path is None:
        raise Fault(f"{settings}: trust: missing", "name the list of persons, a JSON file", Exit.USAGE)
    try:
        return read_trust(octets_of(path).decode("utf-8"))
    except (DecodeError, UnicodeDecodeError) as fault:
        raise Fault(f"{path}: {fault}", "see docs/head-office.md, Persons", Exit.USAGE) from None
