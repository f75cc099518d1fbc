# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Arguments that several of head office's commands have. Runs no command."""

import argparse
from pathlib import Path

DEFAULT_SETTINGS = Path("office.toml")


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
