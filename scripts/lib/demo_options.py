# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""The options of the demonstration and the lab, and which of them do not go together. Plays nothing."""

import argparse


def begun_parser(name: str, examples: str, **endings: str) -> argparse.ArgumentParser:
    """The options that every demonstration of a payment has; ``endings`` are more of those of which one is chosen."""
    parser = argparse.ArgumentParser(
        prog=f"scripts/{name}",
        description=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--wrong-pin", action="store_true", help="the cardholder types a wrong PIN")
    kind.add_argument("--tampered-arqc", action="store_true", help="one bit of the card's cryptogram is changed")
    for ending, words in endings.items():
        kind.add_argument(f"--{ending}", action="store_true", help=words)
    parser.add_argument("--amount", default="42.00", help="amount (default 42.00)")
    parser.add_argument("--currency", default="EUR", help="alphabetic code (default EUR)")
    parser.add_argument("--json", action="store_true", help="the same as data, one JSON document a line")
    parser.add_argument("--trace", action="store_true", help="the bytes of every wire, redacted by type")
    parser.add_argument("--keep", action="store_true", help="leave it running for your own commands")
    return parser


def alone(parser: argparse.ArgumentParser, options: argparse.Namespace, mode: str, *understood: str) -> None:
    """Refuse what was asked for beside ``mode``, which would look at ``understood`` and at nothing else."""
    for name, value in vars(options).items():
        if name not in (mode, *understood) and value != parser.get_default(name):
            parser.error(f"--{mode}: --{name.replace('_', '-')} changes nothing there; leave it out")
