# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Arguments that several of head office's commands have. Runs no command."""

import argparse
import re
from pathlib import Path
from typing import Any

DEFAULT_SETTINGS = Path("office.toml")


def verb_of(verbs: "argparse._SubParsersAction[Any]", name: str, words: str, examples: str) -> argparse.ArgumentParser:
    """A verb's parser; its help begins with those of a command's examples that are the verb's."""
    lines = re.findall(rf"^  fleet-console \S+ {name}\b(?:.*\\\n)*.*$", examples, re.MULTILINE)
    made: argparse.ArgumentParser = verbs.add_parser(
        name, help=words, description="\n".join(["examples:", *lines, "", words]), allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    common(made)
    return made


def common(parser: argparse.ArgumentParser) -> None:
    """``--settings`` and ``--json``."""
    parser.add_argument(
        "--settings",
        type=Path,
        default=DEFAULT_SETTINGS,
        metavar="FILE",
        help=f"head office's settings, TOML ({DEFAULT_SETTINGS})",
    )
    parser.add_argument("--json", action="store_true", help="answer as JSON lines")
